# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmark suite (`pytest bench --benchmark-only`) adds to pytest-benchmark: this machine, and exact times.

An operation of a model takes nanoseconds, a call from Python a microsecond. So a round of a benchmark here is a block
of jitted calls, whose time a call the time meter finds; the benchmark's clock is then moved on by that much. What
pytest-benchmark records of a round is the time of one operation.
"""

from collections.abc import Callable
from typing import Any

import pytest

from bench.meters import yardstick
from bench.results import environment


class BlockClock:
    """A clock that `advance` moves; seconds, as pytest-benchmark's timers."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self, nanoseconds: float) -> None:
        """Move on by the time of one operation; never backwards (a time near 0 may be measured below it)."""
        self.now += max(nanoseconds, 0.0) * 1e-9


block_clock = BlockClock()


@pytest.fixture
def block_benchmark(benchmark: Any) -> Callable[..., None]:
    """Return benchmark_blocks(sample, rounds, key, events): `sample()` gives the ns of one operation by one block."""

    def run(sample: Callable[[], float], rounds: int, key: dict[str, Any], events: dict[str, int]) -> None:
        benchmark.extra_info |= {"key": key, "events": events}
        benchmark.pedantic(lambda: block_clock.advance(sample()), rounds=rounds, iterations=1, warmup_rounds=1)

    return run


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    """Add the facts that comparisons look at, and the lock pair that times can be divided by."""
    lock_ns, lock_kind = yardstick.lock_pair_ns()
    machine_info |= {"environment": environment.environment(), "tool": environment.tool()}
    machine_info |= {"lock_pair_ns": lock_ns, "lock_pair_by": lock_kind}
