# SPDX-License-Identifier: GPL-2.0-only
"""World switch cost by register group: a stacked bar an implementation and phase, beside the published table."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.data import Report
from reports.figures.bars import stacked, tidy
from reports.numbers import shown
from reports.published import PublishedTable, published
from reports.svg import PALETTE, drawing, margins, text_inches

TABLE = "isca16-table3"


def main_configuration(report: Report) -> pd.DataFrame:
    """Return the switch table's rows of the first configuration of each GIC version."""
    frame = report.table("switch")
    if frame.empty:
        return frame
    first = frame.drop_duplicates("gic").set_index("gic")["configuration"]
    return frame[frame["configuration"] == frame["gic"].map(first)]


def grouped(report: Report) -> pd.DataFrame:
    """Return steps by register group: index (gic, implementation, phase), a column a group, in the results' order."""
    frame = main_configuration(report)
    if frame.empty:
        return frame
    table = frame.pivot_table(
        index=["gic", "implementation", "phase"],
        columns="register_group",
        values="count",
        aggfunc="sum",
        sort=False,
        fill_value=0,
    )
    return table[list(dict.fromkeys(frame["register_group"]))]


def draw(report: Report) -> Figure | None:
    """Draw the run's first GIC version of the switch table, and the published table as a bar of its own scale."""
    table = grouped(report)
    if table.empty:
        return None
    gics = list(dict.fromkeys(table.index.get_level_values("gic")))
    heights = [len(table.loc[gic]) for gic in gics]
    paper = published(TABLE)
    size = (9.6, 0.3 * sum(heights) + 0.34 * len(paper.rows) + 0.75 * (len(gics) + 1))
    labels = [*(row.group for row in paper.rows), *(f"{name}, {phase}" for _, name, phase in table.index)]
    with drawing(*size) as figure:
        margins(figure, size, (len(gics) + 1, 1), text_inches(labels, 9), top=0.3, bottom=0.8, between=0.55)
        ratios = [*heights, len(paper.rows) * 1.15]
        grid = np.atleast_1d(figure.subplots(len(gics) + 1, 1, gridspec_kw={"height_ratios": ratios}))
        for axes, gic in zip(grid, gics, strict=False):
            _steps(axes, table.loc[gic], gic)
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower center", ncols=5, fontsize=8, handlelength=1.6)
        _paper(grid[-1], paper)
        return figure


def _steps(axes: Any, table: pd.DataFrame, gic: int) -> None:
    stacked(axes, range(len(table)), [(group, table[group].to_numpy(float)) for group in table.columns], 0.7)
    axes.set_yticks(range(len(table)), [f"{implementation}, {phase}" for implementation, phase in table.index])
    axes.set_title(f"Modelled, GICv{gic}: instructions executed")


def _paper(axes: Any, paper: PublishedTable) -> None:
    places = np.arange(len(paper.rows))
    for offset, (name, role, hatch) in enumerate((("save", "candidate", ""), ("restore", "reference", "///"))):
        widths = [getattr(row, name) for row in paper.rows]
        axes.barh(
            places + (offset - 0.5) * 0.38,
            widths,
            height=0.36,
            color=PALETTE[role],
            hatch=hatch,
            edgecolor=PALETTE["surface"],
            label=name,
        )
        for place, (width, row) in enumerate(zip(widths, paper.rows, strict=True)):
            mark = "" if getattr(row, f"{name}_certainty") != "recalled" else " *"
            axes.text(
                width,
                place + (offset - 0.5) * 0.38,
                f" {name} {shown(width)}{mark}",
                va="center",
                fontsize=7,
                color=PALETTE["ink"],
            )
    axes.set_yticks(places, [row.group for row in paper.rows])
    axes.set_title(f"Published: {paper.title}, {paper.unit} (* recalled, not seen again in the source)")
    axes.invert_yaxis()
    axes.margins(x=0.1)
    tidy(axes)
