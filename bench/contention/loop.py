# SPDX-License-Identifier: GPL-2.0-only
"""The jitted loops that a thread runs: its body again and again until the window is over, without the GIL.

Rules inside:
- Threads meet first: each counts itself in and spins until all are there. Then each runs until its window has passed by
  the processor's counter, or `control.stop` is set (who has no counter sets that).
- What a thread writes lies in its own record (`MINE`), apart from the others'. The clock is read once a batch.
- `worst` is the longest batch: a thread that was put aside, or waited for one that was, shows there.
- `timed_operations` is another loop, which reads the clock around every operation: for latencies, not for rates.
"""

from typing import Any

import numpy as np

from bench.contention import guest
from kvmarm import guest_memory, interface
from kvmarm.counter import counter
from kvmarm.gic import SPURIOUS
from kvmarm.jit import U64, U64_0, U64_1, add_reference, bit_length, jit, jit_uncounted, noinline
from kvmarm.layout import aligned_record, laid_out
from kvmarm.trace import ACK, EOI, FLUSH, GMEM_W, INJECT, MMIO_R, MMIO_W, MSI, PENDING, SGI1R, SYNC
from kvmarm.watch import note_operation

MAX_OPERATIONS = 64
"""Operations of a body whose latencies are kept apart."""
STEPS = 8
"""Buckets of a latency per doubling."""
BUCKETS = 64 * STEPS

CONTROL = laid_out([("refcount", np.int32), ("threads", np.int64), ("stop", np.int64)], apart=("threads",))
"""What the threads of a run share. `refcount`: how many are there; `threads`: how many there will be."""

MINE = laid_out(
    [
        ("done", np.int64),
        ("at", np.int64),
        ("begin", np.int64),
        ("end", np.int64),
        ("worst", np.int64),
        ("last", np.int64),
        ("taken", np.int64),
        ("latency", np.int64, (MAX_OPERATIONS, BUCKETS)),
        ("longest", np.int64, (MAX_OPERATIONS,)),
    ]
)
"""What one thread did. `done`: bodies; `at`: the operation it is at; `begin`, `end`: ticks; `worst`: ticks of the
longest batch; `last`: the INTID it acknowledged last; `taken`: interrupts acknowledged;
`latency`: number of each operation's calls by bucket; `longest`: ticks."""


def new_control(threads: int) -> Any:
    """Return a fresh record of CONTROL."""
    control = aligned_record(CONTROL)
    control.threads = threads
    return control


def new_mine() -> Any:
    """Return a fresh record of MINE."""
    return aligned_record(MINE)


@jit
def act(vm: Any, op: Any, last: Any, caller: Any) -> Any:  # noqa: C901 - one branch per kind, flat
    """Do one operation; return the INTID that it acknowledged, else `last`.

    op: a record of kvmarm.trace.OP whose `ref` is not 0 when its value is `last`. An EOI of a spurious one is none.
    """
    kind = op.kind
    vcpu = op.vcpu
    if kind == FLUSH:
        interface.flush(vm, vcpu, caller)
    elif kind == SYNC:
        image = vm.image[vcpu]
        guest.settle(vm, image)
        interface.sync(vm, vcpu, caller)
        image.misr = U64_0
    elif kind == INJECT:
        interface.inject(vm, vcpu, op.a, op.b, caller)
    elif kind == ACK:
        return guest.acknowledge(vm, vm.image[vcpu])
    elif kind == EOI:
        if last != SPURIOUS:
            guest.end_of_interrupt(vm, vm.image[vcpu], last)
    elif kind == MMIO_W:
        value = op.value
        if op.c < 8:
            value &= (U64_1 << U64(op.c * 8)) - U64_1
        interface.mmio_write(vm, vcpu, op.a, op.b, op.c, value, caller)
    elif kind == MMIO_R:
        interface.mmio_read(vm, vcpu, op.a, op.b, op.c, caller)
    elif kind == SGI1R:
        interface.send_sgi(vm, vcpu, op.value, caller)
    elif kind == MSI:
        interface.signal_msi(vm, op.a, op.b, caller)
    elif kind == PENDING:
        interface.pending(vm, vcpu, caller)
    elif kind == GMEM_W:
        guest_memory.store(vm, U64(op.a), op.value)
    return last


@jit
def run_once(vm: Any, ops: Any, mine: Any, caller: Any) -> None:
    """Do a list of operations once: a set-up, or a body. Stops at a BUG_ON."""
    last = np.int64(mine.last)
    for index in range(ops.shape[0]):
        mine.at = index
        note_operation(caller, index)
        last = act(vm, ops[index], last, caller)
        if ops[index].kind == ACK and last != SPURIOUS:
            mine.taken += 1
        if vm.bug != 0:
            break
    mine.last = last


@jit
def _meet(control: Any) -> None:
    noinline()
    add_reference(control, 1)
    while add_reference(control, 0) < control.threads and control.stop == 0:
        counter()


@jit
def _wait(ticks: Any) -> None:
    """Be in the guest for so many ticks."""
    noinline()
    if ticks > 0:
        until = counter() + ticks
        while counter() < until:
            pass


@jit_uncounted
def run_window(vm: Any, ops: Any, mine: Any, caller: Any, control: Any, lengths: Any, limit: Any) -> None:
    """Run a body until the window is over.

    lengths: int64[3], ticks of the window (0: until control.stop), ticks in the guest between bodies, bodies per batch.
    limit: bodies at most, 0 for any number.
    """
    window, inside, batch = lengths[0], lengths[1], lengths[2]
    mine.done = 0
    mine.worst = 0
    _meet(control)
    begin = counter()
    now = begin
    done = np.int64(0)
    worst = np.int64(0)
    while control.stop == 0 and vm.bug == 0:
        for _ in range(batch):
            run_once(vm, ops, mine, caller)
            _wait(inside)
        done += batch
        mine.done = done
        before = now
        now = counter()
        worst = max(worst, now - before)
        if window > 0 and now - begin >= window:
            break
        if limit > 0 and done >= limit:
            break
    mine.begin = begin
    mine.end = now
    mine.worst = worst


@jit
def bucket_of(ticks: Any) -> Any:
    """Return the bucket (int64) of a latency: STEPS of them per doubling."""
    if ticks < STEPS:
        return np.int64(max(ticks, 0))
    length = bit_length(U64(ticks)) - 1
    return (length - 2) * STEPS + ((ticks >> (length - 3)) & (STEPS - 1))


@jit_uncounted
def timed_operations(vm: Any, ops: Any, mine: Any, caller: Any, control: Any, lengths: Any, limit: Any) -> None:
    """Run a body as `run_window` does, the clock read around each operation."""
    window, inside = lengths[0], lengths[1]
    mine.done = 0
    _meet(control)
    begin = counter()
    last = np.int64(mine.last)
    done = np.int64(0)
    while control.stop == 0 and vm.bug == 0:
        for index in range(ops.shape[0]):
            mine.at = index
            note_operation(caller, index)
            start = counter()
            last = act(vm, ops[index], last, caller)
            ticks = counter() - start
            if ops[index].kind == ACK and last != SPURIOUS:
                mine.taken += 1
            place = min(index, MAX_OPERATIONS - 1)
            mine.latency[place, bucket_of(ticks)] += 1
            mine.longest[place] = max(mine.longest[place], ticks)
        done += 1
        mine.done = done
        _wait(inside)
        if window > 0 and counter() - begin >= window:
            break
        if limit > 0 and done >= limit:
            break
    mine.begin = begin
    mine.end = counter()
    mine.last = last
