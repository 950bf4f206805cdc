# SPDX-License-Identifier: GPL-2.0-only
"""The time meter: that it leaves the state as it was, measures in turns, and gives every sample. No limits on times."""

import io
import json

import numpy as np
import pytest

from bench.catalogue.catalogue import load_catalogue, select
from bench.meters.events import Stage
from bench.meters.time import HAVE_COUNTER, Clock, prepare, usual_mean
from bench.meters.time_processes import time_processes
from bench.meters.time_worker import order_of, run
from kvmarm import counter
from kvmarm.config import VmConfig
from kvmarm.design import get_design
from kvmarm.jit import JIT_ENABLED
from kvmarm.trace import SYNC

pytestmark = pytest.mark.skipif(not JIT_ENABLED, reason="times are those of compiled code")

CONFIG = VmConfig(2, 4, 256, 4)


def test_designs_are_measured_in_turns() -> None:
    assert order_of(["a", "b"], 0) == ["a", "b", "b", "a"]
    assert order_of(["a", "b"], 1) == ["b", "a", "a", "b"]


def test_the_slowest_tenth_is_left_out_and_steps_are_averaged() -> None:
    assert usual_mean(np.array([1000, 3, 1, 2, 5, 4, 0, 6, 7, 8])) == 4
    assert usual_mean(np.array([7])) == 7
    random = np.random.default_rng(1)
    stepped = 10 * np.floor((8.7 + 10 * random.random(4096)) / 10)
    assert usual_mean(stepped) == pytest.approx(8.7, abs=0.6)


def test_the_clock_survives_being_put_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process loses the processor for 300 ms between two readings, once at the start and once at the end."""
    monkeypatch.setattr(counter, "HAVE_COUNTER", True)
    monkeypatch.setattr(counter, "read_counter", lambda: int(state["now"] * 2.5))
    state = {"now": 0.0, "reads": 0.0}

    def reading() -> int:
        state["reads"] += 1
        state["now"] += 300e6 if state["reads"] in (2, 3, 43, 161) else 500_000
        return int(state["now"])

    monkeypatch.setattr(counter.time, "perf_counter_ns", reading)
    assert 1 / counter.ns_per_tick() == pytest.approx(2.5, rel=0.05)


@pytest.mark.parametrize("design", ["old", "new"])
def test_every_call_finds_and_leaves_the_same_state(design: str) -> None:
    stage = Stage(get_design(design), CONFIG, 5)
    for entry in select(load_catalogue(), ["flush_p,sync_after_eoi,inject_edge_spi,eoi_sgi_active,sgi_to_all"]):
        prepared = prepare(stage, entry)
        assert prepared is not None
        before = prepared.vm_words.copy(), prepared.hw_words.copy()
        assert len(prepared.vm_undo) + len(prepared.hw_undo) > 0, "the operation changes something"
        ticks = prepared.block(prepared.op, 50)
        assert (ticks > 0).all() or not HAVE_COUNTER
        assert np.array_equal(before[0], prepared.vm_words) and np.array_equal(before[1], prepared.hw_words)


def test_a_sync_is_timed_after_the_save() -> None:
    stage = Stage(get_design("new"), CONFIG, 0)
    prepared = prepare(stage, load_catalogue()["sync_after_eoi"])
    assert prepared is not None and prepared.op.kind == SYNC
    assert prepared.vm.image[0].misr == 1, "the image says that the guest has ended an interrupt"


def test_more_work_takes_longer() -> None:
    clock = Clock()
    small, large = (Stage(get_design("old"), CONFIG, pending) for pending in (0, 64))
    entry = load_catalogue()["flush_p"]
    few, many = prepare(small, entry), prepare(large, entry)
    assert few is not None and many is not None
    assert clock.sample(many, 400) > clock.sample(few, 400)


def test_what_does_not_apply_is_not_prepared() -> None:
    stage = Stage(get_design("new"), CONFIG, 5)
    assert prepare(stage, load_catalogue()["flush_empty"]) is None


def test_a_worker_measures_every_design_at_every_position() -> None:
    place = {"gic": 2, "vcpus": 1, "irqs": 64, "lrs": 4, "pending": 0}
    job = {
        "process": 1,
        "designs": ["old", "new"],
        "configurations": [place, place | {"gic": 3}],
        "transitions": ["flush_p", "overflow_flush", "migrate_sync"],
        "catalogue": [],
        "calls": 16,
        "passes": 2,
    }
    output = io.StringIO()
    run(job, output)
    samples = json.loads(output.getvalue().splitlines()[-1])["samples"]
    # Migration needs a second vCPU.
    assert len(samples) == 2 * 2 * 4 * 2
    once = {("new", 0), ("old", 1), ("old", 2), ("new", 3)}
    assert {(row[2], row[3]) for row in samples} == once | {(design, 4 + position) for design, position in once}
    assert all(row[4] == 16 for row in samples)


def test_processes_are_fresh_and_samples_keep_where_they_come_from() -> None:
    seen: list[tuple[int, int]] = []
    entries = select(load_catalogue(), ["overflow_flush"])
    told = time_processes(["new"], [(CONFIG, 0)], entries, 2, 16, progress=lambda *numbers: seen.append(numbers))
    rows = [row for process in told for row in process]
    assert [(row["process"], row["position"]) for row in rows] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert {row["pending"] for row in rows} == {5}, "as many standing interrupts as the overflow needs"
    assert seen[-1] == (2, 2)
