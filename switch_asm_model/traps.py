# SPDX-License-Identifier: GPL-2.0-only
"""What traps to EL2 while the guest runs, and its Stage-2 translation.

Models the trap and vm macros of Linux 4.4.177 arch/arm64/kvm/hyp.S. CPTR_EL2 is set here and cleared much later on
exit (`release_fpsimd_trap`), so that the FP routines between can still ask it.
"""

from kvmarm.el2.architecture import CPTR_TFP, CPTR_TTA, HCR_API, HCR_APK, HCR_RW, HSTR_T15, MDCR_HPMN_MASK
from kvmarm.el2.program import Assembler

_HCR_HOST = HCR_RW | HCR_API | HCR_APK  # the host keeps its pointer authentication


def activate_traps(asm: Assembler) -> None:
    """HCR, CPTR (FP and trace), HSTR, MDCR; a 32-bit guest's FP must be enabled for its trap to reach EL2."""
    with asm.piece("traps on", "EL2 configuration"):
        aarch64 = asm.label()
        asm.ldr("x2", "vcpu.hcr_el2")
        asm.b_unless("tbnz x2, #HCR_RW, 1f", aarch64, "x2", HCR_RW, 0)
    with asm.piece("32-bit guest: FP enabled", "32-bit state"):
        asm.mov("x3", 1 << 30)
        asm.msr("fpexc32_el2", "x3")
        asm.isb()
        asm.place(aarch64)
    with asm.piece("traps on", "EL2 configuration"):
        asm.msr("hcr_el2", "x2")
        asm.mov("x2", CPTR_TTA)
        asm.orr("x2", "x2", CPTR_TFP)
        asm.msr("cptr_el2", "x2")
        asm.mov("x2", HSTR_T15)
        asm.msr("hstr_el2", "x2")
        asm.ldr("x2", "vcpu.mdcr_el2")
        asm.msr("mdcr_el2", "x2")


def activate_vm(asm: Assembler) -> None:
    """The guest's Stage-2 tables."""
    with asm.piece("Stage-2 translation on", "EL2 virtual memory"):
        asm.ldr("x1", "vcpu.kvm")
        asm.alu("and x1, x1, #HYP_PAGE_OFFSET_MASK")
        asm.ldr("x2", "kvm.vttbr")
        asm.msr("vttbr_el2", "x2")


def deactivate_traps(asm: Assembler) -> None:
    """HCR, HSTR, MDCR; the second write of HCR_EL2 within a few instructions."""
    with asm.piece("traps off", "EL2 configuration"):
        asm.mov("x2", _HCR_HOST)
        asm.alu("movk x2, #0x8000, lsl #16", "movk x2, #0x0300, lsl #32")
        asm.msr("hcr_el2", "x2")
        asm.msr("hstr_el2", "xzr")
        asm.mrs("x2", "mdcr_el2")
        asm.and_("x2", "x2", MDCR_HPMN_MASK)
        asm.msr("mdcr_el2", "x2")


def deactivate_vm(asm: Assembler) -> None:
    """No Stage-2 translation for the host."""
    with asm.piece("Stage-2 translation off", "EL2 virtual memory"):
        asm.msr("vttbr_el2", "xzr")


def release_fpsimd_trap(asm: Assembler) -> None:
    """Nothing traps any more: after the host's FP state is back."""
    with asm.piece("FP and trace traps off", "EL2 configuration"):
        asm.msr("cptr_el2", "xzr")
