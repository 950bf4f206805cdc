# SPDX-License-Identifier: GPL-2.0-only
"""Where one design begins to win over another as a VM grows: from how many vCPUs, INTIDs, list registers, standing
interrupts.

Along one axis, everything else fixed, the points of two designs of one family are compared. The crossover is the least
value of the axis from which the second is cheaper at every larger value measured. For world switches the axis is the
number of live list registers: the round trip with none and those with k of them are one series.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

AXES = ("vcpus", "irqs", "pending", "lrs", "live")
MARGIN = 0.01
"""A ratio within this of 1 is a tie, which nobody wins."""

COLUMNS = (
    "design", "against", "gic", "transition", "axis", "irqs", "vcpus", "lrs", "pending", "live", "verdict",
    "from_value", "first_value", "last_value", "first_ratio", "last_ratio",
)  # fmt: skip
"""design: the one whose win is looked for; against: the first design. The fixed axes hold their value, the axis -1.
verdict: always, never, from (from `from_value` on), until (wins below `from_value`, not from it on), tie, or mixed.
first_ratio, last_ratio: design / against at the axis's first and last value."""


def verdict_of(values: Sequence[int], ratios: Sequence[float]) -> tuple[str, int]:
    """Return (verdict, value or -1) of ratios at ascending values of an axis."""
    signs = [0 if abs(ratio - 1) <= MARGIN else (-1 if ratio < 1 else 1) for ratio in ratios]
    if not any(signs):
        return "tie", -1
    if all(sign < 0 for sign in signs):
        return "always", values[0]
    if not any(sign < 0 for sign in signs):
        return "never", -1
    first_win = next(index for index, sign in enumerate(signs) if sign < 0)
    if all(sign < 0 for sign in signs[first_win:]):
        return "from", values[first_win]
    if signs[0] < 0:
        first_loss = next(index for index, sign in enumerate(signs) if sign >= 0)
        if all(sign >= 0 for sign in signs[first_loss:]):
            return "until", values[first_loss]
    return "mixed", -1


def crossovers(transitions: pd.DataFrame) -> pd.DataFrame:
    """Return the crossover table (see COLUMNS) of a transitions table, by instructions where known, else by events."""
    column = "instructions" if transitions["instructions"].notna().all() else "events"
    rows: list[dict[str, Any]] = []
    for _, family in _in_series(transitions).groupby("family", sort=False):
        rows += _of_family(family, column)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _in_series(transitions: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the round trips of k live list registers under one name, `live` telling them apart."""
    names = transitions["transition"]
    series = names.str.replace(r"_(live_\d+|idle)$", "_live", regex=True)
    return transitions.assign(transition=names.where(transitions["family"] == "vgic", series))


def _of_family(table: pd.DataFrame, column: str) -> list[dict[str, Any]]:
    designs = list(dict.fromkeys(table["design"]))
    rows: list[dict[str, Any]] = []
    place_of = {name: place for place, name in enumerate(dict.fromkeys(table["transition"]))}
    index = ["gic", "transition", *AXES]
    wide = table.pivot_table(index=index, columns="design", values=column, aggfunc="first").reset_index()
    for design in designs[1:]:
        pairs = wide[index].assign(ratio=wide[design] / wide[designs[0]])
        pairs = pairs[pairs["ratio"].notna()]
        for axis in AXES:
            if pairs[axis].nunique() < 2:
                continue
            fixed = [name for name in AXES if name != axis]
            for place, group in pairs.sort_values(axis).groupby(["gic", "transition", *fixed], sort=False):
                if len(group) < 2:
                    continue
                values = [int(value) for value in group[axis]]
                ratios = [float(ratio) for ratio in group["ratio"]]
                verdict, start = verdict_of(values, ratios)
                rows.append(
                    dict(zip(["gic", "transition", *fixed], place, strict=True))
                    | {
                        "design": design,
                        "against": designs[0],
                        "axis": axis,
                        axis: -1,
                        "verdict": verdict,
                        "from_value": start,
                        "first_value": values[0],
                        "last_value": values[-1],
                        "first_ratio": ratios[0],
                        "last_ratio": ratios[-1],
                    }
                )
    # In the catalogue's order, whatever the grouping made of it.
    return sorted(rows, key=lambda row: (row["gic"], place_of[row["transition"]]))


def summary(table: pd.DataFrame) -> list[tuple[str, list[str], list[tuple[str, ...]]]]:
    """Return (title, headings, rows) of a printable table for each family's pair of designs and GIC version.

    A row is a transition and a verdict an axis, with the other axes at their least value.
    """
    tables = []
    for (gic, design, against), pair in table.groupby(["gic", "design", "against"], sort=False):
        axes = [axis for axis in AXES if (pair["axis"] == axis).any()]
        rows = []
        for transition, group in pair.groupby("transition", sort=False):
            lines = [group[group["axis"] == axis].sort_values([a for a in AXES if a != axis]) for axis in axes]
            rows.append((str(transition), *(_text(line.iloc[0]) if len(line) else "" for line in lines)))
        tables.append((f"GICv{gic}: where {design} costs less than {against}", ["transition", *axes], rows))
    return tables


def _text(row: Any) -> str:
    return f"{row['verdict']} {row['from_value']}" if row["verdict"] in ("from", "until") else str(row["verdict"])
