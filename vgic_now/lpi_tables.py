# SPDX-License-Identifier: GPL-2.0-only
"""What LPIs have in guest memory: a byte each with priority and enable bit, and a pending bit per redistributor.

Models: update_lpi_config, vgic_its_invall and its_sync_lpi_pending_table (arch/arm64/kvm/vgic/vgic-its.c),
vgic_v3_lpi_sync_pending_status (vgic-v3.c) and vgic_flush_pending_lpis (vgic.c), Linux 6.18.35.

Lock order: the irq lock, which vgic_now.queue releases; for LPIs that leave an ap_list its lock, then the irq lock, and
afterwards that of the LPI map.

Rules:
- A walk over all LPIs goes by the map, in the order of their INTIDs.
- The scan of a pending table sets and clears the latch of the LPIs that are routed to that redistributor. It offers
  every LPI to its list. The guest's bit is cleared only when an LPI is mapped for the first time.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import FIRST_LPI
from kvmarm.guest_memory import is_ram, load_byte, store_byte
from kvmarm.jit import JIT_ENABLED, STUB_OPTIONS, U64, jit
from kvmarm.state import its_by_type
from vgic_now.aplist import remove
from vgic_now.its_cache import empty_cache
from vgic_now.lpi import NO_LPI, drop_reference, get_lpi, next_lpi, put_lpi, release_dropped
from vgic_now.queue import queue_and_unlock
from vgic_now.state import (
    FIRST_LPI_SLOT,
    NO_SLOT,
    NOBODY,
    lock_ap_list,
    lock_irq,
    unlock_ap_list,
    unlock_irq,
)

if JIT_ENABLED:
    from numba.extending import overload

_PROPBASER_ADDRESS = 0x000F_FFFF_FFFF_F000
_PENDBASER_ADDRESS = 0x000F_FFFF_FFFF_0000
_PRIORITY_MASK = 0xFC
_ENABLED = 1


@jit
def update_config(vm: Any, slot: Any, only: Any, observer: Any) -> Any:
    """Take priority and enable bit of the LPI in `slot` from its byte, and queue it; return False when that is no RAM.

    only: the vCPU that it must be routed to, or NOBODY for any.
    """
    events.count(observer, events.LPI_CONFIG, 1)
    irq = vm.irq[slot]
    address = (vm.propbaser & U64(_PROPBASER_ADDRESS)) + U64(np.int64(irq.intid) - FIRST_LPI)
    events.count(observer, events.GUEST_READ, 1)
    if not is_ram(address):
        return False
    byte = load_byte(vm, address)
    lock_irq(vm, slot, observer)
    if only != NOBODY and irq.target_vcpu != only:
        unlock_irq(vm, slot, observer)
        return True
    irq.priority = byte & _PRIORITY_MASK
    irq.enabled = byte & _ENABLED
    queue_and_unlock(vm, slot, observer)
    return True


@jit
def take_pending_bit(vm: Any, slot: Any, observer: Any) -> Any:
    """Move a new LPI's bit of its target's pending table into the record, and queue it; return False when it cannot.

    Without a target there is nothing to do. A bit that is set is cleared in guest memory.
    """
    irq = vm.irq[slot]
    target = np.int64(irq.target_vcpu)
    if target == NOBODY:
        return True
    intid = np.int64(irq.intid)
    address = (vm.vcpu[target].pendbaser & U64(_PENDBASER_ADDRESS)) + U64(intid >> 3)
    events.count(observer, events.GUEST_READ, 1)
    if not is_ram(address):
        return False
    byte = load_byte(vm, address)
    is_set = (byte >> (intid & 7)) & 1
    events.count(observer, events.LPI_PENDING, 1)
    lock_irq(vm, slot, observer)
    irq.latch = is_set
    queue_and_unlock(vm, slot, observer)
    if is_set:
        store_byte(vm, address, byte & ~(1 << (intid & 7)))
    return True


@jit
def update_all(vm: Any, vcpu: Any, observer: Any) -> None:
    """Take the configuration of all LPIs that are routed to `vcpu` from guest memory."""
    intid = next_lpi(vm, np.int64(FIRST_LPI))
    while intid != NO_LPI:
        slot = get_lpi(vm, intid, observer)
        if slot != NO_SLOT:
            update_config(vm, slot, vcpu, observer)
            put_lpi(vm, slot, observer)
        intid = next_lpi(vm, intid + 1)


@jit
def _scan(vm: Any, vcpu: Any, observer: Any) -> None:
    base = vm.vcpu[vcpu].pendbaser & U64(_PENDBASER_ADDRESS)
    last = np.int64(-1)
    byte = np.int64(0)
    intid = next_lpi(vm, np.int64(FIRST_LPI))
    while intid != NO_LPI:
        if intid >> 3 != last:
            address = base + U64(intid >> 3)
            events.count(observer, events.GUEST_READ, 1)
            if not is_ram(address):
                return
            byte = load_byte(vm, address)
            last = intid >> 3
        slot = get_lpi(vm, intid, observer)
        if slot != NO_SLOT:
            events.count(observer, events.LPI_PENDING, 1)
            lock_irq(vm, slot, observer)
            if vm.irq[slot].target_vcpu == vcpu:
                vm.irq[slot].latch = (byte >> (intid & 7)) & 1
            queue_and_unlock(vm, slot, observer)
            put_lpi(vm, slot, observer)
        intid = next_lpi(vm, intid + 1)


@jit
def _unlist(vm: Any, vcpu: Any, observer: Any) -> None:
    dropped = False
    lock_ap_list(vm, vcpu, observer)
    slot = np.int64(vm.vcpu[vcpu].head)
    while slot != NO_SLOT:
        events.count(observer, events.LIST_STEP, 1)
        following = np.int64(vm.irq[slot].next)
        if slot >= FIRST_LPI_SLOT:
            lock_irq(vm, slot, observer)
            remove(vm, vcpu, slot, observer)
            unlock_irq(vm, slot, observer)
            dropped = drop_reference(vm, slot, observer) or dropped
        slot = following
    unlock_ap_list(vm, vcpu, observer)
    if dropped:
        release_dropped(vm, observer)
    empty_cache(vm, observer)


@jit
def _invalidate(vm: Any, intid: Any, observer: Any) -> None:
    slot = get_lpi(vm, intid, observer)
    if slot != NO_SLOT:
        update_config(vm, slot, np.int64(NOBODY), observer)
        put_lpi(vm, slot, observer)


def scan_pending_table(vm: Any, vcpu: Any, observer: Any) -> None:
    """Take the latch of LPIs routed to `vcpu` from its table and queue all LPIs, up to a byte that is no memory."""
    if vm.its:
        _scan(vm, vcpu, observer)


def unlist_lpis(vm: Any, vcpu: Any, observer: Any) -> None:
    """Take all LPIs off the ap_list of `vcpu`, which no longer has any, and empty the cache; their latches stay."""
    if vm.its:
        _unlist(vm, vcpu, observer)


def invalidate(vm: Any, intid: Any, observer: Any) -> None:
    """Take the configuration of the LPI `intid` from guest memory, if there is that LPI."""
    if vm.its:
        _invalidate(vm, intid, observer)


def invalidate_all(vm: Any, vcpu: Any, observer: Any) -> None:
    """Take the configuration of all LPIs that are routed to `vcpu` from guest memory."""
    if vm.its:
        update_all(vm, vcpu, observer)


if JIT_ENABLED:
    # Registers of a redistributor lead here; for a VM without an ITS, by its record's type, nothing is compiled.

    @overload(scan_pending_table, strict=False, jit_options=STUB_OPTIONS)
    def _scan_by_type(vm: Any, vcpu: Any, observer: Any) -> Any:
        if its_by_type(vm):
            return lambda vm, vcpu, observer: _scan(vm, vcpu, observer)
        return lambda vm, vcpu, observer: None

    @overload(unlist_lpis, strict=False, jit_options=STUB_OPTIONS)
    def _unlist_by_type(vm: Any, vcpu: Any, observer: Any) -> Any:
        if its_by_type(vm):
            return lambda vm, vcpu, observer: _unlist(vm, vcpu, observer)
        return lambda vm, vcpu, observer: None

    @overload(invalidate, strict=False, jit_options=STUB_OPTIONS)
    def _invalidate_by_type(vm: Any, intid: Any, observer: Any) -> Any:
        if its_by_type(vm):
            return lambda vm, intid, observer: _invalidate(vm, intid, observer)
        return lambda vm, intid, observer: None

    @overload(invalidate_all, strict=False, jit_options=STUB_OPTIONS)
    def _invalidate_all_by_type(vm: Any, vcpu: Any, observer: Any) -> Any:
        if its_by_type(vm):
            return lambda vm, vcpu, observer: update_all(vm, vcpu, observer)
        return lambda vm, vcpu, observer: None
