# SPDX-License-Identifier: GPL-2.0-only
"""How cost grows with one dimension of the grid, the others at their most common value, and where the designs cross."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.data import SCENARIO, Report
from reports.figures.heatmap import DIMENSION
from reports.numbers import is_number
from reports.svg import DASHES, MARKERS, PALETTE, SERIES, drawing, margins

MOST = 12
"""Panels drawn; the table in the page has all curves."""
SCALED = ("vcpus", "irqs", "pending", "lrs", "live")


@dataclass(frozen=True)
class Curve:
    """Cost of one transition along one dimension: `points` holds (value, costs in the order of the designs)."""

    transition: str
    gic: int
    dimension: str
    points: tuple[tuple[float, tuple[float, ...]], ...]

    def growth(self, design: int) -> float:
        """Return the cost at the last point over that at the first, NaN when either is missing or zero."""
        first, last = self.points[0][1][design], self.points[-1][1][design]
        return last / first if is_number(first) and is_number(last) and first > 0 else float("nan")

    def crossings(self) -> list[float]:
        """Return the values of the dimension where candidate and reference cost the same, between measured points.

        Linear between neighbours; a point where both are equal counts when the sign changes across it.
        """
        found = []
        previous: tuple[float, float] | None = None
        for value, costs in self.points:
            if len(costs) < 2 or not (is_number(costs[0]) and is_number(costs[1])):
                continue
            difference = costs[1] - costs[0]
            if difference == 0:
                continue
            if previous is not None and (previous[1] < 0) != (difference < 0):
                share = previous[1] / (previous[1] - difference)
                found.append(previous[0] + share * (value - previous[0]))
            previous = (value, difference)
        return found


@lru_cache(maxsize=8)
def curves(report: Report, meter: str) -> list[Curve]:
    """Return all curves of the run: one a transition, GIC version and dimension that varies. Don't change the list."""
    costs, designs = report.costs(), report.designs()
    if costs.empty or len(report.scenarios) < 2:
        return []
    columns = [(meter, design.name) for design in designs]
    columns = [column for column in columns if column in costs]
    frame = costs[columns].reset_index()
    result = []
    for gic in sorted(frame["gic"].unique()):
        of_gic = frame[frame["gic"] == gic]
        base = report.base_scenario(of_gic[SCENARIO])
        for dimension in SCALED:
            if of_gic[dimension].nunique() < 2:
                continue
            chosen = np.ones(len(of_gic), bool)
            for other in SCALED:
                if other != dimension:
                    chosen &= (of_gic[other] == base[other]).to_numpy()
            rows = of_gic[chosen].sort_values(dimension, kind="stable")
            found: dict[str, list[tuple[float, tuple[float, ...]]]] = {}
            table = rows[columns].to_numpy(float).tolist()
            for name, value, line in zip(rows["transition"], rows[dimension].tolist(), table, strict=True):
                found.setdefault(name, []).append((float(value), tuple(line)))
            for name, points in found.items():
                if len(points) > 1 and any(is_number(cost) for _, line in points for cost in line):
                    result.append(Curve(name, int(gic), dimension, tuple(points)))
    return result


def telling(found: list[Curve], most: int = MOST) -> list[Curve]:
    """Return the curves that differ most between the designs in how they grow, at most four a dimension."""

    def difference(curve: Curve) -> float:
        growths = [curve.growth(design) for design in range(len(curve.points[0][1]))]
        known = [abs(np.log(growth)) for growth in growths if is_number(growth) and growth > 0]
        return (max(known) - min(known)) if len(known) > 1 else 0.0

    ranked = sorted(found, key=lambda curve: (-difference(curve), curve.transition, curve.gic))
    taken: list[Curve] = []
    seen: dict[str, list[str]] = {}
    for curve in ranked:
        names = seen.setdefault(curve.dimension, [])
        if curve.transition not in names and len(names) < 4:
            names.append(curve.transition)
            taken.append(curve)
    taken = taken[:most]
    return sorted(taken, key=lambda curve: SCALED.index(curve.dimension))


def draw(report: Report) -> Figure | None:
    """Draw the most telling curves with the run's preferred meter."""
    meters = report.meters()
    found = telling(curves(report, meters[0].key)) if meters else []
    if not found:
        return None
    designs = report.designs()
    columns = min(4, len(found))
    lines = -(-len(found) // columns)
    size = (9.6, 2.05 * lines + 0.35)
    with drawing(*size) as figure:
        margins(figure, size, (lines, columns), left=0.55, top=0.45, bottom=0.85, across=0.6, between=1.0)
        grid = np.atleast_1d(figure.subplots(lines, columns)).ravel()
        for axes in grid[len(found) :]:
            axes.set_axis_off()
        for axes, curve in zip(grid, found, strict=False):
            _panel(axes, curve, len(designs))
        handles, _ = grid[0].get_legend_handles_labels()
        figure.legend(handles, [design.title for design in designs], loc="lower left", ncols=len(designs))
        return figure


def _panel(axes: Any, curve: Curve, designs: int) -> None:
    values = [value for value, _ in curve.points]
    for design in range(designs):
        costs = pd.Series([line[design] if design < len(line) else np.nan for _, line in curve.points], dtype=float)
        role = SERIES[design % len(SERIES)]
        axes.plot(
            values,
            costs,
            color=PALETTE[role],
            marker=MARKERS[design % len(MARKERS)],
            linestyle=DASHES[design % len(DASHES)],
            label=str(design),
        )
    for crossing in curve.crossings():
        axes.axvline(crossing, color=PALETTE["muted"], linewidth=0.9, linestyle=(0, (1, 2)))
        axes.annotate(
            f"{crossing:.3g}",
            (crossing, 1),
            xycoords=("data", "axes fraction"),
            fontsize=7.5,
            color=PALETTE["muted"],
            ha="center",
        )
    axes.set_title(f"{curve.transition}\nGICv{curve.gic}", fontsize=7.5, pad=8)
    axes.set_xlabel(DIMENSION[curve.dimension])
    # A linear axis, so that what grows linearly looks it; only ticks that stand apart are labelled.
    ticks: list[float] = []
    for value in reversed(values):
        if not ticks or ticks[-1] - value >= 0.11 * (values[-1] - values[0]):
            ticks.append(value)
    axes.set_xticks(ticks, [f"{value:g}" for value in ticks], fontsize=7.5)
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    axes.tick_params(length=0)
