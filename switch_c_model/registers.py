# SPDX-License-Identifier: GPL-2.0-only
"""General registers: those of the host and the guest, and the way back into each of them.

Models Linux 4.8.17 arch/arm64/kvm/hyp/entry.S, the part of the switch that stayed assembly. The C code around it has
saved the host's callee-saved registers on its stack already; they are saved once more here. On exit the host's come
back at once, so that the rest runs as C.
"""

from kvmarm.el2.configuration import Boot
from kvmarm.el2.program import Assembler

CALLEE_SAVED = [(f"x{number}", f"x{number + 1}") for number in range(19, 30, 2)]
GUEST_SCRATCH = [(f"x{number}", f"x{number + 1}") for number in range(2, 18, 2)]


def save_host_registers(asm: Assembler) -> None:
    """x19..x29, lr of the host; the vCPU and the host context wait on the stack."""
    with asm.piece("host general registers", "GP registers"):
        asm.jump("bl __guest_enter")
        for pair in CALLEE_SAVED:
            asm.stp(pair, *(f"host.{name}" for name in pair))
        asm.push("x0", "x1")


def restore_host_registers(asm: Assembler) -> None:
    """x19..x29, lr of the host, and return into the C function."""
    with asm.piece("host general registers", "GP registers"):
        asm.pop("x0", "x2")
        for pair in CALLEE_SAVED:
            asm.ldp(pair, *(f"host.{name}" for name in pair))
        asm.jump("ret")


def save_guest_registers(asm: Assembler, boot: Boot) -> None:
    """All guest registers; x0..x3 are on the stack, where the vector put them."""
    with asm.piece("PAN", "call and trap path"):
        asm.nop("msr pan, #1" if boot.pan else "nop (PAN, not patched)")
    with asm.piece("guest general registers", "GP registers"):
        asm.alu("add x2, x0, #VCPU_CONTEXT")
        for pair in GUEST_SCRATCH[1:]:
            asm.stp(pair, *(f"guest.{name}" for name in pair))
        asm.str_("x18", "guest.x18")
        asm.pop("x6", "x7")
        asm.pop("x4", "x5")
        asm.stp(("x4", "x5"), "guest.x0", "guest.x1")
        asm.stp(("x6", "x7"), "guest.x2", "guest.x3")
        for pair in CALLEE_SAVED:
            asm.stp(pair, *(f"guest.{name}" for name in pair))


def restore_guest_registers(asm: Assembler) -> None:
    """All guest registers; x0 and x1 wait on the stack until nothing else needs them."""
    with asm.piece("guest general registers", "GP registers"):
        asm.alu("add x18, x0, #VCPU_CONTEXT")
        asm.ldp(("x2", "x3"), "guest.x0", "guest.x1")
        asm.push("x2", "x3")
        for pair in GUEST_SCRATCH:
            asm.ldp(pair, *(f"guest.{name}" for name in pair))
        for pair in CALLEE_SAVED:
            asm.ldp(pair, *(f"guest.{name}" for name in pair))
        asm.ldr("x18", "guest.x18")
        asm.pop("x0", "x1")
