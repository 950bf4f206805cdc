# SPDX-License-Identifier: GPL-2.0-only
"""Candidate over reference as a heat map.

With few scenarios (a run) there is a map a GIC version of the catalogue's matrix, edges by kinds of interrupt, and a
list of the transitions outside it; a cell of the matrix is the geometric mean over the states that the edge starts
from. A sweep has too many scenarios for that: there each group of transitions gets a small map over the two dimensions
that vary most, with the geometric mean over the rest.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from reports import matrix
from reports.data import SCENARIO, Report
from reports.numbers import geometric_mean, is_number
from reports.svg import PALETTE, band_ink, band_role, drawing, margins, text_inches

FEW = 8
"""Scenarios that still fit as columns beside their transitions' names."""
DIMENSION = {
    "gic": "GIC version",
    "irqs": "INTIDs",
    "vcpus": "vCPUs",
    "lrs": "list registers",
    "pending": "pending",
    "live": "live LRs",
}


def axes_of(report: Report) -> tuple[str, str]:
    """Return the two scenario dimensions with the most values, the larger first."""
    counts = {name: len({scenario[SCENARIO.index(name)] for scenario in report.scenarios}) for name in SCENARIO}
    order = sorted(SCENARIO, key=lambda name: (-counts[name], SCENARIO.index(name)))
    return order[0], order[1]


def facet(ratios: pd.Series, across: str, down: str) -> pd.DataFrame:
    """Return geometric means: rows `down`, columns `across`."""
    frame = ratios.dropna().reset_index(name="ratio")
    return frame.pivot_table(index=down, columns=across, values="ratio", aggfunc=geometric_mean)


def draw(report: Report) -> Figure | None:
    """Draw the map for the run's preferred meter."""
    meters = report.meters()
    ratios = report.ratios(meters[0].key) if meters else pd.Series(dtype=float)
    if not ratios.notna().any():
        return None
    return _by_scenario(report, ratios) if len(report.scenarios) <= FEW else _by_group(report, ratios)


def _cells(axes: Any, values: dict[tuple[int, int], float], size: float) -> None:
    """Draw cells: (column, row) -> ratio. The cells of one band are one path, which keeps the drawing small."""
    squares: dict[str, list[tuple[int, int]]] = {}
    for place, ratio in values.items():
        if is_number(ratio):
            squares.setdefault(band_role(ratio), []).append(place)
    for role, places in squares.items():
        corners = [(x + dx, y + dy) for x, y in places for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))]
        codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(places)
        style = {"facecolor": PALETTE[role], "edgecolor": PALETTE["surface"], "linewidth": 1, "clip_on": False}
        axes.add_patch(PathPatch(Path(corners, codes), **style))
        for x, y in places:
            ratio = values[(x, y)]
            words = f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
            ink = PALETTE[band_ink(role)]
            label = axes.text(x + 0.5, y + 0.5, words, ha="center", va="center", fontsize=size, color=ink)
            # Cells lie inside the axes; measuring each for the layout would take longer than drawing it.
            label.set_in_layout(False)


def _clean(axes: Any) -> None:
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def matrix_means(ratios: pd.Series) -> dict[int, dict[tuple[str, str], float]]:
    """Return the matrix by GIC version: (edge, kind) -> geometric mean over states and the other dimensions."""
    found: dict[int, dict[tuple[str, str], list[float]]] = {}
    pairs: list[tuple[Any, float]] = list(ratios.items())
    for index, ratio in pairs:
        place = matrix.place(str(index[-1]))
        if place is not None and is_number(ratio):
            found.setdefault(int(index[0]), {}).setdefault((place.edge, place.kind), []).append(ratio)
    return {gic: {key: geometric_mean(values) for key, values in own.items()} for gic, own in sorted(found.items())}


def _by_scenario(report: Report, ratios: pd.Series) -> Figure:
    means = matrix_means(ratios)
    names = matrix.outside(ratios.index.get_level_values("transition"))
    gics = sorted({scenario[0] for scenario in report.scenarios})
    # One cell a GIC version outside the matrix: its scenarios differ in the standing interrupts at most.
    values: dict[tuple[str, int], list[float]] = {}
    pairs: list[tuple[Any, float]] = list(ratios.items())
    for index, ratio in pairs:
        values.setdefault((str(index[-1]), int(index[0])), []).append(ratio)
    single = {key: geometric_mean(own) for key, own in values.items()}
    names = [name for name in names if any(is_number(single.get((name, gic))) for gic in gics)]
    edges = list(dict.fromkeys(edge for own in means.values() for edge, _ in own))
    kinds = [kind for kind in matrix.kinds() if any(kind == own_kind for own in means.values() for _, own_kind in own)]
    blocks = 3 if len(names) > 24 else 2 if len(names) > 8 else 1
    rows = -(-len(names) // blocks)
    heights = [0.175 * len(edges) + 0.8] if edges else []
    heights += [0.175 * rows + 0.45] if names else []
    with drawing(9.6, sum(heights) + 0.1) as figure:
        parts: Any = np.atleast_1d(np.asarray(figure.subfigures(len(heights), 1, height_ratios=heights)))
        if edges:
            left = text_inches(edges, 7)
            margins(parts[0], (9.6, heights[0]), (1, len(means)), left, 0.05, 0.78, 0.05, across=0.1)
            grid = np.atleast_1d(parts[0].subplots(1, len(means), sharey=True))
            for axes, (gic, own) in zip(grid, means.items(), strict=True):
                _matrix(axes, gic, own, edges, kinds)
        if names:
            left = text_inches(names, 7)
            margins(parts[-1], (9.6, heights[-1]), (1, blocks), left, 0.05, 0.3, 0.05, across=left)
            grid = np.atleast_1d(parts[-1].subplots(1, blocks))
            for block, axes in enumerate(grid):
                _list(axes, names[block * rows : (block + 1) * rows], rows, gics, single)
        return figure


def _matrix(axes: Any, gic: int, own: dict[tuple[str, str], float], edges: list[str], kinds: list[str]) -> None:
    axes.set_xlim(0, len(kinds))
    axes.set_ylim(len(edges), 0)
    cells = {
        (column, row): own.get((edge, kind), float("nan"))
        for row, edge in enumerate(edges)
        for column, kind in enumerate(kinds)
    }
    _cells(axes, cells, 6.5)
    axes.set_xticks(
        [column + 0.5 for column in range(len(kinds))], [kind.replace("_", "\n") for kind in kinds], fontsize=7
    )
    axes.set_yticks([row + 0.5 for row in range(len(edges))], edges, fontsize=7)
    axes.xaxis.tick_top()
    axes.set_title(f"GICv{gic}")
    _clean(axes)


def _list(axes: Any, names: list[str], rows: int, gics: list[int], values: dict[tuple[str, int], float]) -> None:
    axes.set_xlim(0, len(gics))
    axes.set_ylim(rows, 0)
    cells = {
        (column, row): values.get((name, gic), float("nan"))
        for row, name in enumerate(names)
        for column, gic in enumerate(gics)
    }
    _cells(axes, cells, 6.5)
    axes.set_xticks([column + 0.5 for column in range(len(gics))], [f"GICv{gic}" for gic in gics], fontsize=7)
    axes.set_yticks([row + 0.5 for row in range(len(names))], names, fontsize=7)
    axes.xaxis.tick_top()
    _clean(axes)


def _by_group(report: Report, ratios: pd.Series) -> Figure:
    across, down = axes_of(report)
    frame = ratios.dropna().reset_index(name="ratio")
    frame["facet"] = [report.group(name) or name for name in frame["transition"]]
    groups = list(dict.fromkeys(frame["facet"]))[:12]
    columns = min(3, len(groups))
    lines = -(-len(groups) // columns)
    height = len(frame[down].unique())
    size = (9.6, lines * (0.3 * height + 0.95))
    with drawing(*size) as figure:
        margins(figure, size, (lines, columns), left=0.65, top=0.3, bottom=0.5, across=0.65, between=0.9)
        grid = np.atleast_1d(figure.subplots(lines, columns)).ravel()
        for axes in grid[len(groups) :]:
            axes.set_axis_off()
        for axes, group in zip(grid, groups, strict=False):
            table = facet(frame[frame["facet"] == group].set_index([*SCENARIO, "transition"])["ratio"], across, down)
            axes.set_xlim(0, table.shape[1])
            axes.set_ylim(table.shape[0], 0)
            ratios_of = table.to_numpy(float).tolist()
            _cells(axes, {(x, y): ratio for y, line in enumerate(ratios_of) for x, ratio in enumerate(line)}, 7.5)
            axes.set_title(group)
            axes.set_xticks([column + 0.5 for column in range(table.shape[1])], [str(value) for value in table.columns])
            axes.set_yticks([row + 0.5 for row in range(table.shape[0])], [str(value) for value in table.index])
            axes.set_xlabel(DIMENSION[across])
            axes.set_ylabel(DIMENSION[down])
            _clean(axes)
        return figure
