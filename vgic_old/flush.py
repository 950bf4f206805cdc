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
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import FIRST_SPI, HCR_UIE, SGIS
from kvmarm.jit import U64, U64_0, U64_1, find_first_bit, jit, jit_inlined
from kvmarm.locks import DIST, acquire, assert_held, release
from kvmarm.lr import implemented, lr_intid
from vgic_old.bitmap import clear_bit, is_edge, set_bit, test_bit, unmark_deliverable
from vgic_old.forward import search
from vgic_old.lr import (
    compared_source,
    new_lr,
    occupied,
    read_lr,
    with_active,
    with_eoi,
    with_pending,
    with_physical,
    write_lr,
)
from vgic_old.state import ACTIVE, PENDING, PRIVATE_MASK, QUEUED, SGI_MASK
from vgic_old.update import update_state

NO_SOURCE = np.int64(0)
"""The source of everything but a GICv2 SGI."""


@jit_inlined
def _queue_to_lr(vm: Any, vcpu: Any, intid: Any, index: Any, lr: Any, observer: Any) -> None:
    """Give `lr` (raw, uint64) the interrupt's state and store it: active or pending, never both at once.

    The distributor lock is held.
    """
    assert_held(vm)
    events.count(observer, events.QUEUE_LR, 1)
    gic = vm.gic
    if test_bit(vm, ACTIVE, vcpu, intid, observer):
        lr = with_active(gic, lr)
        clear_bit(vm, ACTIVE, vcpu, intid, observer)
        update_state(vm, observer)
    else:
        # Asked for a warning only: what is not active should be pending.
        events.count(observer, events.BIT_TEST, 1)
        lr = with_pending(gic, lr)
    if not is_edge(vm, vcpu, intid, observer):
        lr = with_eoi(gic, lr)
    if intid >= SGIS:
        pintid = search(vm, vcpu, intid, observer)
        if pintid >= 0:
            lr = with_physical(gic, lr, pintid)
            set_bit(vm, QUEUED, vcpu, intid, observer)
    write_lr(vm, vcpu, index, lr, observer)


@jit
def _queue(vm: Any, vcpu: Any, intid: Any, source: Any, observer: Any) -> Any:
    """Put `intid` from `source` (a GICv2 SGI's sender, else 0) into a list register; return False when none is left.

    The distributor lock is held.
    """
    assert_held(vm)
    events.count(observer, events.LR_SEARCH, 1)
    gic = vm.gic
    used = occupied(vm, vcpu)
    chosen = find_first_bit(~used & implemented(vm))
    lr = new_lr(gic, intid, source)
    while used != U64_0:
        index = find_first_bit(used)
        used &= used - U64_1
        events.count(observer, events.LR_MATCH, 1)
        held = read_lr(vm, vcpu, index, observer)
        if lr_intid(gic, held) == intid and compared_source(gic, held) == source:
            chosen = index
            lr = held
            break
    else:
        # No register holds it: the original searches once more, for a free one.
        events.count(observer, events.FIND_BIT, 1)
    if chosen == 64:
        return False
    _queue_to_lr(vm, vcpu, intid, chosen, lr, observer)
    return True


@jit
def _queue_sgi(vm: Any, vcpu: Any, intid: Any, observer: Any) -> Any:
    """Queue an SGI: on GICv2 once for each sender. Return False when something of it is left.

    The distributor lock is held.
    """
    assert_held(vm)
    if vm.gic == 2:
        cpu = vm.vcpu[vcpu]
        sources = np.int64(cpu.sgi_sources[intid])
        events.count(observer, events.SGI_SOURCE, 2)
        events.count(observer, events.FIND_BIT, 1)
        for source in range(vm.vcpus):
            events.count(observer, events.FIND_BIT, sources >> source & 1)
            if sources >> source & 1 and _queue(vm, vcpu, intid, source, observer):
                sources &= ~(1 << source)
        cpu.sgi_sources[intid] = sources
        if sources != 0:
            return False
    elif not _queue(vm, vcpu, intid, NO_SOURCE, observer):
        return False
    clear_bit(vm, PENDING, vcpu, intid, observer)
    unmark_deliverable(vm, vcpu, intid, observer)
    return True


@jit_inlined
def _queue_other(vm: Any, vcpu: Any, intid: Any, observer: Any) -> Any:
    """Queue a PPI or SPI; return False when there is no room. One that is in a list register already is left alone.

    The distributor lock is held.
    """
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
def _queue_word(vm: Any, vcpu: Any, word: Any, first_intid: Any, observer: Any) -> Any:
    """Try every PPI or SPI whose bit is set in `word` (bit 0 is `first_intid`); return whether one found no room.

    The distributor lock is held.
    """
    assert_held(vm)
    overflow = False
    while word != U64_0:
        intid = first_intid + find_first_bit(word)
        word &= word - U64_1
        events.count(observer, events.CANDIDATE, 1)
        events.count(observer, events.FIND_BIT, 1)
        events.count(observer, events.WORD_SCAN, 1)
        if not _queue_other(vm, vcpu, intid, observer):
            overflow = True
    return overflow


@jit_inlined
def _queue_all(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Try all candidates in the order of INTIDs; return whether one found no room. The distributor lock is held."""
    assert_held(vm)
    cpu = vm.vcpu[vcpu]
    private = cpu.candidate_private
    sgis = private & U64(SGI_MASK)
    overflow = False
    events.count(observer, events.FIND_BIT, 3)
    events.count(observer, events.WORD_SCAN, 2)
    while sgis != U64_0:
        intid = find_first_bit(sgis)
        sgis &= sgis - U64_1
        events.count(observer, events.CANDIDATE, 1)
        events.count(observer, events.FIND_BIT, 1)
        events.count(observer, events.WORD_SCAN, 1)
        if not _queue_sgi(vm, vcpu, intid, observer):
            overflow = True
    # The PPIs first, as a word before the SPIs' words.
    for index in range(-1, vm.words):
        if index < 0:
            word = private & U64(PRIVATE_MASK ^ SGI_MASK)
            first = np.int64(0)
        else:
            events.count(observer, events.WORD_SCAN, 1)
            word = cpu.candidate_shared[index]
            first = FIRST_SPI + 64 * np.int64(index)
        if word != U64_0 and _queue_word(vm, vcpu, word, first, observer):
            overflow = True
    return overflow


@jit
def flush(vm: Any, vcpu: Any, observer: Any) -> None:
    """Fill the list registers of `vcpu`'s image with what it can take."""
    events.count(observer, events.CALL_FLUSH, 1)
    acquire(vm, DIST, 0, observer)
    cpu = vm.vcpu[vcpu]
    cpu.candidate_private = cpu.pending_private | cpu.active_private
    words = vm.words
    for index in range(words):
        cpu.candidate_shared[index] = cpu.pending_shared[index] | cpu.active_shared[index]
    events.count(observer, events.WORD_OR, words)
    overflow = False
    if vm.pending_on_cpu[vcpu] != 0 or vm.active_on_cpu[vcpu] != 0:
        overflow = _queue_all(vm, vcpu, observer)
    image = vm.image[vcpu]
    if overflow:
        image.hcr |= U64(HCR_UIE)
    else:
        image.hcr &= ~U64(HCR_UIE)
        events.count(observer, events.MARK_VCPU, 1)
        vm.pending_on_cpu[vcpu] = 0
    release(vm, DIST, 0, observer)
