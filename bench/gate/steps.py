# SPDX-License-Identifier: GPL-2.0-only
"""Where a series of figures changed its level. Knows nothing of runs or storage.

Rules inside:
- An exact figure has a step wherever two neighbours differ.
- A noisy one is split where the ranks on the two sides differ most; the split counts when shuffled series hardly ever
  show one as large, and when the medians differ by the minimum effect. Each side is then searched in turn (binary
  segmentation). Ranks, so that one wild run makes no step; logarithms play no part, ranks don't change with them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEAST_RUNS = 3
"""Runs on each side of a step in a noisy series: fewer would let two wild runs pass for a level."""
SHUFFLES = 999


@dataclass(frozen=True)
class Step:
    """The level changes at `index` (the first figure of the new level), from `before` to `after` (medians);
    `p`: how often a shuffled series shows as large a step (0.0 for exact figures)."""

    index: int
    before: float
    after: float
    p: float

    @property
    def ratio(self) -> float:
        """New level over old; inf when something appeared out of nothing."""
        return self.after / self.before if self.before else math.inf


def exact_steps(values: Sequence[float]) -> list[Step]:
    """Return a step for each figure that differs from the one before it."""
    pairs = enumerate(pairwise(values), 1)
    return [Step(index, before, after, 0.0) for index, (before, after) in pairs if before != after]


def noisy_steps(
    values: Sequence[float], minimum_effect: float = 0.03, significance: float = 0.01, seed: int = 1
) -> list[Step]:
    """Return the steps of a noisy series of positive figures, in order. The same series gives the same steps."""
    data = np.asarray(values, dtype=float)
    found: list[tuple[int, float]] = []
    waiting = [(0, len(data))]
    random = np.random.default_rng(seed)
    while waiting:
        start, stop = waiting.pop()
        split = _largest_split(data[start:stop], random)
        if split is None:
            continue
        index, p = start + split[0], split[1]
        levels = np.median(data[start:index]), np.median(data[index:stop])
        if p > significance or abs(math.log(levels[1] / levels[0])) < math.log1p(minimum_effect):
            continue
        found.append((index, p))
        waiting += [(start, index), (index, stop)]
    found.sort()
    bounds = [0, *(index for index, _ in found), len(data)]
    return [
        Step(index, float(np.median(data[bounds[n] : index])), float(np.median(data[index : bounds[n + 2]])), p)
        for n, (index, p) in enumerate(found)
    ]


def _largest_split(data: NDArray[np.float64], random: np.random.Generator) -> tuple[int, float] | None:
    """Return (index of the split with the largest rank difference, its p among shuffles), None for short series."""
    n = len(data)
    if n < 2 * LEAST_RUNS:
        return None
    ranks = stats.rankdata(data) - (n + 1) / 2
    sizes = np.arange(LEAST_RUNS, n - LEAST_RUNS + 1)
    # The rank sum of a first part of size k has variance proportional to k (n - k): this puts all splits on one scale.
    scale = np.sqrt(sizes * (n - sizes))
    sums = np.abs(np.cumsum(ranks)[sizes - 1]) / scale
    best = int(np.argmax(sums))
    shuffled = random.permuted(np.tile(ranks, (SHUFFLES, 1)), axis=1)
    largest = (np.abs(np.cumsum(shuffled, axis=1)[:, sizes - 1]) / scale).max(axis=1)
    p = (1 + int(np.sum(largest >= sums[best] * (1 - 1e-12)))) / (SHUFFLES + 1)
    return int(sizes[best]), p
