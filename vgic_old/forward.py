# SPDX-License-Identifier: GPL-2.0-only
"""Forwarded interrupts: the lists that tie a virtual INTID to a physical one.

Models: vgic_irq_map_search, kvm_vgic_map_phys_irq, kvm_vgic_unmap_phys_irq and kvm_vgic_map_is_active
(virt/kvm/arm/vgic.c), Linux 4.4.177.

Lock order: a change takes the physmap lock and no other; a search takes none (RCU in the original).

Rules:
- Each vCPU has one list for its PPIs, the VM has one for the SPIs, both in the order of mapping. A search is linear.
- This VGIC neither reads nor writes the physical interrupt's state.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import PRIVATE_IRQS
from kvmarm.interface import EINVAL
from kvmarm.jit import jit, noinline
from kvmarm.locks import PHYSMAP, acquire, release
from vgic_old.bitmap import test_bit
from vgic_old.lr import ACTIVE as LR_ACTIVE
from vgic_old.lr import read_lr
from vgic_old.state import ACTIVE


@jit
def _find(count: Any, vintids: Any, vintid: Any, observer: Any) -> Any:
    for index in range(count):
        events.count(observer, events.MAP_STEP, 1)
        if vintids[index] == vintid:
            return index
    return -1


@jit
def search(vm: Any, vcpu: Any, vintid: Any, observer: Any) -> Any:
    """Return the physical INTID (int64) that `vintid` of `vcpu` is forwarded from, -1 when it is not."""
    noinline()
    events.count(observer, events.MAP_SEARCH, 1)
    if vintid < PRIVATE_IRQS:
        cpu = vm.vcpu[vcpu]
        index = _find(cpu.map_count, cpu.map_vintid, vintid, observer)
        return np.int64(cpu.map_pintid[index]) if index >= 0 else np.int64(-1)
    physmap = vm.physmap
    index = _find(physmap.count, physmap.vintid, vintid, observer)
    return np.int64(physmap.pintid[index]) if index >= 0 else np.int64(-1)


@jit
def map_phys(vm: Any, vcpu: Any, vintid: Any, pintid: Any, observer: Any) -> Any:
    """Forward physical `pintid` to virtual `vintid`; return 0, or EINVAL when it is forwarded from another one."""
    noinline()
    events.count(observer, events.CALL_MAP, 1)
    physmap = vm.physmap
    acquire(physmap, PHYSMAP, 0, observer)
    known = search(vm, vcpu, vintid, observer)
    result = 0
    if known >= 0:
        if known != pintid:
            result = EINVAL
    elif vintid < PRIVATE_IRQS:
        cpu = vm.vcpu[vcpu]
        cpu.map_vintid[cpu.map_count] = vintid
        cpu.map_pintid[cpu.map_count] = pintid
        cpu.map_count += 1
    else:
        physmap.vintid[physmap.count] = vintid
        physmap.pintid[physmap.count] = pintid
        physmap.count += 1
    release(physmap, PHYSMAP, 0, observer)
    return result


@jit
def _remove(count: Any, vintids: Any, pintids: Any, vintid: Any, observer: Any) -> Any:
    """Close the gap that the entry of `vintid` leaves; return the new count."""
    position = _find(count, vintids, vintid, observer)
    for index in range(position, count - 1):
        vintids[index] = vintids[index + 1]
        pintids[index] = pintids[index + 1]
    return count - 1


@jit
def unmap_phys(vm: Any, vcpu: Any, vintid: Any, observer: Any) -> Any:
    """Undo `map_phys`; return 0, or EINVAL (without taking the lock) when `vintid` is not forwarded."""
    noinline()
    events.count(observer, events.CALL_MAP, 1)
    if search(vm, vcpu, vintid, observer) < 0:
        return EINVAL
    physmap = vm.physmap
    acquire(physmap, PHYSMAP, 0, observer)
    if vintid < PRIVATE_IRQS:
        cpu = vm.vcpu[vcpu]
        cpu.map_count = _remove(cpu.map_count, cpu.map_vintid, cpu.map_pintid, vintid, observer)
    else:
        physmap.count = _remove(physmap.count, physmap.vintid, physmap.pintid, vintid, observer)
    release(physmap, PHYSMAP, 0, observer)
    return 0


@jit
def is_active(vm: Any, vcpu: Any, vintid: Any, observer: Any) -> Any:
    """Return 1 when a list register of the image holds `vintid` active, or the distributor does."""
    noinline()
    events.count(observer, events.CALL_MAP, 1)
    for index in range(vm.lrs):
        events.count(observer, events.LR_SCAN, 1)
        intid, _, state = read_lr(vm, vcpu, index, observer)
        if intid == vintid and state & LR_ACTIVE:
            return 1
    return 1 if test_bit(vm, ACTIVE, vcpu, vintid, observer) else 0
