# SPDX-License-Identifier: GPL-2.0-only
"""The whole cross product of 1,296 configurations: what was counted over its executed runs, most of them not here."""

import itertools

import pytest

from bench.switches.listing import Request, step_lists
from tests.switch_models.recorded import configuration

# implementation, phase: distinct hardware-visible sequences, the same with counts, fewest and most instructions
EXECUTED = {
    ("asm44", "entry"): (24, 24, 222, 441),
    ("asm44", "fptrap"): (2, 2, 76, 78),
    ("asm44", "exit"): (120, 144, 217, 494),
    ("c48", "entry"): (48, 72, 356, 822),
    ("c48", "fptrap"): (2, 2, 73, 75),
    ("c48", "exit"): (288, 384, 310, 961),
    ("c48-vhe", "entry"): (48, 72, 305, 771),
    ("c48-vhe", "fptrap"): (2, 2, 73, 75),
    ("c48-vhe", "exit"): (288, 384, 273, 923),
}
GICS = (("v2", 4), ("v3", 4), ("v3", 16))
AXES = ((0, 1, 4), (0, 1), ("clean", "dirty"), ("aarch64", "aarch32"), ("hvc", "irq", "dabt"), (0, 1))
KEYS = ("live_lrs", "fp_used", "debug", "guest", "exit", "timer")


@pytest.mark.parametrize("implementation", ["asm44", "c48", "c48-vhe"])
def test_counted_over_the_cross_product(implementation: str) -> None:
    points = [
        configuration(implementation=implementation, gic=gic, nr_lr=lrs, **dict(zip(KEYS, values, strict=True)))
        for (gic, lrs), *values in itertools.product(GICS, *AXES)
    ]
    assert len(points) == 432
    seen: dict[str, tuple[set[str], set[str], list[int]]] = {}
    for result in step_lists([Request(point) for point in points]):
        sequences, with_counts, totals = seen.setdefault(result["phase"], (set(), set(), []))
        sequences.add(str(result["sequence"]))
        with_counts.add(f"{result['sequence']} {result['counts']}")
        totals.append(result["total"])
    for phase, (sequences, with_counts, totals) in seen.items():
        found = (len(sequences), len(with_counts), min(totals), max(totals))
        assert found == EXECUTED[implementation, phase], phase
