# SPDX-License-Identifier: GPL-2.0-only
"""Every time sample: a row a transition, a tick a sample, one lane of ticks a design, the median as a bold tick.

The samples of a design and row are one path, so that thousands of them stay small. Of a full run the transitions
outside the catalogue's matrix are drawn, of a sweep those of the base scenario; the results folder has all.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from reports import matrix
from reports.data import SCENARIO, Report
from reports.svg import PALETTE, SERIES, drawing, margins, text_inches

FEW_SCENARIOS = 8
"""Scenarios whose samples are all drawn: those of a run."""
MOST_ROWS = 400
"""Rows beyond which the matrix of edges is left out of the drawing."""


def drawn_samples(report: Report) -> pd.DataFrame:
    """Return the samples that the figure shows: all of a run, those of the base scenario of a sweep."""
    frame = report.table("samples")
    if frame.empty:
        return frame
    if "family" in frame:
        frame = frame[frame["family"] == "vgic"]
    frame = frame[np.isfinite(pd.to_numeric(frame["ns"], errors="coerce"))]
    present = [column for column in SCENARIO if column in frame]
    if len(frame[present].drop_duplicates()) > FEW_SCENARIOS:
        for column, value in report.base_scenario().items():
            if column in present:
                frame = frame[frame[column] == value]
    if len(frame[["transition", *present]].drop_duplicates()) > MOST_ROWS:
        names = set(matrix.outside(frame["transition"]))
        chosen = frame[frame["transition"].isin(names)]
        frame = chosen if len(chosen) else frame
    return frame


def draw(report: Report) -> Figure | None:
    """Draw all samples on a logarithmic axis of ns."""
    frame = drawn_samples(report)
    frame = frame[frame["ns"] > 0] if len(frame) else frame
    if frame.empty:
        return None
    index = [column for column in ("transition", *SCENARIO) if column in frame]
    rows = dict(list(frame.groupby(index, sort=False)))
    designs = list(dict.fromkeys(frame["design"]))
    varying = [column for column in index[1:] if frame[column].nunique() > 1]
    size = (9.6, 0.2 * len(rows) + 0.9)
    with drawing(*size) as figure:
        axes = figure.add_subplot()
        axes.set_xscale("log")
        labels = []
        # One path a design for its ticks and one for its medians: what repeats itself in an SVG is what makes it large.
        ticks: list[list[tuple[float, float]]] = [[] for _ in designs]
        medians: list[list[tuple[float, float]]] = [[] for _ in designs]
        lane = 0.8 / len(designs)
        for place, (key, group) in enumerate(rows.items()):
            values = dict(zip(index, key if isinstance(key, tuple) else (key,), strict=True))
            suffix = ", ".join(
                f"GICv{values[name]}" if name == "gic" else f"{name} {values[name]}" for name in varying if values[name]
            )
            labels.append(f"{values['transition']}{f'  {suffix}' if suffix else ''}")
            for number, design in enumerate(designs):
                ns = group.loc[group["design"] == design, "ns"].to_numpy(float)
                top = place - 0.4 + number * lane
                for value in np.sort(ns).tolist():
                    ticks[number] += [(value, top), (value, top + lane - 0.08)]
                if len(ns):
                    medians[number] += [(float(np.median(ns)), top - 0.04), (float(np.median(ns)), top + lane - 0.04)]
        for number, design in enumerate(designs):
            colour = PALETTE[SERIES[number % len(SERIES)]]
            for corners, width, label in ((ticks[number], 0.6, None), (medians[number], 2.2, design)):
                codes = [Path.MOVETO, Path.LINETO] * (len(corners) // 2)
                if corners:
                    axes.add_patch(
                        PathPatch(
                            Path(corners, codes), edgecolor=colour, facecolor="none", linewidth=width, label=label
                        )
                    )
        margins(figure, size, left=text_inches(labels, 7), top=0.35, bottom=0.5)
        axes.set_yticks(range(len(labels)), labels, fontsize=7)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.set_xlim(frame["ns"].min() * 0.9, frame["ns"].max() * 1.1)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, _: "")
        axes.set_xlabel("ns an operation (logarithmic)")
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        lanes = (
            ("upper", "lower") if len(designs) == 2 else tuple(f"lane {number + 1}" for number in range(len(designs)))
        )
        handles, names = axes.get_legend_handles_labels()
        titles = [f"{name} ({lane})" for name, lane in zip(names, lanes, strict=False)]
        figure.legend(handles, titles, loc="upper left", ncols=len(designs))
        return figure
