# SPDX-License-Identifier: GPL-2.0-only
"""LPIs: records that come with a translation of the ITS, are counted by reference, and are found in one linear list.

Models: vgic_get_irq, vgic_get_lpi and vgic_put_irq (virt/kvm/arm/vgic/vgic.c) and vgic_add_lpi (vgic-its.c), Linux
4.8.17.

Lock order: the LPI list lock, inside which no other is taken; the caller may hold ITS and ap_list locks.

Rules:
- A look-up takes the list's lock and adds a reference, every put takes it too. An ap_list holds one more reference.
- The list is in the order in which LPIs were mapped, and a look-up walks it from its head.
- The real records come from the allocator, these from a pool in the VM record. One beyond it ends the run (`vm.bug`).
- Of a VM without an ITS the record's type says so, and nothing of this is compiled for it.
"""

from typing import Any

import numpy as np

from kvmarm import events, locks
from kvmarm.config import MAX_LPIS
from kvmarm.gic import FIRST_LPI
from kvmarm.jit import JIT_ENABLED, STUB_OPTIONS, add_reference, jit, noinline
from kvmarm.state import its_by_type
from vgic_new.state import EDGE, FIRST_LPI_SLOT, NO_LPI_LEFT, NO_SLOT, NOBODY, find_irq

if JIT_ENABLED:
    from numba.extending import overload


@jit
def lock_lpi_list(vm: Any, observer: Any) -> None:
    """Take the lock of the VM's list of LPIs."""
    locks.acquire(vm.lpi_list, locks.LPI_LIST, 0, observer)


@jit
def unlock_lpi_list(vm: Any, observer: Any) -> None:
    """Release the lock of the VM's list of LPIs."""
    locks.release(vm.lpi_list, locks.LPI_LIST, 0, observer)


@jit
def _find(vm: Any, intid: Any, observer: Any) -> Any:
    """Return the slot (int64) of an LPI with a new reference, NO_SLOT when there is none. The list lock is held."""
    chain = vm.lpi_list
    locks.assert_held(chain)
    slot = np.int64(chain.head)
    while slot != NO_SLOT:
        if vm.irq[slot].intid == intid:
            add_reference(vm.lpi[slot - FIRST_LPI_SLOT], 1)
            return slot
        events.count(observer, events.LPI_STEP, 1)
        slot = np.int64(vm.lpi[slot - FIRST_LPI_SLOT].next)
    return slot


@jit
def get_lpi(vm: Any, intid: Any, observer: Any) -> Any:
    """Return the slot (int64) of the LPI `intid` with a reference that `put_lpi` drops, NO_SLOT when there is none."""
    events.count(observer, events.LPI_LOOKUP, 1)
    lock_lpi_list(vm, observer)
    slot = _find(vm, intid, observer)
    unlock_lpi_list(vm, observer)
    return slot


@jit
def put_lpi(vm: Any, slot: Any, observer: Any) -> None:
    """Drop a reference to the LPI in `slot`; with the last one it leaves the list and its slot is free."""
    events.count(observer, events.LPI_PUT, 1)
    lock_lpi_list(vm, observer)
    lpi = vm.lpi[slot - FIRST_LPI_SLOT]
    if add_reference(lpi, -1) == 0:
        events.count(observer, events.LPI_FREE, 1)
        chain = vm.lpi_list
        if lpi.prev == NO_SLOT:
            chain.head = lpi.next
        else:
            vm.lpi[lpi.prev - FIRST_LPI_SLOT].next = lpi.next
        if lpi.next == NO_SLOT:
            chain.tail = lpi.prev
        else:
            vm.lpi[lpi.next - FIRST_LPI_SLOT].prev = lpi.prev
        chain.count -= 1
        lpi.next = chain.free
        chain.free = slot
    unlock_lpi_list(vm, observer)


@jit
def _allocate(vm: Any) -> Any:
    """Return a slot (int64) of the pool, NO_SLOT when there is none left. The list lock is held."""
    chain = vm.lpi_list
    locks.assert_held(chain)
    slot = np.int64(chain.free)
    if slot != NO_SLOT:
        chain.free = vm.lpi[slot - FIRST_LPI_SLOT].next
    elif chain.used < MAX_LPIS:
        slot = FIRST_LPI_SLOT + np.int64(chain.used)
        chain.used += 1
    else:
        vm.bug = NO_LPI_LEFT
    return slot


@jit
def _initialise(vm: Any, slot: Any, intid: Any) -> None:
    irq = vm.irq[slot]
    irq.intid = intid
    irq.hwintid = 0
    irq.next = NO_SLOT
    irq.prev = NO_SLOT
    irq.vcpu = NOBODY
    irq.target_vcpu = NOBODY
    irq.pending = 0
    irq.line_level = 0
    irq.soft_pending = 0
    irq.active = 0
    irq.enabled = 0
    irq.hw = 0
    irq.config = EDGE
    irq.source = 0
    irq.priority = 0


@jit
def add_lpi(vm: Any, intid: Any, observer: Any) -> Any:
    """Return the slot (int64) of the LPI `intid` with a reference, made if there is none; NO_SLOT beyond the pool."""
    slot = get_lpi(vm, intid, observer)
    if slot != NO_SLOT:
        return slot
    events.count(observer, events.LPI_ADD, 1)
    lock_lpi_list(vm, observer)
    # Another vCPU may have added it since.
    slot = _find(vm, intid, observer)
    if slot == NO_SLOT:
        slot = _allocate(vm)
        if slot != NO_SLOT:
            _initialise(vm, slot, intid)
            lpi = vm.lpi[slot - FIRST_LPI_SLOT]
            chain = vm.lpi_list
            lpi.refcount = 1
            lpi.next = NO_SLOT
            lpi.prev = chain.tail
            if chain.tail == NO_SLOT:
                chain.head = slot
            else:
                vm.lpi[chain.tail - FIRST_LPI_SLOT].next = slot
            chain.tail = slot
            chain.count += 1
    unlock_lpi_list(vm, observer)
    return slot


def take_reference(vm: Any, slot: Any, observer: Any) -> None:
    """Add a reference to the interrupt in `slot`, to which the caller has one; what is no LPI has none."""
    if vm.its:
        _take_reference(vm, slot, observer)


def get_irq(vm: Any, vcpu: Any, intid: Any, observer: Any) -> Any:
    """Return the slot (int64) of any interrupt as `vcpu` sees it, NO_SLOT for none; `put_irq` drops the reference."""
    return _get_any(vm, vcpu, intid, observer) if vm.its else find_irq(vm, vcpu, intid, observer)


def put_irq(vm: Any, slot: Any, observer: Any) -> None:
    """Drop the reference that `get_irq` gave; what is no LPI has none."""
    if vm.its:
        _put_any(vm, slot, observer)


@jit
def _take_reference(vm: Any, slot: Any, observer: Any) -> None:
    if slot >= FIRST_LPI_SLOT:
        events.count(observer, events.LPI_REFERENCE, 1)
        add_reference(vm.lpi[slot - FIRST_LPI_SLOT], 1)


@jit
def _get_any(vm: Any, vcpu: Any, intid: Any, observer: Any) -> Any:
    if intid >= FIRST_LPI:
        return get_lpi(vm, intid, observer)
    return find_irq(vm, vcpu, intid, observer)


@jit
def _put_any(vm: Any, slot: Any, observer: Any) -> None:
    noinline()
    if slot >= FIRST_LPI_SLOT:
        put_lpi(vm, slot, observer)


if JIT_ENABLED:
    # The record's type says whether the VM has an ITS: for one without, nothing of the above is compiled.

    @overload(take_reference, strict=False, jit_options=STUB_OPTIONS)
    def _take_reference_by_type(vm: Any, slot: Any, observer: Any) -> Any:
        if its_by_type(vm):
            return lambda vm, slot, observer: _take_reference(vm, slot, observer)
        return lambda vm, slot, observer: None

    @overload(get_irq, strict=False, jit_options=STUB_OPTIONS)
    def _get_irq_by_type(vm: Any, vcpu: Any, intid: Any, observer: Any) -> Any:
        if its_by_type(vm):
            return lambda vm, vcpu, intid, observer: _get_any(vm, vcpu, intid, observer)
        return lambda vm, vcpu, intid, observer: find_irq(vm, vcpu, intid, observer)

    @overload(put_irq, strict=False, jit_options=STUB_OPTIONS)
    def _put_irq_by_type(vm: Any, slot: Any, observer: Any) -> Any:
        if its_by_type(vm):
            return lambda vm, slot, observer: _put_any(vm, slot, observer)
        # The original's call returns at once, in less time than numba's would take: it is left out.
        return lambda vm, slot, observer: None
