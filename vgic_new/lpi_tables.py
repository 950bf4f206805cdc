# SPDX-License-Identifier: GPL-2.0-only
"""What LPIs have in guest memory: a byte each with priority and enable bit, and a pending bit per redistributor.

Models: update_lpi_config, vgic_copy_lpi_list and its_sync_lpi_pending_table (virt/kvm/arm/vgic/vgic-its.c), Linux
4.8.17.

Lock order: the LPI list lock and the irq lock, one after the other; vgic_new.queue releases the latter.

Rules:
- A walk over all LPIs works on a copy of their INTIDs and looks each of them up again. So its cost grows with the
  square of their number.
- The scan of a pending table sets *and clears* the pending state of every LPI of the VM, whatever its target.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import FIRST_LPI
from kvmarm.guest_memory import is_ram, load_byte
from kvmarm.jit import JIT_ENABLED, STUB_OPTIONS, U64, jit
from kvmarm.state import its_by_type
from vgic_new.lpi import get_lpi, lock_lpi_list, put_lpi, unlock_lpi_list
from vgic_new.queue import queue_and_unlock
from vgic_new.state import FIRST_LPI_SLOT, NO_SLOT, NOBODY, lock_irq, unlock_irq

if JIT_ENABLED:
    from numba.extending import overload

_PROPBASER_ADDRESS = 0x0000_FFFF_FFFF_F000
_PENDBASER_ADDRESS = 0x0000_FFFF_FFFF_0000
_PRIORITY_MASK = 0xFC
_ENABLED = 1


@jit
def update_config(vm: Any, slot: Any, only: Any, observer: Any) -> None:
    """Take priority and enable bit of the LPI in `slot` from its byte, and queue it; nothing when that is no memory.

    only: the vCPU that it must be routed to, or NOBODY for any.
    """
    events.count(observer, events.LPI_CONFIG, 1)
    irq = vm.irq[slot]
    address = (vm.propbaser & U64(_PROPBASER_ADDRESS)) + U64(np.int64(irq.intid) - FIRST_LPI)
    events.count(observer, events.GUEST_READ, 1)
    if not is_ram(address):
        return
    byte = load_byte(vm, address)
    lock_irq(vm, slot, observer)
    if only != NOBODY and irq.target_vcpu != only:
        unlock_irq(vm, slot, observer)
        return
    irq.priority = byte & _PRIORITY_MASK
    irq.enabled = byte & _ENABLED
    queue_and_unlock(vm, slot, observer)


@jit
def _copy_list(vm: Any, observer: Any) -> Any:
    """Return the INTIDs of the VM's LPIs (int32[:]) in the order of their list."""
    events.count(observer, events.LPI_COPY, 1)
    intids = np.empty(np.int64(vm.lpi_list.count), np.int32)
    lock_lpi_list(vm, observer)
    slot = np.int64(vm.lpi_list.head)
    number = 0
    while slot != NO_SLOT and number < intids.shape[0]:
        events.count(observer, events.LPI_COPY_STEP, 1)
        intids[number] = vm.irq[slot].intid
        number += 1
        slot = np.int64(vm.lpi[slot - FIRST_LPI_SLOT].next)
    unlock_lpi_list(vm, observer)
    return intids[:number]


@jit
def update_all(vm: Any, vcpu: Any, observer: Any) -> None:
    """Take the configuration of all LPIs that are routed to `vcpu` from guest memory."""
    for intid in _copy_list(vm, observer):
        slot = get_lpi(vm, np.int64(intid), observer)
        if slot != NO_SLOT:
            update_config(vm, slot, vcpu, observer)
            put_lpi(vm, slot, observer)


@jit
def _scan(vm: Any, vcpu: Any, observer: Any) -> None:
    base = vm.vcpu[vcpu].pendbaser & U64(_PENDBASER_ADDRESS)
    last = np.int64(-1)
    byte = np.int64(0)
    for number in _copy_list(vm, observer):
        intid = np.int64(number)
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
            vm.irq[slot].pending = (byte >> (intid & 7)) & 1
            queue_and_unlock(vm, slot, observer)
            put_lpi(vm, slot, observer)


def scan_pending_table(vm: Any, vcpu: Any, observer: Any) -> None:
    """Take the pending state of all LPIs from the table of `vcpu` and queue them, up to a byte that is no memory."""
    if vm.its:
        _scan(vm, vcpu, observer)


if JIT_ENABLED:

    @overload(scan_pending_table, strict=False, jit_options=STUB_OPTIONS)
    def _scan_by_type(vm: Any, vcpu: Any, observer: Any) -> Any:
        if its_by_type(vm):
            return lambda vm, vcpu, observer: _scan(vm, vcpu, observer)
        return lambda vm, vcpu, observer: None
