# SPDX-License-Identifier: GPL-2.0-only
"""Sync: after the guest has been left, take back what it finished.

Models: __kvm_vgic_sync_hwstate, vgic_process_maintenance, vgic_sync_hwirq and process_queued_irq (virt/kvm/arm/vgic.c),
Linux 4.4.177.

Lock order: the distributor lock, taken once for each list register that is retired, not for the sync as a whole.

Rules:
- Only two kinds of list register are looked into. The first kind is in EISR: a level interrupt that the guest EOIed.
- The second kind has HW set and is not active. This takes a forwarded interrupt that was never acknowledged back out,
  too.
- A level interrupt whose line is still high is marked in this vCPU's cache again, whichever vCPU it is routed to by
  now.
- An edge interrupt that asked for a maintenance interrupt (configured edge while in a list register) kills the host.

Work: MISR, EISR and ELRSR are asked for through the back end, and every implemented list register is decoded, whatever
is in it (vgic_old.lr).
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import MISR_EOI, MISR_U
from kvmarm.jit import U64, U64_0, jit, noinline
from kvmarm.locks import DIST, acquire, assert_held, release
from vgic_old.bitmap import clear_bit, is_edge, mark_deliverable, mark_vcpu, test_bit, unmark_deliverable
from vgic_old.lr import ACTIVE as LR_ACTIVE
from vgic_old.lr import (
    HW,
    empty_lr,
    empty_registers,
    ended_registers,
    forget_ended_registers,
    forgo_underflow,
    maintenance_status,
    next_register,
    read_lr,
)
from vgic_old.state import LEVEL, ON_CPU_PENDING, PENDING, QUEUED, SOFT_PENDING
from vgic_old.update import clear_pending_on_cpu_if_none

BUG_EDGE_MAINTENANCE = 1
"""`vm.bug`: process_queued_irq met an edge interrupt that is not forwarded."""


@jit
def _process_queued(vm: Any, vcpu: Any, index: Any, intid: Any, origin: Any, state: Any, observer: Any) -> Any:
    """Retire list register `index` (decoded): under the lock. Return whether its interrupt is pending again.

    Sets `vm.bug` when the original would die.
    The distributor lock is held.
    """
    noinline()
    assert_held(vm)
    events.count(observer, events.RETIRE, 1)
    clear_bit(vm, SOFT_PENDING, vcpu, intid, observer)
    if not test_bit(vm, LEVEL, vcpu, intid, observer):
        clear_bit(vm, PENDING, vcpu, intid, observer)
        clear_pending_on_cpu_if_none(vm, vcpu, observer)
    clear_bit(vm, QUEUED, vcpu, intid, observer)
    if is_edge(vm, vcpu, intid, observer):
        if not state & HW:
            vm.bug = BUG_EDGE_MAINTENANCE
            return False
        again = test_bit(vm, PENDING, vcpu, intid, observer)
    else:
        again = test_bit(vm, LEVEL, vcpu, intid, observer)
        if again:
            mark_deliverable(vm, vcpu, intid, observer)
        else:
            clear_bit(vm, PENDING, vcpu, intid, observer)
            unmark_deliverable(vm, vcpu, intid, observer)
    empty_lr(vm, vcpu, index, intid, origin, observer)
    return again


@jit
def _process_ended(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Retire the registers in EISR; return whether an interrupt is pending again. Stops at a BUG_ON, lock held."""
    again = False
    events.count(observer, events.FIND_BIT, 1)
    ended = ended_registers(vm, vcpu)
    index = next_register(vm, ended, np.int64(0))
    while index < 64:
        events.count(observer, events.FIND_BIT, 1)
        intid, origin, state = read_lr(vm, vcpu, index, observer)
        # Asked for a warning only: an edge interrupt has no business here.
        is_edge(vm, vcpu, intid, observer)
        acquire(vm, DIST, 0, observer)
        if _process_queued(vm, vcpu, index, intid, origin, state, observer):
            again = True
        if vm.bug != 0:
            return again
        release(vm, DIST, 0, observer)
        index = next_register(vm, ended, index + 1)
    return again


@jit
def _process_maintenance(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Serve the maintenance interrupt, if any; return whether an interrupt is pending again."""
    noinline()
    status = maintenance_status(vm, vcpu)
    again = False
    if status & U64(MISR_EOI) != U64_0:
        again = _process_ended(vm, vcpu, observer)
        if vm.bug != 0:
            return again
    if status & U64(MISR_U) != U64_0:
        forgo_underflow(vm, vcpu)
    forget_ended_registers(vm, vcpu)
    return again


@jit
def _sync_forwarded(vm: Any, vcpu: Any, index: Any, observer: Any) -> Any:
    """Retire list register `index` if it is a forwarded interrupt's and not active; return whether that is pending."""
    events.count(observer, events.LR_SCAN, 1)
    intid, origin, state = read_lr(vm, vcpu, index, observer)
    if state & HW == 0 or state & LR_ACTIVE:
        return False
    acquire(vm, DIST, 0, observer)
    again = _process_queued(vm, vcpu, index, intid, origin, state, observer)
    if vm.bug != 0:
        return again
    release(vm, DIST, 0, observer)
    return again


@jit
def sync(vm: Any, vcpu: Any, observer: Any) -> None:
    """Take the guest's changes from the image of `vcpu`. A BUG_ON leaves with the lock held, as the original dies."""
    noinline()
    events.count(observer, events.CALL_SYNC, 1)
    again = _process_maintenance(vm, vcpu, observer)
    if vm.bug != 0:
        return
    for index in range(vm.lrs):
        if _sync_forwarded(vm, vcpu, index, observer):
            again = True
        if vm.bug != 0:
            return
    occupied = next_register(vm, ~empty_registers(vm, vcpu), np.int64(0))
    if again or occupied < 64:
        mark_vcpu(vm, ON_CPU_PENDING, vcpu, observer)
