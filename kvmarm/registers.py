# SPDX-License-Identifier: GPL-2.0-only
"""ELRSR, EISR and MISR: the status registers that the hardware derives from the list registers.

Plain functions without numba, each complete in itself, so that they can be run as they are (`kvmarm.el2.machine`) and
compiled (`kvmarm.lr`). `lrs`: raw list registers (uint64[:]), the first `count` of them exist; `gic`: 2 or 3, the
layout; bit i of ELRSR and EISR (uint64) belongs to list register i. Sources: IHI 0048B 5.3 (GICH_ELRSR, GICH_EISR,
GICH_MISR), IHI 0069 12.4 (ICH_ELRSR_EL2, ICH_EISR_EL2, ICH_MISR_EL2).
"""

from typing import Any

import numpy as np

from kvmarm.gic import (
    HCR_EOICOUNT_SHIFT,
    HCR_LRENPIE,
    HCR_NPIE,
    HCR_UIE,
    LR_PENDING,
    LR_STATE_MASK,
    MISR_EOI,
    MISR_LRENP,
    MISR_NP,
    MISR_U,
    V2_LR_EOI,
    V2_LR_HW,
    V2_LR_STATE_SHIFT,
    V3_LR_EOI,
    V3_LR_HW,
    V3_LR_STATE_SHIFT,
)

U64 = np.uint64


def elrsr(lrs: Any, count: Any, gic: Any) -> Any:
    """Return ELRSR: the list registers that hold nothing and owe no EOI maintenance interrupt."""
    state = U64(LR_STATE_MASK) << (U64(V2_LR_STATE_SHIFT) if gic == 2 else U64(V3_LR_STATE_SHIFT))
    hw_or_eoi = U64(V2_LR_HW | V2_LR_EOI) if gic == 2 else U64(V3_LR_HW | V3_LR_EOI)
    eoi = U64(V2_LR_EOI) if gic == 2 else U64(V3_LR_EOI)
    bits = U64(0)
    for index in range(count):
        if lrs[index] & state == U64(0) and lrs[index] & hw_or_eoi != eoi:
            bits |= U64(1) << U64(index)
    return bits


def eisr(lrs: Any, count: Any, gic: Any) -> Any:
    """Return EISR: the list registers that are inactive, not tied to hardware, and asked for maintenance on EOI."""
    state = U64(LR_STATE_MASK) << (U64(V2_LR_STATE_SHIFT) if gic == 2 else U64(V3_LR_STATE_SHIFT))
    hw_or_eoi = U64(V2_LR_HW | V2_LR_EOI) if gic == 2 else U64(V3_LR_HW | V3_LR_EOI)
    eoi = U64(V2_LR_EOI) if gic == 2 else U64(V3_LR_EOI)
    bits = U64(0)
    for index in range(count):
        if lrs[index] & state == U64(0) and lrs[index] & hw_or_eoi == eoi:
            bits |= U64(1) << U64(index)
    return bits


def misr(lrs: Any, count: Any, gic: Any, hcr: Any, ended: Any) -> Any:
    """Return MISR (uint64) of an interface that is on: bit 0 EOI, 1 U, 2 LRENP, 3 NP.

    hcr: GICH_HCR or ICH_HCR_EL2 (uint64), whose enable bit is left to the caller. ended: EISR.
    """
    shift = U64(V2_LR_STATE_SHIFT) if gic == 2 else U64(V3_LR_STATE_SHIFT)
    bits = U64(MISR_EOI) if ended != U64(0) else U64(0)
    if hcr & U64(HCR_UIE | HCR_NPIE) != U64(0):
        occupied = 0
        pending = 0
        for index in range(count):
            state = (lrs[index] >> shift) & U64(LR_STATE_MASK)
            if state != U64(0):
                occupied += 1
            if state == U64(LR_PENDING):
                pending += 1
        if hcr & U64(HCR_UIE) != U64(0) and occupied <= 1:
            bits |= U64(MISR_U)
        if hcr & U64(HCR_NPIE) != U64(0) and pending == 0:
            bits |= U64(MISR_NP)
    if hcr & U64(HCR_LRENPIE) != U64(0) and hcr >> U64(HCR_EOICOUNT_SHIFT) != U64(0):
        bits |= U64(MISR_LRENP)
    return bits
