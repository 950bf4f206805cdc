# SPDX-License-Identifier: GPL-2.0-only
import copy
import json

import pytest

from bench.gate.compare import compare
from bench.gate.compare_table import cells, varying
from bench.results.schema import frame
from bench.results.statistics import IMPROVED, INCONCLUSIVE, NOT_COMPARABLE, REGRESSED, UNCHANGED
from kvmarm.errors import UsageError
from tests.bench.results.sample_results import COUNTS, ENVIRONMENT, results


def changed(**events):
    counts = copy.deepcopy(COUNTS)
    counts["new", "inject_edge"] |= events
    return counts


def only(rows, verdict):
    return [row for row in rows if row.verdict == verdict]


def test_equal_counts_are_unchanged_one_row_a_transition():
    found = compare(results(), results())
    assert [row.verdict for row in found.rows] == [UNCHANGED] * 5
    assert not found.blocked and not found.summaries
    assert found.rows[0].baseline == found.rows[0].candidate == sum(COUNTS["new", "flush_empty"].values())


def test_a_changed_count_is_named_with_its_direction():
    found = compare(results(), results(changed(lock=3, list_add=0, compare=2)))
    instructions = next(row for row in found.rows if row.meter == "instructions")
    assert (instructions.baseline, instructions.candidate, instructions.verdict) == (40, 60, REGRESSED)
    assert {(row.fields["event"], row.change, row.verdict) for row in found.rows if row.change} == {
        ("lock", 1, REGRESSED),
        ("compare", 2, REGRESSED),
        ("list_add", -1, IMPROVED),
    }
    assert found.count(UNCHANGED, "events") == 4
    lock = next(row for row in found.rows if row.fields.get("event") == "lock")
    assert lock.name == "new inject_edge lock" and lock.ratio == 1.5
    assert lock.configuration == "gic=2 irqs=256 vcpus=4 lrs=4 pending=0 live=0"


def test_counts_do_not_depend_on_the_machine_or_the_order():
    other = results(environment=ENVIRONMENT | {"cpu_model": "Another"})
    other.tables["events"] = other.tables["events"].iloc[::-1]
    assert compare(results(), other).count(UNCHANGED) == 5


def test_missing_and_new_transitions_are_said():
    fewer = {key: value for key, value in COUNTS.items() if key != ("new", "sync_empty")}
    found = compare(results(), results(fewer))
    [row] = only(found.rows, NOT_COMPARABLE)
    assert row.fields["transition"] == "sync_empty" and "only in the baseline" in row.note
    [row] = only(compare(results(fewer), results()).rows, "new")
    assert row.fields["transition"] == "sync_empty"


def test_a_changed_state_is_a_regression():
    other = results()
    other.tables["transitions"].loc[0, "after"] = "active"
    [row] = only(compare(results(), other).rows, REGRESSED)
    assert (row.meter, row.baseline, row.candidate) == ("state", "pending", "active")


def test_another_configuration_is_not_compared():
    other = results()
    for table in other.tables.values():
        table["irqs"] = 1024
    found = compare(results(), other)
    assert not found.rows and found.blocked == ["different configurations: irqs 256 against 1024"]
    empty = results({})
    assert compare(results(), empty).blocked == ["the candidate holds no transitions"]
    assert compare(empty, results()).blocked == ["the baseline holds no transitions"]


def test_no_meter_in_common():
    timed = results(seed=1)
    del timed.tables["events"]
    [line] = compare(results(), timed).blocked
    assert "no meter in common" in line and "has events" in line and "has time" in line
    assert "compared are time" in compare(results(), results(), meters=("time",)).blocked[0]
    with pytest.raises(UsageError, match="meter 'tmie'"):
        compare(results(), results(), meters=("tmie",))


def test_times_of_another_machine_are_never_silently_compared():
    other = results(seed=2, environment=ENVIRONMENT | {"cpu_model": "Another", "governor": "powersave"})
    found = compare(results(seed=1), other)
    assert found.blocked == ["times are from different machines: cpu_model Test CPU against Another"]
    assert not [row for row in found.rows if row.meter == "time"]
    assert found.count(UNCHANGED, "events") == 5
    assert not compare(results(seed=1), other, meters=("events",)).blocked


def test_interleaved_equal_runs_are_unchanged():
    found = compare(results(seed=1, session="s"), results(seed=2, session="s"))
    assert found.paired and not found.notes
    assert {row.verdict for row in found.rows + found.summaries} == {UNCHANGED}
    assert [row.fields["transition"] for row in found.summaries] == ["all 3 transitions", "all 2 transitions"]


def test_one_slower_transition_is_found_and_only_it():
    slower = {("old", "inject_edge"): 1.05}
    found = compare(results(seed=1, session="s"), results(seed=2, session="s", slower=slower))
    [row] = only(found.rows, REGRESSED)
    assert row.name == "old inject_edge" and row.meter == "time"
    assert row.low < 1.05 < row.high and row.p <= 0.01 and row.processes == 12
    assert row.baseline == pytest.approx(100, rel=0.02) and row.candidate == pytest.approx(105, rel=0.02)


def test_a_slowdown_everywhere_shows_in_the_summary_although_rows_are_too_noisy():
    spread = {"spread": 0.04, "session": "s"}
    counts = {("old", f"t{n:02}"): {"lock": 1} for n in range(40)}
    found = compare(results(counts, seed=1, **spread), results(counts, seed=2, slower=1.06, **spread))
    [summary] = found.summaries
    assert summary.verdict == REGRESSED and summary.ratio == pytest.approx(1.06, abs=0.01)
    noisy = only(found.rows, INCONCLUSIVE)
    assert len(noisy) > 20 and all(row.needed > row.processes for row in noisy)


def test_runs_that_were_not_interleaved_are_trusted_less():
    a, b = results(seed=1), results(seed=2, slower=1.05)
    found = compare(a, b)
    assert not found.paired and "not interleaved" in found.notes[0]
    assert not only(found.rows + found.summaries, REGRESSED)
    large = compare(a, results(seed=2, slower=1.5))
    assert {row.verdict for row in large.summaries} == {REGRESSED}


def test_one_process_is_not_taken_for_many_even_when_interleaved():
    found = compare(results(seed=1, processes=1, session="s"), results(seed=2, processes=1, session="s"))
    assert "single process" in found.notes[0]
    assert not only(found.rows, REGRESSED)


def test_zero_samples_and_useless_ones():
    run = results(seed=1, session="s")
    run.tables["samples"]["ns"] = float("nan")
    found = compare(run, results(seed=2, session="s"))
    times = [row for row in found.rows if row.meter == "time"]
    assert {row.verdict for row in times} == {INCONCLUSIVE} and {row.needed for row in times} == {None}


def test_json_holds_no_nan():
    found = compare(results(seed=1), results(changed(lock=3), seed=2))
    text = json.dumps(found.as_json(), allow_nan=False)
    assert json.loads(text)["rows"][0]["meter"] == "events"


def test_other_weights_are_said_and_are_no_change():
    other = results()
    other.tables["transitions"]["instructions"] *= 2
    found = compare(results(), other)
    assert found.count(UNCHANGED) == 5 and len(found.rows) == 5
    assert found.notes == ["the predicted instructions of 5 rows differ though no count does: other weights"]


def workloads(**locks):
    run = results()
    rows = [
        {"workload": name, "design": "old", "kind": kind, "event": "lock", "count": count}
        for name, count in locks.items()
        for kind in ("total", "flush")
    ]
    run.tables["workload_events"] = frame("workload_events", rows)
    return run


def test_workloads_are_compared_by_their_totals():
    found = compare(workloads(boot=10, disk=5), workloads(boot=12))
    rows = [row for row in found.rows if row.fields["transition"].startswith("workload")]
    assert [(row.name, row.change, row.verdict) for row in rows] == [
        ("old workload boot lock", 2, REGRESSED),
        ("old workload disk", None, NOT_COMPARABLE),
    ]
    assert compare(workloads(boot=10), results()).count(UNCHANGED) == 5


def test_a_table_names_only_what_differs_between_configurations():
    found = compare(results(), results(changed(lock=3)))
    assert varying(found.rows) == ()
    assert cells(found.rows[0], varying(found.rows))[0] == "new flush_empty"
    wide = copy.deepcopy(found.rows[0])
    wide.fields |= {"gic": 3, "vcpus": 64}
    assert varying([*found.rows, wide]) == ("gic", "vcpus")
    assert cells(wide, ("gic", "vcpus"))[0] == "new flush_empty (gic=3 vcpus=64)"


def test_a_busy_machine_is_noted():
    busy = results(seed=2, session="s", environment=ENVIRONMENT | {"load_1m": 9.3})
    assert compare(results(seed=1, session="s"), busy).notes == [
        "the machine was busy when run was measured: load 9.3 on 2 cores"
    ]
