# SPDX-License-Identifier: GPL-2.0-only
"""EL1 system registers and the state of a 32-bit guest.

Models the sysreg and 32-bit macros of Linux 4.4.177 arch/arm64/kvm/hyp.S. 22 registers, read into x4..x25 before any
is stored, two to a store; restored the same way round. The 32-bit state must be in place before the EL1 registers
(erratum 852523).
"""

from kvmarm.el2.architecture import CPTR_TFP, HCR_RW
from kvmarm.el2.program import Assembler
from kvmarm.el2.slots import AARCH32_REGISTERS, EL1_REGISTERS

SYSTEM_REGISTERS = ("vmpidr_el2", *EL1_REGISTERS)
_SCRATCH = [f"x{number}" for number in range(4, 26)]


def save_sysregs(asm: Assembler, owner: str) -> None:
    """Read 22 registers, store them in pairs."""
    with asm.piece(f"{owner} EL1 system registers", "EL1 system registers"):
        asm.jump("bl save_sysregs")
        asm.alu("add x3, x2, #CPU_SYSREG_OFFSET(MPIDR_EL1)")
        for scratch, register in zip(_SCRATCH, SYSTEM_REGISTERS, strict=True):
            asm.mrs(scratch, register)
        for first in range(0, len(_SCRATCH), 2):
            pair = slice(first, first + 2)
            asm.stp(tuple(_SCRATCH[pair]), *(f"{owner}.{name}" for name in SYSTEM_REGISTERS[pair]))
        asm.jump("ret")


def restore_sysregs(asm: Assembler, owner: str) -> None:
    """Load 22 values in pairs, write them."""
    with asm.piece(f"{owner} EL1 system registers", "EL1 system registers"):
        asm.jump("bl restore_sysregs")
        asm.alu("add x3, x2, #CPU_SYSREG_OFFSET(MPIDR_EL1)")
        for first in range(0, len(_SCRATCH), 2):
            pair = slice(first, first + 2)
            asm.ldp(tuple(_SCRATCH[pair]), *(f"{owner}.{name}" for name in SYSTEM_REGISTERS[pair]))
        for scratch, register in zip(_SCRATCH, SYSTEM_REGISTERS, strict=True):
            asm.msr(register, scratch)
        asm.jump("ret")


def save_32bit_state(asm: Assembler) -> None:
    """Banked SPSRs, DACR, IFSR; FPEXC if the guest used FP, DBGVCR if debug state is dirty."""
    with asm.piece("32-bit guest state", "32-bit state"):
        done = asm.label()
        asm.mrs("x3", "hcr_el2")
        asm.b_unless("tbnz x3, #HCR_RW, 1f", done, "x3", HCR_RW, 0)
        asm.alu("add x3, x2, #CPU_SPSR_OFFSET(ABT)")
        for scratch, register in zip(("x4", "x5", "x6", "x7"), AARCH32_REGISTERS[:4], strict=True):
            asm.mrs(scratch, register)
        asm.stp(("x4", "x5"), "guest.spsr_abt", "guest.spsr_und")
        asm.stp(("x6", "x7"), "guest.spsr_irq", "guest.spsr_fiq")
        asm.alu("add x3, x2, #CPU_SYSREG_OFFSET(DACR32_EL2)")
        asm.mrs("x4", "dacr32_el2")
        asm.mrs("x5", "ifsr32_el2")
        asm.stp(("x4", "x5"), "guest.dacr32_el2", "guest.ifsr32_el2")
        no_fp, clean = asm.label(), asm.label()
        asm.mrs("x8", "cptr_el2")
        asm.b_unless("tbnz x8, #CPTR_TFP, 2f", no_fp, "x8", CPTR_TFP, 0)
        asm.mrs("x6", "fpexc32_el2")
        asm.str_("x6", "guest.fpexc32_el2")
        asm.place(no_fp)
        asm.ldr("x8", "vcpu.debug_flags")
        asm.b_if("tbz x8, #DEBUG_DIRTY, 3f", clean, "x8", 1, 0)
        asm.mrs("x7", "dbgvcr32_el2")
        asm.str_("x7", "guest.dbgvcr32_el2")
        asm.place(clean)
        asm.place(done)


def restore_32bit_state(asm: Assembler) -> None:
    """Banked SPSRs, DACR, IFSR; DBGVCR if debug state is dirty. FPEXC comes with the FP trap."""
    with asm.piece("32-bit guest state", "32-bit state"):
        done = asm.label()
        asm.mrs("x3", "hcr_el2")
        asm.b_unless("tbnz x3, #HCR_RW, 1f", done, "x3", HCR_RW, 0)
        asm.alu("add x3, x2, #CPU_SPSR_OFFSET(ABT)")
        asm.ldp(("x4", "x5"), "guest.spsr_abt", "guest.spsr_und")
        asm.ldp(("x6", "x7"), "guest.spsr_irq", "guest.spsr_fiq")
        for scratch, register in zip(("x4", "x5", "x6", "x7"), AARCH32_REGISTERS[:4], strict=True):
            asm.msr(register, scratch)
        asm.alu("add x3, x2, #CPU_SYSREG_OFFSET(DACR32_EL2)")
        asm.ldp(("x4", "x5"), "guest.dacr32_el2", "guest.ifsr32_el2")
        asm.msr("dacr32_el2", "x4")
        asm.msr("ifsr32_el2", "x5")
        clean = asm.label()
        asm.ldr("x8", "vcpu.debug_flags")
        asm.b_if("tbz x8, #DEBUG_DIRTY, 2f", clean, "x8", 1, 0)
        asm.ldr("x7", "guest.dbgvcr32_el2")
        asm.msr("dbgvcr32_el2", "x7")
        asm.place(clean)
        asm.place(done)
