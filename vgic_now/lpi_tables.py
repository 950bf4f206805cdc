# SPDX-License-Identifier: GPL-2.0-only
"""What LPIs have in guest memory: a byte each with priority and enable bit, and a pending bit per redistributor.

Models update_lpi_config, vgic_its_invall and its_sync_lpi_pending_table of arch/arm64/kvm/vgic/vgic-its.c,
vgic_v3_lpi_sync_pending_status of vgic-v3.c and vgic_flush_pending_lpis of vgic.c, Linux 6.18.

A walk over all LPIs goes by the map, in the order of their INTIDs. The scan of a pending table sets and clears the
latch of the LPIs that are routed to that redistributor, and offers every LPI to its list. The guest's bit is cleared
only when an LPI is mapped for the first time.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import FIRST_LPI
from kvmarm.guest_memory import is_ram, load_byte, store_byte
from kvmarm.jit import U64, jit
from vgic_now.aplist import remove
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
    address = (vm.cpu[target].pendbaser & U64(_PENDBASER_ADDRESS)) + U64(intid >> 3)
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
def scan_pending_table(vm: Any, vcpu: Any, observer: Any) -> None:
    """Take the latch of LPIs routed to `vcpu` from its table and queue all LPIs, up to a byte that is no memory."""
    base = vm.cpu[vcpu].pendbaser & U64(_PENDBASER_ADDRESS)
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
def unlist_lpis(vm: Any, vcpu: Any, observer: Any) -> None:
    """Take all LPIs off the ap_list of `vcpu`, whose redistributor no longer has any; their latches stay."""
    dropped = False
    lock_ap_list(vm, vcpu, observer)
    slot = np.int64(vm.cpu[vcpu].head)
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
