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
from collections.abc import Mapping
from typing import Any

from bench.gate.rows import METERS, NEW, PLACE, STATES, TABLE_OF, Comparison, Row, fields_of
from bench.gate.times import compare_times, environment_differences
from bench.results.meta import unfinished
from bench.results.schema import KEY
from bench.results.statistics import IMPROVED, NOT_COMPARABLE, REGRESSED, UNCHANGED, Policy
from bench.results.store import Results
from kvmarm.errors import UsageError

__all__ = ["METERS", "NEW", "PLACE", "STATES", "Comparison", "Row", "compare", "environment_differences"]


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
            result.rows.append(Row("transition", fields_of(key), "there", "absent", NOT_COMPARABLE, note=note))
    result.rows += [
        Row("transition", fields_of(key), "absent", "there", NEW, note="no baseline")
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
        used |= compare_times(result, baseline, candidate, set(common))
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
        result.rows += _count_rows(fields_of(key), before.get(key, {}), after.get(key, {}))
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
            result.rows.append(Row("instructions", fields_of(key), a, b, verdict, ratio=b / a if a else math.inf))
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
                result.rows.append(Row("state", fields_of(key), a[name], b[name], REGRESSED, note=note))
