# SPDX-License-Identifier: GPL-2.0-only
"""The ap_list of a vCPU: an ordered, doubly linked chain of the interrupts that are active or pending there.

Models: the use of struct list_head in arch/arm64/kvm/vgic/vgic.c, Linux 6.18.35.

Lock order: the caller holds the list's ap_list lock and the entry's irq lock.

Rules:
- Entries are appended at the tail and can be taken out anywhere.
"""

from typing import Any

from kvmarm import events
from kvmarm.jit import jit
from kvmarm.locks import assert_held
from vgic_now.state import NO_SLOT, NOBODY


@jit
def append(vm: Any, vcpu: Any, slot: Any, observer: Any) -> None:
    """Put the interrupt in `slot` at the end of the ap_list of `vcpu`, and note in it whose list it is on.

    The ap_list lock and the irq lock are held.
    """
    events.count(observer, events.LIST_ADD, 1)
    cpu = vm.vcpu[vcpu]
    irq = vm.irq[slot]
    assert_held(cpu)
    assert_held(irq)
    last = cpu.tail
    irq.next = NO_SLOT
    irq.prev = last
    if last == NO_SLOT:
        cpu.head = slot
    else:
        vm.irq[last].next = slot
    cpu.tail = slot
    irq.vcpu = vcpu


@jit
def remove(vm: Any, vcpu: Any, slot: Any, observer: Any) -> None:
    """Take the interrupt in `slot` off the ap_list of `vcpu`; it is then on nobody's.

    The ap_list lock and the irq lock are held.
    """
    events.count(observer, events.LIST_REMOVE, 1)
    cpu = vm.vcpu[vcpu]
    irq = vm.irq[slot]
    assert_held(cpu)
    assert_held(irq)
    if irq.prev == NO_SLOT:
        cpu.head = irq.next
    else:
        vm.irq[irq.prev].next = irq.next
    if irq.next == NO_SLOT:
        cpu.tail = irq.prev
    else:
        vm.irq[irq.next].prev = irq.prev
    irq.next = NO_SLOT
    irq.prev = NO_SLOT
    irq.vcpu = NOBODY
