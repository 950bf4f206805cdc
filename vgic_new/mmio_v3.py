# SPDX-License-Identifier: GPL-2.0-only
"""GICv3: the register handlers of distributor and redistributors that GICv2 does not have in this form.

Models: virt/kvm/arm/vgic/vgic-mmio-v3.c, Linux 4.8.17, of a VM without an ITS.

Lock order: only a write of IROUTER takes a lock, the irq lock.

Rules:
- GICR_CTLR.EnableLPIs cannot be set, so that PROPBASER (one per VM) and PENDBASER (one per vCPU) can always be written.
- An IROUTER that names no vCPU parks its interrupt; like ITARGETSR it neither queues nor kicks.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import IIDR, PIDR2_GICV3, PIDR2_OFFSET
from kvmarm.jit import U64, U64_0, jit, noinline
from kvmarm.mpidr import vcpu_affinity
from vgic_new.mmio_v2 import set_distributor_enable
from vgic_new.regions import IDREGS, IROUTER, PENDBASER, PROPBASER, RD_IIDR, RD_TYPER, V3_DISTRIBUTOR
from vgic_new.state import NOBODY, find_irq, lock_irq_to_write, unlock_irq

_CTLR = 0
_TYPER = 4
_IIDR = 8
_CTLR_ENABLE_GROUP1 = 1 << 1
_CTLR_ARE_DS = 0x50
"""Affinity routing on, security off: both fixed."""
_TYPER_ID_BITS = 9 << 19
"""10 bits of INTID."""
_RD_TYPER_LAST = 1 << 4
_AFFINITY_MASK = 0xFFFFFF
"""Aff2.Aff1.Aff0; interrupt routing mode and Aff3 are dropped."""

# Memory attribute fields of PROPBASER and PENDBASER.
_SHAREABILITY_SHIFT = 10
_OUTER_SHAREABLE = 2
_INNER_SHAREABLE = 1
_INNER_CACHE_SHIFT = 7
_NON_CACHEABLE = 1
_READ_ALLOCATE_WRITE_BACK = 3
_OUTER_CACHE_SHIFT = 56
_PROPBASER_RESERVED = 0xF8FF_0000_0000_0060
_PENDBASER_RESERVED = 0xB8FF_0000_0000_F07F


@jit
def _read_distributor(vm: Any, offset: Any) -> Any:
    if offset == _CTLR:
        return _CTLR_ARE_DS | vm.enabled * _CTLR_ENABLE_GROUP1
    if offset == _TYPER:
        return (vm.irqs // 32 - 1) | _TYPER_ID_BITS
    if offset == _IIDR:
        return IIDR
    return 0


@jit
def _redistributor_type(vm: Any, vcpu: Any) -> Any:
    last = _RD_TYPER_LAST if vcpu == vm.vcpus - 1 else 0
    return U64(vcpu_affinity(vcpu)) << U64(32) | U64(vcpu << 8 | last)


@jit
def _part(value: Any, offset: Any, size: Any) -> Any:
    """Return the `size` bytes at `offset` of a 64-bit register that starts at a multiple of 8."""
    return (value >> U64(8 * (offset & 7))) & (~U64_0 >> U64(64 - 8 * size))


@jit
def _merged(old: Any, offset: Any, size: Any, value: Any) -> Any:
    """Return `old` (uint64) with the `size` bytes at `offset` replaced by those of `value`."""
    shift = U64(8 * (offset & 7))
    mask = (~U64_0 >> U64(64 - 8 * size)) << shift
    return (old & ~mask) | (value << shift) & mask


@jit
def read(vm: Any, vcpu: Any, register: Any, offset: Any, first: Any, size: Any, observer: Any) -> Any:
    """Return the value (uint64) of a register that only GICv3 frames have. Arguments as in mmio_irq."""
    noinline()
    if register == V3_DISTRIBUTOR:
        return U64(_read_distributor(vm, offset))
    if register == IROUTER:
        return _part(U64(vm.irq[find_irq(vm, vcpu, first, observer)].mpidr), offset, size)
    if register == IDREGS:
        return U64(PIDR2_GICV3) if offset == PIDR2_OFFSET else U64_0
    if register == RD_IIDR:
        return U64(IIDR)
    if register == RD_TYPER:
        return _part(_redistributor_type(vm, vcpu), offset, size)
    if register == PROPBASER:
        return _part(vm.propbaser, offset, size)
    if register == PENDBASER:
        return _part(vm.vcpu[vcpu].pendbaser, offset, size)
    return U64_0


@jit
def _vcpu_with_affinity(vm: Any, affinity: Any, observer: Any) -> Any:
    """Return the vCPU whose MPIDR is `affinity`, NOBODY for none."""
    for vcpu in range(vm.vcpus):
        events.count(observer, events.VCPU_STEP, 1)
        if vcpu_affinity(vcpu) == affinity:
            return vcpu
    return NOBODY


@jit
def _write_route(vm: Any, vcpu: Any, first: Any, offset: Any, value: Any, observer: Any) -> None:
    # The upper word holds Aff3 only.
    if offset & 4:
        return
    slot = find_irq(vm, vcpu, first, observer)
    if lock_irq_to_write(vm, slot, observer):
        affinity = np.int64(value & U64(_AFFINITY_MASK))
        vm.irq[slot].mpidr = affinity
        vm.irq[slot].target_vcpu = _vcpu_with_affinity(vm, affinity, observer)
        unlock_irq(vm, slot, observer)


@jit
def _with_field(value: Any, shift: Any, width_mask: Any, field: Any) -> Any:
    return (value & ~(U64(width_mask) << U64(shift))) | U64(field) << U64(shift)


@jit
def _with_valid_attributes(value: Any) -> Any:
    """Return a PROPBASER or PENDBASER value with the memory attributes that KVM can honour."""
    if np.int64((value >> U64(_SHAREABILITY_SHIFT)) & U64(3)) == _OUTER_SHAREABLE:
        value = _with_field(value, _SHAREABILITY_SHIFT, 3, _INNER_SHAREABLE)
    if np.int64((value >> U64(_INNER_CACHE_SHIFT)) & U64(7)) <= _NON_CACHEABLE:
        value = _with_field(value, _INNER_CACHE_SHIFT, 7, _READ_ALLOCATE_WRITE_BACK)
    if np.int64((value >> U64(_OUTER_CACHE_SHIFT)) & U64(7)) > _NON_CACHEABLE:
        value = _with_field(value, _OUTER_CACHE_SHIFT, 7, _NON_CACHEABLE)
    return value


@jit
def write(vm: Any, vcpu: Any, register: Any, offset: Any, first: Any, size: Any, value: Any, observer: Any) -> None:
    """Write `value` (uint64) to a register that only GICv3 frames have."""
    noinline()
    if register == V3_DISTRIBUTOR:
        if offset == _CTLR:
            set_distributor_enable(vm, 1 if value & U64(_CTLR_ENABLE_GROUP1) else 0, observer)
    elif register == IROUTER:
        _write_route(vm, vcpu, first, offset, value, observer)
    elif register == PROPBASER:
        merged = _with_valid_attributes(_merged(vm.propbaser, offset, size, value))
        vm.propbaser = merged & ~U64(_PROPBASER_RESERVED)
    elif register == PENDBASER:
        merged = _with_valid_attributes(_merged(vm.vcpu[vcpu].pendbaser, offset, size, value))
        vm.vcpu[vcpu].pendbaser = merged & ~U64(_PENDBASER_RESERVED)
