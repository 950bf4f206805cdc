# SPDX-License-Identifier: GPL-2.0-only
"""The main transitions of every design as benchmarks, exact events in `extra_info`."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from bench.benchmarks.conftest import block_clock
from bench.catalogue.catalogue import cost_transitions, load_catalogue
from bench.meters.events import Stage
from bench.meters.time import Clock, prepare
from kvmarm.config import VmConfig
from kvmarm.design import BUILT_IN, get_design

CONFIGURATIONS = (VmConfig(2, 4, 256, 4), VmConfig(3, 4, 256, 4))
GUEST = ("ack_spi_level_pending", "eoi_spi_level_active", "dir_spi_level_active", "raise_running_spi_edge_active")
CALLS = 256
ROUNDS = 15


@cache
def _stage(design: str, config: VmConfig, pending: int) -> Stage:
    return Stage(get_design(design), config, pending)


@cache
def _clock() -> Clock:
    return Clock()


@pytest.mark.parametrize("transition", [*cost_transitions(), *GUEST, "overflow_flush", "migrate_sync"])
@pytest.mark.parametrize("config", CONFIGURATIONS, ids=lambda c: f"gicv{c.gic}")
@pytest.mark.parametrize("design", BUILT_IN)
@pytest.mark.benchmark(timer=block_clock)
def test_transition(design: str, config: VmConfig, transition: str, block_benchmark: Callable[..., Any]) -> None:
    entry = load_catalogue()[transition]
    pending = entry.effective_pending(config, 0)
    assert pending is not None
    stage = _stage(design, config, pending)
    counted = stage.measure(entry)
    prepared = prepare(stage, entry)
    assert counted is not None and counted.ok and prepared is not None
    clock = _clock()
    try:
        block_benchmark(lambda: clock.sample(prepared, CALLS), ROUNDS, counted.key(), counted.events)
    finally:
        stage.reset()
