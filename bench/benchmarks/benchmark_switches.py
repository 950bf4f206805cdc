# SPDX-License-Identifier: GPL-2.0-only
"""Whole round trips of the world switches as benchmarks, instructions by class in `extra_info`."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest

from bench.benchmarks.conftest import block_clock
from bench.switches.listing import variants
from bench.switches.transitions import FAMILY, SwitchTransition, measure, switch_transitions
from kvmarm.el2.round_trip import encode
from kvmarm.el2.switch import model_of

LRS = 4
TRIPS = 30
BLOCKS = 15
ROUNDS = 15
ROUND_TRIPS = [transition for transition in switch_transitions() if transition.round_trip]


@pytest.mark.parametrize("transition", ROUND_TRIPS, ids=lambda transition: transition.name)
@pytest.mark.parametrize("gic", [2, 3])
@pytest.mark.parametrize("variant", [0, 1, 2], ids=["asm", "c", "c-vhe"])
@pytest.mark.benchmark(timer=block_clock)
def test_round_trip(variant: int, gic: int, transition: SwitchTransition, block_benchmark: Callable[..., Any]) -> None:
    _, configuration = variants(transition.configuration(gic, LRS))[variant]
    counted = measure(transition, gic, LRS)[variant]
    assert counted["ok"]
    trip = encode(model_of(configuration).programs, configuration)

    def block() -> float:
        start = time.perf_counter_ns()
        trip.run(TRIPS)
        return (time.perf_counter_ns() - start) / TRIPS

    def sample() -> float:
        # A block that another process interrupted says nothing of a round trip.
        return median(block() for _ in range(BLOCKS))

    key = {
        "design": counted["switch"],
        "family": FAMILY,
        "gic": gic,
        "irqs": 0,
        "vcpus": 0,
        "lrs": LRS,
        "pending": 0,
        "live": transition.live,
        "transition": transition.name,
    }
    events = {name: int(count) for name, count in counted["counts"].items() if count}
    block_benchmark(sample, ROUNDS, key, events)
