# SPDX-License-Identifier: GPL-2.0-only
"""Times of two runs side by side: only those of one machine, or of machines that measured in turns."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from bench.gate.rows import Comparison, Row, fields_of
from bench.results import statistics
from bench.results.schema import KEY
from bench.results.statistics import INCONCLUSIVE
from bench.results.store import Results

SAME_MACHINE = (
    "hostname_hash",
    "machine",
    "cpu_model",
    "cores",
    "governor",
    "turbo",
    "smt",
    "aslr",
    "python",
    "numpy",
    "numba",
)
"""Environment fields that must agree (where both runs state them) before times of separate runs are compared."""
IDENTITY = ("hostname_hash", "cpu_model")
"""Fields that tell machines apart: one that only one of the runs states is a difference too."""


def environment_differences(baseline: Results, candidate: Results, same_host: bool = False) -> list[str]:
    """Return the fields in which two runs' machines differ, as `field a against b`.

    A field that a run does not state is no equality: of IDENTITY it is a difference when only one of them states it.
    same_host: the user vouches for hosts of different names being alike; their CPUs are compared still.
    """
    a, b = (run.meta.get("environment") or {} for run in (baseline, candidate))
    found = []
    for name in SAME_MACHINE:
        stated = [value is not None for value in (a.get(name), b.get(name))]
        if (same_host and name == "hostname_hash") or not any(stated) or a.get(name) == b.get(name):
            continue
        if all(stated) or name in IDENTITY:
            sides = [value if value is not None else "not stated" for value in (a.get(name), b.get(name))]
            found.append(f"{name} {sides[0]} against {sides[1]}")
    return found


def compare_times(result: Comparison, baseline: Results, candidate: Results, common: set[tuple[Any, ...]]) -> bool:
    """Add a row for each transition that both timed, and the designs' summaries; return False where times are missing.

    Why they cannot be compared is added to what is blocked.
    """
    if not (baseline.has("samples") and candidate.has("samples")):
        return False
    differences = [] if result.paired else environment_differences(baseline, candidate, result.same_host)
    if differences:
        vouch = "; --same-host if they are alike" if differences[0].startswith("hostname_hash") else ""
        result.blocked.append(f"times are from different machines: {'; '.join(differences)}{vouch}")
        return True
    before, after = (dict(_units(run)) for run in (baseline, candidate))
    # Pieces of one process are no processes: they can't see what the next start would bring, interleaved or not.
    paired = result.paired and all(run.table("samples")["process"].nunique() > 1 for run in (baseline, candidate))
    timed = [key for key in sorted(before) if key in after and key in common]
    judged: list[tuple[Row, statistics.Difference]] = []
    for key in timed:
        difference = _difference(before[key], after[key], paired)
        medians = [float(np.median(values)) if len(values) else math.nan for values in (before[key], after[key])]
        judged.append((_time_row(fields_of(key), medians[0], medians[1], difference), difference))
    summaries = _summarise(before, after, timed, paired)
    adjusted = statistics.holm([difference.p for _, difference in judged + summaries])
    for (row, difference), p in zip(judged + summaries, adjusted, strict=True):
        row.p = p
        row.verdict = statistics.verdict(difference, p, result.policy)
        if row.verdict == INCONCLUSIVE:
            row.needed = statistics.processes_needed(difference, result.policy, len(adjusted))
            if row.needed is not None and difference.paired and row.needed <= difference.n:
                # Enough of them for the minimum effect, yet the estimate lies so near it that it isn't settled.
                row.needed = 2 * difference.n
    result.rows += [row for row, _ in judged]
    result.summaries += [row for row, _ in summaries]
    for run in (baseline, candidate):
        environment = run.meta.get("environment") or {}
        load, cores = environment.get("load_1m"), environment.get("cores")
        if load and cores and load > cores:
            result.notes.append(f"the machine was busy when {run.name} was measured: load {load} on {cores} cores")
    if not paired:
        why = "one of the runs was measured in a single process" if result.paired else "the runs were not interleaved"
        spread = f"{statistics.UNSEEN_SPREAD:.0%}"
        result.notes.append(
            f"{why}: an unseen shift, assumed to spread by {spread}, is added to the error of every time"
        )
    return True


def _units(run: Results) -> Iterator[tuple[tuple[Any, ...], "pd.Series[float]"]]:
    """Yield (key, median ns by process) for every timed transition."""
    samples = run.table("samples")
    of_key: dict[tuple[Any, ...], tuple[list[int], list[float]]] = {}
    columns = (samples[column].tolist() for column in (*KEY, "process", "ns"))
    for *key, process, ns in zip(*columns, strict=True):
        own = of_key.setdefault(tuple(key), ([], []))
        own[0].append(process)
        own[1].append(ns)
    for found, (processes, values) in of_key.items():
        numbers, medians, _ = statistics.unit_medians(processes, values)
        yield found, pd.Series(medians, index=numbers, dtype=float)


def _difference(a: "pd.Series[float]", b: "pd.Series[float]", paired: bool) -> statistics.Difference:
    if paired:
        both = a.index.intersection(b.index)
        return statistics.paired(a[both].to_numpy(), b[both].to_numpy())
    return statistics.unpaired(a.to_numpy(), b.to_numpy(), statistics.UNSEEN_SPREAD)


def _time_row(fields: dict[str, Any], a: float, b: float, difference: statistics.Difference) -> Row:
    ratio, low, high = difference.ratio, difference.low, difference.high
    return Row("time", fields, a, b, INCONCLUSIVE, ratio=ratio, low=low, high=high, processes=difference.n)


def _summarise(
    before: dict[tuple[Any, ...], "pd.Series[float]"],
    after: dict[tuple[Any, ...], "pd.Series[float]"],
    timed: list[tuple[Any, ...]],
    paired: bool,
) -> list[tuple[Row, statistics.Difference]]:
    """Compare the geometric mean over all transitions of a design: small changes everywhere show here first."""
    groups: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for key in timed:
        groups.setdefault(key[:3], []).append(key)
    found = []
    for (design, family, gic), keys in groups.items():
        if len(keys) < 2:
            continue
        # Only processes that timed every transition: a mean over different sets would compare the sets.
        sides = [
            np.exp(np.log(pd.DataFrame({n: side[key] for n, key in enumerate(keys)}).dropna()).mean(axis=1))
            for side in (before, after)
        ]
        difference = _difference(sides[0], sides[1], paired)
        name = f"all {len(keys)} transitions"
        fields = {"design": design, "family": family, "gic": int(gic), "transition": name}
        means = [float(np.median(side)) if len(side) else math.nan for side in sides]
        found.append((_time_row(fields, means[0], means[1], difference), difference))
    return found
