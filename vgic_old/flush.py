# SPDX-License-Identifier: GPL-2.0-only
"""Flush: before the guest is entered, move what is deliverable into list registers.

Models: __kvm_vgic_flush_hwstate, vgic_queue_sgi, vgic_queue_hwirq, vgic_queue_irq and vgic_queue_irq_to_lr
(virt/kvm/arm/vgic.c), vgic_v2_queue_sgi (vgic-v2-emul.c) and vgic_v3_queue_sgi (vgic-v3-emul.c), Linux 4.4.177.

Lock order: `flush` takes the distributor lock and holds it throughout; every other function runs under it.

Rules:
- Candidates are a snapshot of the caches, taken first. They are tried in the order of INTIDs; priorities play no part.
- Every candidate is tried, even when all list registers are taken. One that finds no room sets the underflow interrupt
  and keeps `pending_on_cpu`.
- A list register that already holds the interrupt is used again and keeps its flags.

Work: pending and active maps are ORed into a third, whose bits are found one by one, in a loop each for SGIs, PPIs and
SPIs. For each candidate ELRSR is fetched, each list register in use is decoded (vgic_old.lr), and one is encoded.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import FIRST_SPI, LR_PHYSICAL_MASK, LR_SOURCE_MASK, SGIS
from kvmarm.jit import U64, U64_0, find_first_bit, jit, noinline
from kvmarm.locks import DIST, acquire, assert_held, release
from vgic_old.bitmap import clear_bit, is_edge, is_marked, set_bit, test_bit, unmark_deliverable, unmark_vcpu
from vgic_old.forward import search
from vgic_old.lr import ACTIVE as LR_ACTIVE
from vgic_old.lr import (
    EOI,
    HW,
    empty_registers,
    forgo_underflow,
    next_register,
    read_lr,
    want_underflow,
    write_lr,
)
from vgic_old.lr import PENDING as LR_PENDING
from vgic_old.state import (
    ACTIVE,
    ACTIVE_MAP,
    CANDIDATE_MAP,
    ON_CPU_ACTIVE,
    ON_CPU_PENDING,
    PENDING,
    PENDING_MAP,
    QUEUED,
)
from vgic_old.update import update_state

NO_SOURCE = np.int64(0)
"""The source of everything but a GICv2 SGI."""


@jit
def _queue_to_lr(vm: Any, vcpu: Any, intid: Any, index: Any, origin: Any, state: Any, observer: Any) -> None:
    """Give a decoded register the interrupt's state and store it: active or pending, never both at once.

    The distributor lock is held.
    """
    noinline()
    assert_held(vm)
    events.count(observer, events.QUEUE_LR, 1)
    if test_bit(vm, ACTIVE, vcpu, intid, observer):
        state |= LR_ACTIVE
        clear_bit(vm, ACTIVE, vcpu, intid, observer)
        update_state(vm, observer)
    else:
        # Asked for a warning only: what is not active should be pending.
        test_bit(vm, PENDING, vcpu, intid, observer)
        state |= LR_PENDING
    if not is_edge(vm, vcpu, intid, observer):
        state |= EOI
    if intid >= SGIS:
        pintid = search(vm, vcpu, intid, observer)
        if pintid >= 0:
            origin = pintid & LR_PHYSICAL_MASK
            state = state & ~EOI | HW
            set_bit(vm, QUEUED, vcpu, intid, observer)
    write_lr(vm, vcpu, index, intid, origin, state, observer)


@jit
def _queue(vm: Any, vcpu: Any, intid: Any, source: Any, observer: Any) -> Any:
    """Put `intid` from `source` (a GICv2 SGI's sender, else 0) into a list register; return False when none is left.

    The distributor lock is held.
    """
    noinline()
    assert_held(vm)
    events.count(observer, events.LR_SEARCH, 1)
    empty = empty_registers(vm, vcpu)
    index = next_register(vm, ~empty, np.int64(0))
    while index < 64:
        events.count(observer, events.LR_MATCH, 1)
        held, origin, state = read_lr(vm, vcpu, index, observer)
        if held == intid and origin & LR_SOURCE_MASK == source:
            _queue_to_lr(vm, vcpu, intid, index, origin, state, observer)
            return True
        index = next_register(vm, ~empty, index + 1)
    # No register holds it: one more search, for a free one.
    events.count(observer, events.FIND_BIT, 1)
    index = next_register(vm, empty, np.int64(0))
    if index == 64:
        return False
    _queue_to_lr(vm, vcpu, intid, index, source, np.int64(0), observer)
    return True


@jit
def _queue_sources(vm: Any, vcpu: Any, intid: Any, observer: Any) -> Any:
    """Queue an SGI of GICv2 once for each sender. Return False when something of it is left."""
    noinline()
    cpu = vm.vcpu[vcpu]
    sources = np.int64(cpu.sgi_sources[intid])
    events.count(observer, events.SGI_SOURCE, 2)
    events.count(observer, events.FIND_BIT, 1)
    for source in range(vm.vcpus):
        events.count(observer, events.FIND_BIT, sources >> source & 1)
        if sources >> source & 1 and _queue(vm, vcpu, intid, source, observer):
            sources &= ~(1 << source)
    cpu.sgi_sources[intid] = sources
    return sources == 0


@jit
def _queue_sgi(vm: Any, vcpu: Any, intid: Any, observer: Any) -> Any:
    """Queue an SGI; return False when something of it is left.

    The distributor lock is held.
    """
    noinline()
    assert_held(vm)
    if vm.gic == 2:
        if not _queue_sources(vm, vcpu, intid, observer):
            return False
    elif not _queue(vm, vcpu, intid, NO_SOURCE, observer):
        return False
    clear_bit(vm, PENDING, vcpu, intid, observer)
    unmark_deliverable(vm, vcpu, intid, observer)
    return True


@jit
def _queue_other(vm: Any, vcpu: Any, intid: Any, observer: Any) -> Any:
    """Queue a PPI or SPI; return False when there is no room. One that is in a list register already is left alone.

    The distributor lock is held.
    """
    noinline()
    assert_held(vm)
    if test_bit(vm, QUEUED, vcpu, intid, observer):
        return True
    if not _queue(vm, vcpu, intid, NO_SOURCE, observer):
        return False
    if is_edge(vm, vcpu, intid, observer):
        clear_bit(vm, PENDING, vcpu, intid, observer)
        unmark_deliverable(vm, vcpu, intid, observer)
    else:
        set_bit(vm, QUEUED, vcpu, intid, observer)
    return True


@jit
def _next_private(cpu: Any, start: Any, stop: Any) -> Any:
    """Return the first private candidate (int64) from `start` on, `stop` or more for none: a library search."""
    noinline()
    return find_first_bit(cpu.cache_private[CANDIDATE_MAP] & ~U64_0 << U64(start)) if start < stop else np.int64(stop)


@jit
def _next_shared(cpu: Any, words: Any, start: Any, observer: Any) -> Any:
    """Return the first candidate among the SPIs (int64, 0 is INTID 32) from `start` on, -1 for none."""
    noinline()
    index = start >> 6
    first = ~U64_0 << U64(start & 63)
    while index < words:
        word = cpu.cache_shared[CANDIDATE_MAP, index] & first
        if word != U64_0:
            return (index << 6) + find_first_bit(word)
        first = ~U64_0
        index += 1
    return np.int64(-1)


@jit
def _count_candidate(observer: Any) -> None:
    events.count(observer, events.CANDIDATE, 1)
    events.count(observer, events.FIND_BIT, 1)
    events.count(observer, events.WORD_SCAN, 1)


@jit
def _queue_all(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Try all candidates in the order of INTIDs, SGIs, PPIs, SPIs; return whether one found no room.

    The distributor lock is held.
    """
    assert_held(vm)
    cpu = vm.vcpu[vcpu]
    overflow = False
    events.count(observer, events.FIND_BIT, 3)
    events.count(observer, events.WORD_SCAN, 2 + vm.words)
    intid = _next_private(cpu, np.int64(0), SGIS)
    while intid < SGIS:
        _count_candidate(observer)
        if not _queue_sgi(vm, vcpu, intid, observer):
            overflow = True
        intid = _next_private(cpu, intid + 1, SGIS)
    intid = _next_private(cpu, np.int64(SGIS), FIRST_SPI)
    while intid < FIRST_SPI:
        _count_candidate(observer)
        if not _queue_other(vm, vcpu, intid, observer):
            overflow = True
        intid = _next_private(cpu, intid + 1, FIRST_SPI)
    spi = _next_shared(cpu, vm.words, np.int64(0), observer)
    while spi >= 0:
        _count_candidate(observer)
        if not _queue_other(vm, vcpu, FIRST_SPI + spi, observer):
            overflow = True
        spi = _next_shared(cpu, vm.words, spi + 1, observer)
    return overflow


@jit
def _snapshot(vm: Any, cpu: Any, observer: Any) -> None:
    """Take what is pending or active for the vCPU record `cpu` as its candidates: SPI words by a library loop."""
    noinline()
    for index in range(vm.words):
        cpu.cache_shared[CANDIDATE_MAP, index] = (
            cpu.cache_shared[PENDING_MAP, index] | cpu.cache_shared[ACTIVE_MAP, index]
        )
    events.count(observer, events.WORD_OR, vm.words)


@jit
def flush(vm: Any, vcpu: Any, observer: Any) -> None:
    """Fill the list registers of `vcpu`'s image with what it can take."""
    noinline()
    events.count(observer, events.CALL_FLUSH, 1)
    acquire(vm, DIST, 0, observer)
    cpu = vm.vcpu[vcpu]
    cpu.cache_private[CANDIDATE_MAP] = cpu.cache_private[PENDING_MAP] | cpu.cache_private[ACTIVE_MAP]
    _snapshot(vm, cpu, observer)
    overflow = False
    if is_marked(vm, ON_CPU_PENDING, vcpu) or is_marked(vm, ON_CPU_ACTIVE, vcpu):
        overflow = _queue_all(vm, vcpu, observer)
    if overflow:
        want_underflow(vm, vcpu)
    else:
        forgo_underflow(vm, vcpu)
        unmark_vcpu(vm, ON_CPU_PENDING, vcpu, observer)
    release(vm, DIST, 0, observer)
