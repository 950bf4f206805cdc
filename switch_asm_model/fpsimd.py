# SPDX-License-Identifier: GPL-2.0-only
"""FP/SIMD state, moved only if the guest used it, and the trap that tells.

Models the FP/SIMD parts of Linux 4.4.177 arch/arm64/kvm/hyp.S and fpsimdmacros.h. Each routine is called always and
asks CPTR_EL2 itself whether FP traps: five reads of it in a round trip that used FP.
"""

from kvmarm.el2.architecture import CPTR_TFP, HCR_RW
from kvmarm.el2.program import Assembler


def save_fpsimd(asm: Assembler, owner: str) -> None:
    """q0..q31, FPSR, FPCR unless FP is trapped."""
    with asm.piece(f"{owner} FP registers", "FP registers"):
        done = asm.label()
        asm.jump("bl save_fpsimd")
        asm.mrs("x3", "cptr_el2")
        asm.b_unless("tbnz x3, #CPTR_TFP, 1f", done, "x3", CPTR_TFP, 0)
        asm.alu("add x3, x2, #CPU_GP_REG_OFFSET(CPU_FP_REGS)")
        move_fp_registers(asm, owner, save=True)
        asm.mrs("x4", "fpsr")
        asm.str_("x4", f"{owner}.fpsr")
        asm.mrs("x4", "fpcr")
        asm.str_("x4", f"{owner}.fpcr")
        asm.place(done)
        asm.jump("ret")


def restore_fpsimd(asm: Assembler, owner: str) -> None:
    """q0..q31, FPSR, and FPCR if it differs (a write of FPCR costs much), unless FP is trapped."""
    with asm.piece(f"{owner} FP registers", "FP registers"):
        done, same = asm.label(), asm.label()
        asm.jump("bl restore_fpsimd")
        asm.mrs("x3", "cptr_el2")
        asm.b_unless("tbnz x3, #CPTR_TFP, 1f", done, "x3", CPTR_TFP, 0)
        asm.alu("add x3, x2, #CPU_GP_REG_OFFSET(CPU_FP_REGS)")
        move_fp_registers(asm, owner, save=False)
        asm.ldr("x4", f"{owner}.fpsr")
        asm.msr("fpsr", "x4")
        asm.ldr("x4", f"{owner}.fpcr")
        asm.mrs("x3", "fpcr")  # the context pointer has done its work
        asm.alu("cmp x3, x4")
        asm.b_same("b.eq 2f", same, "x3", "x4")
        asm.msr("fpcr", "x4")
        asm.place(same)
        asm.place(done)
        asm.jump("ret")


def move_fp_registers(asm: Assembler, owner: str, *, save: bool) -> None:
    """Store or load the 32 vector registers, two to an instruction."""
    for number in range(0, 32, 2):
        pair = (f"q{number}", f"q{number + 1}")
        (asm.stp if save else asm.ldp)(pair, *(f"{owner}.{name}" for name in pair))


def fp_trap(asm: Assembler) -> None:
    """From the trap's recognition to the guest: stop trapping, change FP state over, return."""
    with asm.piece("FP trap", "EL2 configuration"):
        asm.push("x4", "x30")
        asm.mrs("x2", "cptr_el2")
        asm.bic("x2", "x2", CPTR_TFP)
        asm.msr("cptr_el2", "x2")
        asm.isb()
    with asm.piece("vCPU pointer", "hyp private"):
        asm.mrs("x0", "tpidr_el2")
    with asm.piece("context pointers", "call and trap path"):
        asm.ldr("x2", "vcpu.host_context")
        asm.alu("and x2, x2, #HYP_PAGE_OFFSET_MASK")
    save_fpsimd(asm, "host")
    with asm.piece("context pointers", "call and trap path"):
        asm.alu("add x2, x0, #VCPU_CONTEXT")
    restore_fpsimd(asm, "guest")
    with asm.piece("32-bit guest: FP exception control", "32-bit state"):
        done = asm.label()
        asm.mrs("x3", "hcr_el2")
        asm.b_unless("tbnz x3, #HCR_RW, 1f", done, "x3", HCR_RW, 0)
        asm.ldr("x4", "guest.fpexc32_el2")
        asm.msr("fpexc32_el2", "x4")
        asm.place(done)
    with asm.piece("back to the guest", "call and trap path"):
        asm.pop("x4", "x30")
        asm.pop("x2", "x3")
        asm.pop("x0", "x1")
        asm.eret()
