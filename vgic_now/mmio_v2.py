# SPDX-License-Identifier: GPL-2.0-only
"""GICv2: the register handlers that the distributor of GICv3 does not have in this form.

Models: arch/arm64/kvm/vgic/vgic-mmio-v2.c, Linux 6.18.35.

Lock order: reads take no lock; a write takes and releases each irq lock in turn.

Rules:
- Enabling the distributor kicks every vCPU that has something pending on its ap_list, but queues nothing. An interrupt
  that became deliverable while it was off is on no list.
- Routing an interrupt by ITARGETSR neither queues nor kicks; one that is queued moves when its present vCPU next syncs.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import PRIVATE_IRQS
from kvmarm.jit import U64, U64_0, find_first_bit, jit, noinline
from vgic_now.query import pending
from vgic_now.queue import queue_and_unlock, request_and_kick
from vgic_now.regions import CPENDSGIR, ITARGETSR, SGIR, SPENDSGIR, V2_DISTRIBUTOR
from vgic_now.sgi import write_sgir
from vgic_now.state import NOBODY, find_irq, lock_irq, lock_irq_to_write, unlock_irq
from vgic_now.vcpus import get_vcpu, next_vcpu

_CTLR = 0
_TYPER = 4
_IIDR = 8
IIDR_REVISION_3 = 0x4B00343B
"""GICD_IIDR: implementer Arm, product "K", revision 3 of what guests see."""


@jit
def _read_distributor(vm: Any, offset: Any) -> Any:
    if offset == _CTLR:
        return vm.enabled
    if offset == _TYPER:
        return (vm.irqs // 32 - 1) | (vm.vcpus - 1) << 5
    return IIDR_REVISION_3


@jit
def set_distributor_enable(vm: Any, enabled: Any, observer: Any) -> None:
    """Set the distributor's enable bit; when it goes from 0 to 1, kick each vCPU that has something to take."""
    was_enabled = vm.enabled
    vm.enabled = enabled
    if enabled and not was_enabled:
        vcpu = next_vcpu(vm, np.int64(0), observer)
        while vcpu != NOBODY:
            if pending(vm, vcpu, observer):
                request_and_kick(vm, vcpu, observer)
            vcpu = next_vcpu(vm, vcpu + 1, observer)


@jit
def _read_targets(vm: Any, vcpu: Any, first: Any, size: Any, observer: Any) -> Any:
    events.count(observer, events.FIELD_LOOP, 1)
    events.count(observer, events.BYTE_ACCESS, size)
    value: Any = 0
    for i in range(size):
        value |= np.int64(vm.irq[find_irq(vm, vcpu, first + i, observer)].targets) << (8 * i)
    return value


@jit
def _read_sources(vm: Any, vcpu: Any, first: Any, size: Any, observer: Any) -> Any:
    events.count(observer, events.FIELD_LOOP, 1)
    events.count(observer, events.BYTE_ACCESS, size)
    value: Any = 0
    for i in range(size):
        value |= np.int64(vm.irq[find_irq(vm, vcpu, first + i, observer)].source) << (8 * i)
    return value


@jit
def read(vm: Any, vcpu: Any, register: Any, offset: Any, first: Any, size: Any, observer: Any) -> Any:
    """Return the value (uint64) of a register that only the GICv2 distributor has. Arguments as in mmio_irq."""
    noinline()
    if register == V2_DISTRIBUTOR:
        return U64(_read_distributor(vm, offset))
    if register == ITARGETSR:
        return U64(_read_targets(vm, vcpu, first, size, observer))
    if register == CPENDSGIR or register == SPENDSGIR:
        return U64(_read_sources(vm, vcpu, first, size, observer))
    return U64_0


@jit
def _write_targets(vm: Any, vcpu: Any, first: Any, size: Any, value: Any, observer: Any) -> None:
    if first < PRIVATE_IRQS:
        return
    events.count(observer, events.FIELD_LOOP, 1)
    for i in range(size):
        slot = find_irq(vm, vcpu, first + i, observer)
        if lock_irq_to_write(vm, slot, observer):
            targets = (value >> (8 * i)) & ((1 << vm.vcpus) - 1)
            vm.irq[slot].targets = targets
            vm.irq[slot].target_vcpu = get_vcpu(vm, find_first_bit(U64(targets)) if targets else 0, observer)
            unlock_irq(vm, slot, observer)


@jit
def _clear_sources(vm: Any, vcpu: Any, first: Any, size: Any, value: Any, observer: Any) -> None:
    events.count(observer, events.FIELD_LOOP, 1)
    for i in range(size):
        slot = find_irq(vm, vcpu, first + i, observer)
        lock_irq(vm, slot, observer)
        irq = vm.irq[slot]
        irq.source = np.int64(irq.source) & ~(value >> (8 * i)) & 0xFF
        if not irq.source:
            irq.latch = 0
        unlock_irq(vm, slot, observer)


@jit
def _set_sources(vm: Any, vcpu: Any, first: Any, size: Any, value: Any, observer: Any) -> None:
    events.count(observer, events.FIELD_LOOP, 1)
    for i in range(size):
        slot = find_irq(vm, vcpu, first + i, observer)
        lock_irq(vm, slot, observer)
        irq = vm.irq[slot]
        irq.source = np.int64(irq.source) | (value >> (8 * i)) & 0xFF
        if irq.source:
            irq.latch = 1
            queue_and_unlock(vm, slot, observer)
        else:
            unlock_irq(vm, slot, observer)


@jit
def write(vm: Any, vcpu: Any, register: Any, offset: Any, first: Any, size: Any, value: Any, observer: Any) -> None:
    """Write `value` (uint64, at most 32 bits) to a register that only the GICv2 distributor has."""
    noinline()
    word = np.int64(value)
    if register == V2_DISTRIBUTOR:
        if offset == _CTLR:
            set_distributor_enable(vm, word & 1, observer)
    elif register == ITARGETSR:
        _write_targets(vm, vcpu, first, size, word, observer)
    elif register == SGIR:
        write_sgir(vm, vcpu, word, observer)
    elif register == CPENDSGIR:
        _clear_sources(vm, vcpu, first, size, word, observer)
    elif register == SPENDSGIR:
        _set_sources(vm, vcpu, first, size, word, observer)
