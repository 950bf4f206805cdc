# SPDX-License-Identifier: GPL-2.0-only
"""Candidate over reference as a heat map.

With few scenarios (a run) there is one map per GIC version of the catalogue's matrix, edges by kinds of interrupt. The
transitions outside it are a list; a cell of the matrix is the geometric mean over the states that the edge starts
from. A sweep has too many scenarios for that: there each group of transitions gets a small map over the two dimensions
that vary most, with the geometric mean over the rest.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from reports import matrix
from reports.data import NAN, SCENARIO, Key, Report
from reports.drawing import Panel, Sheet, text_inches
from reports.numbers import geometric_mean, is_number
from reports.scaling import DIMENSION
from reports.svg import band_ink, band_role

FEW = 8
"""Scenarios that still fit as columns beside their transitions' names."""
MOST_GROUPS = 12
ROW = 0.175
"""Inches a row of the matrix and of the list."""

Ratios = list[tuple[Key, float]]
Cells = dict[tuple[Any, Any], float]


def axes_of(report: Report) -> tuple[str, str]:
    """Return the two scenario dimensions with the most values, the larger first."""
    counts = {name: len({scenario[place] for scenario in report.scenarios}) for place, name in enumerate(SCENARIO)}
    order = sorted(SCENARIO, key=lambda name: (-counts[name], SCENARIO.index(name)))
    return order[0], order[1]


def draw(report: Report) -> Figure | None:
    """Draw the map for the run's preferred meter."""
    meters = report.meters()
    ratios = report.ratios(meters[0].key) if meters else []
    known = [(key, ratio) for key, ratio in zip(report.measurements(), ratios, strict=False) if is_number(ratio)]
    # What the guest does itself is hardware, the same for every design.
    known = [(key, ratio) for key, ratio in known if report.group(key[-1]) != "guest"]
    if not known:
        return None
    return _by_scenario(report, known) if len(report.scenarios) <= FEW else _by_group(report, known)


def _map(
    sheet: Sheet,
    panel: Panel,
    columns: Sequence[str],
    rows: Sequence[str],
    cells: Mapping[tuple[int, int], float],
    size: float = 6.5,
) -> None:
    """Draw cells (column, row) -> ratio with headings above and names on the left; a band's cells are one path."""
    width, height = panel.width / len(columns), panel.height / len(rows)
    bands: dict[str, list[tuple[int, int]]] = {}
    inks: dict[str, list[tuple[float, float, str]]] = {}
    for place, ratio in cells.items():
        if is_number(ratio):
            role = band_role(ratio)
            bands.setdefault(role, []).append(place)
            x, y = panel.left + (place[0] + 0.5) * width, panel.top + (place[1] + 0.5) * height
            inks.setdefault(band_ink(role), []).append((x, y, f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"))
    for role, places in bands.items():
        boxes = [(panel.left + x * width, panel.top + y * height, width, height) for x, y in places]
        sheet.boxes(boxes, role, width=1)
    for ink, labels in inks.items():
        sheet.words(labels, size, ink, "center")
    middles = [panel.left + (column + 0.5) * width for column in range(len(columns))]
    heads = [(x, panel.top - 0.04, name) for x, name in zip(middles, columns, strict=True)]
    sheet.words(heads, 7, "muted", "center", "bottom")
    names = [(panel.left - 0.06, panel.top + (row + 0.5) * height, name) for row, name in enumerate(rows)]
    sheet.words(names, 7, "muted", "right")


def matrix_means(ratios: Ratios) -> dict[int, dict[tuple[str, str], float]]:
    """Return the matrix by GIC version: (edge, kind) -> geometric mean over states and the other dimensions."""
    found: dict[int, dict[tuple[str, str], list[float]]] = {}
    for key, ratio in ratios:
        place = matrix.place(key[-1])
        if place is not None:
            found.setdefault(int(key[0]), {}).setdefault((place.edge, place.kind), []).append(ratio)
    return {gic: {key: geometric_mean(values) for key, values in own.items()} for gic, own in sorted(found.items())}


def _by_scenario(report: Report, ratios: Ratios) -> Figure:
    means = matrix_means(ratios)
    gics = sorted({scenario[0] for scenario in report.scenarios})
    # One cell a GIC version outside the matrix: its scenarios differ in the standing interrupts at most.
    values: dict[tuple[str, int], list[float]] = {}
    for key, ratio in ratios:
        if matrix.place(key[-1]) is None:
            values.setdefault((key[-1], key[0]), []).append(ratio)
    single = {key: geometric_mean(own) for key, own in values.items()}
    names = list(dict.fromkeys(name for name, _ in single))
    edges = list(dict.fromkeys(edge for own in means.values() for edge, _ in own))
    kinds = [kind for kind in matrix.kinds() if any(kind == other for own in means.values() for _, other in own)]
    heads = [kind.replace("_", "\n") for kind in kinds]
    blocks = 3 if len(names) > 24 else 2 if len(names) > 8 else 1
    rows = -(-len(names) // blocks)
    above = 0.3 + 0.117 * max((head.count("\n") + 1 for head in heads), default=0)
    height = above + ROW * len(edges) if edges else 0.0
    sheet = Sheet(9.6, height + (0.35 + ROW * rows if names else 0.0) + 0.05)
    if edges:
        left, gap = text_inches(edges, 7), 0.12
        width = (9.55 - left - gap * (len(means) - 1)) / len(means)
        for number, (gic, own) in enumerate(means.items()):
            panel = Panel(left + number * (width + gap), above, width, ROW * len(edges))
            sheet.words([(panel.left, 0.12, f"GICv{gic}")], 9.5, bold=True)
            cells = {
                (column, row): own.get((edge, kind), NAN)
                for row, edge in enumerate(edges)
                for column, kind in enumerate(kinds)
            }
            _map(sheet, panel, heads, edges if not number else [""] * len(edges), cells)
    if names:
        left = text_inches(names, 7) + 0.06
        width = (9.55 - blocks * left) / blocks
        for block in range(blocks):
            listed = names[block * rows : (block + 1) * rows]
            panel = Panel(left + block * (width + left), height + 0.33, width, ROW * len(listed))
            cells = {
                (column, row): single.get((name, gic), NAN)
                for row, name in enumerate(listed)
                for column, gic in enumerate(gics)
            }
            if listed:
                _map(sheet, panel, [f"GICv{gic}" for gic in gics], listed, cells)
    return sheet.figure


def _comparable(maps: list[Cells]) -> dict[tuple[Any, Any], list[float]]:
    """Return each cell's ratios, from the maps that have all cells; from all maps when none has.

    A mean over scenarios that its neighbour does not have would differ from it for that reason alone.
    """
    places = {place for own in maps for place in own}
    whole = [own for own in maps if len(own) == len(places)] or maps
    return {place: [own[place] for own in whole if place in own] for place in sorted(places)}


def _by_group(report: Report, ratios: Ratios) -> Figure:
    across, down = axes_of(report)
    found: dict[str, dict[Key, Cells]] = {}
    x_of, y_of = SCENARIO.index(across), SCENARIO.index(down)
    for key, ratio in ratios:
        rest = tuple(value for place, value in enumerate(key) if place not in (x_of, y_of))
        found.setdefault(report.group(key[-1]) or key[-1], {}).setdefault(rest, {})[key[x_of], key[y_of]] = ratio
    groups = [(group, _comparable(list(own.values()))) for group, own in found.items()][:MOST_GROUPS]
    columns = min(3, len(groups))
    lines = -(-len(groups) // columns)
    most = max(len({y for _, y in own}) for _, own in groups)
    above, below, left, pitch = 0.5, 0.35, 0.65, 0.27
    sheet = Sheet(9.6, lines * (above + most * pitch + below))
    width = (9.55 - columns * left) / columns
    for place, (group, own) in enumerate(groups):
        line, column = divmod(place, columns)
        xs, ys = sorted({x for x, _ in own}), sorted({y for _, y in own})
        top = line * (above + most * pitch + below) + above
        panel = Panel(left + column * (width + left), top, width, pitch * len(ys))
        cells = {(xs.index(x), ys.index(y)): geometric_mean(values) for (x, y), values in own.items()}
        sheet.words([(panel.left, top - 0.33, group)], 9.5, bold=True)
        _map(sheet, panel, [str(x) for x in xs], [str(y) for y in ys], cells, 6.5 if len(xs) > 8 else 7.5)
        sheet.words([(panel.right, top - 0.33, f"{DIMENSION[across]} →")], 7.5, "muted", "right")
        sheet.words([(panel.left - 0.06, panel.bottom + 0.12, f"↑ {DIMENSION[down]}")], 7.5, "muted")
    return sheet.figure
