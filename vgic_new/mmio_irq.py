# SPDX-License-Identifier: GPL-2.0-only
"""The register handlers that both GIC versions share: the fields every interrupt has.

Models: vgic_mmio_{read,write}_{enable,pending,active,priority,config} (virt/kvm/arm/vgic/vgic-mmio.c), Linux 4.8.17.

Lock order: reads take no lock; a write takes and releases each irq lock in turn.

Rules:
- A handler visits the INTIDs of the access in ascending order. Where a write can make an interrupt deliverable it
  queues it, so it kicks in that order.
- Clearing something never takes an interrupt off a list, nor touches a list register: sync does that.
- `first`: the first INTID of the access; `vcpu`: whose private interrupts are meant; `size` in bytes; values are
  uint64, of which these handlers use 32 bits.

Work: each interrupt of a write is looked up by a call, those of a read within the loop (find_irq_to_read says why);
the set bits of a value are found one by one by a library search, which is a call.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import PRIVATE_IRQS
from kvmarm.jit import U64, U64_0, find_first_bit, jit, noinline
from kvmarm.state import kick
from vgic_new.queue import queue_and_unlock
from vgic_new.regions import (
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
from vgic_new.state import EDGE, LEVEL, find_irq, find_irq_to_read, lock_irq_to_write, unlock_irq, update_level

_BITS, _CONFIG_FIELDS = np.int64(32), np.int64(16)
"""Interrupts of one access to a register with one bit per interrupt, which takes 32-bit accesses only, and to ICFGR.
NumPy integers, because numba compiles anew for every literal one."""
_PRIORITY_MASK = 0xF8
"""5 priority bits are implemented."""


@jit
def next_bit(value: Any, start: Any) -> Any:
    """Return the first set bit (int64) of `value` (uint64) from `start` on, 64 for none: a library search."""
    noinline()
    return find_first_bit(value & ~U64_0 << U64(start)) if start < _BITS else np.int64(64)


@jit
def _read_enabled(vm: Any, vcpu: Any, first: Any, observer: Any) -> Any:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    value = 0
    for i in range(_BITS):
        if vm.irq[U64(find_irq_to_read(vm, vcpu, first + i, observer))].enabled:
            events.count(observer, events.VALUE_BIT, 1)
            value |= 1 << i
    return value


@jit
def _read_pending(vm: Any, vcpu: Any, first: Any, observer: Any) -> Any:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    value = 0
    for i in range(_BITS):
        if vm.irq[U64(find_irq_to_read(vm, vcpu, first + i, observer))].pending:
            events.count(observer, events.VALUE_BIT, 1)
            value |= 1 << i
    return value


@jit
def _read_active(vm: Any, vcpu: Any, first: Any, observer: Any) -> Any:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    value = 0
    for i in range(_BITS):
        if vm.irq[U64(find_irq_to_read(vm, vcpu, first + i, observer))].active:
            events.count(observer, events.VALUE_BIT, 1)
            value |= 1 << i
    return value


@jit
def _read_priority(vm: Any, vcpu: Any, first: Any, size: Any, observer: Any) -> Any:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    value: Any = 0
    for i in range(size):
        value |= np.int64(vm.irq[U64(find_irq_to_read(vm, vcpu, first + i, observer))].priority) << (8 * i)
    return value


@jit
def _read_config(vm: Any, vcpu: Any, first: Any, observer: Any) -> Any:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    value = 0
    events.count(observer, events.CONFIG_BIT, _CONFIG_FIELDS)
    for i in range(_CONFIG_FIELDS):
        if vm.irq[U64(find_irq_to_read(vm, vcpu, first + i, observer))].config == EDGE:
            value |= 2 << (2 * i)
    return value


@jit
def read(vm: Any, vcpu: Any, register: Any, first: Any, size: Any, observer: Any) -> Any:
    """Return the value (uint64) of a register of those kinds that do not depend on the GIC version."""
    if register == ISENABLER or register == ICENABLER:
        return U64(_read_enabled(vm, vcpu, first, observer))
    if register == ISPENDR or register == ICPENDR:
        return U64(_read_pending(vm, vcpu, first, observer))
    if register == ISACTIVER or register == ICACTIVER:
        return U64(_read_active(vm, vcpu, first, observer))
    if register == IPRIORITYR:
        return U64(_read_priority(vm, vcpu, first, size, observer))
    if register == ICFGR:
        return U64(_read_config(vm, vcpu, first, observer))
    if register == IGROUPR:
        return U64(0xFFFFFFFF)
    return U64_0


@jit
def _set_enabled(vm: Any, vcpu: Any, first: Any, value: Any, observer: Any) -> None:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    bit = next_bit(value, np.int64(0))
    while bit < _BITS:
        events.count(observer, events.SET_BIT, 1)
        slot = find_irq(vm, vcpu, first + bit, observer)
        if lock_irq_to_write(vm, slot, observer):
            vm.irq[slot].enabled = 1
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
        slot = find_irq(vm, vcpu, first + bit, observer)
        if lock_irq_to_write(vm, slot, observer):
            irq = vm.irq[slot]
            irq.pending = 1
            if irq.config == LEVEL:
                irq.soft_pending = 1
            queue_and_unlock(vm, slot, observer)
        bit = next_bit(value, bit + 1)


@jit
def _clear_pending(vm: Any, vcpu: Any, first: Any, value: Any, observer: Any) -> None:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
    bit = next_bit(value, np.int64(0))
    while bit < _BITS:
        events.count(observer, events.SET_BIT, 1)
        slot = find_irq(vm, vcpu, first + bit, observer)
        if lock_irq_to_write(vm, slot, observer):
            irq = vm.irq[slot]
            if irq.config == LEVEL:
                irq.soft_pending = 0
                update_level(irq, observer)
            else:
                irq.pending = 0
            unlock_irq(vm, slot, observer)
        bit = next_bit(value, bit + 1)


@jit
def _change_active(vm: Any, vcpu: Any, first: Any, value: Any, active: Any, observer: Any) -> None:
    """Set the active state of the interrupts named by the set bits of `value`.

    The kernel first makes every vCPU concerned leave the guest: the one vCPU of private interrupts by a kick, else all
    of them by a request that is no kick; then it waits for each interrupt's vCPU. Nobody needs to wait here.
    """
    noinline()
    events.count(observer, events.HALT, 1)
    if first < PRIVATE_IRQS:
        kick(vm, vcpu, observer)
    events.count(observer, events.FIELD_LOOP, 1)
    bit = next_bit(value, np.int64(0))
    while bit < _BITS:
        events.count(observer, events.SET_BIT, 1)
        slot = find_irq(vm, vcpu, first + bit, observer)
        if lock_irq_to_write(vm, slot, observer):
            vm.irq[slot].active = active
            if active:
                queue_and_unlock(vm, slot, observer)
            else:
                unlock_irq(vm, slot, observer)
        bit = next_bit(value, bit + 1)


@jit
def _write_priority(vm: Any, vcpu: Any, first: Any, size: Any, value: Any, observer: Any) -> None:
    noinline()
    events.count(observer, events.FIELD_LOOP, 1)
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
            # The bit is tested in the value, then the field is written.
            events.count(observer, events.CONFIG_BIT, 2)
            irq = vm.irq[slot]
            if (value >> (2 * i + 1)) & 1:
                irq.config = EDGE
            else:
                irq.config = LEVEL
                update_level(irq, observer)
            unlock_irq(vm, slot, observer)


@jit
def write(vm: Any, vcpu: Any, register: Any, first: Any, size: Any, value: Any, observer: Any) -> None:
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
        _change_active(vm, vcpu, first, value, np.int64(1), observer)
    elif register == ICACTIVER:
        _change_active(vm, vcpu, first, value, np.int64(0), observer)
    elif register == IPRIORITYR:
        _write_priority(vm, vcpu, first, size, word, observer)
    elif register == ICFGR:
        _write_config(vm, vcpu, first, word, observer)
