# SPDX-License-Identifier: GPL-2.0-only
"""Sync: after the guest has been left, take back what it did to its list registers, and tidy its ap_list.

Models: kvm_vgic_sync_hwstate and vgic_prune_ap_list (virt/kvm/arm/vgic/vgic.c), process_maintenance and fold_lr_state
(vgic-v2.c, vgic-v3.c), Linux 4.8.17.

Lock order: fold takes each irq lock alone. Prune holds the ap_list lock, each irq lock inside it. A move to another
vCPU's list drops this list's lock first, takes both in the order of the vCPU numbers, and the walk starts again.

Rules:
- Maintenance first: notify the irqfd resamplers of SPIs whose EOI was waited for; no more underflow interrupt.
- Then fold: the active bit of each list register goes into its record, always; the pending bit goes back into an
  edge's. The soft pending latch of a level is cleared when the list register is no longer pending.
- Then prune: drop what belongs on no list, move what belongs on another vCPU's, without a kick: that vCPU notices at
  its next entry.

Work: maintenance, fold and prune are calls of the back end and of the core, one after the other.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import FIRST_SPI, HCR_UIE, LR_ACTIVE, LR_PENDING, LR_SOURCE_MASK, MISR_EOI, SGIS, V2_LR_CPUID_SHIFT
from kvmarm.jit import U64, U64_0, find_first_bit, jit, noinline
from kvmarm.lr import lr_intid, lr_state
from vgic_new.aplist import append, remove
from vgic_new.lpi import get_irq, put_irq
from vgic_new.queue import target_oracle
from vgic_new.state import (
    EDGE,
    NO_SLOT,
    NOBODY,
    is_reserved,
    lock_ap_list,
    lock_irq,
    unlock_ap_list,
    unlock_irq,
    update_level,
)


@jit
def _process_maintenance(vm: Any, image: Any, observer: Any) -> None:
    noinline()
    if vm.gic == 3:
        events.count(observer, events.WIDE_STEP, 1)
    ended = image.misr & U64(MISR_EOI)
    if ended:
        done = image.eisr
        while done != U64_0:
            intid = lr_intid(vm.gic, image.lr[find_first_bit(done)])
            if intid >= FIRST_SPI and intid < vm.irqs:
                events.count(observer, events.NOTIFY, 1)
            done &= done - U64(1)
    image.hcr &= ~U64(HCR_UIE)
    if vm.gic == 2 or ended:
        image.eisr = U64_0


@jit
def _fold_list_registers(vm: Any, vcpu: Any, image: Any, observer: Any) -> None:
    noinline()
    used = np.int64(vm.vcpu[vcpu].used_lrs)
    if vm.gic == 3:
        # This loop asks for the guest's GIC version, so it is prepared even for no list register.
        events.count(observer, events.FOLD_SET_UP, 1)
        events.count(observer, events.WIDE_STEP, used + 1)
    elif used > 0:
        events.count(observer, events.FOLD_SET_UP, 1)
    for index in range(used):
        events.count(observer, events.LR_READ, 1)
        lr = image.lr[index]
        intid = lr_intid(vm.gic, lr)
        slot = get_irq(vm, vcpu, intid, observer)
        if slot == NO_SLOT or is_reserved(slot):
            continue
        irq = vm.irq[slot]
        state = lr_state(vm.gic, lr)
        lock_irq(vm, slot, observer)
        irq.active = 1 if state & LR_ACTIVE else 0
        if irq.config == EDGE:
            if state & LR_PENDING:
                irq.pending = 1
                if vm.gic == 2 and intid < SGIS:
                    sender = np.int64((lr >> U64(V2_LR_CPUID_SHIFT)) & U64(LR_SOURCE_MASK))
                    irq.source = np.int64(irq.source) | 1 << sender
        else:
            if not state & LR_PENDING:
                irq.soft_pending = 0
            update_level(irq, observer)
        unlock_irq(vm, slot, observer)
        put_irq(vm, slot, observer)


@jit
def _migrate(vm: Any, vcpu: Any, target: Any, slot: Any, observer: Any) -> None:
    """Move the interrupt in `slot` from the ap_list of `vcpu` to that of `target`, if it still belongs there.

    Enters and returns without a lock.
    """
    noinline()
    events.count(observer, events.MIGRATE, 1)
    low, high = min(vcpu, target), max(vcpu, target)
    lock_ap_list(vm, low, observer)
    lock_ap_list(vm, high, observer)
    lock_irq(vm, slot, observer)
    irq = vm.irq[slot]
    if irq.vcpu == vcpu and target_oracle(vm, irq, observer) == target:
        remove(vm, vcpu, slot, observer)
        append(vm, target, slot, observer)
    unlock_irq(vm, slot, observer)
    unlock_ap_list(vm, high, observer)
    unlock_ap_list(vm, low, observer)


@jit
def _prune_pass(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Walk the ap_list of `vcpu` once; return whether it ended by moving an interrupt to another vCPU."""
    noinline()
    lock_ap_list(vm, vcpu, observer)
    slot = np.int64(vm.vcpu[vcpu].head)
    while slot != NO_SLOT:
        events.count(observer, events.PRUNE_STEP, 1)
        irq = vm.irq[slot]
        following = np.int64(irq.next)
        lock_irq(vm, slot, observer)
        target = target_oracle(vm, irq, observer)
        if target == NOBODY:
            remove(vm, vcpu, slot, observer)
        unlock_irq(vm, slot, observer)
        if target == NOBODY:
            put_irq(vm, slot, observer)
        if target != NOBODY and target != vcpu:
            unlock_ap_list(vm, vcpu, observer)
            _migrate(vm, vcpu, target, slot, observer)
            return True
        slot = following
    unlock_ap_list(vm, vcpu, observer)
    return False


@jit
def sync(vm: Any, vcpu: Any, observer: Any) -> None:
    """Take the guest's changes from the saved image of `vcpu` and prune its ap_list."""
    noinline()
    events.count(observer, events.CALL_SYNC, 1)
    image = vm.image[vcpu]
    _process_maintenance(vm, image, observer)
    _fold_list_registers(vm, vcpu, image, observer)
    while _prune_pass(vm, vcpu, observer):
        pass
