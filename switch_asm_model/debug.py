# SPDX-License-Identifier: GPL-2.0-only
"""Debug registers, moved only if the guest uses them.

Models the debug macros of Linux 4.4.177 arch/arm64/kvm/hyp.S. The number of breakpoints and watchpoints is read from
ID_AA64DFR0_EL1; each of the four groups is a jump into a ladder of 16, once for the system registers and once for
memory. A flag in memory says that the registers are dirty; on entry the guest's MDSCR_EL1 may set it.
"""

from kvmarm.el2.architecture import MDSCR_KDE, MDSCR_MDE
from kvmarm.el2.program import Assembler
from kvmarm.el2.slots import BREAKPOINTS, WATCHPOINTS

_GROUPS = (("dbgbcr", BREAKPOINTS), ("dbgbvr", BREAKPOINTS), ("dbgwcr", WATCHPOINTS), ("dbgwvr", WATCHPOINTS))


def save_host_debug(asm: Assembler) -> None:
    """On entry: decide whether debug state is in use; if so, save the host's."""
    with asm.piece("is debug state in use?", "debug registers"):
        flag_known, clean, dirty = asm.label(), asm.label(), asm.label()
        asm.ldr("x25", "guest.mdscr_el1")
        asm.and_("x26", "x25", MDSCR_KDE | MDSCR_MDE)
        asm.alu("cmp x26, #0")
        asm.b_if("b.eq 1f", flag_known, "x26")
        asm.mov("x26", 1)
        asm.str_("x26", "vcpu.debug_flags")
        asm.b(dirty)
        asm.place(flag_known)
        asm.ldr("x25", "vcpu.debug_flags")
        asm.b_if("tbz x25, #DEBUG_DIRTY, 2f", clean, "x25", 1, 0)
        asm.place(dirty)
        asm.alu("add x3, x0, #VCPU_HOST_DEBUG_STATE")
        _pass(asm, "host", save=True)
        asm.place(clean)


def restore_guest_debug(asm: Assembler) -> None:
    """On entry: the guest's registers, if dirty."""
    with asm.piece("guest debug registers", "debug registers"):
        clean = asm.label()
        asm.ldr("x25", "vcpu.debug_flags")
        asm.b_if("tbz x25, #DEBUG_DIRTY, 1f", clean, "x25", 1, 0)
        asm.ldr("x3", "vcpu.debug_ptr")
        asm.alu("and x3, x3, #HYP_PAGE_OFFSET_MASK")
        _pass(asm, "guest", save=False)
        asm.place(clean)


def save_guest_debug(asm: Assembler) -> None:
    """On exit: the guest's registers, if dirty."""
    with asm.piece("guest debug registers", "debug registers"):
        clean = asm.label()
        asm.ldr("x25", "vcpu.debug_flags")
        asm.b_if("tbz x25, #DEBUG_DIRTY, 1f", clean, "x25", 1, 0)
        asm.ldr("x3", "vcpu.debug_ptr")
        asm.alu("and x3, x3, #HYP_PAGE_OFFSET_MASK")
        _pass(asm, "guest", save=True)
        asm.place(clean)


def restore_host_debug(asm: Assembler) -> None:
    """On exit: the host's registers, if dirty; then they are clean."""
    with asm.piece("host debug registers", "debug registers"):
        clean = asm.label()
        asm.ldr("x25", "vcpu.debug_flags")
        asm.b_if("tbz x25, #DEBUG_DIRTY, 1f", clean, "x25", 1, 0)
        asm.str_("xzr", "vcpu.debug_flags")
        asm.alu("add x3, x0, #VCPU_HOST_DEBUG_STATE")
        _pass(asm, "host", save=False)
        asm.place(clean)


def _pass(asm: Assembler, owner: str, *, save: bool) -> None:
    """All registers one way; descending, as the ladders run."""
    asm.jump(f"bl {'save' if save else 'restore'}_debug")
    asm.mrs("x26", "id_aa64dfr0_el1")
    asm.alu("ubfx x24, x26, #BRPS, #4", "ubfx x25, x26, #WRPS, #4", "mov w26, #15")
    asm.alu("sub w24, w26, w24", "sub w25, w26, w25")
    for stem, count in _GROUPS:
        names = [f"{stem}{index}_el1" for index in reversed(range(count))]
        scratch = [f"x{5 + index}" for index in reversed(range(count))]
        asm.alu(f"add x4, x3, #{stem.upper()}0")
        if save:
            _ladder(asm)
            for register, name in zip(scratch, names, strict=True):
                asm.mrs(register, name)
            _ladder(asm)
            for register, name in zip(scratch, names, strict=True):
                asm.str_(register, f"{owner}_debug.{name}")
        else:
            _ladder(asm)
            for register, name in zip(scratch, names, strict=True):
                asm.ldr(register, f"{owner}_debug.{name}")
            _ladder(asm)
            for register, name in zip(scratch, names, strict=True):
                asm.msr(name, register)
    if save:
        asm.mrs("x21", "mdccint_el1")
        asm.str_("x21", f"{owner}.mdccint_el1")
    else:
        asm.ldr("x21", f"{owner}.mdccint_el1")
        asm.msr("mdccint_el1", "x21")
    asm.alu("(two more address computations)", "(the other)")
    asm.jump("ret")


def _ladder(asm: Assembler) -> None:
    """Jump past the registers that this CPU lacks."""
    asm.alu("adr x26, 1f", "add x26, x26, x24, lsl #2")
    asm.jump("br x26")
