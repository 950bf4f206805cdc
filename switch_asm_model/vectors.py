# SPDX-License-Identifier: GPL-2.0-only
"""The way into EL2 and back: the hypercall stub, the exception vectors, the analysis of a fault.

Models the vectors of Linux 4.4.177 arch/arm64/kvm/hyp.S. VTTBR_EL2 tells host from guest. The fault address registers
are read for every synchronous trap. HPFAR_EL2 is not valid for permission faults (with erratum 834220, for any abort):
there the intermediate physical address is looked up by `at`.
"""

from kvmarm.el2.architecture import (
    EC_ABORT_MASK,
    EC_HVC64,
    EC_IABT_LOW,
    ESR_EC_BITS,
    ESR_EC_SHIFT,
    ESR_S1PTW,
    FSC_PERMISSION,
    FSC_TYPE,
)
from kvmarm.el2.configuration import Boot
from kvmarm.el2.program import Assembler, Label
from switch_asm_model.fpsimd import fp_trap


def host_call(asm: Assembler) -> None:
    """From the host's hvc to the switch's first instruction; x0 ends up as the vCPU."""
    with asm.piece("hypercall: vector and dispatch", "call and trap path"):
        asm.hvc()
        asm.jump("b el1_sync")
        asm.push("x0", "x1")
        asm.push("x2", "x3")
    not_host, vectors = asm.label(), asm.label()
    with asm.piece("syndrome", "fault information"):
        asm.mrs("x1", "esr_el2")
    with asm.piece("hypercall: vector and dispatch", "call and trap path"):
        asm.ubfx("x2", "x1", ESR_EC_SHIFT, ESR_EC_BITS)
        asm.alu("cmp x2, #ESR_ELx_EC_HVC64")
        asm.b_unless("b.ne el1_trap", not_host, "x2", value=EC_HVC64)
    with asm.piece("no Stage 2: the host called", "EL2 virtual memory"):
        asm.mrs("x3", "vttbr_el2")
    with asm.piece("hypercall: vector and dispatch", "call and trap path"):
        asm.b_unless("cbnz x3, el1_trap", not_host, "x3")
        asm.pop("x2", "x3")
        asm.pop("x0", "x1")
        asm.b_unless("cbnz x0, 1f", vectors, "x0")
        asm.place(not_host)
        asm.place(vectors)
        asm.push("x30", "xzr")
        asm.alu("and x0, x0, #HYP_PAGE_OFFSET_MASK")
        asm.mov("x30", "x0")
        asm.mov("x0", "x1")
        asm.mov("x1", "x2")
        asm.mov("x2", "x3")
        asm.jump("blr x30")


def host_return(asm: Assembler) -> None:
    """Back to the host's caller."""
    with asm.piece("hypercall: return", "call and trap path"):
        asm.mov("x0", "x1")
        asm.jump("ret")
        asm.pop("x30", "xzr")
        asm.eret()
        asm.ret_to_host()


def guest_fp_trap(asm: Assembler) -> None:
    """The vector's way to the FP trap, and the trap."""
    _take_exception(asm, None)


def guest_exit(asm: Assembler, boot: Boot) -> None:
    """From the exception to the switch: x0 is the vCPU, x1 the exit code; fault information is in memory."""
    _take_exception(asm, boot)


def _take_exception(asm: Assembler, boot: Boot | None) -> None:
    """The vectors; `boot` is None where only the FP trap can come."""
    irq, trap, other, untranslated, end = (asm.label() for _ in range(5))
    with asm.piece("vector", "call and trap path"):
        asm.exception(irq)
        asm.jump("b el1_sync")
        asm.push("x0", "x1")
        asm.push("x2", "x3")
    with asm.piece("syndrome", "fault information"):
        asm.mrs("x1", "esr_el2")
    with asm.piece("vector", "call and trap path"):
        asm.ubfx("x2", "x1", ESR_EC_SHIFT, ESR_EC_BITS)
        asm.alu("cmp x2, #ESR_ELx_EC_HVC64")
        asm.b_unless("b.ne el1_trap", trap, "x2", value=EC_HVC64)
    with asm.piece("Stage 2: the guest called", "EL2 virtual memory"):
        asm.mrs("x3", "vttbr_el2")
    with asm.piece("vector", "call and trap path"):
        asm.b_unless("cbnz x3, el1_trap", trap, "x3")
        asm.place(trap)
        asm.alu("cmp x2, #ESR_ELx_EC_FP_ASIMD")
        if boot is None:
            asm.jump("b.eq switch_to_guest_fpsimd")
            asm.place(irq)
            fp_trap(asm)
            return
        asm.fall("b.eq switch_to_guest_fpsimd")
        asm.alu("cmp x2, #ESR_ELx_EC_DABT_LOW", "mov x0, #ESR_ELx_EC_IABT_LOW", "ccmp x2, x0, #4, ne")
        asm.b_unless("b.ne 1f", other, "x2", EC_ABORT_MASK, EC_IABT_LOW)
    _analyse_abort(asm, boot, other, untranslated)
    with asm.piece("vector", "call and trap path"):
        asm.b(end)
    asm.place(irq)
    with asm.piece("IRQ vector", "call and trap path"):
        asm.stack -= 4  # this vector pushes for itself
        asm.jump("b el1_irq")
        asm.push("x0", "x1")
        asm.push("x2", "x3")
    with asm.piece("vCPU pointer", "hyp private"):
        asm.mrs("x0", "tpidr_el2")
    with asm.piece("IRQ vector", "call and trap path"):
        asm.mov("x1", 0)
        asm.b(end, "b __kvm_vcpu_return")
    asm.place(untranslated)
    with asm.piece("the guest's mapping changed meanwhile: let it try again", "fault information"):
        asm.pop("x2", "x3")
        asm.pop("x0", "x1")
        asm.eret()
        asm.stop()
        asm.stack += 4
    asm.place(end)


def _analyse_abort(asm: Assembler, boot: Boot, from_hpfar: Label, untranslated: Label) -> None:
    known = asm.label()
    with asm.piece("is HPFAR_EL2 valid?", "fault information"):
        if boot.erratum_834220:
            for _ in range(3):
                asm.nop("nop (permission test, patched away)")
        else:
            asm.and_("x2", "x1", FSC_TYPE)
            asm.alu("cmp x2, #FSC_PERM")
            asm.b_unless("b.ne 1f", from_hpfar, "x2", value=FSC_PERMISSION)
        asm.b_unless("tbnz x1, #S1PTW, 1f", from_hpfar, "x1", ESR_S1PTW, 0)
        asm.mrs("x3", "par_el1")
        asm.push("x3", "xzr")
        asm.mrs("x2", "far_el2")
        asm.at("x2")
        asm.isb()
        asm.mrs("x3", "par_el1")
        asm.pop("x0", "xzr")
        asm.msr("par_el1", "x0")
        asm.b_unless("tbnz x3, #PAR_F, 3f", untranslated, "x3", 1, 0)
        asm.ubfx("x3", "x3", 12, 36, left=4)
        asm.alu("lsl x3, x3, #4")
        asm.b(known)
    with asm.piece("fault address registers", "fault information"):
        asm.place(from_hpfar)
        asm.mrs("x3", "hpfar_el2")
        asm.mrs("x2", "far_el2")
        asm.place(known)
    with asm.piece("vCPU pointer", "hyp private"):
        asm.mrs("x0", "tpidr_el2")
    with asm.piece("fault information to the vCPU", "fault information"):
        asm.str_("x1", "vcpu.esr_el2")
        asm.str_("x2", "vcpu.far_el2")
        asm.str_("x3", "vcpu.hpfar_el2")
        asm.mov("x1", 1)
