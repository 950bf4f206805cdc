# SPDX-License-Identifier: GPL-2.0-only
"""Injection: a device or a timer drives an interrupt line.

Models: kvm_vgic_inject_irq (arch/arm64/kvm/vgic/vgic.c), Linux 6.18.35: one entry point for forwarded and other
interrupts.

Lock order: the irq lock, for the change of state; vgic_now.queue releases it.

Rules:
- A level-triggered interrupt follows its line; an edge-triggered one latches a rise and ignores a fall.
- A lowered interrupt stays on its ap_list: the next sync of that vCPU takes it off.
"""

from typing import Any

from kvmarm import events
from kvmarm.interface import EINVAL
from kvmarm.jit import jit, noinline
from vgic_now.lpi import get_irq, put_irq
from vgic_now.queue import queue_and_unlock
from vgic_now.state import LEVEL, NO_SLOT, find_irq, is_reserved, lock_irq, unlock_irq


@jit
def _drive_line(vm: Any, slot: Any, level: Any, observer: Any) -> None:
    irq = vm.irq[slot]
    lock_irq(vm, slot, observer)
    if irq.config == LEVEL:
        if irq.line_level == level:
            unlock_irq(vm, slot, observer)
            return
        irq.line_level = level
    else:
        if level == 0:
            unlock_irq(vm, slot, observer)
            return
        irq.latch = 1
    queue_and_unlock(vm, slot, observer)


@jit
def inject(vm: Any, vcpu: Any, intid: Any, level: Any, observer: Any) -> Any:
    """Drive the line of `intid` (of `vcpu` when private) to `level`: 0, or EINVAL when there is no such interrupt."""
    noinline()
    events.count(observer, events.CALL_INJECT, 1)
    slot = get_irq(vm, vcpu, intid, observer)
    if slot == NO_SLOT or is_reserved(slot):
        return EINVAL
    _drive_line(vm, slot, level, observer)
    put_irq(vm, slot, observer)
    return 0


@jit
def inject_mapped(vm: Any, vcpu: Any, vintid: Any, level: Any, observer: Any) -> Any:
    """Drive the line of an interrupt to `level` as `inject` does; if it is forwarded, its physical line first."""
    slot = find_irq(vm, vcpu, vintid, None)
    if slot != NO_SLOT and vm.irq[slot].hw:
        vm.physical[vm.irq[slot].hwintid].line = level
    return inject(vm, vcpu, vintid, level, observer)
