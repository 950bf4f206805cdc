# SPDX-License-Identifier: GPL-2.0-only
import threading

import pytest

from bench.gate.compare import compare
from bench.gate.interleave import interleave, merge
from bench.results.statistics import REGRESSED, UNCHANGED
from kvmarm.errors import UsageError
from tests.bench.results.sample_results import COUNTS, results


def test_both_sides_of_a_turn_are_measured_at_the_same_time_and_become_runs_that_pair():
    meeting = threading.Barrier(2, timeout=30)
    asked = []

    def measure(side, turn):
        asked.append((side, turn))
        meeting.wait()  # passes only when the other side is being measured too
        return results(seed=100 * side + turn, processes=1, slower=1.1 if side else 1.0)

    first, second = interleave(measure, 8)
    assert sorted(asked) == [(side, turn) for side in (0, 1) for turn in range(8)]
    samples = first.table("samples")
    assert sorted(samples["process"].unique()) == list(range(8)) and len(samples) == 8 * 25
    assert len(first.table("events")) == sum(map(len, COUNTS.values()))
    table = first.table("transitions")
    assert (table["samples"] == 40).all() and table["time_ns"].between(99, 101).all()
    assert (table["time_low"] <= table["time_ns"]).all() and (table["time_ns"] <= table["time_high"]).all()
    found = compare(first, second)
    assert found.paired
    assert {row.verdict for row in found.summaries} == {REGRESSED}
    assert {row.verdict for row in found.rows if row.meter == "events"} == {UNCHANGED}


def test_what_one_side_raises_ends_it():
    def measure(side, turn):
        if side and turn:
            raise UsageError("no", 5)
        return results()

    with pytest.raises(UsageError, match="no"):
        interleave(measure, 3)


def test_an_unfinished_part_makes_an_unfinished_run():
    assert merge([results(), results(complete=False)], "s").meta["complete"] is False
    assert merge([results(), results()], "s").meta["complete"] is True


def test_counts_that_depend_on_the_process_are_a_failed_measurement():
    other = {key: dict(own) for key, own in COUNTS.items()}
    other["new", "inject_edge"]["lock"] = 9
    with pytest.raises(
        UsageError, match="processes 0 and 1 of the same code counted differently: new inject_edge"
    ) as e:
        merge([results(), results(other)], "s")
    assert e.value.exit_status == 5
