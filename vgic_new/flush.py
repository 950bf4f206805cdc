# SPDX-License-Identifier: GPL-2.0-only
"""Flush: before the guest is entered, fill the list registers of the software image.

Models: kvm_vgic_flush_hwstate, vgic_flush_lr_state and compute_ap_list_depth (virt/kvm/arm/vgic/vgic.c),
vgic_v2_populate_lr (vgic-v2.c) and vgic_v3_populate_lr (vgic-v3.c), Linux 4.8.17.

Lock order: `flush` takes the ap_list lock and holds it throughout; each irq lock is taken and released inside it.

Rules:
- The ap_list is taken in its order. It is sorted only when it does not fit, and then the underflow maintenance
  interrupt is asked for.
- An edge's pending state is *moved* into the list register; sync brings it back.
- A GICv2 SGI takes one list register per source, from the lowest vCPU up.

Work: writing a list register, clearing one and asking for the underflow interrupt are functions of the back end, so
calls; a list register that is not used is cleared by one call.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import (
    HCR_UIE,
    SGIS,
    V2_LR_ACTIVE,
    V2_LR_CPUID_SHIFT,
    V2_LR_EOI,
    V2_LR_HW,
    V2_LR_PENDING,
    V2_LR_PHYSICAL_SHIFT,
    V2_LR_PRIORITY_SHIFT,
    V3_LR_ACTIVE,
    V3_LR_EOI,
    V3_LR_GROUP1,
    V3_LR_HW,
    V3_LR_PENDING,
    V3_LR_PHYSICAL_SHIFT,
    V3_LR_PRIORITY_SHIFT,
)
from kvmarm.jit import U64, U64_0, find_first_bit, jit, noinline, population_count
from kvmarm.locks import assert_held
from vgic_new.queue import target_oracle
from vgic_new.sort import sort_ap_list
from vgic_new.state import EDGE, LEVEL, NO_SLOT, lock_ap_list, lock_irq, unlock_ap_list, unlock_irq

BUG_SGI_WITHOUT_SOURCE = 1
"""The BUG_ON in vgic_v2_populate_lr: a pending GICv2 SGI that no vCPU sent (a guest can make one by ISPENDR0)."""


@jit
def _ap_list_depth(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Return how many list registers the ap_list of `vcpu` would fill, deliverable or not. The ap_list lock is held."""
    noinline()
    cpu = vm.vcpu[vcpu]
    assert_held(cpu)
    depth = 0
    slot = np.int64(cpu.head)
    while slot != NO_SLOT:
        events.count(observer, events.DEPTH_STEP, 1)
        irq = vm.irq[slot]
        lock_irq(vm, slot, observer)
        if irq.intid < SGIS and irq.source:
            events.count(observer, events.SGI_SOURCE, 1)
            depth += population_count(U64(irq.source))
        else:
            depth += 1
        unlock_irq(vm, slot, observer)
        slot = np.int64(irq.next)
    return depth


@jit
def _populate_v2(vm: Any, irq: Any, observer: Any) -> Any:
    """Return the GICH_LR (uint64) that delivers `irq`; sets vm.bug where the kernel would die. The irq lock is held."""
    noinline()
    assert_held(irq)
    lr = U64(irq.intid)
    if irq.pending:
        lr |= U64(V2_LR_PENDING)
        if irq.config == EDGE:
            irq.pending = 0
        if irq.intid < SGIS:
            if not irq.source:
                vm.bug = BUG_SGI_WITHOUT_SOURCE
                return lr
            events.count(observer, events.SGI_SOURCE, 1)
            sender = find_first_bit(U64(irq.source))
            lr |= U64(sender << V2_LR_CPUID_SHIFT)
            irq.source = np.int64(irq.source) & ~(1 << sender)
            if irq.source:
                irq.pending = 1
    if irq.active:
        lr |= U64(V2_LR_ACTIVE)
    if irq.hw:
        lr |= U64(V2_LR_HW) | U64(irq.hwintid) << U64(V2_LR_PHYSICAL_SHIFT)
    elif irq.config == LEVEL:
        lr |= U64(V2_LR_EOI)
    return lr | U64(np.int64(irq.priority) >> 3) << U64(V2_LR_PRIORITY_SHIFT)


@jit
def _populate_v3(irq: Any) -> Any:
    """Return the ICH_LR_EL2 (uint64) that delivers `irq`. The irq lock is held."""
    noinline()
    assert_held(irq)
    lr = U64(irq.intid) | U64(V3_LR_GROUP1)
    if irq.pending:
        lr |= U64(V3_LR_PENDING)
        if irq.config == EDGE:
            irq.pending = 0
    if irq.active:
        lr |= U64(V3_LR_ACTIVE)
    if irq.hw:
        lr |= U64(V3_LR_HW) | U64(irq.hwintid) << U64(V3_LR_PHYSICAL_SHIFT)
    elif irq.config == LEVEL:
        lr |= U64(V3_LR_EOI)
    return lr | U64(irq.priority) << U64(V3_LR_PRIORITY_SHIFT)


@jit
def _fill_list_registers(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Write list registers from the head of the ap_list on, return how many (int64); stops at a BUG_ON.

    The ap_list lock is held.
    """
    image = vm.image[vcpu]
    cpu = vm.vcpu[vcpu]
    assert_held(cpu)
    used = 0
    slot = np.int64(cpu.head)
    while slot != NO_SLOT and used < vm.lrs:
        events.count(observer, events.LIST_STEP, 1)
        irq = vm.irq[slot]
        lock_irq(vm, slot, observer)
        if target_oracle(vm, irq, observer) == vcpu:
            while True:
                events.count(observer, events.LR_WRITE, 1)
                if vm.gic == 3:
                    events.count(observer, events.WIDE_STEP, 1)
                image.lr[used] = _populate_v2(vm, irq, observer) if vm.gic == 2 else _populate_v3(irq)
                if vm.bug:
                    return used
                used += 1
                if not irq.source or used == vm.lrs:
                    break
        unlock_irq(vm, slot, observer)
        slot = np.int64(irq.next)
    if used < vm.lrs and cpu.head != NO_SLOT:
        events.count(observer, events.LIST_END, 1)
    return used


@jit
def _clear_lr(image: Any, index: Any) -> None:
    """Clear one list register of a software image: a function of the back end."""
    noinline()
    image.lr[index] = U64_0


@jit
def _want_underflow(image: Any) -> None:
    """Ask for a maintenance interrupt when the list registers run empty: a function of the back end."""
    noinline()
    image.hcr |= U64(HCR_UIE)


@jit
def flush(vm: Any, vcpu: Any, observer: Any) -> None:
    """Fill the list registers of the image of `vcpu`. Sets `vm.bug` and stops at a BUG_ON."""
    noinline()
    events.count(observer, events.CALL_FLUSH, 1)
    lock_ap_list(vm, vcpu, observer)
    image = vm.image[vcpu]
    if _ap_list_depth(vm, vcpu, observer) > vm.lrs:
        _want_underflow(image)
        sort_ap_list(vm, vcpu, observer)
    used = _fill_list_registers(vm, vcpu, observer)
    if vm.bug:
        return
    vm.vcpu[vcpu].used_lrs = used
    events.count(observer, events.LR_CLEAR, vm.lrs - used)
    for index in range(used, vm.lrs):
        _clear_lr(image, index)
    unlock_ap_list(vm, vcpu, observer)
