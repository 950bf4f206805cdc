# SPDX-License-Identifier: GPL-2.0-only
"""Flush: before the guest is entered, fill the list registers of the software image.

Models: kvm_vgic_flush_hwstate, vgic_flush_lr_state and compute_ap_list_depth (arch/arm64/kvm/vgic/vgic.c),
vgic_v2_populate_lr (vgic-v2.c) and vgic_v3_populate_lr (vgic-v3.c), Linux 6.18.35.

Lock order: `flush` takes the ap_list lock and holds it throughout; each irq lock is taken and released inside it. With
an empty ap_list it takes none.

Rules:
- An empty ap_list is left at once. Otherwise it is taken in its order, and sorted only when it does not fit or holds a
  GICv2 SGI of several senders.
- The underflow maintenance interrupt is asked for when the list registers end before the list does.
- An edge's latch is *moved* into the list register; sync brings it back. So does a forwarded level's line, which sync
  samples again.
- A GICv2 SGI takes one list register, for its lowest sender. The others wait, and with them all that is less urgent.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import (
    HCR_UIE,
    V2_LR_ACTIVE,
    V2_LR_CPUID_SHIFT,
    V2_LR_EOI,
    V2_LR_GROUP1,
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
from kvmarm.jit import U64, U64_0, find_first_bit, jit, jit_inlined, noinline, population_count
from kvmarm.locks import assert_held
from vgic_now.queue import target_oracle
from vgic_now.sort import sort_ap_list
from vgic_now.state import (
    EDGE,
    LEVEL,
    NO_SLOT,
    is_forwarded_level,
    is_pending,
    lock_ap_list,
    lock_irq,
    sends_to_vcpu,
    unlock_ap_list,
    unlock_irq,
)

_LOWEST_PRIORITY = np.int64(0xFF)


@jit
def _ap_list_depth(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Return how much the ap_list of `vcpu` wants to deliver, and whether one of its entries waits for several senders.

    What is neither pending nor active does not count; whether it is enabled, and for whom it is, does not matter. The
    ap_list lock is held.
    """
    noinline()
    cpu = vm.vcpu[vcpu]
    assert_held(cpu)
    depth = 0
    several = False
    slot = np.int64(cpu.head)
    while slot != NO_SLOT:
        events.count(observer, events.DEPTH_STEP, 1)
        irq = vm.irq[slot]
        lock_irq(vm, slot, observer)
        if irq.source and sends_to_vcpu(vm, irq.intid):
            events.count(observer, events.SGI_SOURCE, 1)
            weight = population_count(U64(irq.source)) + irq.active
            several = several or weight > 1
            depth += weight
        elif is_pending(irq) or irq.active:
            depth += 1
        unlock_irq(vm, slot, observer)
        slot = np.int64(irq.next)
    return depth, several


@jit
def _allows_pending(irq: Any) -> Any:
    """Return whether the pending bit may be set: not beside the active one, but for an edge that no hardware ends."""
    return not irq.active or not (irq.hw or irq.config == LEVEL)


@jit
def _populate_v2(vm: Any, irq: Any, observer: Any) -> Any:
    """Return the GICH_LR (uint64) that delivers `irq`, and take out of the record what moves into it.

    The irq lock is held.
    """
    noinline()
    assert_held(irq)
    lr = U64(irq.intid)
    is_sgi = sends_to_vcpu(vm, irq.intid)
    allowed = _allows_pending(irq)
    if irq.active:
        lr |= U64(V2_LR_ACTIVE)
        if is_sgi:
            lr |= U64(np.int64(irq.active_source) << V2_LR_CPUID_SHIFT)
            if irq.source:
                allowed = False
                lr |= U64(V2_LR_EOI)
    if irq.group:
        lr |= U64(V2_LR_GROUP1)
    if irq.hw:
        lr |= U64(V2_LR_HW) | U64(irq.hwintid) << U64(V2_LR_PHYSICAL_SHIFT)
    elif irq.config == LEVEL:
        lr |= U64(V2_LR_EOI)
    if allowed and is_pending(irq):
        lr |= U64(V2_LR_PENDING)
        if irq.config == EDGE:
            irq.latch = 0
        if is_sgi:
            events.count(observer, events.SGI_SOURCE, 1)
            sender = find_first_bit(U64(irq.source))
            lr |= U64(sender << V2_LR_CPUID_SHIFT)
            irq.source = np.int64(irq.source) & ~(1 << sender)
            if irq.source:
                irq.latch = 1
                lr |= U64(V2_LR_EOI)
        elif is_forwarded_level(irq):
            irq.line_level = 0
    return lr | U64(np.int64(irq.priority) >> 3) << U64(V2_LR_PRIORITY_SHIFT)


@jit
def _populate_v3(irq: Any) -> Any:
    """Return the ICH_LR_EL2 (uint64) that delivers `irq`, and take out of the record what moves into it.

    The irq lock is held.
    """
    noinline()
    assert_held(irq)
    lr = U64(irq.intid)
    if irq.active:
        lr |= U64(V3_LR_ACTIVE)
    if irq.group:
        lr |= U64(V3_LR_GROUP1)
    if irq.hw:
        lr |= U64(V3_LR_HW) | U64(irq.hwintid) << U64(V3_LR_PHYSICAL_SHIFT)
    elif irq.config == LEVEL:
        lr |= U64(V3_LR_EOI)
    if is_pending(irq) and _allows_pending(irq):
        lr |= U64(V3_LR_PENDING)
        if irq.config == EDGE:
            irq.latch = 0
        elif is_forwarded_level(irq):
            irq.line_level = 0
    return lr | U64(irq.priority) << U64(V3_LR_PRIORITY_SHIFT)


@jit_inlined
def _fill_list_registers(vm: Any, vcpu: Any, several: Any, observer: Any) -> Any:
    """Write list registers from the head of the ap_list on, return how many (int64).

    `several`: an entry waits for several senders; what is less urgent than such a one waits too. The ap_list lock is
    held.
    """
    cpu = vm.vcpu[vcpu]
    assert_held(cpu)
    image = vm.image[vcpu]
    used = 0
    cut = _LOWEST_PRIORITY
    slot = np.int64(cpu.head)
    while slot != NO_SLOT and used < vm.lrs:
        events.count(observer, events.LIST_STEP, 1)
        irq = vm.irq[slot]
        lock_irq(vm, slot, observer)
        if several and irq.priority > cut:
            unlock_irq(vm, slot, observer)
            return used
        if target_oracle(vm, irq, observer) == vcpu:
            events.count(observer, events.LR_WRITE, 1)
            if vm.gic == 3:
                events.count(observer, events.WIDE_STEP, 1)
            image.lr[used] = _populate_v2(vm, irq, observer) if vm.gic == 2 else _populate_v3(irq)
            used += 1
            if irq.source:
                cut = np.int64(irq.priority)
        unlock_irq(vm, slot, observer)
        slot = np.int64(irq.next)
        if used == vm.lrs and slot != NO_SLOT:
            image.hcr |= U64(HCR_UIE)
    if used < vm.lrs:
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
    """Fill the list registers of the image of `vcpu`; with nothing on its ap_list leave the image as it is."""
    noinline()
    events.count(observer, events.CALL_FLUSH, 1)
    if vm.vcpu[vcpu].head == NO_SLOT:
        return
    lock_ap_list(vm, vcpu, observer)
    image = vm.image[vcpu]
    depth, several = _ap_list_depth(vm, vcpu, observer)
    if depth > vm.lrs or several:
        sort_ap_list(vm, vcpu, observer)
    used = _fill_list_registers(vm, vcpu, several, observer)
    vm.vcpu[vcpu].used_lrs = used
    events.count(observer, events.LR_CLEAR, vm.lrs - used)
    for index in range(used, vm.lrs):
        _clear_lr(image, index)
    unlock_ap_list(vm, vcpu, observer)
