# SPDX-License-Identifier: GPL-2.0-only
"""SGI register writes as the architecture defines them: which SGI a value sends, and to which vCPUs.

For users outside the models: each model decodes these registers as its original does, errors included. Sources:
IHI 0048B 4.3.15 (GICD_SGIR), IHI 0069 12.2 (ICC_SGI1R_EL1). `value`: what the guest writes (uint64), `gic`: 2 for
GICD_SGIR, 3 for ICC_SGI1R_EL1.
"""

from typing import Any

import numpy as np

from kvmarm.gic import (
    SGI1R_AFF1_SHIFT,
    SGI1R_AFF2_SHIFT,
    SGI1R_AFF3_SHIFT,
    SGI1R_INTID_SHIFT,
    SGI1R_IRM_SHIFT,
    SGI1R_TARGETS_MASK,
    SGIR_FILTER_MASK,
    SGIR_FILTER_SHIFT,
    SGIR_INTID_MASK,
    SGIR_TARGETS_SHIFT,
    SGIR_TO_LISTED,
    SGIR_TO_OTHERS,
    SGIR_TO_SELF,
)
from kvmarm.jit import U64, jit
from kvmarm.mpidr import vcpu_affinity


@jit
def sgi_intid(gic: Any, value: Any) -> Any:
    """Return the INTID (int64 0..15) of the SGI that `value` sends."""
    shift = U64(0) if gic == 2 else U64(SGI1R_INTID_SHIFT)
    return np.int64((value >> shift) & U64(SGIR_INTID_MASK))


@jit
def sgi_reaches(gic: Any, value: Any, sender: Any, target: Any) -> Any:
    """Return whether `value`, written by vCPU `sender` (int64), sends its SGI to vCPU `target` (int64)."""
    if gic == 2:
        mode = np.int64((value >> U64(SGIR_FILTER_SHIFT)) & U64(SGIR_FILTER_MASK))
        if mode == SGIR_TO_LISTED:
            return target < 8 and (value >> U64(SGIR_TARGETS_SHIFT + target)) & U64(1) != U64(0)
        return (mode == SGIR_TO_OTHERS and target != sender) or (mode == SGIR_TO_SELF and target == sender)
    if (value >> U64(SGI1R_IRM_SHIFT)) & U64(1) != U64(0):
        return target != sender
    affinity = vcpu_affinity(target)
    cluster = (
        np.int64((value >> U64(SGI1R_AFF1_SHIFT)) & U64(0xFF))
        | np.int64((value >> U64(SGI1R_AFF2_SHIFT)) & U64(0xFF)) << 8
        | np.int64((value >> U64(SGI1R_AFF3_SHIFT)) & U64(0xFF)) << 16
    )
    listed = (value & U64(SGI1R_TARGETS_MASK)) >> U64(affinity & 0xF)
    return affinity >> 8 == cluster and listed & U64(1) != U64(0)
