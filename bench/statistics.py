# SPDX-License-Identifier: GPL-2.0-only
"""What may be said about times measured on a noisy machine. This module never runs or reads anything.

Rules inside:
- The unit of repetition is the process, not the sample. Samples of one process share its memory layout, its caches
  and its moment; a thousand of them are one piece of evidence about the next process. Each process counts by the
  median of its samples.
- Two runs that were interleaved are compared pair by pair (process k of one beside process k of the other), which
  takes the machine's slow drift out of the difference. Runs that were not are compared as two groups.
- Everything is done on logarithms: a slowdown is a ratio, and the noise grows with the time it is in.
- A change is *shown* when two tests agree: Student's t on the logarithms (after Holm's correction for the number of
  rows looked at), and a rank test of the same data (signed-rank or Mann-Whitney), which one wild process can't move.
- A change is *reported* when it is shown and larger than the minimum effect. When neither that nor its absence
  can be said, the verdict is inconclusive, with the number of processes that would settle it.

Sources: Holm (1979) for the correction; Hodges and Lehmann (1963) for the estimate; the tests are SciPy's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

IMPROVED = "improved"
UNCHANGED = "unchanged"
REGRESSED = "regressed"
INCONCLUSIVE = "inconclusive"
NOT_COMPARABLE = "not comparable"
VERDICTS = (REGRESSED, NOT_COMPARABLE, INCONCLUSIVE, IMPROVED, UNCHANGED)
"""Worst first."""

LEAST_PROCESSES = 5
"""Below this many processes a side nothing is called shown: five pairs can reach p = 1/16 by signs at best."""
RANK_LEVEL = 0.1
"""Two-sided level of the rank test that has to agree; it guards against outliers, Student's t sets the error rate."""
UNSEEN_SPREAD = 0.02
"""Assumed standard deviation of log time between one session of measuring and another, which runs that were not
interleaved can't see in their own samples: what else the machine does, its temperature, where memory lies."""
BLOCKS = 10
"""Pieces, in the order measured, that the samples of a single process are cut into."""


@dataclass(frozen=True)
class Policy:
    """The limits a comparison is judged by. Effects are fractions (0.03 is 3 %). `separate_effect`: runs that were not
    interleaved may be called unchanged when a regression of this size can be excluded; a smaller one they can't see.
    """

    minimum_effect: float = 0.03
    separate_effect: float = 0.1
    significance: float = 0.01
    power: float = 0.9


@dataclass(frozen=True)
class Difference:
    """Candidate against baseline. `ratio`: Hodges-Lehmann estimate of candidate / baseline; `low`, `high`: 95 %
    interval of the ratio; `p`: two-sided Student's t on logs, not corrected; `rank_p`: of the rank test; `spread`:
    standard deviation of the difference of logs of one process a side; `n`: processes (the smaller side) or pairs."""

    ratio: float
    low: float
    high: float
    p: float
    rank_p: float
    spread: float
    n: int
    paired: bool


def median_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float, float]:
    """Return (median, low, high) of a 1-D sample: the interval lies between two order statistics and holds whatever
    the distribution is. With too few values for the confidence, it is (min, max). NaNs for an empty sample.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    if n == 0:
        return math.nan, math.nan, math.nan
    # The k-th smallest and the k-th largest bracket the median unless fewer than k values lie on one side of it.
    k = int(stats.binom.ppf((1 - confidence) / 2, n, 0.5))
    k = max(min(k, (n - 1) // 2), 0)
    if k > 0 and 2 * stats.binom.cdf(k - 1, n, 0.5) > 1 - confidence:
        k -= 1
    low = ordered[max(k - 1, 0)]
    high = ordered[n - max(k, 1)]
    return float(np.median(ordered)), float(low), float(high)


def bootstrap_interval(
    values: ArrayLike, confidence: float = 0.95, resamples: int = 2000, seed: int = 1
) -> tuple[float, float, float]:
    """Return (median, low, high) by the percentile bootstrap of a 1-D sample; the same seed gives the same answer."""
    data = np.asarray(values, dtype=float)
    if len(data) == 0:
        return math.nan, math.nan, math.nan
    picks = np.random.default_rng(seed).integers(0, len(data), (resamples, len(data)))
    medians = np.median(data[picks], axis=1)
    low, high = np.quantile(medians, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(np.median(data)), float(low), float(high)


def unit_medians(process: ArrayLike, ns: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64], bool]:
    """Return (process numbers, their median ns, whether these are real processes) of one transition's samples.

    A run with one process is cut into up to BLOCKS pieces in the order measured, and the flag is False.
    Samples that are not positive numbers (a timer overhead larger than the operation) are left out.
    """
    numbers = np.asarray(process, dtype=np.int64)
    values = np.asarray(ns, dtype=float)
    usable = np.isfinite(values) & (values > 0)
    numbers, values = numbers[usable], values[usable]
    units = np.unique(numbers)
    if len(units) == 1 and len(values) > 1:
        pieces = np.array_split(values, min(BLOCKS, len(values)))
        return np.arange(len(pieces)), np.array([float(np.median(piece)) for piece in pieces]), False
    return units, np.array([float(np.median(values[numbers == unit])) for unit in units]), len(units) > 1


def paired(baseline: ArrayLike, candidate: ArrayLike) -> Difference:
    """Compare two equally long 1-D arrays of process medians, entry by entry. Raises ValueError for other shapes."""
    a, b = np.asarray(baseline, dtype=float), np.asarray(candidate, dtype=float)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"pairs need two arrays of one length, got {a.shape} and {b.shape}")
    logs = np.log(b) - np.log(a)
    n = len(logs)
    if n < 2:
        ratio = float(np.exp(logs[0])) if n else math.nan
        return Difference(ratio, 0.0, math.inf, 1.0, 1.0, math.nan, n, True)
    i, j = np.triu_indices(n)
    estimate = float(np.median((logs[i] + logs[j]) / 2))
    spread = float(np.std(logs, ddof=1))
    half = float(stats.t.ppf(0.975, n - 1)) * spread / math.sqrt(n)
    if spread == 0:
        p = rank_p = 1.0 if estimate == 0 else 0.5 ** (n - 1)
    else:
        p = float(stats.ttest_1samp(logs, 0).pvalue)
        rank_p = float(stats.wilcoxon(logs).pvalue) if np.any(logs) else 1.0
    return Difference(
        math.exp(estimate), math.exp(estimate - half), math.exp(estimate + half), p, rank_p, spread, n, True
    )


def unpaired(baseline: ArrayLike, candidate: ArrayLike, unseen_spread: float = 0.0) -> Difference:
    """Compare two 1-D arrays of process medians as groups (Welch).

    `unseen_spread`: standard deviation of log time added once to each side, for what more processes don't average out.
    """
    a, b = np.log(np.asarray(baseline, dtype=float)), np.log(np.asarray(candidate, dtype=float))
    n = min(len(a), len(b))
    if n < 2:
        ratio = float(np.exp(np.median(b) - np.median(a))) if n else math.nan
        return Difference(ratio, 0.0, math.inf, 1.0, 1.0, math.nan, n, False)
    estimate = float(np.median(b[:, None] - a[None, :]))
    parts = np.array([np.var(a, ddof=1) / len(a), np.var(b, ddof=1) / len(b)])
    variance = float(parts.sum())
    error = math.sqrt(variance + 2 * unseen_spread**2)
    sizes = np.array([len(a) - 1, len(b) - 1])
    freedom = variance**2 / float((parts**2 / sizes).sum()) if variance > 0 else float(sizes.sum())
    half = float(stats.t.ppf(0.975, freedom)) * error
    if error == 0:
        p = 1.0 if estimate == 0 else 0.5 ** (n - 1)
    else:
        p = float(2 * stats.t.sf(abs(float(b.mean() - a.mean())) / error, freedom))
    rank_p = float(stats.mannwhitneyu(a, b).pvalue)
    spread = math.sqrt(float(np.var(a, ddof=1) + np.var(b, ddof=1)))
    return Difference(
        math.exp(estimate), math.exp(estimate - half), math.exp(estimate + half), p, rank_p, spread, n, False
    )


def holm(p: Sequence[float]) -> list[float]:
    """Return the p-values corrected for their number by Holm's step-down method, in the order given."""
    adjusted = [1.0] * len(p)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = largest
    return adjusted


def verdict(difference: Difference, adjusted_p: float, policy: Policy) -> str:
    """Judge one difference; `adjusted_p` is its p after the correction for everything looked at with it."""
    shown = difference.n >= LEAST_PROCESSES and adjusted_p <= policy.significance and difference.rank_p <= RANK_LEVEL
    worse = 1 + policy.minimum_effect
    better = 1 / worse
    if shown and difference.ratio > worse:
        return REGRESSED
    if shown and difference.ratio < better:
        return IMPROVED
    # Unchanged is a claim too: a regression of the minimum effect has to be outside the interval.
    outside = worse if difference.paired else max(worse, 1 + policy.separate_effect)
    if difference.n >= LEAST_PROCESSES and difference.high <= outside and difference.ratio <= worse:
        return UNCHANGED
    return INCONCLUSIVE


def processes_needed(difference: Difference, policy: Policy, rows: int = 1) -> int | None:
    """Estimate how many interleaved processes a side would show a change of the minimum effect, among `rows` rows.

    The usual sample-size formula for a mean, with this difference's own spread, made larger for Student's t.
    None when the spread is not known (fewer than two processes).
    """
    if not math.isfinite(difference.spread):
        return None
    effect = math.log1p(policy.minimum_effect)
    alpha = policy.significance / max(rows, 1)
    n = LEAST_PROCESSES
    for _ in range(50):
        reach = float(stats.t.ppf(1 - alpha / 2, n - 1) + stats.t.ppf(policy.power, n - 1))
        needed = max(LEAST_PROCESSES, math.ceil((reach * difference.spread / effect) ** 2))
        if needed <= n:
            break
        # Student's quantiles shrink as n grows, so the step is damped to come from below.
        n = min(needed, 2 * n)
    return n


def geometric_mean(ratios: ArrayLike) -> float:
    """Return the geometric mean of positive numbers; NaN when there are none."""
    values = np.asarray(ratios, dtype=float)
    return float(np.exp(np.mean(np.log(values)))) if len(values) else math.nan
