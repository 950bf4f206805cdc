# SPDX-License-Identifier: GPL-2.0-only
"""The GIC architecture by name: INTID ranges, list register layouts, register maps, VMCR and HCR fields.

Constants only: importing this module loads no numba. `kvmarm.lr` reads list registers, `kvmarm.mpidr` numbers vCPUs.

Sources: Arm GIC Architecture Specification v2 (IHI 0048B) chapters 4.3 and 5.3 (GICD, GICH), v3/v4 (IHI 0069)
chapters 12.2 to 12.9 (ICC, ICH, GICD, GICR). Offsets are in bytes from the frame's start; both list register layouts
are written as shifts and masks on a uint64.
"""

from typing import Any

SGIS = 16
PRIVATE_IRQS = 32
FIRST_SPI = 32
FIRST_RESERVED = 1020
RESERVED = 4
"""How many INTIDs from FIRST_RESERVED on are reserved."""
SPURIOUS = 1023
"""What an acknowledge returns when there is nothing to take."""
FIRST_LPI = 8192
TIMER = 27
"""PPI of the virtual timer (cortexa_vtimer_irq in arch/arm64/kvm/reset.c)."""

# Architectural values used by both designs.
IIDR = 0x4B00043B
"""GICD_IIDR as KVM reports it: implementer Arm, product "K"."""
PIDR2_GICV3 = 0x3B
PIDR2_OFFSET = 0xFFE8

# GICH_HCR / ICH_HCR_EL2.
HCR_EN = 1 << 0
HCR_UIE = 1 << 1
HCR_LRENPIE = 1 << 2
HCR_NPIE = 1 << 3
HCR_EOICOUNT_SHIFT = 27

# MISR.
MISR_EOI = 1 << 0
MISR_U = 1 << 1
MISR_LRENP = 1 << 2
MISR_NP = 1 << 3

# GICC_CTLR / ICC_CTLR_EL1 and group enables, as the trace format packs them.
CTLR_GROUP0 = 1 << 0
CTLR_GROUP1 = 1 << 1
CTLR_EOIMODE = 1 << 9
CTLR_MASK = CTLR_GROUP0 | CTLR_GROUP1 | CTLR_EOIMODE

# List register state field.
LR_INACTIVE = 0
LR_PENDING = 1
LR_ACTIVE = 2
LR_STATE_MASK = 3
LR_PHYSICAL_MASK = 0x3FF
"""Physical INTID, before its shift; both layouts have 10 bits of it."""
LR_SOURCE_MASK = 7
"""Sending vCPU of a GICv2 SGI, before its shift."""

# GICv2 list register (GICH_LR, IHI 0048B 5.3.10).
V2_LR_INTID_MASK = 0x3FF
V2_LR_PHYSICAL_SHIFT = 10
V2_LR_CPUID_SHIFT = 10
V2_LR_EOI = 1 << 19
V2_LR_PRIORITY_SHIFT = 23
V2_LR_PENDING = 1 << 28
V2_LR_ACTIVE = 1 << 29
V2_LR_STATE_SHIFT = 28
V2_LR_STATE = LR_STATE_MASK << V2_LR_STATE_SHIFT
V2_LR_GROUP1 = 1 << 30
V2_LR_HW = 1 << 31

# GICv3 list register (ICH_LR<n>_EL2, IHI 0069 12.4).
V3_LR_INTID_MASK = 0xFFFFFFFF
V3_LR_PHYSICAL_SHIFT = 32
V3_LR_EOI = 1 << 41
V3_LR_PRIORITY_SHIFT = 48
V3_LR_GROUP1 = 1 << 60
V3_LR_HW = 1 << 61
V3_LR_PENDING = 1 << 62
V3_LR_ACTIVE = 1 << 63
V3_LR_STATE_SHIFT = 62
V3_LR_STATE = LR_STATE_MASK << V3_LR_STATE_SHIFT

# GICD_SGIR fields (IHI 0048B 4.3.15).
SGIR_INTID_MASK = 0xF
SGIR_TARGETS_SHIFT = 16
SGIR_TARGETS_MASK = 0xFF
SGIR_FILTER_SHIFT = 24
SGIR_FILTER_MASK = 3
SGIR_TO_LISTED = 0
SGIR_TO_OTHERS = 1
SGIR_TO_SELF = 2

# ICC_SGI1R_EL1 fields (IHI 0069 12.2).
SGI1R_TARGETS_MASK = 0xFFFF
SGI1R_AFF1_SHIFT = 16
SGI1R_INTID_SHIFT = 24
SGI1R_AFF2_SHIFT = 32
SGI1R_IRM_SHIFT = 40
SGI1R_AFF3_SHIFT = 48

DISTRIBUTOR_SIZE = {2: 0x1000, 3: 0x10000}
REDISTRIBUTOR_SIZE = 0x20000
ITS_SIZE = 0x20000
SGI_FRAME = 0x10000
"""Offset of the redistributor's second frame (SGIs and PPIs)."""

# (first offset, length, name, bits per interrupt or 0) of the distributor, IHI 0048B table 4-1 / IHI 0069 12.8.
DISTRIBUTOR_V2: tuple[tuple[int, int, str, int], ...] = (
    (0x000, 4, "GICD_CTLR", 0),
    (0x004, 4, "GICD_TYPER", 0),
    (0x008, 4, "GICD_IIDR", 0),
    (0x080, 0x80, "GICD_IGROUPR", 1),
    (0x100, 0x80, "GICD_ISENABLER", 1),
    (0x180, 0x80, "GICD_ICENABLER", 1),
    (0x200, 0x80, "GICD_ISPENDR", 1),
    (0x280, 0x80, "GICD_ICPENDR", 1),
    (0x300, 0x80, "GICD_ISACTIVER", 1),
    (0x380, 0x80, "GICD_ICACTIVER", 1),
    (0x400, 0x400, "GICD_IPRIORITYR", 8),
    (0x800, 0x400, "GICD_ITARGETSR", 8),
    (0xC00, 0x100, "GICD_ICFGR", 2),
    (0xF00, 4, "GICD_SGIR", 0),
    (0xF10, 0x10, "GICD_CPENDSGIR", 8),
    (0xF20, 0x10, "GICD_SPENDSGIR", 8),
)
DISTRIBUTOR_V3: tuple[tuple[int, int, str, int], ...] = (
    (0x000, 4, "GICD_CTLR", 0),
    (0x004, 4, "GICD_TYPER", 0),
    (0x008, 4, "GICD_IIDR", 0),
    (0x010, 4, "GICD_STATUSR", 0),
    (0x040, 4, "GICD_SETSPI_NSR", 0),
    (0x048, 4, "GICD_CLRSPI_NSR", 0),
    (0x050, 4, "GICD_SETSPI_SR", 0),
    (0x058, 4, "GICD_CLRSPI_SR", 0),
    *DISTRIBUTOR_V2[3:13],
    (0xD00, 0x80, "GICD_IGRPMODR", 1),
    (0xE00, 0x100, "GICD_NSACR", 2),
    *DISTRIBUTOR_V2[13:],
    (0x6000, 0x2000, "GICD_IROUTER", 64),
    (0xFFD0, 0x30, "GICD_IDREGS", 0),
)
REDISTRIBUTOR: tuple[tuple[int, int, str, int], ...] = (
    (0x0000, 4, "GICR_CTLR", 0),
    (0x0004, 4, "GICR_IIDR", 0),
    (0x0008, 8, "GICR_TYPER", 0),
    (0x0010, 4, "GICR_STATUSR", 0),
    (0x0014, 4, "GICR_WAKER", 0),
    (0x0070, 8, "GICR_PROPBASER", 0),
    (0x0078, 8, "GICR_PENDBASER", 0),
    (0xFFD0, 0x30, "GICR_IDREGS", 0),
    (0x10080, 4, "GICR_IGROUPR0", 1),
    (0x10100, 4, "GICR_ISENABLER0", 1),
    (0x10180, 4, "GICR_ICENABLER0", 1),
    (0x10200, 4, "GICR_ISPENDR0", 1),
    (0x10280, 4, "GICR_ICPENDR0", 1),
    (0x10300, 4, "GICR_ISACTIVER0", 1),
    (0x10380, 4, "GICR_ICACTIVER0", 1),
    (0x10400, 0x20, "GICR_IPRIORITYR", 8),
    (0x10C00, 8, "GICR_ICFGR", 2),
    (0x10D00, 4, "GICR_IGRPMODR0", 1),
    (0x10E00, 4, "GICR_NSACR", 2),
)


ITS_REGISTERS: tuple[tuple[int, int, str], ...] = (
    (0x0000, 4, "GITS_CTLR"),
    (0x0004, 4, "GITS_IIDR"),
    (0x0008, 8, "GITS_TYPER"),
    (0x0080, 8, "GITS_CBASER"),
    (0x0088, 8, "GITS_CWRITER"),
    (0x0090, 8, "GITS_CREADR"),
    *((0x0100 + 8 * number, 8, f"GITS_BASER{number}") for number in range(8)),
    (0xFFD0, 0x30, "GITS_IDREGS"),
    (0x10040, 4, "GITS_TRANSLATER"),
)
"""(first offset, length, name) of the ITS, IHI 0069 12.18."""


def its_register_name(offset: int) -> str:
    """Return the architecture's name of the ITS's register at `offset`, or its address in hex."""
    for first, length, name in ITS_REGISTERS:
        if first <= offset < first + length:
            return name if offset == first else f"{name}+{offset - first:#x}"
    return f"GITS+{offset:#x}"


def register_name(gic: int, redistributor: bool, offset: int) -> str:
    """Return the architecture's name of the register at `offset` (with its first INTID), or its address in hex."""
    table = REDISTRIBUTOR if redistributor else DISTRIBUTOR_V2 if gic == 2 else DISTRIBUTOR_V3
    for first, length, name, bits in table:
        if first <= offset < first + length:
            if bits:
                return f"{name}[INTID {(offset - first) * 8 // bits}…]" if length > 4 or bits != 1 else name
            return name if offset == first else f"{name}+{offset - first:#x}"
    return f"{'GICR' if redistributor else 'GICD'}+{offset:#x}"


def affinity_of(vcpu: Any) -> Any:
    """Return MPIDR_EL1's Aff2.Aff1.Aff0 (one byte each, int64) of vCPU n: 16 vCPUs per cluster."""
    return (vcpu & 15) | ((vcpu >> 4) & 0xFF) << 8 | ((vcpu >> 12) & 0xFF) << 16
