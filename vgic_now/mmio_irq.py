# SPDX-License-Identifier: GPL-2.0-only
"""The register handlers that both GIC versions share: the fields every interrupt has.

Models: vgic_mmio_{read,write}_{group,enable,pending,active,priority,config} (arch/arm64/kvm/vgic/vgic-mmio.c), Linux
6.18.35.

Lock order: reads take no lock, but for each irq lock in turn where pending bits are read and the configuration mutex
where active bits are. A write takes and releases each irq lock in turn, that of active bits inside the mutex.

Rules:
- A handler visits the INTIDs of the access in ascending order. Where a write can make an interrupt deliverable it
  queues it, so it kicks in that order.
- Clearing something never takes an interrupt off a list, nor touches a list register: sync does that.
- A forwarded LEVEL interrupt's pending bit is its physical line.
- `first`: the first INTID of the access; `vcpu`: whose private interrupts are meant; `accessor`: the vCPU that makes
  the access; `size` in bytes; values are uint64, of which these handlers use 32 bits.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import PRIVATE_IRQS
from kvmarm.jit import U64, U64_0, find_first_bit, jit, noinline
from vgic_now.queue import queue_and_unlock
from vgic_now.regions import (
    ICACTIVER,
    ICENABLER,
    ICFGR,
    ICPENDR,
    IGROUPR,
    IPRIORITYR,
    ISACTIVER,
    ISENABLER,
    ISPENDR,
)
from vgic_now.state import (
    EDGE,
    LEVEL,
    find_irq,
    find_irq_to_read,
    is_forwarded_level,
    is_pending,
    lock_configuration,
    lock_irq,
    lock_irq_to_write,
    physical_line,
    sends_to_vcpu,
    set_physical_active,
    unlock_configuration,
    unlock_irq,
)

_BITS, _CONFIG_FIELDS = np.int64(32), np.int64(16)
"""Interrupts of one access to a register with a bit per interrupt, which takes 32-bit accesses only, and to ICFGR.
NumPy integers, because numba compiles anew for every literal one."""
_PRIORITY_MASK = 0xF8
"""5 priority bits are implemented."""


@jit
def next_bit(value: Any, start: Any) -> Any:
    """Return the first set bit (int64) of `value` (uint64) from `start` on, 64 for none: a library search."""
    noinline()
    return find_first_bit(value & ~U64_0 << U64(start)) if start < _BITS else np.int64(64)


@jit
def _read_group(vm: Any, vcpu: Any, first: Any, observer: Any) -> Any:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    value = 0
    for i in range(_BITS):
        if vm.irq[find_irq_to_read(vm, vcpu, first + i, observer)].group:
            events.count(observer, events.VALUE_BIT, 1)
            value |= 1 << i
    return value


@jit
def _read_enabled(vm: Any, vcpu: Any, first: Any, observer: Any) -> Any:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    value = 0
    for i in range(_BITS):
        if vm.irq[find_irq_to_read(vm, vcpu, first + i, observer)].enabled:
            events.count(observer, events.VALUE_BIT, 1)
            value |= 1 << i
    return value


@jit
def _read_pending(vm: Any, vcpu: Any, first: Any, observer: Any) -> Any:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    value = 0
    for i in range(_BITS):
        slot = find_irq_to_read(vm, vcpu, first + i, observer)
        irq = vm.irq[slot]
        events.count(observer, events.LEVEL_UPDATE, 1)
        lock_irq(vm, slot, observer)
        if physical_line(vm, irq) if is_forwarded_level(irq) else is_pending(irq):
            events.count(observer, events.VALUE_BIT, 1)
            value |= 1 << i
        unlock_irq(vm, slot, observer)
    return value


@jit
def _prepare_active_access(vm: Any, accessor: Any, vcpu: Any, first: Any, observer: Any) -> None:
    """Take the configuration mutex, and make the guest leave where a list register may hold what is asked for.

    vgic_access_active_prepare: all vCPUs are stopped by a request that is no kick, unless they are the accessor's own
    private interrupts. Nobody needs to wait here.
    """
    lock_configuration(vm, observer)
    if first >= PRIVATE_IRQS or (vm.gic == 3 and vcpu != accessor):
        events.count(observer, events.HALT, 1)


@jit
def _read_active(vm: Any, accessor: Any, vcpu: Any, first: Any, observer: Any) -> Any:
    noinline()
    _prepare_active_access(vm, accessor, vcpu, first, observer)
    events.count(observer, events.FIELD_LOOP, 1)
    value = 0
    for i in range(_BITS):
        if vm.irq[find_irq_to_read(vm, vcpu, first + i, observer)].active:
            events.count(observer, events.VALUE_BIT, 1)
            value |= 1 << i
    unlock_configuration(vm, observer)
    return value


@jit
def _read_priority(vm: Any, vcpu: Any, first: Any, size: Any, observer: Any) -> Any:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    events.count(observer, events.BYTE_ACCESS, size)
    value: Any = 0
    for i in range(size):
        value |= np.int64(vm.irq[find_irq_to_read(vm, vcpu, first + i, observer)].priority) << (8 * i)
    return value


@jit
def _read_config(vm: Any, vcpu: Any, first: Any, observer: Any) -> Any:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    value = 0
    events.count(observer, events.CONFIG_BIT, _CONFIG_FIELDS)
    for i in range(_CONFIG_FIELDS):
        if vm.irq[find_irq_to_read(vm, vcpu, first + i, observer)].config == EDGE:
            value |= 2 << (2 * i)
    return value


@jit
def read(vm: Any, accessor: Any, vcpu: Any, register: Any, first: Any, size: Any, observer: Any) -> Any:
    """Return the value (uint64) of a register of those kinds that do not depend on the GIC version."""
    if register == ISENABLER or register == ICENABLER:
        return U64(_read_enabled(vm, vcpu, first, observer))
    if register == ISPENDR or register == ICPENDR:
        return U64(_read_pending(vm, vcpu, first, observer))
    if register == ISACTIVER or register == ICACTIVER:
        return U64(_read_active(vm, accessor, vcpu, first, observer))
    if register == IPRIORITYR:
        return U64(_read_priority(vm, vcpu, first, size, observer))
    if register == ICFGR:
        return U64(_read_config(vm, vcpu, first, observer))
    if register == IGROUPR:
        return U64(_read_group(vm, vcpu, first, observer))
    return U64_0


@jit
def _write_group(vm: Any, vcpu: Any, first: Any, value: Any, observer: Any) -> None:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    for i in range(_BITS):
        slot = find_irq(vm, vcpu, first + i, observer)
        if lock_irq_to_write(vm, slot, observer):
            vm.irq[slot].group = (value >> i) & 1
            queue_and_unlock(vm, slot, observer)


@jit
def _sample_line(vm: Any, irq: Any) -> None:
    """Take the line of a forwarded LEVEL interrupt that is being enabled; a line that fell ends the physical one."""
    was_high = irq.line_level
    irq.line_level = physical_line(vm, irq)
    if not irq.active and was_high and not irq.line_level:
        set_physical_active(vm, irq, 0)


@jit
def _set_enabled(vm: Any, vcpu: Any, first: Any, value: Any, observer: Any) -> None:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    bit = next_bit(value, np.int64(0))
    while bit < _BITS:
        events.count(observer, events.SET_BIT, 1)
        slot = find_irq(vm, vcpu, first + bit, observer)
        if lock_irq_to_write(vm, slot, observer):
            irq = vm.irq[slot]
            if is_forwarded_level(irq):
                _sample_line(vm, irq)
            irq.enabled = 1
            queue_and_unlock(vm, slot, observer)
        bit = next_bit(value, bit + 1)


@jit
def _clear_enabled(vm: Any, vcpu: Any, first: Any, value: Any, observer: Any) -> None:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    bit = next_bit(value, np.int64(0))
    while bit < _BITS:
        events.count(observer, events.SET_BIT, 1)
        slot = find_irq(vm, vcpu, first + bit, observer)
        if lock_irq_to_write(vm, slot, observer):
            vm.irq[slot].enabled = 0
            unlock_irq(vm, slot, observer)
        bit = next_bit(value, bit + 1)


@jit
def _set_pending(vm: Any, vcpu: Any, first: Any, value: Any, observer: Any) -> None:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    bit = next_bit(value, np.int64(0))
    while bit < _BITS:
        events.count(observer, events.SET_BIT, 1)
        intid = first + bit
        slot = find_irq(vm, vcpu, intid, observer)
        if not sends_to_vcpu(vm, intid) and lock_irq_to_write(vm, slot, observer):
            irq = vm.irq[slot]
            irq.latch = 1
            if irq.hw:
                set_physical_active(vm, irq, 1)
            queue_and_unlock(vm, slot, observer)
        bit = next_bit(value, bit + 1)


@jit
def _clear_pending(vm: Any, vcpu: Any, first: Any, value: Any, observer: Any) -> None:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    bit = next_bit(value, np.int64(0))
    while bit < _BITS:
        events.count(observer, events.SET_BIT, 1)
        intid = first + bit
        slot = find_irq(vm, vcpu, intid, observer)
        if not sends_to_vcpu(vm, intid) and lock_irq_to_write(vm, slot, observer):
            irq = vm.irq[slot]
            irq.latch = 0
            if irq.hw and not irq.active:
                set_physical_active(vm, irq, 0)
            unlock_irq(vm, slot, observer)
        bit = next_bit(value, bit + 1)


@jit
def _change_active(vm: Any, accessor: Any, vcpu: Any, first: Any, value: Any, active: Any, observer: Any) -> None:
    """Set the active state of the interrupts named by the set bits of `value`, under the configuration mutex."""
    noinline()
    _prepare_active_access(vm, accessor, vcpu, first, observer)
    events.count(observer, events.FIELD_LOOP, 1)
    bit = next_bit(value, np.int64(0))
    while bit < _BITS:
        events.count(observer, events.SET_BIT, 1)
        intid = first + bit
        slot = find_irq(vm, vcpu, intid, observer)
        if lock_irq_to_write(vm, slot, observer):
            irq = vm.irq[slot]
            irq.active = active
            if irq.hw:
                set_physical_active(vm, irq, active)
            elif active and sends_to_vcpu(vm, intid):
                irq.active_source = accessor
            if active:
                queue_and_unlock(vm, slot, observer)
            else:
                unlock_irq(vm, slot, observer)
        bit = next_bit(value, bit + 1)
    unlock_configuration(vm, observer)


@jit
def _write_priority(vm: Any, vcpu: Any, first: Any, size: Any, value: Any, observer: Any) -> None:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    events.count(observer, events.BYTE_ACCESS, size)
    for i in range(size):
        slot = find_irq(vm, vcpu, first + i, observer)
        if lock_irq_to_write(vm, slot, observer):
            vm.irq[slot].priority = (value >> (8 * i)) & _PRIORITY_MASK
            unlock_irq(vm, slot, observer)


@jit
def _write_config(vm: Any, vcpu: Any, first: Any, value: Any, observer: Any) -> None:
    noinline()
    if first < PRIVATE_IRQS:
        return
    events.count(observer, events.FIELD_LOOP, 1)
    for i in range(_CONFIG_FIELDS):
        slot = find_irq(vm, vcpu, first + i, observer)
        if lock_irq_to_write(vm, slot, observer):
            events.count(observer, events.CONFIG_BIT, 1)
            vm.irq[slot].config = EDGE if (value >> (2 * i + 1)) & 1 else LEVEL
            unlock_irq(vm, slot, observer)


@jit
def write(vm: Any, accessor: Any, vcpu: Any, register: Any, first: Any, size: Any, value: Any, observer: Any) -> None:
    """Write `value` (uint64, at most 32 bits) to a register of those kinds that do not depend on the GIC version."""
    word = np.int64(value)
    if register == ISENABLER:
        _set_enabled(vm, vcpu, first, value, observer)
    elif register == ICENABLER:
        _clear_enabled(vm, vcpu, first, value, observer)
    elif register == ISPENDR:
        _set_pending(vm, vcpu, first, value, observer)
    elif register == ICPENDR:
        _clear_pending(vm, vcpu, first, value, observer)
    elif register == ISACTIVER:
        _change_active(vm, accessor, vcpu, first, value, np.int64(1), observer)
    elif register == ICACTIVER:
        _change_active(vm, accessor, vcpu, first, value, np.int64(0), observer)
    elif register == IPRIORITYR:
        _write_priority(vm, vcpu, first, size, word, observer)
    elif register == ICFGR:
        _write_config(vm, vcpu, first, word, observer)
    elif register == IGROUPR:
        _write_group(vm, vcpu, first, word, observer)
