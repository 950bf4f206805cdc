# SPDX-License-Identifier: GPL-2.0-only
"""GICv3: range tables of distributor and redistributor, and the registers that GICv2 does not have in this form.

Models: virt/kvm/arm/vgic-v3-emul.c, Linux 4.4.177.

Lock order: the caller holds the distributor lock, in every function.

Rules:
- A redistributor's registers act on its own vCPU, whoever accesses them. Handler conventions: vgic_old.mmio_common.
- Affinity routing and one security state are fixed (ARE, DS).
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import IIDR as IIDR_VALUE
from kvmarm.gic import PIDR2_GICV3, PIDR2_OFFSET
from kvmarm.jit import U64, U64_0, atomic_and, atomic_or, bit_of, jit
from kvmarm.locks import assert_held
from kvmarm.mpidr import vcpu_affinity
from vgic_old.mmio_common import (
    CTLR,
    ICACTIVER,
    ICENABLER,
    ICFGR,
    ICPENDR,
    IDREGS,
    IGROUPR,
    IIDR,
    IPRIORITYR,
    IROUTER,
    ISACTIVER,
    ISENABLER,
    ISPENDR,
    RAZ_WI,
    TYPER,
)
from vgic_old.state import NOBODY, PRIVATE_MASK

DISTRIBUTOR_RANGES = np.array(
    [
        (0x0000, 0x0004, -1, CTLR),
        (0x0004, 0x0004, -1, TYPER),
        (0x0008, 0x0004, -1, IIDR),
        (0x0010, 0x0004, -1, RAZ_WI),  # STATUSR
        (0x0040, 0x0004, -1, RAZ_WI),  # SETSPI_NSR
        (0x0048, 0x0004, -1, RAZ_WI),  # CLRSPI_NSR
        (0x0050, 0x0004, -1, RAZ_WI),  # SETSPI_SR
        (0x0058, 0x0004, -1, RAZ_WI),  # CLRSPI_SR
        (0x0080, 0x0080, 0, IGROUPR),
        (0x0100, 0x0080, 0, ISENABLER),
        (0x0180, 0x0080, 0, ICENABLER),
        (0x0200, 0x0080, 0, ISPENDR),
        (0x0280, 0x0080, 0, ICPENDR),
        (0x0300, 0x0080, 0, ISACTIVER),
        (0x0380, 0x0080, 0, ICACTIVER),
        (0x0400, 0x0400, 3, IPRIORITYR),
        (0x0800, 0x0400, 3, RAZ_WI),  # ITARGETSR
        (0x0C00, 0x0100, 1, ICFGR),
        (0x0D00, 0x0080, 0, RAZ_WI),  # IGRPMODR
        (0x0E00, 0x0100, 1, RAZ_WI),  # NSACR
        (0x0F00, 0x0004, -1, RAZ_WI),  # SGIR
        (0x0F10, 0x0010, -1, RAZ_WI),  # CPENDSGIR
        (0x0F20, 0x0010, -1, RAZ_WI),  # SPENDSGIR
        (0x6100, 0x1EE0, 6, IROUTER),
        (0xFFD0, 0x0030, -1, IDREGS),
    ],
    np.int64,
)
"""Ranges in the order they are searched: first offset, length, log2 of the bits per INTID (-1: none), register."""

REDISTRIBUTOR_RANGES = np.array(
    [
        (0x00000, 0x04, -1, RAZ_WI),  # CTLR
        (0x00008, 0x08, -1, TYPER),
        (0x00004, 0x04, -1, IIDR),
        (0x00014, 0x04, -1, RAZ_WI),  # WAKER
        (0x0FFD0, 0x30, -1, IDREGS),
        (0x10080, 0x04, 0, IGROUPR),
        (0x10100, 0x04, 0, ISENABLER),
        (0x10180, 0x04, 0, ICENABLER),
        (0x10200, 0x04, 0, ISPENDR),
        (0x10280, 0x04, 0, ICPENDR),
        (0x10300, 0x04, 0, ISACTIVER),
        (0x10380, 0x04, 0, ICACTIVER),
        (0x10400, 0x20, 3, IPRIORITYR),
        (0x10C00, 0x08, 1, ICFGR),
        (0x10D00, 0x04, 0, RAZ_WI),  # IGRPMODR0
        (0x10E00, 0x04, 1, RAZ_WI),  # NSACR
    ],
    np.int64,
)

CTLR_ENABLE = 1 << 1
CTLR_FIXED = 1 << 4 | 1 << 6
"""ARE and DS."""
TYPER_ID_BITS = 9 << 19
TYPER_LAST = 1 << 4


@jit
def _read_control(vm: Any) -> Any:
    return U64(CTLR_FIXED | (CTLR_ENABLE if vm.enabled != 0 else 0))


@jit
def _find_vcpu(vm: Any, affinity: Any, observer: Any) -> Any:
    """Return the vCPU (int64) of an affinity, -1 when there is none: a linear search, as the original's."""
    events.count(observer, events.AFFINITY_SEARCH, 1)
    for vcpu in range(vm.vcpus):
        events.count(observer, events.AFFINITY_STEP, 1)
        if vcpu_affinity(vcpu) == affinity:
            return np.int64(vcpu)
    return np.int64(-1)


@jit
def _write_route(vm: Any, offset: Any, data: Any, field: Any, observer: Any) -> Any:
    if offset & 4:
        return False
    spi = offset >> 3
    before = np.int64(vm.spi_mpidr[spi])
    bit = bit_of(spi & 63)
    old = _find_vcpu(vm, before, observer)
    if old >= 0:
        atomic_and(vm.vcpu[old].spi_target, spi >> 6, ~bit)
    affinity = np.int64((U64(before) & ~field | data) & U64(0xFFFFFF))
    vm.spi_mpidr[spi] = affinity
    new = _find_vcpu(vm, affinity, observer)
    if new >= 0:
        vm.spi_cpu[spi] = new
        atomic_or(vm.vcpu[new].spi_target, spi >> 6, bit)
    else:
        vm.spi_cpu[spi] = NOBODY
    return True


@jit
def _read_id(offset: Any, first: Any) -> Any:
    return U64(PIDR2_GICV3) if (offset & ~3) == PIDR2_OFFSET - first else U64_0


@jit
def read_distributor(vm: Any, register: Any, offset: Any) -> Any:
    """Return the word (uint64) of `register` at `offset` (in its range) of the distributor (no common one).

    The distributor lock is held.
    """
    assert_held(vm)
    if register == IGROUPR:
        return U64(PRIVATE_MASK)
    if register == IROUTER:
        return U64(vm.spi_mpidr[offset >> 3]) if offset & 4 == 0 else U64_0
    if register == CTLR:
        return _read_control(vm)
    if register == TYPER:
        return U64(TYPER_ID_BITS | ((vm.irqs >> 5) - 1))
    if register == IIDR:
        return U64(IIDR_VALUE)
    if register == IDREGS:
        return _read_id(offset, 0xFFD0)
    return U64_0


@jit
def write_distributor(vm: Any, register: Any, offset: Any, data: Any, field: Any, observer: Any) -> Any:
    """Write `register` at `offset` (in its range) of the distributor (no common one); return whether state changed.

    The distributor lock is held.
    """
    assert_held(vm)
    if register == IROUTER:
        return _write_route(vm, offset, data, field, observer)
    if register == CTLR:
        vm.enabled = 1 if (_read_control(vm) & ~field | data) & U64(CTLR_ENABLE) != U64_0 else 0
        return True
    return False


@jit
def read_redistributor(vm: Any, owner: Any, register: Any, offset: Any) -> Any:
    """Return the word (uint64) of `register` at `offset` (in its range) of the redistributor of vCPU `owner`.

    The distributor lock is held.
    """
    assert_held(vm)
    if register == IGROUPR:
        return U64(PRIVATE_MASK)
    if register == TYPER:
        if offset & 4:
            return U64(vcpu_affinity(owner))
        return U64(owner << 8 | (TYPER_LAST if owner == vm.vcpus - 1 else 0))
    if register == IIDR:
        return U64(IIDR_VALUE)
    if register == IDREGS:
        return _read_id(offset, 0xFFD0)
    return U64_0
