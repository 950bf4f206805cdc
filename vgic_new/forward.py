# SPDX-License-Identifier: GPL-2.0-only
"""Forwarded interrupts: a virtual interrupt tied to a physical one, deactivated by the hardware.

Models: kvm_vgic_map_phys_irq, kvm_vgic_unmap_phys_irq and kvm_vgic_map_is_active (virt/kvm/arm/vgic/vgic.c), Linux
4.8.17.

Lock order: the irq lock, in every function.

Rules:
- A mapping is two fields of the interrupt's record. Mapping twice overwrites; unmapping an unmapped one is no error.
- The physical interrupt's own active state is neither read nor written.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.interface import EINVAL
from kvmarm.jit import jit, noinline
from vgic_new.state import NO_SLOT, find_irq, is_reserved, lock_irq, unlock_irq


@jit
def _set_mapping(vm: Any, vcpu: Any, vintid: Any, hw: Any, hwintid: Any, observer: Any) -> Any:
    noinline()
    events.count(observer, events.CALL_MAP, 1)
    slot = find_irq(vm, vcpu, vintid, observer)
    if slot == NO_SLOT or is_reserved(slot):
        return EINVAL
    lock_irq(vm, slot, observer)
    irq = vm.irq[slot]
    irq.hw = hw
    irq.hwintid = hwintid
    unlock_irq(vm, slot, observer)
    return 0


@jit
def map_phys(vm: Any, vcpu: Any, vintid: Any, pintid: Any, observer: Any) -> Any:
    """Forward the physical interrupt `pintid` to `vintid` of `vcpu`: 0."""
    return _set_mapping(vm, vcpu, vintid, np.int64(1), pintid, observer)


@jit
def unmap_phys(vm: Any, vcpu: Any, vintid: Any, observer: Any) -> Any:
    """Undo `map_phys`: 0, whether it was forwarded or not."""
    return _set_mapping(vm, vcpu, vintid, np.int64(0), np.int64(0), observer)


@jit
def is_active(vm: Any, vcpu: Any, vintid: Any, observer: Any) -> Any:
    """Return 1 when `vintid` is forwarded and was active at the last sync, else 0."""
    noinline()
    events.count(observer, events.CALL_MAP, 1)
    slot = find_irq(vm, vcpu, vintid, observer)
    if slot == NO_SLOT or is_reserved(slot):
        return 0
    lock_irq(vm, slot, observer)
    irq = vm.irq[slot]
    active = 1 if irq.hw and irq.active else 0
    unlock_irq(vm, slot, observer)
    return active
