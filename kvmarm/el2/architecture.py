# SPDX-License-Identifier: GPL-2.0-only
"""Fields of the system registers that a world switch reads or writes, by their names in the Arm ARM (DDI 0487, D13).

Constants only. The GIC's registers are in `kvmarm.gic`.
"""

# HCR_EL2: hypervisor configuration.
HCR_VM = 1 << 0
HCR_FMO = 1 << 3
HCR_IMO = 1 << 4
HCR_TGE = 1 << 27
HCR_RW = 1 << 31
HCR_E2H = 1 << 34
HCR_APK = 1 << 40
HCR_API = 1 << 41

# CPTR_EL2: traps of FP and trace, without VHE. CPACR_EL1 controls the same for a host in EL2.
CPTR_DEFAULT = 0x33FF
"""The bits that read as one."""
CPTR_TFP = 1 << 10
CPTR_TTA = 1 << 20
CPACR_FPEN_SHIFT = 20
CPACR_FPEN = 3 << CPACR_FPEN_SHIFT
CPACR_TTA = 1 << 28

HSTR_T15 = 1 << 15
MDCR_HPMN_MASK = 0x1F
"""MDCR_EL2: how many event counters the guest may use."""
MDSCR_KDE = 1 << 13
MDSCR_MDE = 1 << 15
FPEXC32_EN = 1 << 30
CNTHCTL_EL1PCTEN = 1 << 0
CNTHCTL_EL1PCEN = 1 << 1

# ESR_EL2: exception class and fault status.
ESR_EC_SHIFT = 26
ESR_EC_BITS = 6
EC_FP = 0x07
EC_HVC32 = 0x12
EC_HVC64 = 0x16
EC_IABT_LOW = 0x20
EC_DABT_LOW = 0x24
EC_ABORT_MASK = 0x3B
"""What instruction and data aborts from a lower level have in common."""
ESR_S1PTW = 1 << 7
FSC_TYPE = 0x3C
FSC_PERMISSION = 0x0C
FSC_LEVEL1 = 1
FSC_TRANSLATION = 0x04

# ICC_SRE_EL2 and ICH_VTR_EL2: the GIC's system register interface.
SRE_ENABLE = 1 << 3
VTR_PRIBITS_SHIFT = 29
VTR_PREBITS_SHIFT = 26
VTR_PRIBITS = 7 << VTR_PRIBITS_SHIFT
"""Number of priority bits, less one."""

# PSTATE as SPSR_EL2 holds it: mode, and DAIF masked.
PSTATE_EL1H = 0x3C5
PSTATE_EL2H = 0x3C9
PSTATE_AARCH32_SVC = 0x1D3
