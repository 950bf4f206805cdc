# SPDX-License-Identifier: GPL-2.0-only
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.results import statistics as s

POLICY = s.Policy()


def noisy(rng, n, level=100.0, spread=0.01, spikes=0.1):
    """Process medians of a noisy machine: log-normal, and one in ten hit by something else running."""
    values = level * np.exp(rng.normal(0, spread, n))
    return np.where(rng.random(n) < spikes, values * (1 + rng.exponential(0.1, n)), values)


@pytest.mark.parametrize("n", [5, 6, 11, 40, 101])
def test_median_interval_covers(n):
    rng = np.random.default_rng(n)
    trials = 2000
    inside = 0
    for _ in range(trials):
        _, low, high = s.median_interval(rng.exponential(1, n))
        inside += low <= math.log(2) <= high
    # With 5 values even (min, max) covers only 1 - 2/32.
    assert inside / trials >= (0.925 if n == 5 else 0.94)
    if n >= 40:
        assert inside / trials < 0.99


def test_median_interval_of_little():
    assert all(math.isnan(value) for value in s.median_interval([]))
    assert s.median_interval([3.0]) == (3.0, 3.0, 3.0)
    assert s.median_interval([1.0, 2.0]) == (1.5, 1.0, 2.0)


def test_units_are_processes_and_bad_samples_are_left_out():
    units, medians, real = s.unit_medians([0, 0, 0, 4, 4, 4], [1, 2, 30, 5, math.nan, -1])
    assert list(units) == [0, 4] and list(medians) == [2, 5] and real
    units, medians, real = s.unit_medians([7] * 20, np.arange(1, 21))
    assert len(units) == s.BLOCKS and medians[0] == 1.5 and not real
    units, medians, real = s.unit_medians([], [])
    assert len(units) == len(medians) == 0 and not real


def test_pairs_take_the_drift_out():
    rng = np.random.default_rng(5)
    drift = np.exp(np.cumsum(rng.normal(0, 0.05, 12)))
    a = 100 * drift * np.exp(rng.normal(0, 0.005, 12))
    b = 105 * drift * np.exp(rng.normal(0, 0.005, 12))
    pairs, groups = s.paired(a, b), s.unpaired(a, b)
    assert s.verdict(pairs, pairs.p, POLICY) == s.REGRESSED
    assert s.verdict(groups, groups.p, POLICY) == s.INCONCLUSIVE
    assert pairs.low < 1.05 < pairs.high and pairs.n == 12
    assert s.verdict(s.paired(b, a), pairs.p, POLICY) == s.IMPROVED


def test_pairs_need_equal_lengths():
    with pytest.raises(ValueError, match="one length"):
        s.paired([1.0, 2.0], [1.0])


def test_one_wild_process_shows_nothing():
    a = np.full(12, 100.0) * np.exp(np.random.default_rng(1).normal(0, 0.002, 12))
    b = a.copy()
    b[3] *= 40
    difference = s.paired(a, b)
    assert s.verdict(difference, difference.p, POLICY) != s.REGRESSED
    assert difference.ratio == pytest.approx(1.0, abs=0.01)


def test_false_alarms_are_rarer_than_one_in_a_hundred():
    """A/A over a suite of ten rows, 200 times, ten processes a side: the suite as a whole stays silent."""
    rng = np.random.default_rng(11)
    alarms = 0
    for _ in range(200):
        rows = [s.paired(noisy(rng, 10), noisy(rng, 10)) for _ in range(10)]
        adjusted = s.holm([row.p for row in rows])
        alarms += any(s.verdict(row, p, POLICY) == s.REGRESSED for row, p in zip(rows, adjusted, strict=True))
    assert alarms <= 2


def test_five_percent_fires():
    rng = np.random.default_rng(12)
    fired = 0
    for _ in range(100):
        difference = s.paired(noisy(rng, 20), 1.05 * noisy(rng, 20))
        fired += s.verdict(difference, difference.p, POLICY) == s.REGRESSED
    calm = s.paired(noisy(rng, 20, spikes=0), 1.05 * noisy(rng, 20, spikes=0))
    assert s.verdict(calm, s.holm([calm.p] + [1.0] * 199)[0], POLICY) == s.REGRESSED
    assert fired >= 70


def test_small_but_certain_changes_are_unchanged():
    rng = np.random.default_rng(2)
    difference = s.paired(noisy(rng, 20, spread=0.001, spikes=0), 1.01 * noisy(rng, 20, spread=0.001, spikes=0))
    assert difference.p < 1e-6
    assert s.verdict(difference, difference.p, POLICY) == s.UNCHANGED


def test_few_processes_are_inconclusive_and_say_how_many_are_needed():
    for n in (0, 1, 3):
        difference = s.paired([100.0, 101, 99][:n], [120.0, 121, 119][:n])
        assert s.verdict(difference, difference.p, POLICY) == s.INCONCLUSIVE
    assert s.processes_needed(s.paired([100.0], [110.0]), POLICY) is None
    rng = np.random.default_rng(4)
    wide = s.paired(noisy(rng, 8, spread=0.05), noisy(rng, 8, spread=0.05))
    narrow = s.paired(noisy(rng, 8, spread=0.005, spikes=0), noisy(rng, 8, spread=0.005, spikes=0))
    assert s.verdict(wide, wide.p, POLICY) == s.INCONCLUSIVE
    many, few = s.processes_needed(wide, POLICY), s.processes_needed(narrow, POLICY)
    assert many > 20 > few >= s.LEAST_PROCESSES
    assert s.processes_needed(wide, POLICY, rows=200) > many


def test_the_number_needed_is_enough():
    rng = np.random.default_rng(8)
    a, b = (np.exp(rng.normal(0, 0.03, 200)) for _ in range(2))
    pilot = s.paired(a, b)
    n = s.processes_needed(pilot, POLICY)
    found = 0
    for _ in range(200):
        difference = s.paired(np.exp(rng.normal(0, 0.03, n)), 1.03 * np.exp(rng.normal(0, 0.03, n)))
        found += difference.p <= POLICY.significance
    assert found / 200 >= POLICY.power - 0.07


def test_equal_values_are_equal():
    same = s.paired([5.0] * 6, [5.0] * 6)
    assert (same.ratio, same.low, same.high, same.p) == (1, 1, 1, 1)
    assert s.verdict(same, same.p, POLICY) == s.UNCHANGED
    double = s.paired([5.0] * 10, [10.0] * 10)
    assert s.verdict(double, double.p, POLICY) == s.REGRESSED
    groups = s.unpaired([5.0] * 10, [5.0] * 10)
    assert groups.p == 1 and s.verdict(groups, groups.p, POLICY) == s.UNCHANGED


def test_an_unrepeated_process_is_trusted_less():
    rng = np.random.default_rng(6)
    a, b = noisy(rng, 10, spread=0.001, spikes=0), 1.05 * noisy(rng, 10, spread=0.001, spikes=0)
    sure, unsure = s.unpaired(a, b), s.unpaired(a, b, s.UNSEEN_SPREAD)
    assert s.verdict(sure, sure.p, POLICY) == s.REGRESSED
    assert s.verdict(unsure, unsure.p, POLICY) == s.INCONCLUSIVE
    large = s.unpaired(a, 1.3 * b, s.UNSEEN_SPREAD)
    assert s.verdict(large, large.p, POLICY) == s.REGRESSED


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_keeps_order_and_never_lowers(p):
    adjusted = s.holm(p)
    assert all(before <= after <= 1 for before, after in zip(p, adjusted, strict=True))
    order = sorted(range(len(p)), key=lambda i: p[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)


def test_holm_by_hand():
    assert s.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_geometric_mean():
    assert s.geometric_mean([1, 4]) == 2 and math.isnan(s.geometric_mean([]))


def test_separate_runs_exclude_only_what_they_can_see():
    rng = np.random.default_rng(7)
    a, b = (noisy(rng, 12, spread=0.003, spikes=0) for _ in range(2))
    same = s.unpaired(a, b, s.UNSEEN_SPREAD)
    assert same.high > 1 + POLICY.minimum_effect
    assert s.verdict(same, same.p, POLICY) == s.UNCHANGED
    near = s.unpaired(a, 1.05 * b, s.UNSEEN_SPREAD)
    assert s.verdict(near, near.p, POLICY) == s.INCONCLUSIVE
    strict = s.Policy(separate_effect=POLICY.minimum_effect)
    assert s.verdict(same, same.p, strict) == s.INCONCLUSIVE


def test_trimmed_t_is_scipys():
    from scipy import stats

    rng = np.random.default_rng(9)
    a, b = noisy(rng, 15), noisy(rng, 15, level=103)
    ours = s.unpaired(a, b)
    theirs = stats.ttest_ind(np.log(b), np.log(a), equal_var=False, trim=s.TRIM)
    assert ours.p == pytest.approx(theirs.pvalue)
    interval = theirs.confidence_interval(0.95)
    assert (math.log(ours.low), math.log(ours.high)) == pytest.approx((interval.low, interval.high))


def test_rank_and_sign_tests_are_scipys():
    from scipy import stats

    rng = np.random.default_rng(11)
    for turn in range(400):
        first, second = rng.integers(1, 14, 2)
        a, b = rng.normal(0, 1, first), rng.normal(turn % 3, 1, second)
        if turn % 4 == 0:
            a, b = np.round(a), np.round(b)
        if len(set(a) | set(b)) > 1:
            assert s.rank_p(a, b) == pytest.approx(stats.mannwhitneyu(a, b).pvalue), (a, b)
        moved = int(rng.integers(1, 40))
        positive = int(rng.integers(0, moved + 1))
        assert s.sign_p(positive, moved) == pytest.approx(stats.binomtest(positive, moved).pvalue)
    assert s.rank_p([1, 1, 1], [1, 1]) == 1 and s.sign_p(0, 0) == 1


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([-1.0, 0.0, 1.0, 2.5, 7.0, math.nan])), max_size=30))
def test_each_process_counts_by_the_median_of_its_samples(samples):
    units, medians, real = s.unit_medians([process for process, _ in samples], [ns for _, ns in samples])
    usable = [(process, ns) for process, ns in samples if ns > 0]
    processes = sorted({process for process, _ in usable})
    if len(processes) == 1 and len(usable) > 1:
        assert not real and len(medians) == min(s.BLOCKS, len(usable))
        return
    assert units.tolist() == processes and real == (len(processes) > 1)
    assert medians.tolist() == [np.median([ns for number, ns in usable if number == process]) for process in processes]


def test_a_fifth_of_wild_processes_hides_nothing():
    """A busy machine: two processes in ten take several times as long."""
    rng = np.random.default_rng(10)
    wild = np.ones(20)
    wild[[3, 8, 14, 19]] = [3, 150, 7, 40]
    a = noisy(rng, 20, spikes=0, spread=0.01) * wild
    b = 1.05 * noisy(rng, 20, spikes=0, spread=0.01)
    found = s.paired(a, b)
    assert s.verdict(found, found.p, POLICY) == s.REGRESSED
    assert found.low < 1.05 < found.high < 1.1
