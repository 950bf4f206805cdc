# SPDX-License-Identifier: GPL-2.0-only
"""What traps to EL2 while the guest runs, and its Stage-2 translation.

Models the trap functions of Linux 4.8.17 arch/arm64/kvm/hyp/switch.c. With VHE, CPACR_EL1 is EL2's own control of FP
and trace. The exception vectors are switched too, since the host runs in EL2 with other vectors.
"""

from kvmarm.el2.architecture import (
    CPACR_FPEN,
    CPACR_FPEN_SHIFT,
    CPACR_TTA,
    CPTR_DEFAULT,
    CPTR_TFP,
    CPTR_TTA,
    FPEXC32_EN,
    HCR_E2H,
    HCR_RW,
    HCR_TGE,
    HSTR_T15,
    MDCR_HPMN_MASK,
)
from kvmarm.el2.configuration import Boot
from kvmarm.el2.program import Assembler
from switch_c_model.alternatives import function, kern_hyp_va, select_function


def activate_traps(asm: Assembler, boot: Boot) -> None:
    """HCR, HSTR, the PMU, MDCR, then FP and trace by the function for VHE or not."""
    with asm.piece("traps on", "EL2 configuration"):
        aarch64 = asm.label()
        asm.ldr("x1", "vcpu.hcr_el2")
        asm.b_unless("tbnz x1, #HCR_RW, 1f", aarch64, "x1", HCR_RW, 0)
    with asm.piece("32-bit guest: FP enabled", "32-bit state"):
        asm.mov("x2", FPEXC32_EN)
        asm.msr("fpexc32_el2", "x2")
        asm.isb()
        asm.place(aarch64)
    with asm.piece("traps on", "EL2 configuration"):
        asm.msr("hcr_el2", "x1")
        asm.mov("x1", HSTR_T15)
        asm.msr("hstr_el2", "x1")
        asm.msr("pmselr_el0", "xzr")
        asm.mov("x1", 0xF)
        asm.msr("pmuserenr_el0", "x1")
        asm.ldr("x1", "vcpu.mdcr_el2")
        asm.msr("mdcr_el2", "x1")
        select_function(asm, "activate_traps", patched=boot.vhe)
        with function(asm, "activate_traps", called=False, frame=False):
            if boot.vhe:
                asm.mrs("x1", "cpacr_el1")
                asm.bic("x1", "x1", CPACR_FPEN)
                asm.orr("x1", "x1", CPACR_TTA)
                asm.msr("cpacr_el1", "x1")
                asm.alu("adrp x1, __kvm_hyp_vector", "add x1, x1, :lo12:__kvm_hyp_vector")
                asm.msr("vbar_el1", "x1")
            else:
                asm.mov("x1", CPTR_DEFAULT | CPTR_TTA | CPTR_TFP)
                asm.alu("movk x1, #0x10, lsl #16")
                asm.msr("cptr_el2", "x1")


def activate_vm(asm: Assembler, boot: Boot) -> None:
    """The guest's Stage-2 tables."""
    with asm.piece("Stage-2 translation on", "EL2 virtual memory"):
        asm.ldr("x1", "vcpu.kvm")
        kern_hyp_va(asm, boot, "x1")
        asm.ldr("x2", "kvm.vttbr")
        asm.msr("vttbr_el2", "x2")


def deactivate_traps(asm: Assembler, boot: Boot) -> None:
    """HCR and CPTR (or CPACR and VBAR) by the function for VHE or not, then HSTR, MDCR, the PMU."""
    with asm.piece("traps off", "EL2 configuration"):
        select_function(asm, "deactivate_traps", patched=boot.vhe)
        with function(asm, "deactivate_traps", called=False, frame=False):
            if boot.vhe:
                asm.mov("x1", HCR_RW | HCR_TGE | HCR_E2H)
                asm.msr("hcr_el2", "x1")
                asm.mov("x1", CPACR_FPEN)
                asm.msr("cpacr_el1", "x1")
                asm.alu("adrp x1, vectors", "add x1, x1, :lo12:vectors")
                asm.msr("vbar_el1", "x1")
            else:
                asm.mov("x1", HCR_RW)
                asm.msr("hcr_el2", "x1")
                asm.mov("x1", CPTR_DEFAULT)
                asm.msr("cptr_el2", "x1")
        asm.msr("hstr_el2", "xzr")
        asm.mrs("x1", "mdcr_el2")
        asm.and_("x1", "x1", MDCR_HPMN_MASK)
        asm.msr("mdcr_el2", "x1")
        asm.msr("pmuserenr_el0", "xzr")


def deactivate_vm(asm: Assembler) -> None:
    """No Stage-2 translation for the host."""
    with asm.piece("Stage-2 translation off", "EL2 virtual memory"):
        asm.msr("vttbr_el2", "xzr")


def read_fpsimd_enabled(asm: Assembler, boot: Boot, register: str) -> None:
    """Put 1 in a register if the guest has used FP, else 0: the trap is off then."""
    select_function(asm, "fpsimd_enabled", patched=boot.vhe)
    with function(asm, "fpsimd_enabled", called=False, frame=False):
        if boot.vhe:
            asm.mrs("x1", "cpacr_el1")
            asm.ubfx(register, "x1", CPACR_FPEN_SHIFT, 1)
        else:
            asm.mrs("x1", "cptr_el2")
            asm.alu("tst x1, #CPTR_TFP")
            asm.cset(register, "x1", CPTR_TFP)
