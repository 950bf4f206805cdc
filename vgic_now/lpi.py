# SPDX-License-Identifier: GPL-2.0-only
"""LPIs: records that come with a translation of the ITS, are counted by reference, and are found in a map by INTID.

Models: vgic_get_irq, vgic_put_irq and vgic_release_deleted_lpis (arch/arm64/kvm/vgic/vgic.c), vgic_add_lpi (vgic-its.c)
and the use of lib/xarray.c, Linux 6.18.35.

Lock order: the lock of the LPI map, inside which no other is taken; the caller may hold the ITS lock.

Rules:
- A look-up takes no lock and adds a reference. An ap_list and each entry of the translation cache hold one of their
  own.
- Only who drops the last reference takes the map's lock, to erase the record. `sync` and the end of a redistributor's
  LPIs do that once for all that they dropped.
- The real records come from the allocator, these from a pool in the VM record. One beyond it ends the run (`vm.bug`).
- Of a VM without an ITS the record's type says so, and nothing of this is compiled for it.
"""

from typing import Any

import numpy as np

from kvmarm import events, locks
from kvmarm.config import MAX_LPIS
from kvmarm.gic import FIRST_LPI
from kvmarm.jit import JIT_ENABLED, STUB_OPTIONS, U64, U64_0, add_reference, find_first_bit, jit
from kvmarm.state import its_by_type
from vgic_now.state import EDGE, FIRST_LPI_SLOT, LPI_INTIDS, NO_LPI_LEFT, NO_SLOT, NOBODY, find_irq

NO_LPI = -1
_GROUP1 = 1

if JIT_ENABLED:
    from numba.extending import overload


@jit
def lock_lpi_map(vm: Any, observer: Any) -> None:
    """Take the lock of the VM's map of LPIs."""
    locks.acquire(vm.lpi_map, locks.LPI_LIST, 0, observer)


@jit
def unlock_lpi_map(vm: Any, observer: Any) -> None:
    """Release the lock of the VM's map of LPIs."""
    locks.release(vm.lpi_map, locks.LPI_LIST, 0, observer)


@jit
def next_lpi(vm: Any, intid: Any) -> Any:
    """Return the lowest INTID (int64) from `intid` on that an LPI of the VM has, NO_LPI when there is none."""
    chart = vm.lpi_map
    while intid < LPI_INTIDS:
        left = chart.present[intid >> 6] >> U64(intid & 63)
        if left != U64_0:
            return intid + find_first_bit(left)
        leaf = (intid >> 6) + 1
        if leaf >= LPI_INTIDS >> 6:
            break
        leaves = chart.leaves[leaf >> 6] >> U64(leaf & 63)
        leaf = leaf + find_first_bit(leaves) if leaves != U64_0 else ((leaf >> 6) + 1) << 6
        intid = leaf << 6
    return np.int64(NO_LPI)


@jit
def get_lpi(vm: Any, intid: Any, observer: Any) -> Any:
    """Return the slot (int64) of the LPI `intid` with a reference that `put_lpi` drops, NO_SLOT when there is none."""
    events.count(observer, events.LPI_LOOKUP, 1)
    chart = vm.lpi_map
    if intid >= LPI_INTIDS:
        return np.int64(NO_SLOT)
    if not (chart.leaves[intid >> 12] >> U64((intid >> 6) & 63)) & U64(1):
        return np.int64(NO_SLOT)
    if not (chart.present[intid >> 6] >> U64(intid & 63)) & U64(1):
        return np.int64(NO_SLOT)
    slot = np.int64(chart.slot[intid])
    lpi = vm.lpi[slot - FIRST_LPI_SLOT]
    if lpi.refcount == 0:
        # Dropped, but not erased yet.
        return np.int64(NO_SLOT)
    add_reference(lpi, 1)
    return slot


@jit
def drop_reference(vm: Any, slot: Any, observer: Any) -> Any:
    """Drop a reference to the LPI in `slot`; return whether it was the last, so that the record is to be erased."""
    events.count(observer, events.LPI_PUT, 1)
    return add_reference(vm.lpi[slot - FIRST_LPI_SLOT], -1) == 0


@jit
def _erase(vm: Any, slot: Any, observer: Any) -> None:
    """Take an LPI without references off the map; its slot is free. The map's lock is held."""
    locks.assert_held(vm.lpi_map)
    events.count(observer, events.LPI_FREE, 1)
    chart = vm.lpi_map
    intid = np.int64(vm.irq[slot].intid)
    chart.present[intid >> 6] &= ~(U64(1) << U64(intid & 63))
    if chart.present[intid >> 6] == U64_0:
        chart.leaves[intid >> 12] &= ~(U64(1) << U64((intid >> 6) & 63))
    vm.lpi[slot - FIRST_LPI_SLOT].next = chart.free
    chart.free = slot


@jit
def put_lpi(vm: Any, slot: Any, observer: Any) -> None:
    """Drop a reference to the LPI in `slot`; with the last one it leaves the map."""
    if drop_reference(vm, slot, observer):
        lock_lpi_map(vm, observer)
        _erase(vm, slot, observer)
        unlock_lpi_map(vm, observer)


@jit
def _release_dropped(vm: Any, observer: Any) -> None:
    lock_lpi_map(vm, observer)
    intid = next_lpi(vm, np.int64(FIRST_LPI))
    while intid != NO_LPI:
        events.count(observer, events.LPI_STEP, 1)
        slot = np.int64(vm.lpi_map.slot[intid])
        if vm.lpi[slot - FIRST_LPI_SLOT].refcount == 0:
            _erase(vm, slot, observer)
        intid = next_lpi(vm, intid + 1)
    unlock_lpi_map(vm, observer)


@jit
def _allocate(vm: Any) -> Any:
    """Return a slot (int64) of the pool, NO_SLOT when there is none left. The map's lock is held."""
    chart = vm.lpi_map
    locks.assert_held(chart)
    slot = np.int64(chart.free)
    if slot != NO_SLOT:
        chart.free = vm.lpi[slot - FIRST_LPI_SLOT].next
    elif chart.used < MAX_LPIS:
        slot = FIRST_LPI_SLOT + np.int64(chart.used)
        chart.used += 1
    else:
        vm.bug = NO_LPI_LEFT
    return slot


@jit
def _initialise(vm: Any, slot: Any, intid: Any, target: Any) -> None:
    irq = vm.irq[slot]
    irq.intid = intid
    irq.hwintid = 0
    irq.next = NO_SLOT
    irq.prev = NO_SLOT
    irq.vcpu = NOBODY
    irq.target_vcpu = target
    irq.latch = 0
    irq.line_level = 0
    irq.active = 0
    irq.enabled = 0
    irq.hw = 0
    irq.config = EDGE
    irq.group = _GROUP1
    irq.source = 0
    irq.active_source = 0
    irq.priority = 0


@jit
def add_lpi(vm: Any, intid: Any, target: Any, observer: Any) -> Any:
    """Return the slot (int64) of a new LPI with a reference, for the vCPU `target` or NOBODY; NO_SLOT beyond the pool.

    The map's lock is taken twice: to reserve the place, then to store the record.
    """
    events.count(observer, events.LPI_ADD, 1)
    lock_lpi_map(vm, observer)
    slot = _allocate(vm)
    unlock_lpi_map(vm, observer)
    if slot == NO_SLOT:
        return slot
    _initialise(vm, slot, intid, target)
    vm.lpi[slot - FIRST_LPI_SLOT].refcount = 1
    lock_lpi_map(vm, observer)
    chart = vm.lpi_map
    chart.slot[intid] = slot
    chart.present[intid >> 6] |= U64(1) << U64(intid & 63)
    chart.leaves[intid >> 12] |= U64(1) << U64((intid >> 6) & 63)
    unlock_lpi_map(vm, observer)
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


def drop_irq(vm: Any, slot: Any, observer: Any) -> Any:
    """Drop the reference of the ap_list that an interrupt has left; return whether it was an LPI's last one.

    Such an LPI is erased by `release_dropped`.
    """
    return slot >= FIRST_LPI_SLOT and drop_reference(vm, slot, observer) if vm.its else False


def release_dropped(vm: Any, observer: Any) -> None:
    """Erase all LPIs whose last reference was dropped."""
    if vm.its:
        _release_dropped(vm, observer)


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
        return lambda vm, slot, observer: None

    @overload(drop_irq, strict=False, jit_options=STUB_OPTIONS)
    def _drop_irq_by_type(vm: Any, slot: Any, observer: Any) -> Any:
        if its_by_type(vm):
            return lambda vm, slot, observer: slot >= FIRST_LPI_SLOT and drop_reference(vm, slot, observer)
        return lambda vm, slot, observer: False

    @overload(release_dropped, strict=False, jit_options=STUB_OPTIONS)
    def _release_dropped_by_type(vm: Any, observer: Any) -> Any:
        if its_by_type(vm):
            return lambda vm, observer: _release_dropped(vm, observer)
        return lambda vm, observer: None
