# SPDX-License-Identifier: GPL-2.0-only
"""GICv3: the register handlers of distributor and redistributors that GICv2 does not have in this form.

Models: arch/arm64/kvm/vgic/vgic-mmio-v3.c, Linux 6.18.35.

Lock order: a write of IROUTER takes the irq lock, one of GICD_CTLR holds the configuration mutex throughout, the scan
of a pending table takes irq locks.

Rules:
- PROPBASER (one per VM) and PENDBASER (one per vCPU) can be written while the LPIs of that redistributor are off.
  Without an ITS they always are.
- An IROUTER that names no vCPU parks its interrupt; like ITARGETSR it neither queues nor kicks.
"""

from typing import Any

import numpy as np

from kvmarm.gic import IIDR, PIDR2_GICV3, PIDR2_OFFSET
from kvmarm.jit import U64, U64_0, jit, noinline
from kvmarm.mpidr import vcpu_affinity
from vgic_now.fields import merged, part, with_valid_attributes
from vgic_now.lpi_tables import invalidate, invalidate_all, scan_pending_table, unlist_lpis
from vgic_now.mmio_v2 import IIDR_REVISION_3, set_distributor_enable
from vgic_now.regions import (
    IDREGS,
    INVALLR,
    INVLPIR,
    IROUTER,
    PENDBASER,
    PROPBASER,
    RD_CTLR,
    RD_IIDR,
    RD_TYPER,
    V3_DISTRIBUTOR,
    V3_STATUSR,
)
from vgic_now.state import find_irq, lock_configuration, lock_irq_to_write, unlock_configuration, unlock_irq
from vgic_now.vcpus import find_vcpu

_CTLR = 0
_TYPER = 4
_IIDR = 8
_CTLR_ENABLE_GROUP1 = 1 << 1
_CTLR_ARE_DS = 0x50
"""Affinity routing on, security off: both fixed."""
_TYPER_ID_BITS = 9 << 19
"""10 bits of INTID."""
_TYPER_LPIS = 15 << 19 | 1 << 17
"""With an ITS: 16 bits of INTID, LPIs."""
_RD_CTLR_FIXED = 0x6
"""GICR_CTLR: EnableLPIs can be cleared (CES), and INVLPIR and INVALLR are there (IR)."""
_RD_TYPER_LAST = 1 << 4
_AFFINITY_MASK = 0xFFFFFF
"""Aff2.Aff1.Aff0; interrupt routing mode and Aff3 are dropped."""

# Memory attribute fields of PROPBASER and PENDBASER.
_SHAREABILITY_SHIFT, _INNER_SHIFT, _OUTER_SHIFT = 10, 7, 56
_PROPBASER_RESERVED = 0xF8F0_0000_0000_0060
_PENDBASER_RESERVED = 0xB8F0_0000_0000_F07F
_PENDBASER_PTZ = 1 << 62
"""Pending table zero: write-only."""


@jit
def _read_distributor(vm: Any, offset: Any) -> Any:
    if offset == _CTLR:
        return _CTLR_ARE_DS | vm.enabled * _CTLR_ENABLE_GROUP1
    if offset == _TYPER:
        return (vm.irqs // 32 - 1) | (_TYPER_LPIS if vm.its else _TYPER_ID_BITS)
    if offset == _IIDR:
        return IIDR_REVISION_3
    return 0


@jit
def _redistributor_type(vm: Any, vcpu: Any) -> Any:
    last = _RD_TYPER_LAST if vcpu == vm.vcpus - 1 else 0
    return U64(vcpu_affinity(vcpu)) << U64(32) | U64(vcpu << 8 | last | vm.its)


@jit
def read(vm: Any, vcpu: Any, register: Any, offset: Any, first: Any, size: Any, observer: Any) -> Any:
    """Return the value (uint64) of a register that only GICv3 frames have. Arguments as in mmio_irq."""
    noinline()
    if register == V3_DISTRIBUTOR:
        return U64(_read_distributor(vm, offset))
    if register == IROUTER:
        return part(U64(vm.irq[find_irq(vm, vcpu, first, observer)].mpidr), offset, size)
    if register == IDREGS:
        return U64(PIDR2_GICV3) if offset == PIDR2_OFFSET else U64_0
    if register == V3_STATUSR:
        return U64(0xFFFFFFFF)
    if register == RD_CTLR:
        return U64(_RD_CTLR_FIXED | vm.vcpu[vcpu].lpis_enabled)
    if register == RD_IIDR:
        return U64(IIDR)
    if register == RD_TYPER:
        return part(_redistributor_type(vm, vcpu), offset, size)
    if register == PROPBASER:
        return part(vm.propbaser, offset, size)
    if register == PENDBASER:
        return part(vm.vcpu[vcpu].pendbaser & ~U64(_PENDBASER_PTZ), offset, size)
    return U64_0


@jit
def _write_route(vm: Any, vcpu: Any, first: Any, offset: Any, value: Any, observer: Any) -> None:
    # The upper word holds Aff3 only.
    if offset & 4:
        return
    slot = find_irq(vm, vcpu, first, observer)
    if lock_irq_to_write(vm, slot, observer):
        affinity = np.int64(value & U64(_AFFINITY_MASK))
        vm.irq[slot].mpidr = affinity
        vm.irq[slot].target_vcpu = find_vcpu(vm, affinity, observer)
        unlock_irq(vm, slot, observer)


@jit
def _enable_lpis(vm: Any, vcpu: Any, enable: Any, observer: Any) -> None:
    """Write GICR_CTLR.EnableLPIs of the redistributor of `vcpu`.

    When it is set its pending table counts. When it is cleared its LPIs leave the ap_list and the cache is emptied.
    """
    cpu = vm.vcpu[vcpu]
    if not vm.its or cpu.lpis_enabled == enable:
        return
    if not enable:
        unlist_lpis(vm, vcpu, observer)
    cpu.lpis_enabled = enable
    if enable and not cpu.pendbaser & U64(_PENDBASER_PTZ):
        scan_pending_table(vm, vcpu, observer)


@jit
def _with_valid_attributes(value: Any) -> Any:
    return with_valid_attributes(value, _SHAREABILITY_SHIFT, _INNER_SHIFT, _OUTER_SHIFT)


@jit
def write(vm: Any, vcpu: Any, register: Any, offset: Any, first: Any, size: Any, value: Any, observer: Any) -> None:
    """Write `value` (uint64) to a register that only GICv3 frames have."""
    noinline()
    if register == V3_DISTRIBUTOR:
        if offset == _CTLR:
            lock_configuration(vm, observer)
            set_distributor_enable(vm, 1 if value & U64(_CTLR_ENABLE_GROUP1) else 0, observer)
            unlock_configuration(vm, observer)
    elif register == IROUTER:
        _write_route(vm, vcpu, first, offset, value, observer)
    elif register == PROPBASER:
        if not vm.vcpu[vcpu].lpis_enabled:
            written = _with_valid_attributes(merged(vm.propbaser, offset, size, value))
            vm.propbaser = written & ~U64(_PROPBASER_RESERVED)
    elif register == PENDBASER:
        if not vm.vcpu[vcpu].lpis_enabled:
            written = _with_valid_attributes(merged(vm.vcpu[vcpu].pendbaser, offset, size, value))
            vm.vcpu[vcpu].pendbaser = written & ~U64(_PENDBASER_RESERVED)
    elif register == RD_CTLR:
        _enable_lpis(vm, vcpu, np.int64(value & U64(1)), observer)
    elif not offset & 4 and vm.vcpu[vcpu].lpis_enabled:
        if register == INVLPIR:
            invalidate(vm, np.int64(value & U64(0xFFFFFFFF)), observer)
        elif register == INVALLR:
            invalidate_all(vm, vcpu, observer)
