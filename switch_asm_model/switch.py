# SPDX-License-Identifier: GPL-2.0-only
"""The whole switch, in the order of Linux 4.4.177 arch/arm64/kvm/hyp.S: entry, FP trap, exit."""

from collections.abc import Callable

from kvmarm.el2.architecture import HCR_FMO, HCR_IMO
from kvmarm.el2.configuration import Boot
from kvmarm.el2.instructions import Program
from kvmarm.el2.program import Assembler
from kvmarm.errors import UsageError
from switch_asm_model import debug, fpsimd, registers, sysregs, timer, traps, vectors, vgic_v2, vgic_v3

_VGIC: dict[str, tuple[Callable[[Assembler, int], None], Callable[[Assembler, int], None]]] = {
    "v2": (vgic_v2.save_vgic, vgic_v2.restore_vgic),
    "v3": (vgic_v3.save_vgic, vgic_v3.restore_vgic),
}


def programs(boot: Boot) -> dict[str, Program]:
    """Return the programs of the phases entry, fptrap and exit, as patched for a machine.

    Raises UsageError with VHE: this switch never had it.
    """
    if boot.vhe:
        raise UsageError("the assembly switch (asm, Linux 4.4) has no VHE; expected vhe=0 or the C switch")
    return {"entry": _entry(boot), "fptrap": _fp_trap(), "exit": _exit(boot)}


def _entry(boot: Boot) -> Program:
    asm = Assembler("entry")
    vectors.host_call(asm)
    with asm.piece("vCPU and host context", "hyp private"):
        asm.alu("and x0, x0, #HYP_PAGE_OFFSET_MASK")
        asm.msr("tpidr_el2", "x0")
    with asm.piece("host context", "call and trap path"):
        asm.ldr("x2", "vcpu.host_context")
        asm.alu("and x2, x2, #HYP_PAGE_OFFSET_MASK")
    registers.save_host_registers(asm)
    sysregs.save_sysregs(asm, "host")
    debug.save_host_debug(asm)
    traps.activate_traps(asm)
    traps.activate_vm(asm)
    _restore_vgic(asm, boot)
    timer.restore_timer(asm)
    _context_pointers(asm)
    sysregs.restore_32bit_state(asm)
    sysregs.restore_sysregs(asm, "guest")
    debug.restore_guest_debug(asm)
    registers.restore_guest_registers(asm)
    with asm.piece("into the guest", "call and trap path"):
        asm.eret()
    return asm.finish()


def _fp_trap() -> Program:
    asm = Assembler("fptrap", stack=2)
    vectors.guest_fp_trap(asm)
    return asm.finish()


def _exit(boot: Boot) -> Program:
    asm = Assembler("exit", stack=2)
    vectors.guest_exit(asm, boot)
    _context_pointers(asm)
    registers.save_guest_registers(asm)
    fpsimd.save_fpsimd(asm, "guest")
    sysregs.save_sysregs(asm, "guest")
    debug.save_guest_debug(asm)
    sysregs.save_32bit_state(asm)
    timer.save_timer(asm)
    _save_vgic(asm, boot)
    traps.deactivate_traps(asm)
    traps.deactivate_vm(asm)
    with asm.piece("host context", "call and trap path"):
        asm.ldr("x2", "vcpu.host_context")
        asm.alu("and x2, x2, #HYP_PAGE_OFFSET_MASK")
    sysregs.restore_sysregs(asm, "host")
    fpsimd.restore_fpsimd(asm, "host")
    traps.release_fpsimd_trap(asm)
    debug.restore_host_debug(asm)
    registers.restore_host_registers(asm)
    vectors.host_return(asm)
    return asm.finish()


def _context_pointers(asm: Assembler) -> None:
    """Five address computations a phase; traces of 4.4 show their number, not which step each belongs to."""
    with asm.piece("guest context", "call and trap path"):
        asm.alu("add x2, x0, #VCPU_CONTEXT", *["(context pointer set-up)"] * 4)


def _restore_vgic(asm: Assembler, boot: Boot) -> None:
    with asm.piece("interrupts to EL2", "EL2 configuration"):
        asm.mrs("x24", "hcr_el2")
        asm.ldr("x25", "vcpu.irq_lines")
        asm.orr("x24", "x24", HCR_FMO | HCR_IMO)
        asm.orr("x24", "x24", "x25")
        asm.msr("hcr_el2", "x24")
    _VGIC[boot.gic][1](asm, boot.nr_lr)


def _save_vgic(asm: Assembler, boot: Boot) -> None:
    _VGIC[boot.gic][0](asm, boot.nr_lr)
    with asm.piece("interrupts to the host", "EL2 configuration"):
        asm.mrs("x24", "hcr_el2")
        asm.alu("mov x25, #(HCR_FMO | HCR_IMO)")
        asm.bic("x24", "x24", HCR_FMO | HCR_IMO)
        asm.msr("hcr_el2", "x24")
