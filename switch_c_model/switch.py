# SPDX-License-Identifier: GPL-2.0-only
"""The whole switch, in the order of Linux 4.8.17 arch/arm64/kvm/hyp/switch.c: entry, FP trap, exit."""

from kvmarm.el2.architecture import HCR_FMO, HCR_IMO
from kvmarm.el2.configuration import Boot
from kvmarm.el2.instructions import Program
from kvmarm.el2.program import Assembler
from switch_c_model import debug, fpsimd, registers, sysregs, timer, traps, vectors, vgic_v2, vgic_v3
from switch_c_model.alternatives import kern_hyp_va

_VGIC = {"v2": (vgic_v2.save_vgic, vgic_v2.restore_vgic), "v3": (vgic_v3.save_vgic, vgic_v3.restore_vgic)}
_FRAME = [("x29", "x30"), *((f"x{number}", f"x{number + 1}") for number in range(19, 26, 2))]


def programs(boot: Boot) -> dict[str, Program]:
    """Return the programs of the phases entry, fptrap and exit, as patched for a machine."""
    return {"entry": _entry(boot), "fptrap": _fp_trap(boot), "exit": _exit(boot)}


def _entry(boot: Boot) -> Program:
    asm = Assembler("entry", boot.vhe, stack=0 if boot.vhe else 2)
    vectors.host_call(asm, boot)
    with asm.piece("frame", "call and trap path"):
        for pair in _FRAME:
            asm.push(*pair)
    with asm.piece("vCPU and host context", "hyp private"):
        kern_hyp_va(asm, boot)
        asm.msr("tpidr_el2", "x0")
    with asm.piece("host context", "call and trap path"):
        asm.ldr("x23", "vcpu.host_context")
        kern_hyp_va(asm, boot, "x23")
        asm.mov("x19", "x0")
        asm.work("addresses, calls between functions", mem_load=2, mem_store=1, branch_taken=4, alu=12)
    sysregs.save_host_sysregs(asm, boot)
    debug.save_host_debug(asm, boot)
    traps.activate_traps(asm, boot)
    traps.activate_vm(asm, boot)
    _restore_vgic(asm, boot)
    timer.restore_timer(asm, boot)
    sysregs.restore_32bit_state(asm)
    sysregs.restore_guest_sysregs(asm, boot)
    debug.restore_guest_debug(asm, boot)
    with asm.piece("into the guest", "call and trap path"):
        asm.mov("x0", "x19")
        asm.mov("x1", "x23")
    _enter_guest(asm)
    return asm.finish()


def _enter_guest(asm: Assembler) -> None:
    registers.save_host_registers(asm)
    registers.restore_guest_registers(asm)
    with asm.piece("into the guest", "call and trap path"):
        asm.eret()


def _fp_trap(boot: Boot) -> Program:
    asm = Assembler("fptrap", boot.vhe, stack=14)
    vectors.guest_fp_trap(asm, boot)
    return asm.finish()


def _exit(boot: Boot) -> Program:
    asm = Assembler("exit", boot.vhe, stack=14)
    retry = asm.label()
    vectors.guest_exit(asm, boot)
    registers.save_guest_registers(asm, boot)
    registers.restore_host_registers(asm)
    with asm.piece("exit code", "call and trap path"):
        asm.mov("x22", "x1")
        asm.work("addresses, calls between functions", mem_load=2, mem_store=2, branch=1, branch_taken=7, alu=13)
    vectors.save_fault_information(asm, boot, retry)
    with asm.piece("has the guest used FP?", "FP registers"):
        traps.read_fpsimd_enabled(asm, boot, "x21")
    sysregs.save_guest_sysregs(asm, boot)
    sysregs.save_32bit_state(asm, boot)
    timer.save_timer(asm, boot)
    _save_vgic(asm, boot)
    traps.deactivate_traps(asm, boot)
    traps.deactivate_vm(asm)
    sysregs.restore_host_sysregs(asm, boot)
    with asm.piece("FP registers, if the guest used them", "FP registers"):
        used, unused = asm.label(), asm.label()
        asm.b_unless("cbnz w21, 1f", used, "x21")
        asm.b(unused, "(the rest is out of line)")
        asm.place(used)
        asm.alu("(address of the guest's FP registers)")
        fpsimd.save_fpsimd(asm, "guest")
        asm.alu("(address of the host's FP registers)")
        fpsimd.restore_fpsimd(asm, "host")
        asm.jump("b (back in line)")
        asm.place(unused)
    debug.save_guest_debug(asm, boot)
    debug.restore_host_debug(asm, boot)
    with asm.piece("frame", "call and trap path"):
        asm.mov("x0", "x22")
        for pair in reversed(_FRAME):
            asm.pop(*pair)
    vectors.host_return(asm, boot)
    asm.stop()
    asm.place(retry)
    with asm.piece("the guest's mapping changed meanwhile: let it try again", "fault information"):
        asm.stack += 12
    _enter_guest(asm)
    return asm.finish()


def _restore_vgic(asm: Assembler, boot: Boot) -> None:
    with asm.piece("interrupts to EL2", "EL2 configuration"):
        asm.mrs("x1", "hcr_el2")
        asm.ldr("x2", "vcpu.irq_lines")
        asm.orr("x1", "x1", HCR_FMO | HCR_IMO)
        asm.orr("x1", "x1", "x2")
        asm.msr("hcr_el2", "x1")
    with asm.piece(f"GIC{boot.gic} virtual interface", "VGIC registers"):
        _VGIC[boot.gic][1](asm, boot)


def _save_vgic(asm: Assembler, boot: Boot) -> None:
    with asm.piece(f"GIC{boot.gic} virtual interface", "VGIC registers"):
        _VGIC[boot.gic][0](asm, boot)
    with asm.piece("interrupts to the host", "EL2 configuration"):
        asm.mrs("x1", "hcr_el2")
        asm.bic("x1", "x1", HCR_FMO | HCR_IMO)
        asm.msr("hcr_el2", "x1")
