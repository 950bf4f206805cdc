# SPDX-License-Identifier: GPL-2.0-only
"""EL1 system registers, return state, and the state of a 32-bit guest.

Models Linux 4.8.17 arch/arm64/kvm/hyp/sysreg-sr.c. Registers move one by one, and SP, ELR and SPSR count among them.
A VHE host keeps its own EL1-named registers in EL2: of its state only the common eight move, and the guest's are
reached by `_EL12` names.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

from kvmarm.el2.architecture import HCR_RW
from kvmarm.el2.configuration import Boot
from kvmarm.el2.program import Assembler
from kvmarm.el2.slots import AARCH32_REGISTERS, EL1_REGISTERS, RETURN_STATE, el12
from switch_c_model.alternatives import function, select_function
from switch_c_model.traps import read_fpsimd_enabled

COMMON_REGISTERS = (
    *("actlr_el1", "tpidr_el0", "tpidrro_el0", "tpidr_el1", "mdscr_el1"),
    *("sp_el0", "elr_el2", "spsr_el2"),
)
SYSTEM_REGISTERS = (
    "vmpidr_el2",
    *(name for name in EL1_REGISTERS if name not in COMMON_REGISTERS),
    *("sp_el1", "elr_el1", "spsr_el1"),
)
_Move = Callable[[Assembler, Boot, str, tuple[str, ...]], None]


def save_host_sysregs(asm: Assembler, boot: Boot) -> None:
    """The host's: all 28, with VHE the common eight."""
    with asm.piece("host system registers", "EL1 system registers"):
        select_function(asm, "save_host_sysregs", patched=boot.vhe)
        if not boot.vhe:
            asm.work("frame", mem_store=1)
        _host(asm, boot, _save)


def restore_host_sysregs(asm: Assembler, boot: Boot) -> None:
    """The host's: all 28, with VHE the common eight."""
    with asm.piece("host system registers", "EL1 system registers"):
        select_function(asm, "restore_host_sysregs", patched=boot.vhe)
        if boot.vhe:
            asm.work("argument", alu=1)
        _host(asm, boot, _restore)


def save_guest_sysregs(asm: Assembler, boot: Boot) -> None:
    """All 28 of the guest."""
    with asm.piece("guest system registers", "EL1 system registers"), function(asm, "save_guest_sysregs"):
        _save(asm, boot, "guest", SYSTEM_REGISTERS)
        asm.work("call of the common part", branch_taken=2, alu=3)
        _save(asm, boot, "guest", COMMON_REGISTERS)


def restore_guest_sysregs(asm: Assembler, boot: Boot) -> None:
    """All 28 of the guest."""
    with asm.piece("guest system registers", "EL1 system registers"), function(asm, "restore_guest_sysregs"):
        _restore(asm, boot, "guest", SYSTEM_REGISTERS)
        asm.work("call of the common part", branch_taken=2, alu=3)
        _restore(asm, boot, "guest", COMMON_REGISTERS)


def _host(asm: Assembler, boot: Boot, move: _Move) -> None:
    if boot.vhe:
        asm.jump("ret (nothing to do with VHE)")
    else:
        with function(asm, "host_sysregs", called=False, frame=False):
            move(asm, boot, "host", SYSTEM_REGISTERS)
    with function(asm, "common_sysregs"):
        move(asm, boot, "host", COMMON_REGISTERS)


def _save(asm: Assembler, boot: Boot, owner: str, names: tuple[str, ...]) -> None:
    for name in names:
        with _group(asm, owner, name):
            asm.mrs("x1", _name(name, boot))
            asm.str_("x1", f"{owner}.{name}")


def _restore(asm: Assembler, boot: Boot, owner: str, names: tuple[str, ...]) -> None:
    for name in names:
        with _group(asm, owner, name):
            asm.ldr("x1", f"{owner}.{name}")
            asm.msr(_name(name, boot), "x1")


def _group(asm: Assembler, owner: str, register: str) -> AbstractContextManager[None]:
    """Head a register's move; SP, ELR and SPSR are the return state, wherever they are handled."""
    group = "return state" if register in RETURN_STATE else "EL1 system registers"
    return asm.piece(f"{owner} system registers", group)


def _name(register: str, boot: Boot) -> str:
    """Return the name the code uses: `_el12` for EL1 state, and a VHE host's own ELR and SPSR by their EL1 names."""
    if boot.vhe and register in ("elr_el2", "spsr_el2"):
        return register.replace("el2", "el1")
    return el12(register, boot.vhe)


def save_32bit_state(asm: Assembler, boot: Boot) -> None:
    """Banked SPSRs, DACR, IFSR; FPEXC if the guest used FP (asked anew), DBGVCR if debug state is dirty."""
    with asm.piece("32-bit guest state", "32-bit state"), function(asm, "save_32bit_state", frame=False):
        aarch32, done, no_fp, clean = asm.label(), asm.label(), asm.label(), asm.label()
        asm.mrs("x1", "hcr_el2")
        asm.b_if("tbz x1, #HCR_RW, 1f", aarch32, "x1", HCR_RW, 0)
        asm.b(done, "(the rest is out of line)")
        asm.place(aarch32)
        for name in AARCH32_REGISTERS:
            asm.mrs("x1", name)
            asm.str_("x1", f"guest.{name}")
        asm.work("frame and addresses", mem_store=1, mem_load=1, alu=3, branch_taken=2)
        read_fpsimd_enabled(asm, boot, "x1")
        asm.b_if("tbz w0, #0, 2f", no_fp, "x1", 1, 0)
        asm.mrs("x1", "fpexc32_el2")
        asm.str_("x1", "guest.fpexc32_el2")
        asm.place(no_fp)
        asm.ldr("x1", "vcpu.debug_flags")
        asm.b_if("tbz x1, #DEBUG_DIRTY, 3f", clean, "x1", 1, 0)
        asm.mrs("x1", "dbgvcr32_el2")
        asm.str_("x1", "guest.dbgvcr32_el2")
        asm.place(clean)
        asm.place(done)


def restore_32bit_state(asm: Assembler) -> None:
    """Banked SPSRs, DACR, IFSR; DBGVCR if debug state is dirty. FPEXC comes with the FP trap."""
    with asm.piece("32-bit guest state", "32-bit state"), function(asm, "restore_32bit_state", frame=False):
        done, clean = asm.label(), asm.label()
        asm.mrs("x1", "hcr_el2")
        asm.b_unless("tbnz x1, #HCR_RW, 1f", done, "x1", HCR_RW, 0)
        for name in AARCH32_REGISTERS:
            asm.ldr("x1", f"guest.{name}")
            asm.msr(name, "x1")
        asm.ldr("x1", "vcpu.debug_flags")
        asm.b_if("tbz x1, #DEBUG_DIRTY, 2f", clean, "x1", 1, 0)
        asm.ldr("x1", "guest.dbgvcr32_el2")
        asm.msr("dbgvcr32_el2", "x1")
        asm.place(clean)
        asm.place(done)
