# SPDX-License-Identifier: GPL-2.0-only
"""Real threads: what they did counts when all ran, a deadlock has names, and what is wrong afterwards is found."""

from typing import Any

import numpy as np
import pytest

from bench.contention.bodies import Scene, bodies, config_of, scene_of, sources
from bench.contention.compile import warm
from bench.contention.drain import Drain, check, held_locks, order_faults
from bench.contention.loop import bucket_of, new_control, new_mine
from bench.contention.threads import Job, Stalled, describe, run_jobs, window_of
from bench.contention.worker import bucket_ticks, percentile, summary
from kvmarm import locks
from kvmarm.design import get_design
from kvmarm.events import new_caller
from kvmarm.jit import JIT_ENABLED, jit
from kvmarm.trace import SYNC
from kvmarm.watch import new_watcher

compiled = pytest.mark.skipif(not JIT_ENABLED, reason="threads run compiled code")
LENGTHS = np.array([0, 0, 1], np.int64)


@pytest.fixture(scope="module", autouse=True)
def _compiled_code() -> None:
    """Compile before threads are watched: compiling is no progress."""
    for name in ("old", "new"):
        warm(get_design(name), False)


def _scene(name: str, threads: int = 2) -> Scene:
    body = bodies()[name]
    return scene_of(body, config_of(body, 3, threads, 256, 4), threads)


def _run(design: str, name: str, each: int = 200) -> tuple[Any, Scene, list[Job]]:
    scene = _scene(name)
    vm = get_design(design).create(scene.config)
    Drain(vm, scene.config).do(scene.set_up)
    jobs = [Job(vm, ops, None, new_watcher(number)) for number, ops in enumerate(scene.threads)]
    for job in jobs if not JIT_ENABLED else []:
        for _ in range(3):
            Drain(vm, scene.config).do_as(job.mine, job.ops)
        job.mine.done = 3
    if JIT_ENABLED:
        run_jobs(jobs, LENGTHS, each)
    return vm, scene, jobs


def _judge(design: str, vm: Any, scene: Scene, jobs: list[Job]) -> str | None:
    injected = int(sources(scene.set_up).sum()) + sum(int(j.mine.done) * int(sources(j.ops).sum()) for j in jobs)
    return check(get_design(design), scene, vm, injected, sum(int(job.mine.taken) for job in jobs))


@pytest.mark.parametrize("name", ["own_spi", "device", "sgi_pair"])
@pytest.mark.parametrize("design", ["old", "new"])
def test_nothing_is_lost_by_a_right_design(design: str, name: str) -> None:
    vm, scene, jobs = _run(design, name)
    assert _judge(design, vm, scene, jobs) is None
    assert order_faults([job.caller for job in jobs], scene.threads) is None


def test_what_is_wrong_is_said() -> None:
    vm, scene, jobs = _run("new", "own_spi", 20)
    vm.vcpu[1].lock = 1
    assert _judge("new", vm, scene, jobs) == "a lock is held when all threads have ended: vcpu[1].lock"
    assert held_locks(vm) == ["vcpu[1].lock"]
    vm.vcpu[1].lock = 0
    # On no list although its record says so: what two threads without the list's lock leave.
    vm.irq[int(scene.threads[0][0]["a"])].vcpu = 0
    assert str(_judge("new", vm, scene, jobs)).startswith("an interrupt is lost: inject of vCPU 0 INTID 40")
    vm, scene, jobs = _run("new", "own_spi", 20)
    jobs[0].mine.taken -= 1
    assert "interrupts are lost" in str(_judge("new", vm, scene, jobs))
    jobs[0].mine.taken += 2
    assert "interrupts are doubled" in str(_judge("new", vm, scene, jobs))
    vm, scene, jobs = _run("old", "own_spi", 20)
    vm.spi_cpu[int(scene.threads[0][0]["a"]) - 32] = 1
    assert "after the drain" in str(_judge("old", vm, scene, jobs))


@jit
def _nested(vm: Any, ops: Any, mine: Any, caller: Any, control: Any, lengths: Any, limit: Any) -> None:
    """Take two locks, thread 0 upwards, thread 1 downwards, until both hang."""
    first = np.int64(ops[0].vcpu)
    while control.stop == 0 and mine.done < 100_000_000:
        locks.acquire(vm.vcpu[first], locks.AP_LIST, first, caller)
        locks.acquire(vm.vcpu[1 - first], locks.AP_LIST, 1 - first, caller)
        locks.release(vm.vcpu[1 - first], locks.AP_LIST, 1 - first, caller)
        locks.release(vm.vcpu[first], locks.AP_LIST, first, caller)
        mine.done += 1


@compiled
def test_a_deadlock_has_both_threads_their_operations_and_locks() -> None:
    scene = _scene("flush_sync")
    vm = get_design("new").create(scene.config)
    jobs = [Job(vm, ops, None, new_watcher(number)) for number, ops in enumerate(scene.threads)]
    over = new_mine()
    over.done = 100_000_000
    # Compiled before threads are watched: compiling is no progress.
    _nested(vm, jobs[0].ops.view(np.recarray), over, jobs[0].caller, new_control(1), LENGTHS, 0)
    with pytest.raises(Stalled) as found:
        run_jobs(jobs, LENGTHS, 0, _nested)
    text = str(found.value)
    assert text == (
        "deadlock: thread 0 in flush of vCPU 0 holds ap0 and waits for ap1 of thread 1; "
        "thread 1 in flush of vCPU 1 holds ap1 and waits for ap0 of thread 0"
    )
    # The threads end with what they wait for, for this process goes on.
    for job in jobs:
        job.mine.done = 100_000_000
    vm.vcpu[0].lock = vm.vcpu[1].lock = 0


def test_locks_nested_both_ways_are_found_without_a_deadlock() -> None:
    scene = _scene("flush_sync")
    vm = get_design("new").create(scene.config)
    watchers = [new_watcher(0), new_watcher(1)]
    irq = vm.irq[40]
    for watcher, order in zip(watchers, ((0, 1), (1, 0)), strict=True):
        watcher.operation = 0
        pair = [(vm.vcpu[0], locks.AP_LIST, 0), (irq, locks.IRQ_SHARED, 40)]
        for index in order:
            locks.acquire(*pair[index], watcher)
        for index in reversed(order):
            locks.release(*pair[index], watcher)
    fault = order_faults(watchers, scene.threads)
    assert fault == "lock order: irq inside ap_list in flush of vCPU 0, ap_list inside irq in flush of vCPU 1"
    again = [new_watcher(0), new_watcher(1)]
    for watcher, order in zip(again, ((0, 1), (1, 0)), strict=True):
        watcher.operation = 0
        for index in order:
            locks.acquire(vm.vcpu[index], locks.AP_LIST, index, watcher)
        for index in reversed(order):
            locks.release(vm.vcpu[index], locks.AP_LIST, index, watcher)
    assert order_faults(again, scene.threads) == "lock order: two ap_list locks are nested in both orders"


def test_a_window_counts_when_all_ran_throughout() -> None:
    jobs = [Job(None, np.empty(0), None, new_caller(), new_mine()) for _ in range(2)]
    for job in jobs:
        job.mine.begin, job.mine.end, job.mine.done, job.mine.worst = 1000, 2_001_000, 1000, 5000
    window = window_of(jobs, 1.0)
    assert window.total == pytest.approx(1e6)
    assert window.undisturbed == JIT_ENABLED
    jobs[1].mine.worst = 600_000
    assert not window_of(jobs, 1.0).undisturbed
    jobs[1].mine.worst, jobs[1].mine.begin = 5000, 900_000
    assert not window_of(jobs, 1.0).undisturbed


def test_latencies_fall_into_their_buckets() -> None:
    counts = np.zeros(512, np.int64)
    for ticks in range(1, 1001):
        counts[int(bucket_of(np.int64(ticks)))] += 1
        assert bucket_ticks(int(bucket_of(np.int64(ticks)))) == pytest.approx(ticks, rel=0.07)
    assert percentile(counts, 0.5) == pytest.approx(500, rel=0.1)
    assert percentile(counts * 0, 0.5) == 0


def test_figures_are_medians_of_undisturbed_rounds() -> None:
    row = {"alone": 100.0, "apart": 200.0, "together": 50.0, "rates": [20.0, 30.0], "undisturbed": True}
    rows = [row, row, row, row | {"together": 500.0, "undisturbed": False}]
    found = summary(rows, 2)
    assert (found["scaling"], found["ceiling"], found["windows"], found["left_out"]) == (0.5, 2.0, 3, 1)
    assert not found["disturbed"] and summary(rows[2:], 2)["disturbed"]


def test_operations_are_described() -> None:
    ops = _scene("own_spi").threads[1]
    assert [describe(op) for op in ops[[0, 4]]] == ["inject of vCPU 1 INTID 56", "sync of vCPU 1"]
    assert int(ops[4]["kind"]) == SYNC
