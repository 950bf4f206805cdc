# SPDX-License-Identifier: GPL-2.0-only
"""Where one design begins to win over another as a VM grows: from how many vCPUs, INTIDs, list registers, standing
interrupts.

Along one axis, everything else fixed, the points of two designs are compared. The crossover is the least value of the
axis from which the second is cheaper at every larger value measured.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

AXES = ("vcpus", "irqs", "pending", "lrs")
MARGIN = 0.01
"""A ratio within this of 1 is a tie, which nobody wins."""

COLUMNS = (
    "design", "against", "gic", "transition", "axis", "irqs", "vcpus", "lrs", "pending", "verdict", "from_value",
    "first_value", "last_value", "first_ratio", "last_ratio",
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
    designs = list(dict.fromkeys(transitions["design"]))
    rows: list[dict[str, Any]] = []
    index = ["gic", "transition", *AXES]
    wide = transitions.pivot_table(index=index, columns="design", values=column, aggfunc="first").reset_index()
    for design in designs[1:]:
        pairs = wide[["gic", "transition", *AXES]].copy()
        pairs["ratio"] = wide[design] / wide[designs[0]]
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
    return pd.DataFrame(rows, columns=list(COLUMNS))


def summary(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return printable rows (GIC, transition, a text an axis) with the other axes at their least value."""
    if table.empty:
        return []
    chosen = table
    for axis in AXES:
        others = chosen["axis"] != axis
        if (others & (chosen[axis] >= 0)).any():
            least = chosen.loc[others & (chosen[axis] >= 0), axis].min()
            chosen = chosen[~others | (chosen[axis] == least)]
    axes = [axis for axis in AXES if (chosen["axis"] == axis).any()]
    rows = []
    for (gic, transition), group in chosen.groupby(["gic", "transition"], sort=False):
        texts = []
        for axis in axes:
            line = group[group["axis"] == axis]
            texts.append(_text(line.iloc[0]) if len(line) else "")
        rows.append((f"GICv{gic}", str(transition), *texts))
    return rows


def summary_columns(table: pd.DataFrame) -> list[str]:
    """Return the headings of `summary`."""
    return ["GIC", "transition", *(axis for axis in AXES if (table["axis"] == axis).any())]


def _text(row: Any) -> str:
    start = f" {row['from_value']}" if row["verdict"] in ("from", "until") else ""
    return f"{row['verdict']}{start} ({row['first_ratio']:.2f}..{row['last_ratio']:.2f})"
