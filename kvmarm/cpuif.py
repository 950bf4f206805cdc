# SPDX-License-Identifier: GPL-2.0-only
"""The virtual CPU interface of the hardware: what a guest's acknowledge, EOI, DIR and mask writes do to list registers.

It is the same for every design: list registers, VMCR fields, active priorities and HCR, one interface per vCPU, and the
active bit of each physical interrupt. Sources: IHI 0048B chapter 5 (GICV, GICH), IHI 0069 chapters 4.8 and 12.4 (ICH),
chapter 12.2 (ICC registers in virtual mode). 5 priority bits are implemented.

All functions take `cpuif` (one record of CPUIF) and `gic` (2 or 3); raw list registers are uint64.
"""

from typing import Any

import numpy as np

from kvmarm.config import MAX_LRS, MAX_VCPUS
from kvmarm.debug import checked
from kvmarm.gic import (
    CTLR_EOIMODE,
    CTLR_GROUP0,
    CTLR_GROUP1,
    CTLR_MASK,
    FIRST_RESERVED,
    HCR_EN,
    HCR_EOICOUNT_SHIFT,
    LR_ACTIVE,
    LR_PENDING,
    LR_SOURCE_MASK,
    LR_STATE_MASK,
    SGIS,
    SPURIOUS,
    V2_LR_CPUID_SHIFT,
    V2_LR_INTID_MASK,
    V2_LR_STATE_SHIFT,
    V3_LR_STATE_SHIFT,
)
from kvmarm.jit import DEBUG, U64, find_first_bit, jit
from kvmarm.layout import aligned_record, laid_out
from kvmarm.lr import (
    eisr_of,
    elrsr_of,
    lr_group1,
    lr_intid,
    lr_is_hw,
    lr_physical,
    lr_priority,
    lr_state,
    misr_of,
)

CPUIF = laid_out(
    [
        ("lr", np.uint64, (MAX_LRS,)),
        ("lrs", np.int64),
        ("hcr", np.uint64),
        ("apr", np.uint64),
        ("pmr", np.int64),
        ("ctlr", np.int64),
        ("bpr", np.int64),
        ("in_guest", np.int64),
    ]
)
"""One vCPU's interface. `apr`: bit p = group priority p << 3 is active; `in_guest`: 1 between entry and exit."""

HARDWARE = laid_out([("cpu", CPUIF, (MAX_VCPUS,)), ("physical_active", np.uint8, (1024,))])
"""The interfaces of one VM's vCPUs and the active bit of each physical INTID."""

_IDLE_PRIORITY = 0x100


def new_hardware(lrs: int) -> Any:
    """Return the hardware in its reset state (numpy.record of dtype HARDWARE) with `lrs` list registers per vCPU."""
    hardware = aligned_record(HARDWARE)
    hardware.cpu["lrs"][:] = lrs
    return checked(hardware) if DEBUG else hardware


@jit
def _set_state(gic: Any, lr: Any, state: Any) -> Any:
    shift = U64(V2_LR_STATE_SHIFT) if gic == 2 else U64(V3_LR_STATE_SHIFT)
    return (lr & ~(U64(LR_STATE_MASK) << shift)) | (U64(state) << shift)


@jit
def _running_priority(cpuif: Any) -> Any:
    if cpuif.apr == U64(0):
        return _IDLE_PRIORITY
    return find_first_bit(cpuif.apr) << 3


@jit
def acknowledge(cpuif: Any, gic: Any) -> Any:
    """The guest reads IAR: take the most urgent pending list register, return its INTID (int64), 1023 when none.

    GICv2 SGIs carry the source vCPU in bits 12:10.
    """
    if (cpuif.hcr & U64(HCR_EN)) == U64(0):
        return SPURIOUS
    best = -1
    best_priority = 0x100
    for index in range(cpuif.lrs):
        lr = cpuif.lr[index]
        if lr_state(gic, lr) != LR_PENDING:
            continue
        enable = CTLR_GROUP1 if lr_group1(gic, lr) else CTLR_GROUP0
        if (cpuif.ctlr & enable) == 0:
            continue
        priority = lr_priority(gic, lr)
        if priority < cpuif.pmr and priority < best_priority:
            best = index
            best_priority = priority
    if best < 0:
        return SPURIOUS
    binary_point = max(cpuif.bpr, 2)
    group = best_priority >> (binary_point + 1) << (binary_point + 1)
    if group >= _running_priority(cpuif):
        return SPURIOUS
    lr = cpuif.lr[best]
    cpuif.lr[best] = _set_state(gic, lr, LR_ACTIVE)
    cpuif.apr |= U64(1) << U64(group >> 3)
    intid = lr_intid(gic, lr)
    if gic == 2 and intid < SGIS and not lr_is_hw(gic, lr):
        intid |= np.int64((lr >> U64(V2_LR_CPUID_SHIFT)) & U64(LR_SOURCE_MASK)) << V2_LR_CPUID_SHIFT
    return intid


@jit
def deactivate(cpuif: Any, gic: Any, value: Any, physical_active: Any) -> None:
    """Deactivate the lowest active list register that `value` (uint64, as written to EOIR or DIR) names.

    A forwarded interrupt loses its physical active state too (`physical_active`: uint8[1024]). No match: EOICount.
    """
    value_bits = np.int64(value & U64(0xFFFFFF))
    intid = value_bits & V2_LR_INTID_MASK if gic == 2 else value_bits
    source = (value_bits >> V2_LR_CPUID_SHIFT) & LR_SOURCE_MASK
    for index in range(cpuif.lrs):
        lr = cpuif.lr[index]
        state = lr_state(gic, lr)
        if state < LR_ACTIVE or lr_intid(gic, lr) != intid:
            continue
        has_source = gic == 2 and intid < SGIS and not lr_is_hw(gic, lr)
        if has_source and np.int64((lr >> U64(V2_LR_CPUID_SHIFT)) & U64(LR_SOURCE_MASK)) != source:
            continue
        cpuif.lr[index] = _set_state(gic, lr, state - LR_ACTIVE)
        if lr_is_hw(gic, lr):
            physical_active[lr_physical(gic, lr)] = 0
        return
    if intid < FIRST_RESERVED:
        cpuif.hcr = (cpuif.hcr + (U64(1) << U64(HCR_EOICOUNT_SHIFT))) & U64(0xFFFFFFFF)


@jit
def _is_special(gic: Any, value: Any) -> Any:
    mask = U64(V2_LR_INTID_MASK) if gic == 2 else U64(0xFFFFFF)
    intid = value & mask
    return intid >= U64(FIRST_RESERVED) and intid <= U64(SPURIOUS)


@jit
def end_of_interrupt(cpuif: Any, gic: Any, value: Any, physical_active: Any) -> None:
    """The guest writes `value` (uint64) to EOIR: priority drop, and deactivation when EOImode is 0."""
    if cpuif.apr == U64(0) or _is_special(gic, value):
        return
    cpuif.apr &= cpuif.apr - U64(1)
    if (cpuif.ctlr & CTLR_EOIMODE) == 0:
        deactivate(cpuif, gic, value, physical_active)


@jit
def deactivate_interrupt(cpuif: Any, gic: Any, value: Any, physical_active: Any) -> None:
    """The guest writes `value` (uint64) to DIR: deactivation when EOImode is 1, nothing otherwise."""
    if (cpuif.ctlr & CTLR_EOIMODE) != 0 and not _is_special(gic, value):
        deactivate(cpuif, gic, value, physical_active)


@jit
def set_priority_mask(cpuif: Any, value: Any) -> None:
    """The guest writes `value` (int64) to PMR; 5 priority bits are implemented."""
    cpuif.pmr = value & 0xF8


@jit
def set_control(cpuif: Any, value: Any) -> None:
    """The guest writes `value` (int64): bit 0 EnableGrp0, bit 1 EnableGrp1, bit 9 EOImode."""
    cpuif.ctlr = value & CTLR_MASK


@jit
def set_binary_point(cpuif: Any, value: Any) -> None:
    """The guest writes `value` (int64) to BPR."""
    cpuif.bpr = value & 7


@jit
def eisr(cpuif: Any, gic: Any) -> Any:
    """Return EISR (uint64): bit i = list register i is done and asked for an EOI maintenance interrupt."""
    return eisr_of(cpuif.lr, cpuif.lrs, gic)


@jit
def elrsr(cpuif: Any, gic: Any) -> Any:
    """Return ELRSR (uint64): bit i = list register i is empty and asks for no EOI maintenance interrupt."""
    return elrsr_of(cpuif.lr, cpuif.lrs, gic)


@jit
def misr(cpuif: Any, gic: Any, eisr_bits: Any) -> Any:
    """Return MISR (uint64) given EISR: bit 0 EOI, 1 U, 2 LRENP, 3 NP; 0 while HCR.En is 0."""
    if (cpuif.hcr & U64(HCR_EN)) == U64(0):
        return U64(0)
    return misr_of(cpuif.lr, cpuif.lrs, gic, cpuif.hcr, eisr_bits)
