# SPDX-License-Identifier: GPL-2.0-only
"""Injection: a device or a timer drives an interrupt line.

Models: vgic_update_irq_pending, kvm_vgic_inject_irq and kvm_vgic_inject_mapped_irq (virt/kvm/arm/vgic/vgic.c), Linux
4.8.17.

Lock order: the irq lock, for the change of state; vgic_new.queue releases it.

Rules:
- A level-triggered interrupt follows its line; an edge-triggered one latches a rise and ignores a fall.
- A lowered interrupt stays on its ap_list: the next sync of that vCPU takes it off.

Work: the entry points are calls, and so are the look-up, the lock and the queueing.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.interface import EINVAL
from kvmarm.jit import jit, noinline
from vgic_new.lpi import get_irq, put_irq
from vgic_new.queue import queue_and_unlock
from vgic_new.state import LEVEL, NO_SLOT, is_reserved, lock_irq, unlock_irq, update_level


@jit
def _update_record(vm: Any, slot: Any, level: Any, mapped: Any, observer: Any) -> Any:
    irq = vm.irq[slot]
    if irq.hw != mapped:
        return EINVAL
    lock_irq(vm, slot, observer)
    if irq.config == LEVEL:
        if irq.line_level == level:
            unlock_irq(vm, slot, observer)
            return 0
        irq.line_level = level
        update_level(irq, observer)
    else:
        if level == 0:
            unlock_irq(vm, slot, observer)
            return 0
        irq.pending = 1
    queue_and_unlock(vm, slot, observer)
    return 0


@jit
def _update_pending(vm: Any, vcpu: Any, intid: Any, level: Any, mapped: Any, observer: Any) -> Any:
    events.count(observer, events.CALL_INJECT, 1)
    slot = get_irq(vm, vcpu, intid, observer)
    if slot == NO_SLOT or is_reserved(slot):
        return EINVAL
    rc = _update_record(vm, slot, level, mapped, observer)
    put_irq(vm, slot, observer)
    return rc


@jit
def inject(vm: Any, vcpu: Any, intid: Any, level: Any, observer: Any) -> Any:
    """Drive the line of `intid` (of `vcpu` when private) to `level`: 0, or EINVAL for no such or a forwarded one."""
    noinline()
    return _update_pending(vm, vcpu, intid, level, np.int64(0), observer)


@jit
def inject_mapped(vm: Any, vcpu: Any, vintid: Any, level: Any, observer: Any) -> Any:
    """Drive the line of a forwarded interrupt to `level`: 0, or EINVAL when it is not forwarded."""
    noinline()
    return _update_pending(vm, vcpu, vintid, level, np.int64(1), observer)
