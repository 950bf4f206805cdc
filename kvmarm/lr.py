# SPDX-License-Identifier: GPL-2.0-only
"""Fields of raw list registers, in jitted code: state, INTID, HW, EOI, physical INTID, priority, group.

`gic` (2 or 3) names the layout, `lr` is the raw register (uint64). Layouts and sources: `kvmarm.gic`.
"""

from typing import Any

import numpy as np

from kvmarm import registers
from kvmarm.gic import (
    LR_PHYSICAL_MASK,
    LR_STATE_MASK,
    V2_LR_EOI,
    V2_LR_GROUP1,
    V2_LR_HW,
    V2_LR_INTID_MASK,
    V2_LR_PHYSICAL_SHIFT,
    V2_LR_PRIORITY_SHIFT,
    V2_LR_STATE_SHIFT,
    V3_LR_EOI,
    V3_LR_GROUP1,
    V3_LR_HW,
    V3_LR_INTID_MASK,
    V3_LR_PHYSICAL_SHIFT,
    V3_LR_PRIORITY_SHIFT,
    V3_LR_STATE_SHIFT,
)
from kvmarm.jit import U64, U64_0, jit

elrsr_of = jit(registers.elrsr)
eisr_of = jit(registers.eisr)
misr_of = jit(registers.misr)
"""The status registers of `kvmarm.registers`, compiled."""


@jit
def implemented(vm: Any) -> Any:
    """Return a uint64 with a bit for each list register of a VM (a design's record)."""
    return ~U64_0 >> U64(64 - vm.lrs)


@jit
def lr_state(gic: Any, lr: Any) -> Any:
    """Return the state field (int64 0..3) of a raw list register (uint64)."""
    if gic == 2:
        return np.int64((lr >> U64(V2_LR_STATE_SHIFT)) & U64(LR_STATE_MASK))
    return np.int64((lr >> U64(V3_LR_STATE_SHIFT)) & U64(LR_STATE_MASK))


@jit
def lr_intid(gic: Any, lr: Any) -> Any:
    """Return the virtual INTID (int64) of a raw list register (uint64)."""
    if gic == 2:
        return np.int64(lr & U64(V2_LR_INTID_MASK))
    return np.int64(lr & U64(V3_LR_INTID_MASK))


@jit
def lr_is_hw(gic: Any, lr: Any) -> Any:
    """Return whether the HW bit of a raw list register (uint64) is set."""
    if gic == 2:
        return (lr & U64(V2_LR_HW)) != U64(0)
    return (lr & U64(V3_LR_HW)) != U64(0)


@jit
def lr_has_eoi(gic: Any, lr: Any) -> Any:
    """Return whether a raw list register (uint64) asks for an EOI maintenance interrupt (HW clear, EOI set)."""
    if gic == 2:
        return (lr & U64(V2_LR_HW | V2_LR_EOI)) == U64(V2_LR_EOI)
    return (lr & U64(V3_LR_HW | V3_LR_EOI)) == U64(V3_LR_EOI)


@jit
def lr_physical(gic: Any, lr: Any) -> Any:
    """Return the physical INTID field (int64, 10 bits) of a raw list register (uint64)."""
    if gic == 2:
        return np.int64((lr >> U64(V2_LR_PHYSICAL_SHIFT)) & U64(LR_PHYSICAL_MASK))
    return np.int64((lr >> U64(V3_LR_PHYSICAL_SHIFT)) & U64(LR_PHYSICAL_MASK))


@jit
def lr_priority(gic: Any, lr: Any) -> Any:
    """Return the priority (int64, 8-bit scale) of a raw list register (uint64); GICv2 holds its top 5 bits."""
    if gic == 2:
        return np.int64((lr >> U64(V2_LR_PRIORITY_SHIFT)) & U64(0x1F)) << 3
    return np.int64((lr >> U64(V3_LR_PRIORITY_SHIFT)) & U64(0xFF))


@jit
def lr_group1(gic: Any, lr: Any) -> Any:
    """Return whether a raw list register (uint64) is of Group 1."""
    if gic == 2:
        return (lr & U64(V2_LR_GROUP1)) != U64(0)
    return (lr & U64(V3_LR_GROUP1)) != U64(0)
