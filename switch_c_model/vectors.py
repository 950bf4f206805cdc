# SPDX-License-Identifier: GPL-2.0-only
"""The way into EL2 and back: the hypercall stub, the exception vectors, the analysis of a fault.

Models Linux 4.8.17 arch/arm64/kvm/hyp/hyp-entry.S, hyp.S and the fault analysis of switch.c. The vectors only tell an
FP trap from the rest. With VHE the host's call is a function call, and the hypervisor's own registers have their EL1
names.
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
from switch_c_model.alternatives import function, kern_hyp_va, select_function
from switch_c_model.fpsimd import fp_trap


def host_call(asm: Assembler, boot: Boot) -> None:
    """From the host's call to the switch's first instruction; x0 ends up as the vCPU."""
    if boot.vhe:
        with asm.piece("hypercall: patched to a call", "call and trap path"):
            asm.jump("b __vhe_hyp_call")
            asm.push("x30", "xzr")
            _call_function(asm)
        return
    with asm.piece("hypercall: vector and dispatch", "call and trap path"):
        asm.hvc()
        asm.jump("b el1_sync")
        asm.push("x0", "x1")
        asm.push("x2", "x3")
    not_host, call = asm.label(), asm.label()
    with asm.piece("syndrome", "fault information"):
        asm.mrs("x1", "esr_el2")
    with asm.piece("hypercall: vector and dispatch", "call and trap path"):
        asm.ubfx("x2", "x1", ESR_EC_SHIFT, ESR_EC_BITS)
        asm.alu("cmp x2, #ESR_ELx_EC_HVC64")
        asm.b_unless("b.ne el1_trap", not_host, "x2", value=EC_HVC64)
    with asm.piece("no Stage 2: the host called", "EL2 virtual memory"):
        asm.mrs("x1", "vttbr_el2")
    with asm.piece("hypercall: vector and dispatch", "call and trap path"):
        asm.b_unless("cbnz x1, el1_trap", not_host, "x1")
        asm.pop("x2", "x3")
        asm.pop("x0", "x1")
        asm.alu("cmp x0, #HVC_GET_VECTORS")
        asm.b_unless("b.ne 1f", call, "x0", value=0)
        asm.place(not_host)
        asm.place(call)
        kern_hyp_va(asm, boot)
        _call_function(asm)


def _call_function(asm: Assembler) -> None:
    asm.mov("x30", "x0")
    asm.mov("x0", "x1")
    asm.mov("x1", "x2")
    asm.mov("x2", "x3")
    asm.jump("blr x30")


def host_return(asm: Assembler, boot: Boot) -> None:
    """Back to the host's caller."""
    with asm.piece("hypercall: return", "call and trap path"):
        asm.jump("ret")
        if boot.vhe:
            asm.isb()
            asm.pop("x30", "xzr")
        else:
            asm.eret()
            asm.pop("x30", "xzr")
        asm.ret_to_host()


def guest_fp_trap(asm: Assembler, boot: Boot) -> None:
    """The vector's way to the FP trap, and the trap."""
    irq = asm.label()
    _synchronous_vector(asm, boot, irq)
    with asm.piece("vector", "call and trap path"):
        asm.jump("b.eq __fpsimd_guest_restore")
    asm.place(irq)
    fp_trap(asm, boot)


def guest_exit(asm: Assembler, boot: Boot) -> None:
    """From the exception to the switch: x0 is the vCPU, x1 the exit code."""
    irq, end = asm.label(), asm.label()
    _synchronous_vector(asm, boot, irq)
    with asm.piece("vector", "call and trap path"):
        asm.fall("b.eq __fpsimd_guest_restore")
    with asm.piece("vCPU pointer", "hyp private"):
        asm.mrs("x0", "tpidr_el2")
    with asm.piece("vector", "call and trap path"):
        asm.mov("x1", 1)
        asm.b(end, "b __guest_exit")
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
        asm.jump("b __guest_exit")
    asm.place(end)


def _synchronous_vector(asm: Assembler, boot: Boot, irq: Label) -> None:
    trap = asm.label()
    with asm.piece("vector", "call and trap path"):
        asm.exception(irq)
        asm.jump("b el1_sync")
        asm.push("x0", "x1")
        asm.push("x2", "x3")
    with asm.piece("syndrome", "fault information"):
        asm.mrs("x1", "esr_el1" if boot.vhe else "esr_el2")
    with asm.piece("vector", "call and trap path"):
        asm.ubfx("x2", "x1", ESR_EC_SHIFT, ESR_EC_BITS)
        asm.alu("cmp x2, #ESR_ELx_EC_HVC64")
        asm.b_unless("b.ne el1_trap", trap, "x2", value=EC_HVC64)
    with asm.piece("Stage 2: the guest called", "EL2 virtual memory"):
        asm.mrs("x1", "vttbr_el2")
    with asm.piece("vector", "call and trap path"):
        asm.b_unless("cbnz x1, el1_trap", trap, "x1")
        asm.place(trap)
        asm.alu("cmp x2, #ESR_ELx_EC_FP_ASIMD")


def save_fault_information(asm: Assembler, boot: Boot, retry: Label) -> None:
    """ESR for every trap; FAR and the intermediate physical address for aborts only.

    HPFAR_EL2 is not valid for permission faults (with erratum 834220, for any abort): the address is translated then.
    """
    irq, known, not_abort = asm.label(), asm.label(), asm.label()
    with asm.piece("fault information", "fault information"):
        asm.alu("cmp w22, #ARM_EXCEPTION_TRAP")
        asm.b_if("b.ne 1f", irq, "x22")
        asm.mrs("x4", "esr_el1" if boot.vhe else "esr_el2")
        asm.str_("x4", "vcpu.esr_el2")
        asm.alu("(address of the fault information)")
        asm.ubfx("x1", "x4", ESR_EC_SHIFT, ESR_EC_BITS)
        asm.alu("cmp w1, #abort")
        asm.b_unless("b.ne 2f", not_abort, "x1", EC_ABORT_MASK, EC_IABT_LOW)
        asm.mrs("x5", "far_el1" if boot.vhe else "far_el2")
        _find_ipa(asm, boot, retry)
        asm.str_("x5", "vcpu.far_el2")
        asm.str_("x6", "vcpu.hpfar_el2")
        asm.b(known, "(join)")
        asm.place(irq)
        asm.work("the other way round the fault analysis", branch_taken=1)
        asm.place(not_abort)
        asm.place(known)


def _find_ipa(asm: Assembler, boot: Boot, retry: Label) -> None:
    hpfar, translate, known, test = asm.label(), asm.label(), asm.label(), asm.label()
    asm.b_unless("tbnz x4, #S1PTW, 3f", hpfar, "x4", ESR_S1PTW, 0)
    select_function(asm, "check_834220", patched=boot.erratum_834220, alu=2)
    with function(asm, "check_834220", called=False, frame=False):
        asm.mov("x1", int(boot.erratum_834220))
    asm.b_if("(sound CPU)", test, "x1")
    asm.adjust("translated at once: no permission test, and joined from elsewhere", branch=-1, branch_taken=2)
    asm.b(translate, "(permission or not)")
    asm.place(test)
    asm.work("test", branch_taken=1)
    asm.and_("x1", "x4", FSC_TYPE)
    asm.alu("cmp x1, #FSC_PERM")
    asm.b_unless("b.ne 3f", hpfar, "x1", value=FSC_PERMISSION)
    asm.place(translate)
    asm.mrs("x1", "par_el1")
    asm.at("x5")
    asm.isb()
    asm.mrs("x6", "par_el1")
    asm.msr("par_el1", "x1")
    asm.b_unless("tbnz x6, #PAR_F, again", retry, "x6", 1, 0)
    asm.ubfx("x6", "x6", 12, 36, left=4)
    asm.alu("lsl x6, x6, #4")
    asm.b(known)
    asm.place(hpfar)
    asm.mrs("x6", "hpfar_el2")
    asm.place(known)
