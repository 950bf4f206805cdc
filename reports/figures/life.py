# SPDX-License-Identifier: GPL-2.0-only
"""An interrupt's whole life, phase by phase, for each pairing of VGIC design and world switch; and the 2×2 of it.

The bars stack the phases of one scenario. The 2×2 averages nothing: it is the total of a scenario for the four pairings
of the first two designs and the first two switches, its main effects and the interaction in the same unit.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.data import Report
from reports.figures.bars import stacked
from reports.numbers import is_number
from reports.svg import drawing, margins, text_inches


@dataclass(frozen=True)
class Square:
    """The 2×2 of one scenario, GIC and platform: `totals[design][switch]`, in `unit`."""

    scenario: str
    gic: int
    platform: str
    unit: str
    designs: tuple[str, str]
    switches: tuple[str, str]
    totals: tuple[tuple[float, float], tuple[float, float]]

    @property
    def design_effect(self) -> float:
        """Return what the second design changes, averaged over the two switches."""
        (a, b), (c, d) = self.totals
        return ((c - a) + (d - b)) / 2

    @property
    def switch_effect(self) -> float:
        """Return what the second switch changes, averaged over the two designs."""
        (a, b), (c, d) = self.totals
        return ((b - a) + (d - c)) / 2

    @property
    def interaction(self) -> float:
        """Return by how much the second switch's effect differs between the designs, halved as in a 2×2 design."""
        (a, b), (c, d) = self.totals
        # Sums of equal terms in another order differ in their last bit: that is no interaction.
        return round(((d - c) - (b - a)) / 2, 6) + 0.0


def costs(report: Report) -> tuple[pd.DataFrame, str, str]:
    """Return the life table with a column `cost`, the column's name and its unit: cycles where there are any."""
    frame = report.table("life")
    if frame.empty:
        return frame, "", ""
    column, unit = ("cycles", "cycles") if frame["cycles"].notna().any() else ("instructions", "instructions")
    if not frame[column].notna().any():
        column, unit = "events", "events"
    frame = frame.assign(cost=pd.to_numeric(frame[column], errors="coerce"))
    frame["platform"] = frame["platform"].fillna("").astype(str)
    return frame, column, unit


def squares(report: Report) -> list[Square]:
    """Return the 2×2 of every scenario, GIC and platform that has all four pairings."""
    frame, _, unit = costs(report)
    if frame.empty:
        return []
    designs, switches = list(dict.fromkeys(frame["design"]))[:2], list(dict.fromkeys(frame["switch"]))[:2]
    if len(designs) < 2 or len(switches) < 2:
        return []
    result = []
    key: Any
    for key, rows in frame.groupby(["scenario", "gic", "platform"], sort=False):
        scenario, gic, platform = key
        total = rows.groupby(["design", "switch"])["cost"].sum(min_count=1)
        a, b, c, d = (float(total.get((design, switch), np.nan)) for design in designs[:2] for switch in switches[:2])
        if all(map(is_number, (a, b, c, d))):
            result.append(
                Square(
                    str(scenario),
                    int(gic),
                    str(platform),
                    unit,
                    (designs[0], designs[1]),
                    (switches[0], switches[1]),
                    ((a, b), (c, d)),
                )
            )
    return result


def draw(report: Report) -> Figure | None:
    """Draw one panel a scenario and GIC, for the first platform of the run."""
    frame, _, unit = costs(report)
    if frame.empty or not frame["cost"].notna().any():
        return None
    platform = frame["platform"].iloc[0]
    frame = frame[frame["platform"] == platform]
    panels = list(dict.fromkeys(frame[["scenario", "gic"]].itertuples(index=False, name=None)))[:8]
    pairings = list(dict.fromkeys(frame[["design", "switch"]].itertuples(index=False, name=None)))
    phases = list(dict.fromkeys(frame["phase"]))
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    size = (9.6, lines * (0.27 * len(pairings) + 0.55) + 0.55)
    with drawing(*size) as figure:
        left = text_inches((f"{design} + {switch}" for design, switch in pairings), 9)
        margins(figure, size, (lines, columns), left, top=0.3, bottom=0.8, across=0.2, between=0.42)
        grid = np.atleast_1d(figure.subplots(lines, columns)).ravel()
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        for position, (axes, (scenario, gic)) in enumerate(zip(grid, panels, strict=False)):
            rows = frame[(frame["scenario"] == scenario) & (frame["gic"] == gic)]
            _panel(axes, rows, pairings, phases, position % columns == 0)
            axes.set_title(f"{scenario}, GICv{gic}")
            if position >= len(panels) - columns:
                axes.set_xlabel(f"{unit}{f' on {platform}' if platform else ''}")
        # One scale for all panels: they are there to be compared.
        widest = max(axes.get_xlim()[1] for axes in grid[: len(panels)])
        for axes in grid[: len(panels)]:
            axes.set_xlim(0, widest)
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower center", ncols=min(len(phases), 8), handlelength=1.6)
        return figure


def _panel(axes: Any, rows: pd.DataFrame, pairings: list[tuple[str, str]], phases: list[str], named: bool) -> None:
    table = rows.pivot_table(index=["design", "switch"], columns="phase", values="cost", aggfunc="sum")
    table = table.reindex(index=pd.MultiIndex.from_tuples(pairings), columns=phases)
    stacked(axes, range(len(pairings)), [(phase, table[phase].to_numpy(float)) for phase in phases], 0.68)
    names = [f"{design} + {switch}" if named else "" for design, switch in pairings]
    axes.set_yticks(range(len(pairings)), names)
