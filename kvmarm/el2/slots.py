# SPDX-License-Identifier: GPL-2.0-only
"""The state of the EL2 machine: every register and every word of context memory that a world switch touches.

The state is one array of 64-bit cells ("slots"). A slot is addressed by name:

    x0..x30, pc, pstate                        the general registers of the CPU
    q0..q31, q0.hi..q31.hi                     the FP/SIMD registers, two words each
    sctlr_el1, hcr_el2, ich_lr0_el2, ...       system registers, by their architectural name
    gich_hcr, gich_lr0, ...                    the GICv2 virtual interface's control registers (MMIO)
    host.NAME, guest.NAME                      the two CPU contexts in memory
    vcpu.NAME, vgic.NAME, timer.NAME, kvm.NAME the rest of what the hypervisor keeps in memory
    host_debug.NAME, guest_debug.NAME          the debug register contexts
    stack.N                                    the EL2 stack
    event.NAME                                 what the hardware reports when it next enters EL2

With VHE (HCR_EL2.E2H set) some names reach another register: `resolve` knows.

Models the register set that Linux 4.4 and 4.8 switch (arch/arm64/kvm/hyp*, GICv2 and GICv3 virtual interfaces).
"""

from collections.abc import Iterator

from kvmarm.errors import UsageError

MAX_LRS_V2 = 64
MAX_LRS_V3 = 16
BREAKPOINTS = 6
WATCHPOINTS = 4
STACK_WORDS = 96

EL1_REGISTERS = (
    *("csselr_el1", "sctlr_el1", "actlr_el1", "cpacr_el1", "ttbr0_el1", "ttbr1_el1", "tcr_el1", "esr_el1"),
    *("afsr0_el1", "afsr1_el1", "far_el1", "mair_el1", "vbar_el1", "contextidr_el1", "tpidr_el0", "tpidrro_el0"),
    *("tpidr_el1", "amair_el1", "cntkctl_el1", "par_el1", "mdscr_el1"),
)
"""The EL1 and EL0 system registers that belong to whoever runs; VMPIDR_EL2 goes with them (the guest's MPIDR)."""

RETURN_STATE = ("sp_el0", "elr_el2", "spsr_el2", "sp_el1", "elr_el1", "spsr_el1")

AARCH32_REGISTERS = ("spsr_abt", "spsr_und", "spsr_irq", "spsr_fiq", "dacr32_el2", "ifsr32_el2")
"""More registers of a 32-bit guest; FPEXC32_EL2 and DBGVCR32_EL2 are switched on other conditions."""

DEBUG_REGISTERS = tuple(
    f"{stem}{index}_el1"
    for stem, count in (
        ("dbgbcr", BREAKPOINTS),
        ("dbgbvr", BREAKPOINTS),
        ("dbgwcr", WATCHPOINTS),
        ("dbgwvr", WATCHPOINTS),
    )
    for index in reversed(range(count))
)
"""In the order both switches move them: descending within each group."""

EL2_REGISTERS = (
    *("hcr_el2", "cptr_el2", "hstr_el2", "mdcr_el2", "vttbr_el2", "tpidr_el2", "esr_el2", "far_el2", "hpfar_el2"),
    *("vbar_el2", "vmpidr_el2", "cnthctl_el2", "cntvoff_el2", "fpexc32_el2", "dbgvcr32_el2"),
    *("pmselr_el0", "pmuserenr_el0", "cntv_ctl_el0", "cntv_cval_el0", "mdccint_el1", "id_aa64dfr0_el1"),
    *("fpsr", "fpcr"),
)

ICH_REGISTERS = (
    *("ich_hcr_el2", "ich_vmcr_el2", "ich_vtr_el2", "ich_misr_el2", "ich_eisr_el2", "ich_elrsr_el2"),
    *(f"ich_ap{group}r{index}_el2" for group in (0, 1) for index in range(4)),
    *("icc_sre_el1", "icc_sre_el2"),
)

GICH_REGISTERS = (
    *("gich_hcr", "gich_vmcr", "gich_misr", "gich_eisr0", "gich_eisr1", "gich_elrsr0", "gich_elrsr1", "gich_apr"),
)

_VHE_RENAMED = ("sctlr", "cpacr", "ttbr0", "ttbr1", "tcr", "esr", "afsr0", "afsr1", "far", "mair", "vbar")
VHE_EL12 = frozenset(f"{stem}_el1" for stem in (*_VHE_RENAMED, "contextidr", "amair", "cntkctl", "elr", "spsr"))
"""EL1 registers that a VHE host reaches by an `_el12` name, since the `_el1` name is its own EL2 register."""

_VHE_ALIASES = {
    "cpacr_el1": "cptr_el2",
    "vbar_el1": "vbar_el2",
    "esr_el1": "esr_el2",
    "far_el1": "far_el2",
    "elr_el1": "elr_el2",
    "spsr_el1": "spsr_el2",
    "cntv_ctl_el02": "cntv_ctl_el0",
    "cntv_cval_el02": "cntv_cval_el0",
}


def _context_names() -> Iterator[str]:
    yield from (f"x{number}" for number in range(31))
    yield from (f"q{number}" for number in range(32))
    yield from (f"q{number}.hi" for number in range(32))
    yield from ("fpsr", "fpcr", "vmpidr_el2", "mdccint_el1", "fpexc32_el2", "dbgvcr32_el2")
    yield from EL1_REGISTERS
    yield from RETURN_STATE
    yield from AARCH32_REGISTERS


def _names() -> Iterator[str]:
    yield from (f"x{number}" for number in range(31))
    yield from ("pc", "pstate")
    yield from (f"q{number}" for number in range(32))
    yield from (f"q{number}.hi" for number in range(32))
    yield from EL1_REGISTERS
    yield from RETURN_STATE
    yield from AARCH32_REGISTERS
    yield from EL2_REGISTERS
    yield from DEBUG_REGISTERS
    yield from ICH_REGISTERS
    yield from (f"ich_lr{number}_el2" for number in range(MAX_LRS_V3))
    yield from GICH_REGISTERS
    yield from (f"gich_lr{number}" for number in range(MAX_LRS_V2))
    for owner in ("host", "guest"):
        yield from (f"{owner}.{name}" for name in _context_names())
        yield from (f"{owner}_debug.{name}" for name in DEBUG_REGISTERS)
    yield from (f"vcpu.{name}" for name in ("hcr_el2", "mdcr_el2", "irq_lines", "debug_flags", "debug_ptr"))
    yield from (f"vcpu.{name}" for name in ("kvm", "host_context", "esr_el2", "far_el2", "hpfar_el2"))
    yield from (f"vgic.{name}" for name in ("hcr", "vmcr", "misr", "eisr", "eisr1", "elrsr", "elrsr1", "apr", "sre"))
    yield from (f"vgic.ap{group}r{index}" for group in (0, 1) for index in range(4))
    yield from ("vgic.live_lrs", "vgic.nr_lr", "vgic.vctrl_base")
    yield from (f"vgic.lr{number}" for number in range(MAX_LRS_V2))
    yield from (f"timer.{name}" for name in ("enabled", "cntv_ctl", "cntv_cval"))
    yield from ("kvm.vttbr", "kvm.cntvoff")
    yield from (f"stack.{number}" for number in range(STACK_WORDS))
    yield from (f"event.{name}" for name in ("irq", "esr", "far", "hpfar", "par"))


SLOT_NAMES: tuple[str, ...] = tuple(dict.fromkeys(_names()))
SLOTS: dict[str, int] = {name: index for index, name in enumerate(SLOT_NAMES)}
SLOT_COUNT = len(SLOT_NAMES)

SYSTEM_REGISTERS = frozenset(
    (*EL1_REGISTERS, *RETURN_STATE, *AARCH32_REGISTERS, *EL2_REGISTERS, *DEBUG_REGISTERS, *ICH_REGISTERS)
) | {f"ich_lr{number}_el2" for number in range(MAX_LRS_V3)}


def slot(name: str) -> int:
    """Return the index of a named slot. Raises UsageError for a name the machine does not have."""
    try:
        return SLOTS[name]
    except KeyError:
        raise UsageError(f"the EL2 machine has no register or memory word named {name!r}") from None


def resolve(register: str, vhe: bool) -> str:
    """Return the slot that a system-register name reaches at EL2, with or without HCR_EL2.E2H."""
    if not vhe:
        return register
    if register.endswith("_el12"):
        return register.removesuffix("2")
    return _VHE_ALIASES.get(register, register)


def el12(register: str, vhe: bool) -> str:
    """Return the name by which the hypervisor reaches a guest's or host's EL1 register: `_el12` for some, with VHE."""
    return f"{register}2" if vhe and register in VHE_EL12 else register
