# SPDX-License-Identifier: GPL-2.0-only
"""The state machine of an interrupt: four states, an arrow for each edge that the run measured.

An edge usually has several transitions (an interrupt becomes pending by a line, by a register write, by an SGI …); its
cost is their geometric mean over all scenarios, and the same table is below the drawing in the page. What the guest
does itself (acknowledge, EOI) is hardware, the same for every design: no part of any mean, and the whole of some edges.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from matplotlib.figure import Figure

from reports.data import Meter, Report
from reports.drawing import Box, Point, Sheet, Side, text_inches
from reports.html import slug
from reports.numbers import geometric_mean, glyph, is_number, ratio_text, shown

STATES = ("inactive", "pending", "active", "active and pending")
_PLACES = {
    "inactive": (0.145, 0.2),
    "pending": (0.145, 0.8),
    "active and pending": (0.855, 0.8),
    "active": (0.855, 0.2),
}
_ALIASES = {
    "active+pending": "active and pending",
    "pending+active": "active and pending",
    "pending and active": "active and pending",
    "active & pending": "active and pending",
}
_HALF_WIDTH, _HALF_HEIGHT = 0.092, 0.06
_WIDTH, _HEIGHT = 9.6, 4.9


@dataclass(frozen=True)
class Edge:
    """One edge: states, its transitions, and the geometric mean of their costs in each of the two designs.

    hardware: the transitions that are the guest's own, which the means leave out.
    """

    before: str
    after: str
    transitions: tuple[str, ...]
    hardware: tuple[str, ...]
    reference: float
    candidate: float

    @property
    def ratio(self) -> float:
        """Candidate over reference, NaN when one of them was not measured."""
        known = is_number(self.reference) and is_number(self.candidate) and self.reference > 0
        return self.candidate / self.reference if known else float("nan")

    @property
    def anchor(self) -> str:
        """The id of the edge's row in the page."""
        return slug("edge", self.before, self.after)


def state_name(text: str) -> str:
    """Return one of STATES for what the catalogue calls a state, or `` when it is none of them."""
    name = " ".join(text.lower().removesuffix(" in lr").split())
    name = _ALIASES.get(name, name)
    return name if name in STATES else ""


@lru_cache(maxsize=4)
def edges(report: Report, meter: Meter) -> list[Edge]:
    """Return the edges between two different states that were measured, in the order of STATES. Don't change it."""
    designs = report.designs()[:2]
    found: dict[tuple[str, str], list[str]] = {}
    edge_of: dict[str, tuple[str, str]] = {}
    for name, texts in report.described.items():
        before, after = state_name(texts["before"]), state_name(texts["after"])
        if before and after and before != after:
            found.setdefault((before, after), []).append(name)
            if texts["group"] != "guest":
                edge_of[name] = (before, after)
    costs: list[dict[tuple[str, str], list[float]]] = []
    for design in designs:
        by_edge: dict[tuple[str, str], list[float]] = {}
        for key, cost in zip(report.measurements(), report.costs(meter.key, design.name), strict=True):
            if key[-1] in edge_of:
                by_edge.setdefault(edge_of[key[-1]], []).append(cost)
        costs.append(by_edge)
    result = []
    for edge in sorted(found, key=lambda pair: (STATES.index(pair[0]), STATES.index(pair[1]))):
        names = found[edge]
        means = [geometric_mean(by_edge.get(edge, ())) for by_edge in costs] + [float("nan")] * (2 - len(designs))
        hardware = tuple(name for name in names if name not in edge_of)
        if hardware or any(is_number(mean) for mean in means):
            own = tuple(name for name in names if name in edge_of)
            result.append(Edge(*edge, own, hardware, means[0], means[1]))
    return result


def draw(report: Report) -> Figure | None:
    """Draw the state machine with the run's preferred meter."""
    meters = report.meters()
    if not meters or not report.designs():
        return None
    found = edges(report, meters[0])
    if not found:
        return None
    sheet = Sheet(_WIDTH, _HEIGHT)
    for edge in found:
        _arrow(sheet, edge, len(report.designs()))
    for state, (x, y) in _PLACES.items():
        middle, half = _inches(x, y), (_HALF_WIDTH * _WIDTH, _HALF_HEIGHT * _HEIGHT)
        box = (middle[0] - half[0], middle[1] - half[1], 2 * half[0], 2 * half[1])
        sheet.polygons([_rounded(box, 0.14)], "surface", "ink", 1.4)
        sheet.words([(*middle, state.replace(" and ", "\nand "))], 10.5, across="center", bold=True)
    return sheet.figure


def _inches(x: float, y: float) -> Point:
    """Return the place on the sheet of shares of its width and, from below, its height."""
    return x * _WIDTH, (0.97 - y) * _HEIGHT


def _rounded(box: Box, radius: float) -> list[Point]:
    """Return the corners of a rectangle whose corners are quarters of a circle."""
    left, top, width, height = box
    corners = []
    for x, y, start in ((1, 0, -90), (1, 1, 0), (0, 1, 90), (0, 0, 180)):
        centre = left + radius + x * (width - 2 * radius), top + radius + y * (height - 2 * radius)
        for step in range(5):
            angle = math.radians(start + 22.5 * step)
            corners.append((centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)))
    return corners


def _arrow(sheet: Sheet, edge: Edge, designs: int) -> None:
    (x0, y0), (x1, y1) = _PLACES[edge.before], _PLACES[edge.after]
    dx, dy = x1 - x0, y1 - y0
    length = math.hypot(dx, dy)
    # To the left of the direction of travel, so that the two directions of a pair are drawn apart.
    nx, ny = -dy / length, dx / length
    diagonal = bool(dx and dy)
    gap = 0.022 if diagonal else 0.03
    ratio = edge.ratio
    role = {"▼": "candidate", "▲": "reference"}.get(glyph(ratio), "muted")
    start, end = _on_border(x0, y0, dx, dy, nx, ny, gap), _on_border(x1, y1, -dx, -dy, nx, ny, gap)
    _line_with_head(sheet, _inches(*start), _inches(*end), role, () if edge.transitions else (3, 2))
    # On diagonals the label sits nearer the start: the two directions and the other diagonal meet in the middle.
    share = 0.37 if diagonal else 0.5
    x, y = _inches(start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))
    costs = f"{shown(edge.reference)} → {shown(edge.candidate)}" if designs > 1 else shown(edge.reference)
    number = len(edge.transitions or edge.hardware)
    count = f"{number} transition{'s' if number > 1 else ''}"
    if not edge.transitions:
        lines = ["in hardware", count]
    else:
        lines = [f"{glyph(ratio)} {ratio_text(ratio)}", costs, count] if designs > 1 else [costs, count]
    across: Side = "center"
    down = "center"
    if dx and not dy:
        down, y = ("bottom", y - 0.06) if ny > 0 else ("top", y + 0.06)
    elif dy and not dx:
        across, x = ("right", x - 0.12) if nx < 0 else ("left", x + 0.12)
    else:
        width, height = text_inches(lines, 7.8) + 0.06, 0.145 * len(lines) + 0.07
        sheet.polygons([_rounded((x - width / 2, y - height / 2, width, height), 0.05)], "surface", role, 0.8)
    sheet.words([(x, y, "\n".join(lines))], 8.5, across=across, down=down, url=f"#{edge.anchor}")


def _line_with_head(sheet: Sheet, start: Point, end: Point, role: str, dash: tuple[float, ...]) -> None:
    length = math.dist(start, end)
    ux, uy = (end[0] - start[0]) / length, (end[1] - start[1]) / length
    neck = end[0] - 0.11 * ux, end[1] - 0.11 * uy
    sheet.lines([[start, neck]], role, 1.7, dash)
    sides = [(neck[0] + side * 0.05 * -uy, neck[1] + side * 0.05 * ux) for side in (1, -1)]
    sheet.polygons([[end, *sides]], role)


def _on_border(x: float, y: float, dx: float, dy: float, nx: float, ny: float, gap: float) -> tuple[float, float]:
    """Return where a ray from a state's centre, shifted sideways by `gap`, leaves the state's box."""
    side_x, side_y = nx * gap, ny * gap * 1.6
    across = (_HALF_WIDTH - side_x * (1 if dx > 0 else -1)) / abs(dx) if dx else 9.0
    up = (_HALF_HEIGHT - side_y * (1 if dy > 0 else -1)) / abs(dy) if dy else 9.0
    step = min(across, up)
    return x + side_x + dx * step, y + side_y + dy * step
