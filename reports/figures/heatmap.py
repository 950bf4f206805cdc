# SPDX-License-Identifier: GPL-2.0-only
"""Candidate over reference as a heat map.

With few scenarios (a run) the columns are the scenarios and the rows the transitions. A sweep has too many for that:
there each group of transitions gets a small map over the two dimensions that vary most, with the geometric mean over
the rest.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reports.data import SCENARIO, Report
from reports.numbers import geometric_mean, is_number
from reports.svg import PALETTE, band_ink, band_role, drawing

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


def _cell(axes: Any, x: float, y: float, ratio: float, size: float) -> None:
    if not is_number(ratio):
        return
    role = band_role(ratio)
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor=PALETTE[role], edgecolor=PALETTE["surface"], linewidth=1))
    words = f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
    label = axes.text(x + 0.5, y + 0.5, words, ha="center", va="center", fontsize=size, color=PALETTE[band_ink(role)])
    # Cells lie inside the axes; measuring each for the layout would take longer than drawing it.
    label.set_in_layout(False)


def _by_scenario(report: Report, ratios: pd.Series) -> Figure:
    names = list(dict.fromkeys(ratios.index.get_level_values("transition")))
    scenarios = report.scenarios
    values = {(index[:-1], index[-1]): ratio for index, ratio in ratios.items()}
    # Tall lists become side-by-side blocks, so that the map fits a screen.
    blocks = 1 if len(scenarios) > 4 else 2 if len(scenarios) > 1 else 3
    rows = -(-len(names) // blocks)
    with drawing(min(9.6, blocks * (2.3 + 0.75 * len(scenarios))), 0.17 * rows + 0.75) as figure:
        for block, axes in enumerate(np.atleast_1d(figure.subplots(1, blocks))):
            part = names[block * rows : (block + 1) * rows]
            axes.set_xlim(0, len(scenarios))
            axes.set_ylim(rows, 0)
            for row, name in enumerate(part):
                for column, scenario in enumerate(scenarios):
                    _cell(axes, column, row, values.get((scenario, name), float("nan")), 7)
            axes.set_xticks([column + 0.5 for column in range(len(scenarios))])
            axes.set_xticklabels(
                [report.scenario_text(scenario).replace(", ", "\n") or "all" for scenario in scenarios]
            )
            axes.set_yticks([row + 0.5 for row in range(len(part))])
            axes.set_yticklabels(part, fontsize=7)
            axes.xaxis.tick_top()
            axes.tick_params(length=0)
            for spine in axes.spines.values():
                spine.set_visible(False)
        return figure


def _by_group(report: Report, ratios: pd.Series) -> Figure:
    across, down = axes_of(report)
    frame = ratios.dropna().reset_index(name="ratio")
    frame["facet"] = [report.group(name) or name for name in frame["transition"]]
    groups = list(dict.fromkeys(frame["facet"]))[:12]
    columns = min(3, len(groups))
    lines = -(-len(groups) // columns)
    height = len(frame[down].unique())
    with drawing(9.6, lines * (0.3 * height + 0.95)) as figure:
        grid = np.atleast_1d(figure.subplots(lines, columns)).ravel()
        for axes in grid[len(groups) :]:
            axes.set_axis_off()
        for axes, group in zip(grid, groups, strict=False):
            table = facet(frame[frame["facet"] == group].set_index([*SCENARIO, "transition"])["ratio"], across, down)
            axes.set_xlim(0, table.shape[1])
            axes.set_ylim(table.shape[0], 0)
            for row in range(table.shape[0]):
                for column in range(table.shape[1]):
                    _cell(axes, column, row, float(table.iloc[row, column]), 7.5)
            axes.set_title(group)
            axes.set_xticks([column + 0.5 for column in range(table.shape[1])], [str(value) for value in table.columns])
            axes.set_yticks([row + 0.5 for row in range(table.shape[0])], [str(value) for value in table.index])
            axes.set_xlabel(DIMENSION[across])
            axes.set_ylabel(DIMENSION[down])
            axes.tick_params(length=0)
            for spine in axes.spines.values():
                spine.set_visible(False)
        return figure
