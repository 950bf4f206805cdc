# SPDX-License-Identifier: GPL-2.0-only
"""FP/SIMD state, moved only if the guest used it, and the trap that tells.

Models Linux 4.8.17 arch/arm64/kvm/hyp/fpsimd.S and the trap in entry.S. Whether FP traps is asked once on exit
(`traps.read_fpsimd_enabled`) and the answer kept.
"""

from kvmarm.el2.architecture import CPACR_FPEN, CPTR_TFP, HCR_RW
from kvmarm.el2.configuration import Boot
from kvmarm.el2.program import Assembler
from switch_c_model.alternatives import kern_hyp_va


def save_fpsimd(asm: Assembler, owner: str) -> None:
    """q0..q31, FPSR, FPCR."""
    with asm.piece(f"{owner} FP registers", "FP registers"):
        asm.jump("bl __fpsimd_save_state")
        move_fp_registers(asm, owner, save=True)
        asm.mrs("x1", "fpsr")
        asm.str_("x1", f"{owner}.fpsr")
        asm.mrs("x1", "fpcr")
        asm.str_("x1", f"{owner}.fpcr")
        asm.jump("ret")


def restore_fpsimd(asm: Assembler, owner: str) -> None:
    """q0..q31, FPSR, and FPCR if it differs (a write of FPCR costs much)."""
    with asm.piece(f"{owner} FP registers", "FP registers"):
        same = asm.label()
        asm.jump("bl __fpsimd_restore_state")
        move_fp_registers(asm, owner, save=False)
        asm.ldr("x1", f"{owner}.fpsr")
        asm.msr("fpsr", "x1")
        asm.ldr("x1", f"{owner}.fpcr")
        asm.mrs("x0", "fpcr")
        asm.alu("cmp x0, x1")
        asm.b_same("b.eq 1f", same, "x0", "x1")
        asm.msr("fpcr", "x1")
        asm.place(same)
        asm.jump("ret")


def move_fp_registers(asm: Assembler, owner: str, *, save: bool) -> None:
    """Store or load the 32 vector registers, two to an instruction."""
    for number in range(0, 32, 2):
        pair = (f"q{number}", f"q{number + 1}")
        (asm.stp if save else asm.ldp)(pair, *(f"{owner}.{name}" for name in pair))


def fp_trap(asm: Assembler, boot: Boot) -> None:
    """From the trap's recognition to the guest: stop trapping, change FP state over, return."""
    with asm.piece("FP trap", "EL2 configuration"):
        asm.push("x4", "x30")
        control = "cpacr_el1" if boot.vhe else "cptr_el2"
        asm.mrs("x2", control)
        if boot.vhe:
            asm.orr("x2", "x2", CPACR_FPEN)
        else:
            asm.bic("x2", "x2", CPTR_TFP)
        asm.msr(control, "x2")
        asm.isb()
    with asm.piece("vCPU pointer", "hyp private"):
        asm.mrs("x3", "tpidr_el2")
    with asm.piece("context pointers", "call and trap path"):
        asm.ldr("x0", "vcpu.host_context")
        kern_hyp_va(asm, boot)
        asm.alu("add x0, x0, #CPU_GP_REG_OFFSET(CPU_FP_REGS)")
    save_fpsimd(asm, "host")
    with asm.piece("context pointers", "call and trap path"):
        asm.alu("add x2, x3, #VCPU_CONTEXT", "add x0, x2, #CPU_GP_REG_OFFSET(CPU_FP_REGS)")
    restore_fpsimd(asm, "guest")
    with asm.piece("32-bit guest: FP exception control", "32-bit state"):
        done = asm.label()
        asm.mrs("x1", "hcr_el2")
        asm.b_unless("tbnz x1, #HCR_RW, 1f", done, "x1", HCR_RW, 0)
        asm.ldr("x4", "guest.fpexc32_el2")
        asm.msr("fpexc32_el2", "x4")
        asm.place(done)
    with asm.piece("back to the guest", "call and trap path"):
        asm.pop("x4", "x30")
        asm.pop("x2", "x3")
        asm.pop("x0", "x1")
        asm.eret()
