# SPDX-License-Identifier: GPL-2.0-only
"""How far the clock of the models follows the real code: their ns against the real code's, point by point.

The real code was timed on two machines, whose uncontended lock pairs take 7.5 and 2.5 ns (`TABLES`). Nanoseconds do not
carry over from one machine to another. Even the ratio of two designs differs between the two by a third, because
one of them takes more locks. So a ratio of the models is compared with the middle of the real ones, at the points that
all tables have; a design's own factor, model by real, with the machine whose lock pair is nearest to this one's.
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.catalogue.catalogue import load_catalogue, select
from bench.meters.predict import read_grid
from bench.meters.time_processes import time_processes
from bench.meters.yardstick import lock_pair_ns
from kvmarm.config import VmConfig
from kvmarm.errors import UsageError

TABLES: Mapping[str, float] = {"kernel-ns.csv": 7.5, "kernel-ns-b.csv": 2.5}
"""The packaged tables, and the ns of an uncontended lock pair on the machine of each."""
POINT = ["gic", "irqs", "vcpus", "lrs", "pending", "transition"]
PLACE = POINT[:-1]
SURE = 1.5
"""A direction counts where every table's ratio is beyond this factor, the same way."""
_CALLS = 128


def read_times(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Return a table of the real code's times (CSV: design and the columns of POINT, `lrs` optional, and ns).

    Raises UsageError naming the line.
    """
    table = read_grid(path)
    if "ns" not in table.columns:
        raise UsageError(f"{path}: line 1: column ns is missing, expected design,{','.join(POINT)},ns")
    figures = pd.to_numeric(table["ns"], errors="coerce")
    for row in np.flatnonzero(~figures.between(0.01, 1e9)):
        raise UsageError(f"{path}: line {row + 2}: ns {table['ns'].iloc[row]!r}: expected a number from 0.01 to 1e9")
    return table.assign(ns=figures)[["design", *POINT, "ns"]]


def _of_one_point(row: dict[str, Any]) -> tuple[str, str]:
    return row["transition"], row["design"]


def measure(
    points: pd.DataFrame, designs: Sequence[str], progress: Callable[[int, int], None] = lambda done, total: None
) -> pd.DataFrame:
    """Return the models' ns at points (columns POINT): columns design, POINT, ns. The code must be compiled already."""
    catalogue = load_catalogue()
    rows: list[dict[str, Any]] = []
    places = points.drop_duplicates(PLACE)[PLACE].sort_values(PLACE)
    done, total = 0, len(points)
    for values in places.to_numpy(np.int64).tolist():
        gic, irqs, vcpus, lrs, pending = values
        here = points[(points[PLACE] == values).all(axis=1)]
        chosen = select(catalogue, list(dict.fromkeys(here["transition"])))
        place = dict(zip(PLACE, values, strict=True))
        for samples in time_processes(designs, [(VmConfig(gic, vcpus, irqs, lrs), pending)], chosen, 1, _CALLS):
            named = sorted(samples, key=_of_one_point)
            for (transition, design), group in groupby(named, _of_one_point):
                ns = float(np.median([row["ns"] for row in group]))
                rows.append({"design": design, **place, "transition": transition, "ns": ns})
        done += len(here)
        progress(done, total)
    return pd.DataFrame(rows, columns=["design", *POINT, "ns"])


@dataclass(frozen=True)
class TransitionTimes:
    """One transition over its points, geometric means. factors: design -> model / real. real, model: ratio of the
    second design to the first. opposite, sure: points where the directions differ, of those where the real one counts.
    """

    transition: str
    points: int
    factors: Mapping[str, float]
    real: float
    model: float
    opposite: int
    sure: int


@dataclass(frozen=True)
class ClockCheck:
    """What a comparison found. deviation: geometric mean of the factor by which the models' ratio is off; bias: its
    signed mean; rank: rank correlation of the ratios. factors: design -> geometric mean of model / real.
    """

    designs: tuple[str, str]
    points: int
    deviation: float
    bias: float
    rank: float
    opposite: int
    sure: int
    factors: Mapping[str, float]
    lock_pair_ns: float
    reference_lock_pair_ns: float
    transitions: tuple[TransitionTimes, ...]


def _mean(logs: pd.Series) -> float:
    return math.exp(float(logs.mean()))


def compare(
    tables: Sequence[tuple[pd.DataFrame, float]], model: pd.DataFrame, designs: tuple[str, str], lock_pair: float
) -> ClockCheck:
    """Compare the models' times with the real code's.

    tables: (times as of `read_times`, ns of a lock pair there); model: as of `measure`; designs: the first is the
    reference of the ratios. Raises UsageError when there is no common point.
    """

    def wide(table: pd.DataFrame) -> pd.DataFrame:
        chosen = table[table["design"].isin(designs)]
        return chosen.pivot_table(index=POINT, columns="design", values="ns").reindex(columns=list(designs)).map(np.log)

    real = [wide(table) for table, _ in tables]
    nearest = min(range(len(tables)), key=lambda number: abs(math.log(tables[number][1] / lock_pair)))
    first, second = designs
    ours = wide(model)
    logs = pd.DataFrame({f"real{number}": table[second] - table[first] for number, table in enumerate(real)})
    ratios = list(logs.columns)
    logs["model"] = ours[second] - ours[first]
    for design in designs:
        logs[design] = ours[design] - real[nearest][design]
    logs = logs.dropna()
    if logs.empty:
        raise UsageError(f"no points that all tables have of both {first} and {second}")
    logs["real"] = logs[ratios].mean(axis=1)
    least = math.log(SURE)
    logs["sure"] = (logs[ratios] > least).all(axis=1) | (logs[ratios] < -least).all(axis=1)
    logs["opposite"] = logs["sure"] & (logs["model"] * logs["real"] < 0)
    found = [
        TransitionTimes(
            str(name),
            len(rows),
            {design: _mean(rows[design]) for design in designs},
            _mean(rows["real"]),
            _mean(rows["model"]),
            int(rows["opposite"].sum()),
            int(rows["sure"].sum()),
        )
        for name, rows in logs.groupby(level="transition", sort=True)
    ]
    error = logs["model"] - logs["real"]
    return ClockCheck(
        designs,
        len(logs),
        _mean(error.abs()),
        _mean(error),
        float(logs["model"].rank().corr(logs["real"].rank())),
        int(logs["opposite"].sum()),
        int(logs["sure"].sum()),
        {design: _mean(logs[design]) for design in designs},
        lock_pair,
        tables[nearest][1],
        tuple(found),
    )


def check_clock(
    designs: tuple[str, str],
    folder: Path,
    path: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ClockCheck:
    """Time two designs at the points of the packaged tables in `folder`, or of one table, and compare."""
    lock_pair, _ = lock_pair_ns()
    if path is None:
        tables = [(read_times(folder / name), ns) for name, ns in TABLES.items()]
    else:
        tables = [(read_times(path), lock_pair)]
    for design in designs:
        for table, _ in tables:
            if not (table["design"] == design).any():
                raise UsageError(f"{path or folder}: no times of design {design!r}")
    common = tables[0][0][POINT].drop_duplicates()
    for table, _ in tables[1:]:
        common = common.merge(table[POINT].drop_duplicates(), on=POINT)
    return compare(tables, measure(common, designs, progress), designs, lock_pair)
