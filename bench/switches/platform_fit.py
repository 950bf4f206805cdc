# SPDX-License-Identifier: GPL-2.0-only
"""Fitting a platform's prices: the fitted ones solved again from the published figures they were fitted on.

Every check with use "fit" is one equation: its counts times prices, and its terms, make the published figure. What the
file marks "fitted" is unknown, everything else is taken as it is. Solved by non-negative least squares, each
equation in units of its figure, so that a large figure does not outweigh a small one.
"""

from dataclasses import dataclass

import numpy as np

from bench.switches.platform_checks import part_counts
from kvmarm.errors import UsageError
from kvmarm.platforms import Check, Platform


@dataclass(frozen=True)
class Fitted:
    """One fitted price or term: its name, what the file says, what the figures give."""

    name: str
    in_file: float
    solved: float


def fit(platform: Platform) -> list[Fitted]:
    """Solve a platform's fitted prices and terms. Raises UsageError when the figures do not determine them."""
    from scipy.optimize import nnls

    known = {**platform.prices, **platform.terms}
    unknown = [name for name, price in known.items() if price.certainty == "fitted"]
    checks = [check for check in platform.checks if check.use == "fit"]
    if not unknown:
        return []
    rows = np.zeros((len(checks), len(unknown)))
    figures = np.zeros(len(checks))
    for number, check in enumerate(checks):
        rest = check.published
        for name, count in _counts(platform, check).items():
            if name in unknown:
                rows[number, unknown.index(name)] += count
            else:
                rest -= count * known[name].cycles
        rows[number] /= check.published
        figures[number] = rest / check.published
    if np.linalg.matrix_rank(rows) < len(unknown):
        raise UsageError(f"{platform.path}: {len(checks)} figures to fit do not determine {', '.join(unknown)}")
    solved, _ = nnls(rows, figures)
    return [Fitted(name, known[name].cycles, float(value)) for name, value in zip(unknown, solved, strict=True)]


def _counts(platform: Platform, check: Check) -> dict[str, float]:
    """Return how often each price and term is in a check."""
    counts: dict[str, float] = dict(check.terms)
    for part in check.parts:
        for name, count in part_counts(part, platform.gic, f"{platform.path}: {check.name}").items():
            counts[name] = counts.get(name, 0.0) + count
    counts["instruction"] = counts.get("instruction", 0.0) + sum(check.instructions.values())
    return counts
