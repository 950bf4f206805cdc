# SPDX-License-Identifier: GPL-2.0-only
"""The output of kvm-unit-tests' arm/micro-bench: ns by test.

Each test is a line `NAME TOTAL AVERAGE` (both in ns; older versions print one figure, some head the columns `us`). Runs
that follow one another in a file, or several files, are put together: their spread is the error.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kvmarm.errors import UsageError

TESTS = ("hvc", "mmio_read_user", "mmio_read_vgic", "eoi", "ipi", "lpi")
"""Tests that a price follows from, or that the prices predict; others in the output are left out."""
_LINE = re.compile(r"^\s*\|?\s*([a-z_0-9]{1,32})((?:[\s|]+\d{1,18}(?:\.\d{1,9})?)+)\s*\|?\s*$")
_UNIT = re.compile(r"(?:avg|average)\s+(ns|us)", re.IGNORECASE)
_FREQUENCY = re.compile(r"Timer Frequency (\d{1,12}) Hz")


def is_output(text: str) -> bool:
    """Return whether text is micro-bench's output: it has a line of one of its tests."""
    return any(found is not None and found[1] in TESTS for found in map(_LINE.match, text.splitlines()))


@dataclass(frozen=True)
class Average:
    """One run of one test: its average in ns, and over how many iterations (1 where the output does not tell)."""

    ns: float
    iterations: float


def parse(text: str, source: str) -> dict[str, list[Average]]:
    """Return each run of each test. Raises UsageError for a figure that cannot be one."""
    runs: dict[str, list[Average]] = {}
    scale = 1.0
    for number, line in enumerate(text.splitlines(), 1):
        unit = _UNIT.search(line)
        if unit is not None:
            scale = 1000.0 if unit[1].lower() == "us" else 1.0
        found = _LINE.match(line)
        if found is None or found[1] not in TESTS:
            continue
        figures = [float(figure) for figure in found[2].replace("|", " ").split()]
        average = figures[-1] * scale
        if not 0 < average < 1e9:
            raise UsageError(
                f"{source}:{number}: {found[1]} {average:g} ns: expected more than 0 and less than a second"
            )
        iterations = max(figures[0] * scale / average, 1.0) if len(figures) > 1 else 1.0
        runs.setdefault(found[1], []).append(Average(average, iterations))
    return runs


def resolution(text: str) -> float:
    """Return the ns of one tick of the timer that the output names; 0 where it names none."""
    found = _FREQUENCY.search(text)
    return 1e9 / int(found[1]) if found is not None and int(found[1]) else 0.0


def mean_of(runs: Sequence[Average], tick: float) -> tuple[float, float]:
    """Return the mean of runs in ns and its standard error.

    Of several runs that is their spread; of one, what reading a timer that ticks every `tick` ns twice per iteration
    leaves.
    """
    values = np.array([run.ns for run in runs])
    spread = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return float(np.mean(values)), max(spread, tick / math.sqrt(6 * sum(run.iterations for run in runs)))
