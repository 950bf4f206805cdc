# SPDX-License-Identifier: GPL-2.0-only
"""GICv2: the distributor's range table and the registers that GICv3 does not have in this form.

Models: virt/kvm/arm/vgic-v2-emul.c, Linux 4.4.177.

Lock order: the caller holds the distributor lock, in every function.

Rules:
- CTLR, TYPER and IIDR are one range. Handler conventions: vgic_old.mmio_common.
- Private words are the accessing vCPU's.
- The pending-SGI registers transfer their word as it is: a byte or halfword access always means the word's lowest
  bytes, whatever its offset.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import FIRST_SPI, PRIVATE_IRQS
from kvmarm.gic import IIDR as IIDR_VALUE
from kvmarm.jit import U64, U64_0, atomic_and, atomic_or, bit_of, jit, noinline
from kvmarm.locks import assert_held
from vgic_old.mmio_common import (
    CPENDSGIR,
    ICACTIVER,
    ICENABLER,
    ICFGR,
    ICPENDR,
    IGROUPR,
    IPRIORITYR,
    ISACTIVER,
    ISENABLER,
    ISPENDR,
    ITARGETSR,
    MISC,
    SGIR,
    SPENDSGIR,
)
from vgic_old.sgi import dispatch_sgir

DISTRIBUTOR_RANGES = np.array(
    [
        (0x000, 0x00C, -1, MISC),
        (0x080, 0x080, 0, IGROUPR),
        (0x100, 0x080, 0, ISENABLER),
        (0x180, 0x080, 0, ICENABLER),
        (0x200, 0x080, 0, ISPENDR),
        (0x280, 0x080, 0, ICPENDR),
        (0x300, 0x080, 0, ISACTIVER),
        (0x380, 0x080, 0, ICACTIVER),
        (0x400, 0x400, 3, IPRIORITYR),
        (0x800, 0x400, 3, ITARGETSR),
        (0xC00, 0x100, 1, ICFGR),
        (0xF00, 0x004, -1, SGIR),
        (0xF10, 0x010, -1, CPENDSGIR),
        (0xF20, 0x010, -1, SPENDSGIR),
    ],
    np.int64,
)
"""Ranges in the order they are searched: first offset, length, log2 of the bits per INTID (-1: none), register."""


@jit
def _read_misc(vm: Any, offset: Any) -> Any:
    if offset < 4:
        return U64(vm.enabled)
    if offset < 8:
        return U64((vm.vcpus - 1) << 5 | ((vm.irqs >> 5) - 1))
    return U64(IIDR_VALUE)


@jit
def _read_targets(vm: Any, vcpu: Any, offset: Any, observer: Any) -> Any:
    noinline()
    if offset < PRIVATE_IRQS:
        return U64(0x01010101) << U64(vcpu)
    word = U64_0
    first = (offset & ~3) - FIRST_SPI
    events.count(observer, events.BYTE_ACCESS, 4)
    for index in range(4):
        word |= U64(1) << U64(8 * index + np.int64(vm.spi_cpu[first + index]))
    return word


@jit
def _write_targets(vm: Any, vcpu: Any, offset: Any, data: Any, field: Any, observer: Any) -> Any:
    noinline()
    if offset < PRIVATE_IRQS:
        return False
    word = _read_targets(vm, vcpu, offset, observer) & ~field | data
    first = (offset & ~3) - FIRST_SPI
    for index in range(4):
        byte = np.int64((word >> U64(8 * index)) & U64(0xFF))
        target = 0
        while target < 7 and byte >> target & 1 == 0:
            target += 1
        if byte == 0:
            target = 0
        spi = first + index
        vm.spi_cpu[spi] = target
        events.count(observer, events.TARGET_DECODE, 1)
        events.count(observer, events.TARGET_WRITE, vm.vcpus)
        bit = bit_of(spi & 63)
        for other in range(vm.vcpus):
            if other == target:
                atomic_or(vm.vcpu[other].spi_target, spi >> 6, bit)
            else:
                atomic_and(vm.vcpu[other].spi_target, spi >> 6, ~bit)
    return True


@jit
def _read_sources(vm: Any, vcpu: Any, offset: Any, observer: Any) -> Any:
    first = offset & ~3
    word = U64_0
    events.count(observer, events.SGI_SOURCE, 4)
    for index in range(4):
        word |= U64(vm.vcpu[vcpu].sgi_sources[first + index]) << U64(8 * index)
    # The dispatcher shifts by the offset in the word; the original does not for these registers.
    return word << U64(8 * (offset & 3))


@jit
def _write_sources(vm: Any, vcpu: Any, register: Any, offset: Any, data: Any, observer: Any) -> Any:
    first = offset & ~3
    word = np.int64(data >> U64(8 * (offset & 3)))
    changed = False
    events.count(observer, events.SGI_SOURCE, 4)
    sources = vm.vcpu[vcpu].sgi_sources
    for index in range(4):
        byte = word >> 8 * index & 0xFF
        old = np.int64(sources[first + index])
        new = old | byte if register == SPENDSGIR else old & ~byte
        if new != old:
            changed = True
        sources[first + index] = new
    return changed


@jit
def read_distributor(vm: Any, vcpu: Any, register: Any, offset: Any, observer: Any) -> Any:
    """Return the word (uint64) of `register` at `offset` (in its range) for an access by `vcpu`.

    The distributor lock is held.
    """
    assert_held(vm)
    if register == MISC:
        return _read_misc(vm, offset)
    if register == ITARGETSR:
        return _read_targets(vm, vcpu, offset, observer)
    if register == CPENDSGIR or register == SPENDSGIR:
        return _read_sources(vm, vcpu, offset, observer)
    return U64_0


@jit
def write_distributor(vm: Any, vcpu: Any, register: Any, offset: Any, data: Any, field: Any, observer: Any) -> Any:
    """Write `register` at `offset` (in its range); return whether it updated state. The distributor lock is held."""
    assert_held(vm)
    if register == ITARGETSR:
        return _write_targets(vm, vcpu, offset, data, field, observer)
    if register == SGIR:
        dispatch_sgir(vm, vcpu, data, observer)
        return True
    if register == CPENDSGIR or register == SPENDSGIR:
        return _write_sources(vm, vcpu, register, offset, data, observer)
    if register == MISC and offset < 4:
        vm.enabled = np.int64((U64(vm.enabled) & ~field | data) & U64(1))
        return True
    return False
