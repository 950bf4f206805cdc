# SPDX-License-Identifier: GPL-2.0-only
"""The gate's self-test: the real one for counts; for times its logic, on made-up machines of known noise."""

import json

import numpy as np
import pytest

from bench.gate.budget import Budget
from bench.gate.self_test import Outcome, check_counts, check_times, deal, names_of
from kvmarm.errors import UsageError
from tests.bench.results.sample_results import results
from tests.cli import assert_refused, vgic_bench


def machine(spread, slower=1.0):
    """A machine whose processes differ by `spread` and whose second side is `slower`."""

    def measure(side, turn):
        return results(seed=1000 * side + turn, processes=1, spread=spread, slower=slower if side else 1.0)

    return measure


def test_a_gate_that_misses_the_lock_or_cries_over_nothing_is_not_trusted():
    outcome = Outcome()
    check_counts(outcome, lambda lock_more: results(), Budget())
    assert outcome.status == 1 and outcome.counts_silent and not outcome.counts_fired
    counts = iter([{("old", "a"): {"lock": n}} for n in (1, 2, 1)])
    outcome = Outcome()
    check_counts(outcome, lambda lock_more: results(next(counts)), Budget())
    assert outcome.status == 1 and not outcome.counts_silent


def test_a_calm_machine_is_trusted():
    outcome = Outcome()
    check_times(outcome, machine(0.01), 16, 12, Budget())
    assert (outcome.status, outcome.alarms, outcome.fired) == (0, 0, 12)
    assert outcome.median_shift < 0.01


def test_a_noisy_machine_is_inconclusive_and_says_what_it_takes():
    outcome = Outcome()
    check_times(outcome, machine(0.15), 8, 8, Budget())
    assert outcome.status == 3 and outcome.alarms == 0 and outcome.needed > 8
    assert "inconclusive: a slowdown of 5% fired in" in outcome.lines[0] and "turns would show it" in outcome.lines[0]


def test_sides_that_differ_are_an_alarm_as_measured():
    outcome = Outcome()
    check_times(outcome, machine(0.005, slower=1.2), 12, 1, Budget())
    assert outcome.alarms == 1 and outcome.status == 1


def test_a_deal_exchanges_whole_turns():
    first, second = results(seed=1, processes=4), results(seed=2, processes=4)
    a, b = deal(first, second, np.array([1, 3]))
    rows = a.table("samples"), b.table("samples")
    assert [len(table) for table in rows] == [100, 100]
    own = first.table("samples").query("process == 1")["ns"].tolist()
    assert rows[1].query("process == 1")["ns"].tolist() == own
    assert rows[0].query("process == 0")["ns"].tolist() == first.table("samples").query("process == 0")["ns"].tolist()


def test_the_command_counts_for_real():
    names = "flush_empty,inject_edge_spi"
    done = vgic_bench("gate", "self-test", "--counts-only", "--transitions", names, "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["counts_silent"] is True and outcome["counts_fired"] is True and outcome["lines"] == []
    with pytest.raises(UsageError, match="flush_emtpy"):
        names_of("flush_emtpy")


@pytest.mark.parametrize(
    ("designs", "says"), [("old,,old", "'old' is named twice"), (",", "at least one design"), ("neww", "'new'")]
)
def test_designs_are_checked_before_anything_is_counted(designs, says):
    assert_refused(vgic_bench("gate", "self-test", "--counts-only", "--designs", designs), says)
