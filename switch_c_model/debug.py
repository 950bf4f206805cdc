# SPDX-License-Identifier: GPL-2.0-only
"""Debug registers, moved only if the guest uses them.

Models Linux 4.8.17 arch/arm64/kvm/hyp/debug-sr.c. The functions are called always and return at once if the flag in
memory is clear; on entry the guest's MDSCR_EL1 may set it. Each of the four groups is a jump table of 16, and each
register moves on its own.
"""

from kvmarm.el2.architecture import MDSCR_KDE, MDSCR_MDE
from kvmarm.el2.configuration import Boot
from kvmarm.el2.program import Assembler, Label
from kvmarm.el2.slots import DEBUG_REGISTERS
from switch_c_model.alternatives import kern_hyp_va


def save_host_debug(asm: Assembler, boot: Boot) -> None:
    """On entry: decide whether debug state is in use; if so, save the host's."""
    with asm.piece("is debug state in use?", "debug registers"):
        unused, clean = asm.label(), asm.label()
        asm.jump("bl __debug_cond_save_host_state")
        asm.ldr("x1", "guest.mdscr_el1")
        asm.alu("mov w3, #KDE|MDE")
        asm.and_("x1", "x1", MDSCR_KDE | MDSCR_MDE)
        asm.b_if("b.eq 1f", unused, "x1")
        asm.ldr("x1", "vcpu.debug_flags")
        asm.orr("x1", "x1", 1)
        asm.str_("x1", "vcpu.debug_flags")
        asm.place(unused)
        asm.work("call of the save function: frame, arguments", mem_load=1, mem_store=1, branch_taken=2, alu=5)
        kern_hyp_va(asm, boot)
        _leave_if_clean(asm, clean)
        _pass(asm, "host", save=True)
        asm.place(clean)
        asm.jump("ret")


def restore_guest_debug(asm: Assembler, boot: Boot) -> None:
    """On entry: the guest's registers, if dirty."""
    with asm.piece("guest debug registers", "debug registers"):
        clean = asm.label()
        asm.jump("bl __debug_restore_state")
        asm.ldr("x1", "vcpu.debug_ptr")
        kern_hyp_va(asm, boot)
        asm.work("arguments", alu=5)
        _leave_if_clean(asm, clean)
        _pass(asm, "guest", save=False)
        asm.place(clean)
        asm.jump("ret")


def save_guest_debug(asm: Assembler, boot: Boot) -> None:
    """On exit: the guest's registers, if dirty."""
    with asm.piece("guest debug registers", "debug registers"):
        clean = asm.label()
        asm.jump("bl __debug_save_state")
        asm.ldr("x1", "vcpu.debug_ptr")
        kern_hyp_va(asm, boot)
        asm.work("arguments", alu=5)
        _leave_if_clean(asm, clean)
        _pass(asm, "guest", save=True)
        asm.place(clean)
        asm.jump("ret")


def restore_host_debug(asm: Assembler, boot: Boot) -> None:
    """On exit: the host's registers, if dirty; then they are clean."""
    with asm.piece("host debug registers", "debug registers"):
        clean, still_clean = asm.label(), asm.label()
        asm.jump("bl __debug_cond_restore_host_state")
        asm.work("call of the restore function: frame, arguments", mem_load=2, mem_store=2, branch_taken=2, alu=6)
        _leave_if_clean(asm, clean)
        _pass(asm, "host", save=False)
        asm.place(clean)
        asm.ldr("x1", "vcpu.debug_flags")
        asm.b_if("tbz x1, #DEBUG_DIRTY, 2f", still_clean, "x1", 1, 0)
        asm.and_("x1", "x1", 0)
        asm.str_("x1", "vcpu.debug_flags")
        asm.place(still_clean)
        asm.jump("ret")


def _leave_if_clean(asm: Assembler, clean: Label) -> None:
    asm.ldr("x1", "vcpu.debug_flags")
    asm.b_if("tbz x1, #DEBUG_DIRTY, 1f", clean, "x1", 1, 0)


def _pass(asm: Assembler, owner: str, *, save: bool) -> None:
    """All registers one way, in descending order within each group."""
    asm.mrs("x1", "id_aa64dfr0_el1")
    if save:
        asm.work("four jump tables, numbers of registers, call", mem_load=4, branch=2, branch_taken=6, alu=22)
    else:
        asm.work("four jump tables, numbers of registers, call", mem_load=3, branch=1, branch_taken=6, alu=21)
    for name in DEBUG_REGISTERS:
        if save:
            asm.mrs("x2", name)
            asm.str_("x2", f"{owner}_debug.{name}")
        else:
            asm.ldr("x2", f"{owner}_debug.{name}")
            asm.msr(name, "x2")
    if save:
        asm.mrs("x2", "mdccint_el1")
        asm.str_("x2", f"{owner}.mdccint_el1")
    else:
        asm.ldr("x2", f"{owner}.mdccint_el1")
        asm.msr("mdccint_el1", "x2")
