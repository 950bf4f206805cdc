# SPDX-License-Identifier: GPL-2.0-only
"""What the guest's register writes say about each interrupt: enabled, pending by register, active, where it goes.

Placement needs it to know what is deliverable to whom. It follows the writes only, never what a design makes of them.
"""

from typing import Any

import numpy as np

from kvmarm.gic import FIRST_RESERVED
from kvmarm.jit import U64, jit
from kvmarm.mpidr import vcpu_affinity
from kvmarm.sgi import sgi_intid, sgi_reaches

NOWHERE = 0x7FFF
"""Target of an interrupt that is routed to no vCPU."""


@jit
def _bits(value: Any, first: Any, count: Any, state: Any, owner: Any, what: Any) -> None:
    """Apply a write to a bit register.

    what: 0 set enable, 1 clear enable, 2 set pending, 3 clear pending, 4 set active, 5 clear active.
    """
    for bit in range(count):
        if (value >> U64(bit)) & U64(1) == U64(0):
            continue
        intid = first + bit
        if intid < 32:
            cpu = state.cpu[owner]
            mask = 1 << intid
            if what == 0:
                cpu.enabled |= mask
            elif what == 1:
                cpu.enabled &= ~mask
            elif what == 2:
                if intid >= 16:
                    cpu.latched |= mask
            elif what == 3:
                if intid >= 16:
                    cpu.latched &= ~mask
            elif what == 5:
                cpu.running &= ~mask
        elif intid < FIRST_RESERVED:
            spi = state.spi[intid]
            if what == 0:
                spi.enabled = 1
            elif what == 1:
                spi.enabled = 0
            elif what == 2:
                spi.latched = 1
            elif what == 3:
                spi.latched = 0
            elif what == 5:
                spi.active = 0


@jit
def track_write(state: Any, vcpu: Any, region: Any, offset: Any, size: Any, value: Any) -> Any:
    """Follow a register write; return (first, count, owner) of the interrupts it may have made deliverable."""
    owner = vcpu
    if region >= 0:
        if offset < 0x10000:
            return 0, 0, owner
        owner = region
        offset -= 0x10000
    elif offset == 0:
        was = state.distributor_on
        state.distributor_on = 1 if (value & U64(3)) != U64(0) else 0
        return 0, (0 if was else state.irqs), owner
    if 0x100 <= offset < 0x400:
        what = ((offset - 0x100) >> 7) & 7
        first = (offset & 0x7F) * 8
        _bits(value, first, size * 8, state, owner, what)
        return first, (size * 8 if what == 0 or what == 2 or what == 5 else 0), owner
    if state.gic == 2 and 0x820 <= offset < 0xC00:
        first = offset - 0x800
        for index in range(size):
            mask = (value >> U64(8 * index)) & U64(0xFF)
            target = 0
            while target < 8 and (mask >> U64(target)) & U64(1) == U64(0):
                target += 1
            if first + index < FIRST_RESERVED:
                state.spi[first + index].target = target if target < 8 else NOWHERE
        return first, size, owner
    if state.gic == 3 and region < 0 and 0x6100 <= offset < 0x8000:
        intid = (offset - 0x6000) >> 3
        if (offset & 7) == 0 and intid < FIRST_RESERVED:
            state.spi[intid].target = NOWHERE
            for target in range(state.vcpus):
                if vcpu_affinity(target) == np.int64(value & U64(0xFFFFFF)):
                    state.spi[intid].target = target
            return intid, 1, owner
    return 0, 0, owner


@jit
def sgi_to(gic: Any, vcpu: Any, value: Any, target: Any) -> Any:
    """Return the INTID of the SGI that a GICD_SGIR or ICC_SGI1R_EL1 value sends from `vcpu` to `target`, -1 if none."""
    return sgi_intid(gic, value) if sgi_reaches(gic, value, vcpu, target) else np.int64(-1)
