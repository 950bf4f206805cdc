# SPDX-License-Identifier: GPL-2.0-only
"""The list registers of the software image, as the legacy VGIC reads and writes them.

Models: vgic_v2_get_lr, vgic_v2_set_lr, vgic_v3_get_lr and vgic_v3_set_lr with their sync_lr_elrsr
(virt/kvm/arm/vgic-v2.c, vgic-v3.c), Linux 4.4.177.

Lock order: none taken and none needed; an image belongs to the thread that runs the vCPU.

Rules:
- The original decodes a register into a struct and encodes it again. Here the raw register (uint64) stays as it is and
  its fields are tested and changed in place, which gives the same.
- Every write keeps ELRSR of the image in step: its bit is set when the written state is inactive.
- Priority is always 0 and GICv3 registers are always Group 1.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import (
    LR_INACTIVE,
    LR_PHYSICAL_MASK,
    LR_SOURCE_MASK,
    SGIS,
    V2_LR_ACTIVE,
    V2_LR_CPUID_SHIFT,
    V2_LR_EOI,
    V2_LR_HW,
    V2_LR_INTID_MASK,
    V2_LR_PENDING,
    V2_LR_PHYSICAL_SHIFT,
    V3_LR_ACTIVE,
    V3_LR_EOI,
    V3_LR_GROUP1,
    V3_LR_HW,
    V3_LR_INTID_MASK,
    V3_LR_PENDING,
    V3_LR_PHYSICAL_SHIFT,
)
from kvmarm.jit import U64, U64_0, U64_1, jit
from kvmarm.lr import implemented, lr_intid, lr_state


@jit
def read_lr(vm: Any, vcpu: Any, index: Any, observer: Any) -> Any:
    """Return the raw list register (uint64) `index` of the image of `vcpu`."""
    events.count(observer, events.LR_READ, 1)
    if vm.gic == 3:
        events.count(observer, events.WIDE_STEP, 1)
    return vm.image[vcpu].lr[index]


@jit
def write_lr(vm: Any, vcpu: Any, index: Any, lr: Any, observer: Any) -> None:
    """Store a raw list register (uint64) in the image of `vcpu` and its emptiness in ELRSR."""
    events.count(observer, events.LR_WRITE, 1)
    image = vm.image[vcpu]
    image.lr[index] = lr
    bit = U64_1 << U64(index)
    if lr_state(vm.gic, lr) == LR_INACTIVE:
        image.elrsr |= bit
    else:
        image.elrsr &= ~bit


@jit
def occupied(vm: Any, vcpu: Any) -> Any:
    """Return a uint64 with the bits of the list registers that hold something by the software ELRSR."""
    return ~vm.image[vcpu].elrsr & implemented(vm)


@jit
def new_lr(gic: Any, intid: Any, source: Any) -> Any:
    """Return a raw list register (uint64) of `intid` without state; `source`: the sending vCPU of a GICv2 SGI, or 0."""
    if gic == 2:
        return U64(intid | source << V2_LR_CPUID_SHIFT)
    return U64(V3_LR_GROUP1) | U64(intid)


@jit
def with_pending(gic: Any, lr: Any) -> Any:
    """Return the register with its pending bit set."""
    return lr | (U64(V2_LR_PENDING) if gic == 2 else U64(V3_LR_PENDING))


@jit
def with_active(gic: Any, lr: Any) -> Any:
    """Return the register with its active bit set."""
    return lr | (U64(V2_LR_ACTIVE) if gic == 2 else U64(V3_LR_ACTIVE))


@jit
def with_eoi(gic: Any, lr: Any) -> Any:
    """Return the register with the maintenance-interrupt-on-EOI bit set."""
    return lr | (U64(V2_LR_EOI) if gic == 2 else U64(V3_LR_EOI))


@jit
def with_physical(gic: Any, lr: Any, pintid: Any) -> Any:
    """Return the register forwarding physical interrupt `pintid` (int64): HW set, no EOI request."""
    if gic == 2:
        return lr & ~U64(LR_PHYSICAL_MASK << V2_LR_PHYSICAL_SHIFT) | U64(V2_LR_HW) | U64(pintid << V2_LR_PHYSICAL_SHIFT)
    return lr & ~U64(LR_PHYSICAL_MASK << V3_LR_PHYSICAL_SHIFT) | U64(V3_LR_HW) | U64(pintid << V3_LR_PHYSICAL_SHIFT)


@jit
def emptied(gic: Any, lr: Any) -> Any:
    """Return what is left of a register that is freed: INTID, and the SGI's source or the group."""
    if gic == 2:
        intid = lr & U64(V2_LR_INTID_MASK)
        if intid < U64(SGIS):
            return lr & U64(V2_LR_INTID_MASK | LR_SOURCE_MASK << V2_LR_PHYSICAL_SHIFT)
        return intid
    return lr & U64(V3_LR_INTID_MASK | V3_LR_GROUP1)


@jit
def is_pending(gic: Any, lr: Any) -> Any:
    """Return whether the pending bit of a raw list register is set."""
    return lr & (U64(V2_LR_PENDING) if gic == 2 else U64(V3_LR_PENDING)) != U64_0


@jit
def is_active(gic: Any, lr: Any) -> Any:
    """Return whether the active bit of a raw list register is set."""
    return lr & (U64(V2_LR_ACTIVE) if gic == 2 else U64(V3_LR_ACTIVE)) != U64_0


@jit
def compared_source(gic: Any, lr: Any) -> Any:
    """Return what the original compares as a register's SGI source (int64 0..7).

    Its decoded source shares storage with the physical INTID: a forwarded interrupt shows the low 3 bits of that.
    """
    if gic == 2:
        if lr & U64(V2_LR_HW) == U64_0 and lr_intid(gic, lr) >= SGIS:
            return np.int64(0)
        return np.int64((lr >> U64(V2_LR_PHYSICAL_SHIFT)) & U64(LR_SOURCE_MASK))
    if lr & U64(V3_LR_HW) == U64_0:
        return np.int64(0)
    return np.int64((lr >> U64(V3_LR_PHYSICAL_SHIFT)) & U64(LR_SOURCE_MASK))
