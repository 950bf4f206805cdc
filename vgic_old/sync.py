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
"""

from typing import Any

from kvmarm import events
from kvmarm.gic import HCR_UIE, MISR_EOI, MISR_U
from kvmarm.jit import U64, U64_0, U64_1, find_first_bit, jit
from kvmarm.locks import DIST, acquire, assert_held, release
from kvmarm.lr import lr_intid, lr_is_hw
from vgic_old.bitmap import clear_bit, is_edge, mark_deliverable, test_bit, unmark_deliverable
from vgic_old.lr import emptied, is_active, occupied, read_lr, write_lr
from vgic_old.state import LEVEL, PENDING, QUEUED, SOFT_PENDING
from vgic_old.update import clear_pending_on_cpu_if_none

BUG_EDGE_MAINTENANCE = 1
"""`vm.bug`: process_queued_irq met an edge interrupt that is not forwarded."""


@jit
def _process_queued(vm: Any, vcpu: Any, index: Any, lr: Any, observer: Any) -> Any:
    """Retire list register `index` (raw `lr`). Return whether its interrupt is pending again.

    Sets `vm.bug` when the original would die.
    The distributor lock is held.
    """
    assert_held(vm)
    events.count(observer, events.RETIRE, 1)
    gic = vm.gic
    intid = lr_intid(gic, lr)
    clear_bit(vm, SOFT_PENDING, vcpu, intid, observer)
    high = test_bit(vm, LEVEL, vcpu, intid, observer)
    if not high:
        clear_bit(vm, PENDING, vcpu, intid, observer)
        clear_pending_on_cpu_if_none(vm, vcpu, observer)
    clear_bit(vm, QUEUED, vcpu, intid, observer)
    if is_edge(vm, vcpu, intid, observer):
        if not lr_is_hw(gic, lr):
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
    write_lr(vm, vcpu, index, emptied(gic, lr), observer)
    return again


@jit
def _process_maintenance(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Serve the maintenance interrupt, if any; return whether an interrupt is pending again."""
    image = vm.image[vcpu]
    again = False
    if image.misr & U64(MISR_EOI) != U64_0:
        events.count(observer, events.FIND_BIT, 1)
        finished = image.eisr
        while finished != U64_0:
            index = find_first_bit(finished)
            finished &= finished - U64_1
            events.count(observer, events.FIND_BIT, 1)
            # Asked for a warning only: an edge interrupt has no business here.
            events.count(observer, events.BIT_TEST, 1)
            lr = read_lr(vm, vcpu, index, observer)
            acquire(vm, DIST, 0, observer)
            if _process_queued(vm, vcpu, index, lr, observer):
                again = True
            if vm.bug != 0:
                return again
            release(vm, DIST, 0, observer)
    if image.misr & U64(MISR_U) != U64_0:
        image.hcr &= ~U64(HCR_UIE)
    image.eisr = U64_0
    return again


@jit
def sync(vm: Any, vcpu: Any, observer: Any) -> None:
    """Take the guest's changes from the image of `vcpu`. A BUG_ON leaves with the lock held, as the original dies."""
    events.count(observer, events.CALL_SYNC, 1)
    again = _process_maintenance(vm, vcpu, observer)
    if vm.bug != 0:
        return
    gic = vm.gic
    for index in range(vm.lrs):
        events.count(observer, events.LR_SCAN, 1)
        lr = read_lr(vm, vcpu, index, observer)
        if lr_is_hw(gic, lr) and not is_active(gic, lr):
            acquire(vm, DIST, 0, observer)
            if _process_queued(vm, vcpu, index, lr, observer):
                again = True
            if vm.bug != 0:
                return
            release(vm, DIST, 0, observer)
    if again or occupied(vm, vcpu) != U64_0:
        events.count(observer, events.MARK_VCPU, 1)
        vm.pending_on_cpu[vcpu] = 1
