# SPDX-License-Identifier: GPL-2.0-only
"""Real workloads: what each design spends on them, by kind of operation."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.data import Report
from reports.figures.bars import stacked
from reports.svg import drawing, margins, text_inches

TOTAL = "total"


def cost_column(frame: pd.DataFrame) -> tuple[str, str]:
    """Return the column of a workload table to compare by, and its unit; ("", "") when it has none."""
    for column, unit in (("instructions", "instructions"), ("time_ns", "ns")):
        if column in frame and frame[column].notna().any():
            return column, unit
    return "", ""


def draw(report: Report) -> Figure | None:
    """Draw one pair of bars a workload, each stacked by kind of operation, per 1,000 operations."""
    frame = report.table("workloads")
    if frame.empty:
        return None
    column, unit = cost_column(frame)
    kinds = [kind for kind in dict.fromkeys(frame["kind"]) if kind != TOTAL]
    if not column or not kinds:
        return None
    names = list(dict.fromkeys(frame["workload"]))[:24]
    designs = list(dict.fromkeys(frame["design"]))
    total_cost = frame[frame["kind"] != TOTAL].groupby("kind")[column].sum()
    kinds = sorted(kinds, key=lambda kind: -total_cost.get(kind, 0))
    kept, rest = kinds[:7], kinds[7:]
    bars = [(name, design) for name in names for design in designs]
    places = _places(len(names), len(designs))
    size = (9.6, 0.24 * len(bars) + 0.2 * len(names) + 0.9)
    with drawing(*size) as figure:
        left = text_inches((f"{name}  {design}" for name, design in bars), 8)
        margins(figure, size, left=left, top=0.05, bottom=0.8)
        axes = figure.add_subplot()
        operations = frame[frame["kind"] != TOTAL].groupby(["workload", "design"])["operations"].sum()
        table = frame.pivot_table(index=["workload", "design"], columns="kind", values=column, aggfunc="sum")
        scale = np.array([1000 / max(float(operations.get(bar, 0)), 1) for bar in bars])
        parts = []
        for kind in [*kept, "the rest"] if rest else kept:
            columns = [kind] if kind in kept else rest
            sums = [float(np.nansum(table.loc[bar, columns])) if bar in table.index else 0.0 for bar in bars]
            parts.append((kind, np.array(sums) * scale))
        stacked(axes, places.tolist(), parts, 0.8)
        axes.set_yticks(
            places,
            [f"{name}  {design}" if not place else design for name, place, design in _labels(names, designs)],
            fontsize=8,
        )
        axes.set_xlabel(f"{unit} per 1,000 operations")
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower center", ncols=8, fontsize=8, handlelength=1.6)
        return figure


def _labels(names: list[str], designs: list[str]) -> list[tuple[str, int, str]]:
    return [(name, place, design) for name in names for place, design in enumerate(designs)]


def _places(names: int, designs: int) -> np.ndarray:
    return np.array([name * (designs + 0.8) + design for name in range(names) for design in range(designs)])
