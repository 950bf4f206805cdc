# SPDX-License-Identifier: GPL-2.0-only
"""The state machine of an interrupt: four states, an arrow for each edge that the run measured.

An edge usually has several transitions (an interrupt becomes pending by a line, by a register write, by an SGI …); its
cost is their geometric mean over all scenarios, and the same table stands below the drawing in the page.
"""

from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from reports.data import Meter, Report
from reports.html import slug
from reports.numbers import geometric_mean, glyph, is_number, ratio_text, shown
from reports.svg import PALETTE, drawing, margins

STATES = ("inactive", "pending", "active", "active and pending")
_PLACES = {"inactive": (0.13, 0.2), "pending": (0.13, 0.8), "active and pending": (0.87, 0.8), "active": (0.87, 0.2)}
_ALIASES = {
    "active+pending": "active and pending",
    "pending+active": "active and pending",
    "pending and active": "active and pending",
    "active & pending": "active and pending",
}
_HALF_WIDTH, _HALF_HEIGHT = 0.092, 0.06


@dataclass(frozen=True)
class Edge:
    """One edge: states, its transitions, and the geometric mean of their costs in each of the two designs."""

    before: str
    after: str
    transitions: tuple[str, ...]
    operations: tuple[str, ...]
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


def edges(report: Report, meter: Meter) -> list[Edge]:
    """Return the edges between two different states that were measured, in the order of STATES."""
    costs, designs = report.costs(), report.designs()
    found: dict[tuple[str, str], list[str]] = {}
    for name, row in report.described.iterrows():
        before, after = state_name(row["before"]), state_name(row["after"])
        if before and after and before != after:
            found.setdefault((before, after), []).append(str(name))
    result = []
    for before, after in sorted(found, key=lambda pair: (STATES.index(pair[0]), STATES.index(pair[1]))):
        names = found[(before, after)]
        rows = costs[costs.index.get_level_values("transition").isin(names)]
        means = []
        for design in designs[:2]:
            column = (meter.key, design.name)
            means.append(geometric_mean(rows[column]) if column in rows else float("nan"))
        means += [float("nan")] * (2 - len(means))
        if not any(is_number(mean) for mean in means):
            continue
        operations = tuple(dict.fromkeys(report.described["operation"][name] or name for name in names))
        result.append(Edge(before, after, tuple(names), operations, means[0], means[1]))
    return result


def draw(report: Report) -> Figure | None:
    """Draw the state machine with the run's preferred meter."""
    meters = report.meters()
    if not meters or not report.designs():
        return None
    found = edges(report, meters[0])
    if not found:
        return None
    with drawing(9.6, 4.9) as figure:
        margins(figure, (9.6, 4.9), left=0, right=0, top=0, bottom=0)
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_xlim(0, 1)
        axes.set_ylim(0.02, 0.95)
        for edge in found:
            _arrow(axes, edge, len(report.designs()))
        for state, (x, y) in _PLACES.items():
            box = FancyBboxPatch(
                (x - _HALF_WIDTH, y - _HALF_HEIGHT),
                2 * _HALF_WIDTH,
                2 * _HALF_HEIGHT,
                boxstyle="round,pad=0,rounding_size=0.02",
                facecolor=PALETTE["surface"],
                edgecolor=PALETTE["ink"],
                linewidth=1.4,
            )
            axes.add_patch(box)
            words = state.replace(" and ", "\nand ")
            axes.text(x, y, words, ha="center", va="center", fontsize=10.5, fontweight="bold", color=PALETTE["ink"])
        return figure


def _arrow(axes: Any, edge: Edge, designs: int) -> None:
    (x0, y0), (x1, y1) = _PLACES[edge.before], _PLACES[edge.after]
    dx, dy = x1 - x0, y1 - y0
    length = (dx * dx + dy * dy) ** 0.5
    # To the left of the direction of travel, so that the two directions of a pair stand apart.
    nx, ny = -dy / length, dx / length
    diagonal = bool(dx and dy)
    gap = 0.022 if diagonal else 0.03
    ratio = edge.ratio
    colour = {"▼": "candidate", "▲": "reference"}.get(glyph(ratio), "muted")
    start, end = _on_border(x0, y0, dx, dy, nx, ny, gap), _on_border(x1, y1, -dx, -dy, nx, ny, gap)
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=13, linewidth=1.7, color=PALETTE[colour], shrinkA=1, shrinkB=1
        )
    )
    # On diagonals the label sits nearer the start: the two directions and the other diagonal meet in the middle.
    share = 0.29 if diagonal else 0.5
    x, y = start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
    costs = f"{shown(edge.reference)} → {shown(edge.candidate)}" if designs > 1 else shown(edge.reference)
    verdict = f"{glyph(ratio)} {ratio_text(ratio)}" if designs > 1 else ""
    count = f"{len(edge.transitions)} transition{'s' if len(edge.transitions) > 1 else ''}"
    if dx and not dy:
        place = {"ha": "center", "va": "bottom" if ny > 0 else "top"}
        y += 0.012 if ny > 0 else -0.012
    elif dy and not dx:
        place = {"ha": "right" if nx < 0 else "left", "va": "center"}
        x += 0.012 if nx > 0 else -0.012
    else:
        place = {"ha": "center", "va": "center"}
    label = axes.text(
        x,
        y,
        f"{verdict}\n{costs}\n{count}" if verdict else f"{costs}\n{count}",
        fontsize=8.5,
        color=PALETTE["ink"],
        linespacing=1.25,
        url=f"#{edge.anchor}",
        **place,
    )
    if diagonal:
        label.set_bbox(
            {
                "facecolor": PALETTE["surface"],
                "edgecolor": PALETTE[colour],
                "linewidth": 0.8,
                "boxstyle": "round,pad=0.3",
            }
        )


def _on_border(x: float, y: float, dx: float, dy: float, nx: float, ny: float, gap: float) -> tuple[float, float]:
    """Return where a ray from a state's centre, shifted sideways by `gap`, leaves the state's box."""
    side_x, side_y = nx * gap, ny * gap * 1.6
    across = (_HALF_WIDTH - side_x * (1 if dx > 0 else -1)) / abs(dx) if dx else 9.0
    up = (_HALF_HEIGHT - side_y * (1 if dy > 0 else -1)) / abs(dy) if dy else 9.0
    step = min(across, up)
    return x + side_x + dx * step, y + side_y + dy * step
