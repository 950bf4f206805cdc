# SPDX-License-Identifier: GPL-2.0-only
"""The simulation: right where the answer is known, and its programs are what the models do."""

import dataclasses

import numpy as np
import pytest

from bench.contention.bodies import bodies, chosen_bodies
from bench.contention.measure import Measured
from bench.contention.model import LOCKS, Task, _knee, calibrate, prices, simulate, sweep
from bench.contention.profile import Program, program_of, programs
from bench.contention.recorder import ACQUIRE, READ, RELEASE, WORK, WRITE
from kvmarm.errors import UsageError

TASK = Task(("old", "new"), tuple(chosen_bodies(["own_spi"])), (1, 2))


def _locked(threads: int, inside: float, outside: float) -> Program:
    """Return a program of threads that take one lock."""
    steps = [[ACQUIRE, 0, 0], [WORK, inside, 0], [RELEASE, 0, 1], [WORK, outside, 0]]
    return program_of(dict.fromkeys(range(threads), steps), threads)


@pytest.mark.parametrize("lock", LOCKS)
def test_without_a_lock_every_cpu_has_its_own_rate(lock: str) -> None:
    task = dataclasses.replace(TASK, lock=lock)
    program = program_of(dict(enumerate([[[WORK, 100.0, 0]]] * 4)), 4)
    assert simulate(program, 1.0, 50.0, task).rate == pytest.approx(4 / 100e-9, rel=0.05)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_that_is_always_taken_limits_by_what_is_inside(lock: str) -> None:
    task = dataclasses.replace(TASK, lock=lock)
    one, many = (simulate(_locked(threads, 1000.0, 10.0), 1.0, 0.0, task) for threads in (1, 8))
    assert one.rate == pytest.approx(1 / 1010e-9, rel=0.05)
    assert many.rate == pytest.approx(1 / 1000e-9, rel=0.05)
    assert many.limit == "dist" and many.waiting > 0.8


def test_a_queued_lock_costs_two_transfers_from_holder_to_holder() -> None:
    task = dataclasses.replace(TASK, lock="queued")
    result = simulate(_locked(8, 100.0, 10.0), 1.0, 50.0, task)
    assert result.rate == pytest.approx(1 / 200e-9, rel=0.05)


def test_a_ticket_lock_costs_more_the_more_wait() -> None:
    task = dataclasses.replace(TASK, lock="ticket")
    rates = [simulate(_locked(threads, 100.0, 10.0), 1.0, 50.0, task).rate for threads in (4, 16, 64)]
    assert rates[0] > 1.5 * rates[1] > 2 * rates[2]


def test_a_line_that_all_write_moves_between_them() -> None:
    steps = [[WORK, 10.0, 0], [WRITE, 640, 0]]
    program = program_of(dict.fromkeys(range(4), steps), 4)
    assert program.lines == 1
    assert simulate(program, 1.0, 50.0, TASK).rate == pytest.approx(1 / 50e-9, rel=0.1)
    private = program_of({number: [[WORK, 10.0, 0], [WRITE, 640 * number, 0]] for number in range(4)}, 4)
    assert private.lines == 0
    read = program_of(dict(enumerate([[[WORK, 10.0, 0], [READ, 640, 0]]] * 4)), 4)
    assert read.lines == 0


def test_a_seed_gives_one_result() -> None:
    program = _locked(4, 50.0, 60.0)
    first, same, other = (simulate(program, 1.0, 50.0, dataclasses.replace(TASK, seed=seed)).rate for seed in (3, 3, 4))
    assert first == same != other


def test_time_in_the_guest_takes_the_load_off_a_lock() -> None:
    body = _locked(2, 100.0, 10.0)
    busy = simulate(body, 1.0, 50.0, TASK).rate * 110e-9
    idle = simulate(body, 1.0, 50.0, dataclasses.replace(TASK, guest_us=16.0)).rate * 16.11e-6
    assert busy < 1.2 and idle > 1.9


def test_threads_beyond_the_recorded_ones_have_memory_of_their_own() -> None:
    recorded = {n: [[ACQUIRE, 1000 + 88 * n, 40 + n << 1 | 4 << 20], [WRITE, 4096 + 256 * n, 0]] for n in range(6)}
    program = program_of(recorded, 40)
    assert len(program.locks) == 40 and len(program.starts) == 41
    assert program.locks[0] == "irq40" and program.locks[-1].endswith("…")


def test_programs_have_the_locks_that_the_designs_take() -> None:
    body = bodies()["own_spi"]
    found = programs([("old", body, 2), ("new", body, 2)], 3, 256, 4)
    assert found["old", "own_spi", 2].locks == ("dist",)
    assert {"irq40", "ap0", "irq56", "ap1"} == set(found["new", "own_spi", 2].locks)
    for program in found.values():
        kinds = program.kind.tolist()
        assert kinds.count(ACQUIRE) == kinds.count(RELEASE) > 0
        assert program.instructions > 100
    assert found["new", "own_spi", 2].lines == 0 < found["old", "own_spi", 2].lines


def test_the_redesign_scales_where_the_legacy_design_does_not() -> None:
    swept = sweep(dataclasses.replace(TASK, vcpus=(1, 2, 8)))
    old, new = swept.bodies["own_spi"]["old"], swept.bodies["own_spi"]["new"]
    assert old.limit == "dist" and old.knee == 1 and new.knee is None
    assert old.rate[0] is not None and old.rate[2] is not None and old.rate[2] < old.rate[0]
    assert new.rate[0] is not None and new.rate[2] is not None and new.rate[2] > 7 * new.rate[0]


def test_the_fit_meets_its_reference_and_predicts_the_others() -> None:
    figures = {"old": {"scaling": 0.6, "alone_ns": 250.0}, "new": {"scaling": 1.97, "alone_ns": 160.0}}
    fitted = calibrate(Measured(2, {"own_spi": figures}), TASK)
    by_design = {row["design"]: row for row in fitted.rows}
    assert by_design["old"]["fitted"] and by_design["old"]["ratio"] == pytest.approx(1, abs=0.05)
    assert by_design["new"]["predicted"] == pytest.approx(2.0, abs=0.1)
    with pytest.raises(UsageError, match="body own_spi of design old was not measured"):
        calibrate(Measured(2, {"own_spi": {}}), TASK)


def test_the_knee_is_where_more_vcpus_bring_little() -> None:
    assert _knee((1, 2, 4, 8), [1.0, 2.0, 4.0, 4.5]) == 4
    assert _knee((1, 2, 4), [1.0, 2.0, 4.0]) is None
    assert _knee((1, 2), [None, None]) is None


def test_prices_say_where_they_come_from() -> None:
    assert all(np.isfinite(price.transfer_ns) and price.source for price in prices().values())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"lock": "mutex"}, "--lock 'mutex': expected test-and-set"),
        ({"platform": "x"}, "--platform 'x': expected one of epyc-7003"),
        ({"vcpus": (513,)}, "--vcpus: expected numbers from 1 to 512"),
        ({"gic": 2, "vcpus": (9,)}, "--vcpus: expected numbers from 1 to 8"),
        ({"transfer_ns": -1.0}, "--transfer -1: expected"),
        ({"guest_us": -1.0}, "--guest-time -1: expected"),
    ],
)
def test_a_task_that_cannot_be_is_refused(change: dict[str, object], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        dataclasses.replace(TASK, **change)  # type: ignore[arg-type]
