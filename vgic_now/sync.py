# SPDX-License-Identifier: GPL-2.0-only
"""Sync: after the guest has been left, take back what it did to its list registers, and tidy its ap_list.

Models: kvm_vgic_sync_hwstate and vgic_prune_ap_list (arch/arm64/kvm/vgic/vgic.c), fold_lr_state (vgic-v2.c,
vgic-v3.c), Linux 6.18.35.

Lock order: fold takes each irq lock alone. Prune holds the ap_list lock, each irq lock inside it. A move to another
vCPU's list drops this list's lock first, takes both in the order of the vCPU numbers, and the walk starts again. With
an empty ap_list none is taken.

Rules:
- With an empty ap_list sync returns at once; list registers that are in use then stay in use.
- Fold, if list registers are in use: no more underflow interrupt. Of each list register: notify the irqfd resamplers of
  an SPI whose EOI was waited for; the active bit goes into its record, always; the pending bit goes back into an edge's
  latch; a level's latch is cleared when the list register is idle; a forwarded level's line is sampled again.
- Then prune: drop what belongs on no list, move what belongs on another vCPU's and kick that vCPU.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import FIRST_SPI, HCR_UIE, LR_ACTIVE, LR_INACTIVE, LR_PENDING, LR_SOURCE_MASK, V2_LR_CPUID_SHIFT
from kvmarm.jit import U64, jit, noinline
from kvmarm.lr import lr_has_eoi, lr_intid, lr_state
from vgic_now.aplist import append, remove
from vgic_now.lpi import drop_irq, get_irq, put_irq, release_dropped
from vgic_now.queue import request_and_kick, target_oracle
from vgic_now.state import (
    EDGE,
    NO_SLOT,
    NOBODY,
    is_forwarded_level,
    is_reserved,
    lock_ap_list,
    lock_irq,
    physical_line,
    sends_to_vcpu,
    set_physical_active,
    unlock_ap_list,
    unlock_irq,
)


@jit
def _sample_line(vm: Any, irq: Any, was_active: Any, is_still_pending: Any) -> None:
    """Sample the physical line of a forwarded LEVEL interrupt whose list register was given back.

    vgic_irq_handle_resampling: when it is still pending, or was ended while the record has the line high.
    """
    ended = was_active and not irq.active
    if is_still_pending or (ended and irq.line_level):
        irq.line_level = physical_line(vm, irq)
        if not irq.line_level:
            set_physical_active(vm, irq, 0)


@jit
def _fold_list_registers(vm: Any, vcpu: Any, image: Any, observer: Any) -> None:
    noinline()
    used = np.int64(vm.vcpu[vcpu].used_lrs)
    events.count(observer, events.FOLD_SET_UP, 1)
    image.hcr &= ~U64(HCR_UIE)
    for index in range(used):
        events.count(observer, events.LR_READ, 1)
        if vm.gic == 3:
            events.count(observer, events.WIDE_STEP, 1)
        lr = image.lr[index]
        intid = lr_intid(vm.gic, lr)
        state = lr_state(vm.gic, lr)
        if state == LR_INACTIVE and lr_has_eoi(vm.gic, lr) and intid >= FIRST_SPI and intid < vm.irqs:
            events.count(observer, events.NOTIFY, 1)
        slot = get_irq(vm, vcpu, intid, observer)
        if slot == NO_SLOT or is_reserved(slot):
            continue
        irq = vm.irq[slot]
        lock_irq(vm, slot, observer)
        was_active = irq.active
        irq.active = 1 if state & LR_ACTIVE else 0
        sender = np.int64((lr >> U64(V2_LR_CPUID_SHIFT)) & U64(LR_SOURCE_MASK))
        is_sgi = sends_to_vcpu(vm, intid)
        if is_sgi and irq.active:
            irq.active_source = sender
        if irq.config == EDGE:
            if state & LR_PENDING:
                irq.latch = 1
                if is_sgi:
                    irq.source = np.int64(irq.source) | 1 << sender
        elif state == LR_INACTIVE:
            irq.latch = 0
        if is_forwarded_level(irq):
            _sample_line(vm, irq, was_active, state & LR_PENDING)
        unlock_irq(vm, slot, observer)
        put_irq(vm, slot, observer)
    vm.vcpu[vcpu].used_lrs = 0


@jit
def _migrate(vm: Any, vcpu: Any, target: Any, slot: Any, observer: Any) -> None:
    """Move the interrupt in `slot` from the ap_list of `vcpu` to that of `target` and kick it, if it belongs there.

    Enters and returns without a lock.
    """
    noinline()
    events.count(observer, events.MIGRATE, 1)
    low, high = min(vcpu, target), max(vcpu, target)
    lock_ap_list(vm, low, observer)
    lock_ap_list(vm, high, observer)
    lock_irq(vm, slot, observer)
    irq = vm.irq[slot]
    moves = irq.vcpu == vcpu and target_oracle(vm, irq, observer) == target
    if moves:
        remove(vm, vcpu, slot, observer)
        append(vm, target, slot, observer)
    unlock_irq(vm, slot, observer)
    unlock_ap_list(vm, high, observer)
    unlock_ap_list(vm, low, observer)
    if moves:
        request_and_kick(vm, target, observer)


@jit
def _prune_pass(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Walk the ap_list of `vcpu` once.

    Returns whether it ended by moving an interrupt to another vCPU, and whether an LPI lost its last reference.
    """
    noinline()
    lock_ap_list(vm, vcpu, observer)
    dropped = False
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
            dropped = drop_irq(vm, slot, observer) or dropped
        if target != NOBODY and target != vcpu:
            unlock_ap_list(vm, vcpu, observer)
            _migrate(vm, vcpu, target, slot, observer)
            return True, dropped
        slot = following
    unlock_ap_list(vm, vcpu, observer)
    return False, dropped


@jit
def sync(vm: Any, vcpu: Any, observer: Any) -> None:
    """Take the guest's changes from the saved image of `vcpu` and prune its ap_list."""
    noinline()
    events.count(observer, events.CALL_SYNC, 1)
    if vm.vcpu[vcpu].head == NO_SLOT:
        return
    if vm.vcpu[vcpu].used_lrs:
        _fold_list_registers(vm, vcpu, vm.image[vcpu], observer)
    again, dropped = _prune_pass(vm, vcpu, observer)
    while again:
        again, more = _prune_pass(vm, vcpu, observer)
        dropped = dropped or more
    if dropped:
        release_dropped(vm, observer)
