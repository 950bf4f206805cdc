# SPDX-License-Identifier: GPL-2.0-only
"""What may be said about times measured on a noisy machine. This module never runs or reads anything.

Rules inside:
- The unit of repetition is the process, not the sample. Samples of one process share its memory layout, its caches
  and its moment; a thousand of them are one piece of evidence about the next process. Each process counts by the
  median of its samples.
- Two runs that were interleaved are compared pair by pair: process k of one beside process k of the other. That
  takes the machine's slow drift out of the difference. Runs that were not are compared as two groups.
- Everything is done on logarithms: a slowdown is a ratio, and the noise grows with the time it is in.
- What disturbs a process makes it slower, now and then by far. So means are trimmed: the smallest and the largest fifth
  of the processes (or pairs) are left out, and the error is that of a trimmed mean.
- A change is *shown* when two tests agree: the trimmed t test on the logarithms, and a test of all the data that knows
  no sizes. The first is after Holm's correction for the number of rows looked at. The second is of the pairs' signs,
  or Mann-Whitney's.
- A change is *reported* when it is shown and larger than the minimum effect. When neither that nor its absence
  can be said, the verdict is inconclusive, with the number of processes that would settle it.

Sources: Tukey and McLaughlin (1963) and Yuen (1974) for the trimmed t; Holm (1979) for the correction; Mann and Whitney
(1947) for the rank test. Student's and the normal distribution are those of scipy.special: scipy.stats, which has the
tests as well, takes longer to load than a run to compare, and a thousand times as long a call.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

IMPROVED = "improved"
UNCHANGED = "unchanged"
REGRESSED = "regressed"
INCONCLUSIVE = "inconclusive"
NOT_COMPARABLE = "not comparable"

LEAST_PROCESSES = 5
"""Below this many processes a side nothing is called shown: five pairs can reach p = 1/16 by signs at best."""
RANK_LEVEL = 0.1
"""Two-sided level of the sign or rank test that has to agree; it sees all data, the trimmed t sets the error rate."""
TRIM = 0.2
"""Share of the processes left out at each end."""
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
    """Candidate against baseline. `ratio`: candidate / baseline by trimmed means of logs; `low`, `high`: 95 %
    interval of the ratio; `p`: two-sided trimmed t, not corrected; `rank_p`: of the sign or rank test; `spread`: the
    estimate's standard error times the root of `n`; `n`: processes (the smaller side) or pairs."""

    ratio: float
    low: float
    high: float
    p: float
    rank_p: float
    spread: float
    n: int
    paired: bool


@cache
def _t_quantile(share: float, freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


def _coin_distribution(n: int) -> NDArray[np.float64]:
    """Return P(at most k heads of n fair coins) for k = 0..n."""
    whole = 0
    result = []
    for k in range(n + 1):
        whole += math.comb(n, k)
        result.append(whole / 2**n)
    return np.array(result)


def median_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float, float]:
    """Return (median, low, high) of a 1-D sample: the interval lies between two order statistics and holds whatever
    the distribution is. With too few values for the confidence, it is (min, max). NaNs for an empty sample.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    if n == 0:
        return math.nan, math.nan, math.nan
    # The k-th smallest and the k-th largest bracket the median unless fewer than k values lie on one side of it.
    below = _coin_distribution(n)
    k = int(np.searchsorted(below, (1 - confidence) / 2))
    k = max(min(k, (n - 1) // 2), 0)
    if k > 0 and 2 * below[k - 1] > 1 - confidence:
        k -= 1
    low = ordered[max(k - 1, 0)]
    high = ordered[n - max(k, 1)]
    return float(np.median(ordered)), float(low), float(high)


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
    if not len(units):
        return units, values, False
    order = np.lexsort((values, numbers))
    starts = np.searchsorted(numbers[order], units)
    counts = np.diff(starts, append=len(values))
    ordered = values[order]
    medians = (ordered[starts + (counts - 1) // 2] + ordered[starts + counts // 2]) / 2
    return units, medians, len(units) > 1


def _trimmed(logs: NDArray[np.float64]) -> tuple[float, float, int]:
    """Return (trimmed mean, its squared standard error, values left) of at least two values."""
    n = len(logs)
    cut = int(TRIM * n)
    ordered = np.sort(logs)
    left = n - 2 * cut
    winsorised = np.clip(ordered, ordered[cut], ordered[n - 1 - cut])
    error = (n - 1) * float(np.var(winsorised, ddof=1)) / (left * (left - 1))
    return float(ordered[cut : n - cut].mean()), error, left


def _p(estimate: float, error: float, freedom: float, n: int) -> float:
    if error == 0:
        # Times on a coarse timer can all be equal; then the sign of n differences is all that there is.
        return 1.0 if estimate == 0 else 0.5 ** (n - 1)
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(estimate) / error))


def sign_p(positive: int, moved: int) -> float:
    """Return the two-sided p of `positive` among `moved` differences, each sign being as likely as the other."""
    if moved == 0:
        return 1.0
    return min(1.0, 2 * float(_coin_distribution(moved)[min(positive, moved - positive)]))


@cache
def _rank_sums(first: int, second: int) -> NDArray[np.float64]:
    """Return P(U <= u), u = 0..first * second, of Mann and Whitney's U of two groups of one distribution without ties.

    By their recursion over which group the largest value belongs to.
    """
    ways: list[NDArray[np.float64]] = [np.ones(1)] * (second + 1)
    for a in range(1, first + 1):
        row = [np.ones(1)]
        for b in range(1, second + 1):
            counts = np.zeros(a * b + 1)
            counts[b : b + len(ways[b])] += ways[b]
            counts[: len(row[b - 1])] += row[b - 1]
            row.append(counts)
        ways = row
    return np.cumsum(ways[second]) / ways[second].sum()


def rank_p(a: ArrayLike, b: ArrayLike) -> float:
    """Return the two-sided p of Mann and Whitney's test of two 1-D samples.

    Exact without ties when one of them has at most eight values; else by the normal distribution, corrected for ties
    and continuity.
    """
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    first, second = len(x), len(y)
    u = float(np.sum(x[:, None] > y) + 0.5 * np.sum(x[:, None] == y))
    least = min(u, first * second - u)
    _, ties = np.unique(np.concatenate([x, y]), return_counts=True)
    if min(first, second) <= 8 and ties.max() == 1:
        return min(1.0, 2 * float(_rank_sums(min(first, second), max(first, second))[int(least)]))
    n = first + second
    spread = first * second / 12 * (n + 1 - float(np.sum(ties**3 - ties)) / (n * (n - 1)))
    if spread <= 0:
        return 1.0
    return min(1.0, math.erfc((first * second / 2 - least - 0.5) / math.sqrt(2 * spread)))


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
    estimate, squared, left = _trimmed(logs)
    error, freedom = math.sqrt(squared), left - 1
    positive, moved = int(np.sum(logs > 0)), int(np.sum(logs != 0))
    return _difference(estimate, error, freedom, sign_p(positive, moved), error * math.sqrt(n), n, True)


def unpaired(baseline: ArrayLike, candidate: ArrayLike, unseen_spread: float = 0.0) -> Difference:
    """Compare two 1-D arrays of process medians as groups (Welch's test with trimmed means, Yuen's).

    `unseen_spread`: standard deviation of log time added once to each side, for what more processes don't average out.
    """
    a, b = np.log(np.asarray(baseline, dtype=float)), np.log(np.asarray(candidate, dtype=float))
    n = min(len(a), len(b))
    if n < 2:
        ratio = float(np.exp(np.median(b) - np.median(a))) if n else math.nan
        return Difference(ratio, 0.0, math.inf, 1.0, 1.0, math.nan, n, False)
    (mean_a, error_a, left_a), (mean_b, error_b, left_b) = _trimmed(a), _trimmed(b)
    seen = error_a + error_b
    parts = error_a**2 / (left_a - 1) + error_b**2 / (left_b - 1)
    freedom = seen**2 / parts if parts > 0 else float(left_a + left_b - 2)
    error = math.sqrt(seen + 2 * unseen_spread**2)
    return _difference(mean_b - mean_a, error, freedom, rank_p(a, b), math.sqrt(seen * n), n, False)


def _difference(
    estimate: float, error: float, freedom: float, by_rank: float, spread: float, n: int, is_paired: bool
) -> Difference:
    # Beyond this a ratio says no more than "can't be told", and its exponential would overflow.
    half = min(_t_quantile(0.975, freedom) * error, 50.0)
    interval = math.exp(estimate - half), math.exp(estimate + half)
    return Difference(math.exp(estimate), *interval, _p(estimate, error, freedom, n), by_rank, spread, n, is_paired)


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
        freedom = n - 2 * int(TRIM * n) - 1
        reach = _t_quantile(1 - alpha / 2, freedom) + _t_quantile(policy.power, freedom)
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
