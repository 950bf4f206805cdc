# SPDX-License-Identifier: GPL-2.0-only
"""Two runs side by side: every exact count and every time, each with a verdict.

Rules inside:
- Only like is compared with like: a row is one transition in one configuration, present in both runs. A row that
  only the baseline has is *not comparable*, one that only the candidate has is *new*; neither is passed over.
- Exact counts and the states before and after are the same on every machine; they are compared whatever the
  machines were. Times are compared only when the machine and the software under the models are the same, or the
  two runs were interleaved in one session.
- What a change is called (verdict) is decided here; what it does to a build (pass or fail) is the gate's business.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bench.results import statistics
from bench.results.meta import unfinished
from bench.results.schema import KEY
from bench.results.statistics import IMPROVED, INCONCLUSIVE, NOT_COMPARABLE, REGRESSED, UNCHANGED, Policy
from bench.results.store import Results
from kvmarm.errors import UsageError

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
METERS = ("events", "time")
TABLE_OF = {"events": "events", "time": "samples"}
NEW = "new"
STATES = ("before", "after")
PLACE = ("gic", "irqs", "vcpus", "lrs", "pending", "live")
"""The KEY columns that make up a configuration."""


@dataclass
class Row:
    """One thing compared. `meter`: "events" (an event's count, or all of them: event ""), "instructions" (what changed
    counts come to), "state", "time" or "transition" (whether it is there at all). `fields`: the KEY columns and
    `event`; of a workload `design`, `transition` (its name) and `event`. `baseline`, `candidate`: counts,
    ns (medians) or states. `low`, `high`: 95 % interval of the ratio. `needed`: interleaved processes
    a side that would settle an inconclusive row."""

    meter: str
    fields: dict[str, Any]
    baseline: Any
    candidate: Any
    verdict: str
    ratio: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    processes: int = 0
    needed: int | None = None
    note: str = ""
    allowed: str = ""

    @property
    def change(self) -> int | None:
        """The change of an exact count; None for other meters."""
        return self.candidate - self.baseline if self.meter == "events" else None

    @property
    def name(self) -> str:
        """The row's name in one line, without the configuration."""
        event = self.fields.get("event")
        return f"{self.fields['design']} {self.fields['transition']}" + (f" {event}" if event else "")

    @property
    def configuration(self) -> str:
        """The configuration in one line; empty for rows about several of them."""
        if "irqs" not in self.fields:
            return ""
        return " ".join(f"{name}={self.fields[name]}" for name in PLACE)


@dataclass
class Comparison:
    """`rows`: one a thing compared. `summaries`: time over all transitions of a design (Row, meter "time").
    `notes`: what a reader has to know. `blocked`: why nothing or not everything could be compared. `lost`: meters that
    only the baseline has. `same_host`: times of hosts of other names are compared."""

    baseline: str
    candidate: str
    policy: Policy
    rows: list[Row] = field(default_factory=list)
    summaries: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    paired: bool = False
    same_host: bool = False

    def count(self, verdict: str, meter: str | None = None) -> int:
        """Return how many rows (of one meter) have the verdict; a transition's total is no row of its own here."""
        return sum(row.verdict == verdict and (meter is None or row.meter == meter) for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """Return everything as what JSON can hold; numbers that don't exist are None."""
        data = asdict(self)
        for row in [*data["rows"], *data["summaries"]]:
            for name, value in row.items():
                if isinstance(value, float) and not math.isfinite(value):
                    row[name] = None
        return data


def compare(
    baseline: Results,
    candidate: Results,
    policy: Policy | None = None,
    meters: tuple[str, ...] = METERS,
    same_host: bool = False,
) -> Comparison:
    """Compare two runs by the meters named that both have. same_host: see `environment_differences`.

    Raises UsageError for a meter that is not in METERS.
    """
    for meter in meters:
        if meter not in METERS:
            raise UsageError(f"meter {meter!r}: expected {' or '.join(METERS)}")
    result = Comparison(baseline.name, candidate.name, policy or Policy(), same_host=same_host)
    result.paired = _paired(baseline, candidate)
    result.notes += [f"{run.name} is {state}" for run in (baseline, candidate) if (state := unfinished(run.meta))]
    before, after = _keys(baseline), _keys(candidate)
    common = [key for key in before if key in after]
    if not common:
        result.blocked.append(_nothing_common(list(before), list(after)))
        return result
    for key in before:
        if key not in after:
            note = f"only in the baseline {baseline.name}"
            result.rows.append(Row("transition", _fields(key), "there", "absent", NOT_COMPARABLE, note=note))
    result.rows += [
        Row("transition", _fields(key), "absent", "there", NEW, note="no baseline")
        for key in after
        if key not in before
    ]
    result.lost += [
        f"{candidate.name} has no {meter}, which {baseline.name} has"
        for meter in meters
        if baseline.has(TABLE_OF[meter]) and not candidate.has(TABLE_OF[meter])
    ]
    used = False
    if "events" in meters:
        used |= _compare_events(result, baseline, candidate, common)
        _compare_instructions(result, baseline, candidate)
        _compare_states(result, baseline, candidate, common)
        _compare_workloads(result, baseline, candidate)
    if "time" in meters:
        used |= _compare_times(result, baseline, candidate, set(common))
    if not used and not result.blocked:
        has = [_meters(run) for run in (baseline, candidate)]
        result.blocked.append(
            f"no meter in common: {baseline.name} has {has[0]}, {candidate.name} has {has[1]}, compared are "
            f"{' and '.join(meters)}"
        )
    return result


def _paired(baseline: Results, candidate: Results) -> bool:
    sessions = [(run.meta.get("pairing") or {}).get("session") for run in (baseline, candidate)]
    return sessions[0] is not None and sessions[0] == sessions[1]


def _meters(run: Results) -> str:
    names = [name for name, table in TABLE_OF.items() if run.has(table)]
    return " and ".join(names) or "none"


def _fields(key: tuple[Any, ...]) -> dict[str, Any]:
    return {name: value.item() if hasattr(value, "item") else value for name, value in zip(KEY, key, strict=True)}


def _keys(run: Results) -> dict[tuple[Any, ...], None]:
    """All transitions of a run, in a fixed order."""
    found: set[tuple[Any, ...]] = set()
    for name in ("transitions", "events", "samples"):
        if run.has(name):
            found |= set(run.table(name)[list(KEY)].drop_duplicates().itertuples(index=False, name=None))
    return dict.fromkeys(sorted(found))


def _nothing_common(before: list[tuple[Any, ...]], after: list[tuple[Any, ...]]) -> str:
    """Say in which fields two runs without a common row differ."""
    if not before or not after:
        return f"the {'candidate' if before else 'baseline'} holds no transitions"
    parts = []
    for index, name in enumerate(KEY):
        a, b = ({key[index] for key in keys} for keys in (before, after))
        if not a & b:
            first, second = (", ".join(map(str, sorted(values)[:3])) for values in (a, b))
            parts.append(f"{name} {first} against {second}")
    return f"different configurations: {'; '.join(parts) or 'no row has its equal in the other run'}"


# --- exact meters -----------------------------------------------------------------------------------------------------


def _compare_events(result: Comparison, baseline: Results, candidate: Results, common: list[tuple[Any, ...]]) -> bool:
    if not (baseline.has("events") and candidate.has("events")):
        return False
    before, after = _counts(baseline), _counts(candidate)
    for key in common:
        result.rows += _count_rows(_fields(key), before.get(key, {}), after.get(key, {}))
    return True


def _count_rows(fields: dict[str, Any], before: Mapping[str, int], after: Mapping[str, int]) -> list[Row]:
    """One row for each event whose count changed, or one for all of them together when none did."""
    changed = [name for name in sorted(set(before) | set(after)) if before.get(name, 0) != after.get(name, 0)]
    if not changed:
        total = sum(before.values())
        return [Row("events", fields | {"event": ""}, total, total, UNCHANGED, ratio=1.0)]
    rows = []
    for name in changed:
        a, b = before.get(name, 0), after.get(name, 0)
        ratio = b / a if a else math.inf
        rows.append(Row("events", fields | {"event": name}, a, b, REGRESSED if b > a else IMPROVED, ratio=ratio))
    return rows


def _compare_instructions(result: Comparison, baseline: Results, candidate: Results) -> None:
    """Say what changed counts come to in predicted instructions; where no count changed, the weights did."""
    tables = []
    for run in (baseline, candidate):
        rows = run.table("transitions")[[*KEY, "instructions"]].itertuples(index=False, name=None)
        tables.append({row[:-1]: float(row[-1]) for row in rows})
    touched = {tuple(row.fields[name] for name in KEY) for row in result.rows if row.change and "irqs" in row.fields}
    refitted = 0
    for key, a in tables[0].items():
        b = tables[1].get(key, math.nan)
        if not (math.isfinite(a) and math.isfinite(b)) or math.isclose(a, b, rel_tol=1e-9):
            continue
        if key in touched:
            verdict = REGRESSED if b > a else IMPROVED
            result.rows.append(Row("instructions", _fields(key), a, b, verdict, ratio=b / a if a else math.inf))
        else:
            refitted += 1
    if refitted:
        result.notes.append(f"the predicted instructions of {refitted} rows differ though no count does: other weights")


def _compare_workloads(result: Comparison, baseline: Results, candidate: Results) -> None:
    """Compare the counts of whole workloads that both runs have, and name those that only the baseline has."""
    if not (baseline.has("workload_events") and candidate.has("workload_events")):
        return
    sides = []
    for run in (baseline, candidate):
        found: dict[tuple[str, str], dict[str, int]] = {}
        table = run.table("workload_events").query("kind == 'total'")
        for workload, design, event, count in table[["workload", "design", "event", "count"]].itertuples(
            index=False, name=None
        ):
            found.setdefault((workload, design), {})[event] = int(count)
        sides.append(found)
    for (workload, design), counts in sorted(sides[0].items()):
        fields = {"design": design, "transition": f"workload {workload}"}
        if (workload, design) in sides[1]:
            result.rows += _count_rows(fields, counts, sides[1][workload, design])
        else:
            note = f"only in the baseline {baseline.name}"
            result.rows.append(Row("transition", fields, "there", "absent", NOT_COMPARABLE, note=note))


def _counts(run: Results) -> Mapping[tuple[Any, ...], dict[str, int]]:
    found: dict[tuple[Any, ...], dict[str, int]] = {}
    columns = run.table("events")[[*KEY, "event", "count"]]
    for *key, event, count in columns.itertuples(index=False, name=None):
        own = found.setdefault(tuple(key), {})
        own[event] = own.get(event, 0) + int(count)
    return found


def _compare_states(result: Comparison, baseline: Results, candidate: Results, common: list[tuple[Any, ...]]) -> None:
    if not (baseline.has("transitions") and candidate.has("transitions")):
        return
    columns = [*KEY, *STATES]
    tables = []
    for run in (baseline, candidate):
        rows = run.table("transitions")[columns].itertuples(index=False, name=None)
        tables.append({row[: len(KEY)]: dict(zip(STATES, row[len(KEY) :], strict=True)) for row in rows})
    for key in common:
        a, b = tables[0].get(key, {}), tables[1].get(key, {})
        for name in STATES:
            if a.get(name) and b.get(name) and a[name] != b[name]:
                note = f"the state {name} the operation differs"
                result.rows.append(Row("state", _fields(key), a[name], b[name], REGRESSED, note=note))


# --- time -------------------------------------------------------------------------------------------------------------


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


def _compare_times(result: Comparison, baseline: Results, candidate: Results, common: set[tuple[Any, ...]]) -> bool:
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
        judged.append((_time_row(_fields(key), medians[0], medians[1], difference), difference))
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
