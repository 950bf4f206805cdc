# SPDX-License-Identifier: GPL-2.0-only
"""Injection: a device or a timer drives an interrupt line.

Models: kvm_vgic_inject_irq, kvm_vgic_inject_mapped_irq and vgic_update_irq_pending (virt/kvm/arm/vgic.c), Linux
4.4.177.

Lock order: the distributor lock, for the change of state; the kick comes after its release.

Rules:
- An edge counts only when the interrupt is not pending yet, a level only when it changes.
- An accepted rising line goes straight into the target's cache: nothing here looks at the distributor's enable.
- Lowering a level takes the interrupt back from the caches, never from a list register.

Work: an accepted edge is three locked bit operations, a level four; entry points are calls.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import FIRST_RESERVED, FIRST_SPI
from kvmarm.interface import EINVAL
from kvmarm.jit import jit, noinline
from kvmarm.locks import DIST, acquire, assert_held, release
from kvmarm.state import kick
from vgic_old.bitmap import clear_bit, is_edge, mark_deliverable, mark_vcpu, set_bit, test_bit, unmark_deliverable
from vgic_old.forward import search
from vgic_old.state import ENABLED, LEVEL, NOBODY, ON_CPU_PENDING, PENDING, QUEUED, SOFT_PENDING
from vgic_old.update import clear_pending_on_cpu_if_none


@jit
def _lower(vm: Any, vcpu: Any, intid: Any, observer: Any) -> None:
    """The line of a level interrupt falls. The distributor lock is held."""
    assert_held(vm)
    clear_bit(vm, LEVEL, vcpu, intid, observer)
    if test_bit(vm, SOFT_PENDING, vcpu, intid, observer):
        return
    clear_bit(vm, PENDING, vcpu, intid, observer)
    unmark_deliverable(vm, vcpu, intid, observer)
    clear_pending_on_cpu_if_none(vm, vcpu, observer)


@jit
def _accept(vm: Any, vcpu: Any, intid: Any, level: Any, observer: Any) -> Any:
    """Take the line's new state in; return the vCPU to kick, -1 for none. The distributor lock is held."""
    assert_held(vm)
    edge = is_edge(vm, vcpu, intid, observer)
    if edge:
        if level == 0 or test_bit(vm, PENDING, vcpu, intid, observer):
            return np.int64(-1)
    elif (level != 0) == test_bit(vm, LEVEL, vcpu, intid, observer):
        return np.int64(-1)
    target = np.int64(vcpu)
    deliverable = True
    if intid >= FIRST_SPI:
        target = np.int64(vm.spi_cpu[intid - FIRST_SPI])
        if target == NOBODY:
            target = np.int64(0)
            deliverable = False
    if level == 0:
        _lower(vm, target, intid, observer)
        return np.int64(-1)
    if not edge:
        set_bit(vm, LEVEL, target, intid, observer)
    set_bit(vm, PENDING, target, intid, observer)
    if not deliverable or not test_bit(vm, ENABLED, target, intid, observer):
        return np.int64(-1)
    if test_bit(vm, QUEUED, target, intid, observer):
        # In a list register: its EOI will look at the level.
        return np.int64(-1)
    mark_deliverable(vm, target, intid, observer)
    mark_vcpu(vm, ON_CPU_PENDING, target, observer)
    return target


@jit
def _update(vm: Any, vcpu: Any, intid: Any, level: Any, observer: Any) -> Any:
    noinline()
    if intid >= min(vm.irqs, FIRST_RESERVED):
        return EINVAL
    acquire(vm, DIST, 0, observer)
    target = _accept(vm, vcpu, intid, level, observer)
    release(vm, DIST, 0, observer)
    if target >= 0:
        kick(vm, target, observer)
    return 0


@jit
def inject(vm: Any, vcpu: Any, intid: Any, level: Any, observer: Any) -> Any:
    """Drive the line of `intid` to `level` (0 or 1); return 0, or EINVAL for a forwarded or absent interrupt."""
    noinline()
    events.count(observer, events.CALL_INJECT, 1)
    if search(vm, vcpu, intid, observer) >= 0:
        return EINVAL
    return _update(vm, vcpu, intid, level, observer)


@jit
def inject_mapped(vm: Any, vcpu: Any, vintid: Any, level: Any, observer: Any) -> Any:
    """Drive the line of a forwarded interrupt to `level`; return 0, or EINVAL when it is not forwarded."""
    noinline()
    events.count(observer, events.CALL_INJECT, 1)
    # The original is handed the map entry itself: finding it is the caller's work and costs nothing here.
    if search(vm, vcpu, vintid, None) < 0:
        return EINVAL
    return _update(vm, vcpu, vintid, level, observer)
