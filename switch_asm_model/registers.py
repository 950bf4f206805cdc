# SPDX-License-Identifier: GPL-2.0-only
"""General registers: those of the host and the guest, and the way back into each of them.

Models the general-register and return-state macros of Linux 4.4.177 arch/arm64/kvm/hyp.S. The host's callee-saved
registers are enough, it called a function; the guest needs all 31. SP, ELR and SPSR of both levels are handled here.
"""

from kvmarm.el2.program import Assembler

CALLEE_SAVED = [(f"x{number}", f"x{number + 1}") for number in range(19, 30, 2)]
GUEST_SCRATCH = [(f"x{number}", f"x{number + 1}") for number in range(4, 18, 2)]


def save_host_registers(asm: Assembler) -> None:
    """x19..x29, lr of the host, then its return state."""
    with asm.piece("host general registers", "GP registers"):
        asm.alu("add x3, x2, #CPU_XREG_OFFSET(19)")
        for pair in CALLEE_SAVED:
            asm.stp(pair, *(f"host.{name}" for name in pair))
    save_return_state(asm, "host")


def restore_host_registers(asm: Assembler) -> None:
    """The host's return state, then x19..x29, lr."""
    restore_return_state(asm, "host")
    with asm.piece("host general registers", "GP registers"):
        asm.alu("add x3, x2, #CPU_XREG_OFFSET(19)")
        for pair in CALLEE_SAVED:
            asm.ldp(pair, *(f"host.{name}" for name in pair))


def save_guest_registers(asm: Assembler) -> None:
    """All guest registers; x0..x3 are on the stack, where the vector put them."""
    with asm.piece("guest general registers", "GP registers"):
        asm.alu("add x3, x2, #CPU_XREG_OFFSET(4)")
        for pair in GUEST_SCRATCH:
            asm.stp(pair, *(f"guest.{name}" for name in pair))
        asm.str_("x18", "guest.x18")
        asm.pop("x6", "x7")
        asm.pop("x4", "x5")
        asm.stp(("x4", "x5"), "guest.x0", "guest.x1")
        asm.stp(("x6", "x7"), "guest.x2", "guest.x3")
        for pair in CALLEE_SAVED:
            asm.stp(pair, *(f"guest.{name}" for name in pair))
    save_return_state(asm, "guest")


def restore_guest_registers(asm: Assembler) -> None:
    """All guest registers; x0..x3 wait on the stack until nothing else needs them."""
    with asm.piece("guest general registers", "GP registers"):
        asm.alu("add x3, x2, #CPU_XREG_OFFSET(0)")
        asm.ldp(("x4", "x5"), "guest.x0", "guest.x1")
        asm.ldp(("x6", "x7"), "guest.x2", "guest.x3")
        asm.push("x4", "x5")
        asm.push("x6", "x7")
        for pair in GUEST_SCRATCH:
            asm.ldp(pair, *(f"guest.{name}" for name in pair))
        asm.ldr("x18", "guest.x18")
    restore_return_state(asm, "guest")
    with asm.piece("guest general registers", "GP registers"):
        for pair in CALLEE_SAVED:
            asm.ldp(pair, *(f"guest.{name}" for name in pair))
        asm.pop("x2", "x3")
        asm.pop("x0", "x1")


def save_return_state(asm: Assembler, owner: str) -> None:
    """SP, ELR, SPSR: of the level left (through EL2's registers), then of EL1. On exit EL1's come second too."""
    with asm.piece(f"{owner} return state", "return state"):
        for scratch, register in (("x19", "sp_el0"), ("x20", "elr_el2"), ("x21", "spsr_el2")):
            asm.mrs(scratch, register)
        asm.stp(("x19", "x20"), f"{owner}.sp_el0", f"{owner}.elr_el2")
        asm.str_("x21", f"{owner}.spsr_el2")
        for scratch, register in (("x22", "sp_el1"), ("x23", "elr_el1"), ("x24", "spsr_el1")):
            asm.mrs(scratch, register)
        for scratch, register in (("x22", "sp_el1"), ("x23", "elr_el1"), ("x24", "spsr_el1")):
            asm.str_(scratch, f"{owner}.{register}")


def restore_return_state(asm: Assembler, owner: str) -> None:
    """SP, ELR, SPSR: of EL1, then of the level to go to."""
    with asm.piece(f"{owner} return state", "return state"):
        for scratch, register in (("x22", "sp_el1"), ("x23", "elr_el1"), ("x24", "spsr_el1")):
            asm.ldr(scratch, f"{owner}.{register}")
        for scratch, register in (("x22", "sp_el1"), ("x23", "elr_el1"), ("x24", "spsr_el1")):
            asm.msr(register, scratch)
        asm.ldp(("x19", "x20"), f"{owner}.sp_el0", f"{owner}.elr_el2")
        asm.ldr("x21", f"{owner}.spsr_el2")
        for scratch, register in (("x19", "sp_el0"), ("x20", "elr_el2"), ("x21", "spsr_el2")):
            asm.msr(register, scratch)
