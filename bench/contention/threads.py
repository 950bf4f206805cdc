# SPDX-License-Identifier: GPL-2.0-only
"""One window on real threads: each pinned to a core, met at the start, watched until all have ended.

Rules inside:
- A window counts when every thread ran throughout: all began and ended together, and none was put aside, which shows as
  a batch much longer than any wait for a lock.
- Nobody waits for a thread that hangs. When no thread gets anywhere for STALL seconds, `Stalled` says what each is at.
- Without compiled code there is no clock and there are no threads: plain Python would run them in turn.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.contention.loop import new_control, new_mine, run_window
from kvmarm.counter import HAVE_COUNTER
from kvmarm.locks import lock_name
from kvmarm.trace import KIND_NAMES
from kvmarm.watch import NONE

STALL = 3.0
"""Seconds without any progress of any thread after which they hang."""
PUT_ASIDE_NS = 500_000
"""A batch that takes longer was interrupted: the host ran something else on that core."""
SPREAD = 0.1
"""Share of a window by which the threads' beginnings and ends may differ."""
_POLL = 0.002


@dataclass
class Job:
    """What one thread of a window runs: a VM record, its body's operations, its core (None: any) and its caller."""

    vm: Any
    ops: np.ndarray
    core: int | None
    caller: Any
    mine: Any = None

    def __post_init__(self) -> None:
        if self.mine is None:
            self.mine = new_mine()


@dataclass(frozen=True)
class Window:
    """What threads did: bodies per second of each, whether all ran throughout."""

    rates: tuple[float, ...]
    undisturbed: bool

    @property
    def total(self) -> float:
        """Bodies per second of all threads."""
        return sum(self.rates)


class Stalled(Exception):
    """No thread gets anywhere; the message is one line."""


def usable_cores() -> list[int]:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def describe(op: Any) -> str:
    """Return an operation in a few words: kind, vCPU, INTID."""
    kind = KIND_NAMES[int(op["kind"])]
    words = [kind] if kind == "msi" else [f"{kind} of vCPU {int(op['vcpu'])}"]
    if kind == "inject":
        words.append(f"INTID {int(op['a'])}")
    if kind in ("mmio_w", "mmio_r"):
        words.append(f"at {int(op['b']):#x}")
    return " ".join(words)


def _stuck(number: int, job: Job) -> str:
    text = f"thread {number} in {describe(job.ops[int(job.mine.at)])}"
    if "held" not in job.caller.dtype.names:
        return text
    held = [lock_name(int(lock))[1:] for lock in job.caller.held[: int(job.caller.held_count)]]
    waiting = int(job.caller.waiting)
    if held:
        text += f" holds {', '.join(held)}"
    if waiting != NONE:
        text += f"{' and' if held else ''} waits for {lock_name(waiting)[1:]}"
        holder = int(job.caller.holder)
        text += f" of thread {holder}" if holder >= 0 else ""
    return text


def run_jobs(
    jobs: Sequence[Job],
    lengths: np.ndarray,
    limit: int = 0,
    loop: Callable[..., None] = run_window,
) -> None:
    """Run a window's jobs to their end. lengths, limit: as bench.contention.loop.run_window. Raises Stalled."""
    control = new_control(len(jobs))
    ended: list[int] = []

    def work(number: int) -> None:
        job = jobs[number]
        if job.core is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {job.core})
        loop(job.vm, job.ops.view(np.recarray), job.mine, job.caller, control, lengths, limit)
        ended.append(number)

    for job in jobs:
        job.mine.done = 0
    running = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(len(jobs))]
    for thread in running:
        thread.start()
    last, since = None, time.monotonic()
    for thread in running:
        while thread.is_alive():
            thread.join(_POLL if time.monotonic() - since < 0.1 else 0.05)
            state = [(int(job.mine.done), int(job.mine.at)) for job in jobs]
            if state != last:
                last, since = state, time.monotonic()
            elif time.monotonic() - since > STALL:
                names = "; ".join(_stuck(number, job) for number, job in enumerate(jobs) if number not in ended)
                raise Stalled(f"deadlock: {names}")


def window_of(jobs: Sequence[Job], ns_per_tick: float) -> Window:
    """Return what the threads of a window did; their records are as `run_jobs` left them."""
    begins = [int(job.mine.begin) for job in jobs]
    ends = [int(job.mine.end) for job in jobs]
    length = max(max(end - begin for begin, end in zip(begins, ends, strict=True)), 1)
    rates = tuple(
        int(job.mine.done) / (max(end - begin, 1) * ns_per_tick * 1e-9)
        for job, begin, end in zip(jobs, begins, ends, strict=True)
    )
    together = max(max(begins) - min(begins), max(ends) - min(ends)) <= SPREAD * length
    aside = any(int(job.mine.worst) * ns_per_tick > PUT_ASIDE_NS for job in jobs)
    return Window(rates, HAVE_COUNTER and together and not aside)
