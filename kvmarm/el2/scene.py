# SPDX-License-Identifier: GPL-2.0-only
"""Set the EL2 machine up for a configuration, and play the guest between entry and exit.

Every register of the host and every word of the guest's context gets a value that nothing else has (`mark_of`). So a
value that is found later shows whose it is, and a round trip can be checked for what was lost and what leaked.
"""

import zlib

from kvmarm.el2.architecture import (
    CPACR_FPEN,
    CPTR_DEFAULT,
    EC_DABT_LOW,
    EC_FP,
    EC_HVC32,
    EC_HVC64,
    ESR_EC_SHIFT,
    FSC_LEVEL1,
    FSC_PERMISSION,
    FSC_TRANSLATION,
    HCR_E2H,
    HCR_RW,
    HCR_TGE,
    HCR_VM,
    MDSCR_MDE,
    PSTATE_AARCH32_SVC,
    PSTATE_EL1H,
    PSTATE_EL2H,
    VTR_PREBITS_SHIFT,
    VTR_PRIBITS_SHIFT,
)
from kvmarm.el2.configuration import Configuration
from kvmarm.el2.instructions import MASK64, SET, Op
from kvmarm.el2.machine import Machine
from kvmarm.el2.slots import AARCH32_REGISTERS, DEBUG_REGISTERS, EL1_REGISTERS, RETURN_STATE, SLOT_NAMES, slot
from kvmarm.gic import (
    FIRST_SPI,
    HCR_EN,
    V2_LR_EOI,
    V2_LR_HW,
    V2_LR_PENDING,
    V2_LR_PHYSICAL_SHIFT,
    V2_LR_STATE,
    V3_LR_EOI,
    V3_LR_HW,
    V3_LR_PENDING,
    V3_LR_PHYSICAL_SHIFT,
    V3_LR_STATE,
)

DEBUG_DIRTY = 1
DFSC_TRANSLATION, DFSC_PERMISSION = FSC_TRANSLATION | FSC_LEVEL1, FSC_PERMISSION | FSC_LEVEL1

_GUEST_MEMORY = ("guest", "guest_debug")

GUEST_SWITCHED = (*EL1_REGISTERS, "sp_el1", "elr_el1", "spsr_el1", "sp_el0")
"""System registers that a guest finds with its own values, whichever switch brought it in."""


def mark_of(owner: str, name: str) -> int:
    """Return a value that no other register of any owner has; bits 0..31 are clear so that flags stay meaningful."""
    return (zlib.crc32(f"{owner}.{name}".encode()) | 1) << 32


def _mark_of_slot(name: str) -> int:
    owner, _, register = name.partition(".")
    return mark_of(owner, register) if owner in _GUEST_MEMORY else mark_of("host", name)


_MARKS = [_mark_of_slot(name) for name in SLOT_NAMES]


def set_up(machine: Machine, configuration: Configuration) -> None:
    """Put a machine into the moment before the host enters the guest."""
    c = configuration
    machine.state[:] = _MARKS
    machine["pstate"] = PSTATE_EL2H if c.vhe else PSTATE_EL1H
    machine["hcr_el2"] = HCR_RW | (HCR_E2H | HCR_TGE if c.vhe else 0)
    machine["cptr_el2"] = CPACR_FPEN if c.vhe else CPTR_DEFAULT
    for name in ("vttbr_el2", "hstr_el2", "ich_hcr_el2", "gich_hcr", "fpcr", "event.irq", "vcpu.irq_lines"):
        machine[name] = 0
    machine["mdcr_el2"] = 6  # HPMN: the number of event counters, six on a Cortex-A57
    machine["id_aa64dfr0_el1"] = 0x10305106  # six breakpoints, four watchpoints
    machine["icc_sre_el2"] = 0xF
    machine["icc_sre_el1"] = 1
    machine["ich_vtr_el2"] = (
        (c.prio_bits - 1) << VTR_PRIBITS_SHIFT | (c.prio_bits - 1) << VTR_PREBITS_SHIFT | (c.nr_lr - 1)
    )
    machine["x0"] = mark_of("host", "__kvm_vcpu_run")
    machine["x1"] = mark_of("host", "vcpu")
    machine["stack.0"] = machine["x30"]  # the C switch's hypercall stub has pushed it before the hvc
    for index in range(64):
        machine[f"gich_lr{index}"] = 0
        machine[f"ich_lr{index % 16}_el2"] = 0
    _set_up_guest(machine, c)
    machine.apply(rearm(c))


def _set_up_guest(machine: Machine, c: Configuration) -> None:
    aarch32 = c.guest == "aarch32"
    machine["guest.spsr_el2"] = PSTATE_AARCH32_SVC if aarch32 else PSTATE_EL1H
    machine["guest.mdscr_el1"] = mark_of("guest", "mdscr_el1") | (MDSCR_MDE if c.debug == "mdscr_mde" else 0)
    machine["guest.fpcr"] = 1 << 24 if c.fpcr_differs else 0
    machine["vcpu.hcr_el2"] = HCR_VM | (0 if aarch32 else HCR_RW) | (HCR_E2H if c.vhe else 0)
    machine["vcpu.mdcr_el2"] = 0xE66
    machine["kvm.vttbr"] = mark_of("guest", "vttbr")
    machine["kvm.cntvoff"] = mark_of("guest", "cntvoff")
    machine["timer.enabled"] = int(c.timer)
    machine["timer.cntv_ctl"] = 1
    machine["timer.cntv_cval"] = mark_of("guest", "cntv_cval")
    machine["vgic.hcr"] = HCR_EN
    machine["vgic.vmcr"] = mark_of("guest", "vmcr") >> 32
    machine["vgic.sre"] = int(c.vgic_sre)
    machine["vgic.nr_lr"] = c.nr_lr
    machine["vgic.live_lrs"] = 0


def rearm(configuration: Configuration) -> list[Op]:
    """Return what memory holds for an entry: `live_lrs` list registers pending, as `lr_kind` says; the debug flag."""
    c = configuration
    filled = [_poke(f"vgic.lr{index}", lr_value(c, index)) for index in range(c.nr_lr)]
    return [*filled, _poke("vcpu.debug_flags", DEBUG_DIRTY if c.debug == "dirty" else 0)]


def lr_value(configuration: Configuration, index: int) -> int:
    """Return what list register `index` holds in memory at entry: 0 for one that is not live."""
    c = configuration
    if index >= c.live_lrs:
        return 0
    v3 = c.gic == "v3"
    intid = FIRST_SPI + index
    value = intid | (V3_LR_PENDING if v3 else V2_LR_PENDING)
    if "eoi_maint" in c.lr_kind:
        value |= V3_LR_EOI if v3 else V2_LR_EOI
    if c.lr_kind == "pending+hw":
        value |= (V3_LR_HW | intid << V3_LR_PHYSICAL_SHIFT) if v3 else (V2_LR_HW | intid << V2_LR_PHYSICAL_SHIFT)
    return value


def completed(configuration: Configuration) -> range:
    """Return the list registers whose interrupt the guest completes between entry and exit."""
    if configuration.lr_kind == "eoi_maint+completed":
        return range(configuration.live_lrs)
    if configuration.lr_kind == "completed_by_guest":
        return range(min(1, configuration.live_lrs))
    return range(0)


def guest_work(configuration: Configuration) -> list[Op]:
    """Return what the guest does in between: complete interrupts in the list registers of the hardware."""
    v3 = configuration.gic == "v3"
    names = [f"ich_lr{index}_el2" if v3 else f"gich_lr{index}" for index in completed(configuration)]
    keep = MASK64 & ~(V3_LR_STATE if v3 else V2_LR_STATE)
    return [(SET, slot(name), slot(name), keep, 0) for name in names]


def fp_trap_event() -> list[Op]:
    """Return what makes the guest's next exception the trap of its first FP instruction."""
    return [_poke("event.irq", 0), _poke("event.esr", EC_FP << ESR_EC_SHIFT)]


def exit_event(configuration: Configuration, reason: str) -> list[Op]:
    """Return what makes the guest's next exception its exit for `reason` (hvc, irq, dabt, dabt_perm)."""
    if reason == "irq":
        return [_poke("event.irq", 1)]
    if reason == "hvc":
        syndrome = (EC_HVC64 if configuration.guest == "aarch64" else EC_HVC32) << ESR_EC_SHIFT
        return [_poke("event.irq", 0), _poke("event.esr", syndrome)]
    status = DFSC_PERMISSION if reason == "dabt_perm" else DFSC_TRANSLATION
    values = {
        "irq": 0,
        "esr": EC_DABT_LOW << ESR_EC_SHIFT | status,
        "far": 0xFFFF_0000_0800_0100,
        "hpfar": 0x80000,
        "par": 0x0800_0000,  # what `at` finds for that address: HPFAR's page
    }
    return [_poke(f"event.{name}", value) for name, value in values.items()]


def _poke(name: str, value: int) -> Op:
    return (SET, slot(name), 0, 0, value)


def lost_by_host(before: list[int], machine: Machine, vhe: bool) -> list[str]:
    """Return the registers whose host value did not survive a round trip.

    `before`: the state before entry. Callee-saved general registers, EL1 system registers, FP state and debug registers
    must come back; x0 is the result and x1..x18 are the caller's to lose.
    """
    names = [f"x{number}" for number in range(19, 31)]
    names += [f"q{number}{half}" for number in range(32) for half in ("", ".hi")]
    names += [*EL1_REGISTERS, *RETURN_STATE, "vmpidr_el2", "fpsr", "fpcr", *DEBUG_REGISTERS, "mdccint_el1"]
    if not vhe:
        # ELR_EL2 and SPSR_EL2 are those of the hypercall: they come back as the host's PC and PSTATE.
        names = [name for name in names if name not in ("elr_el2", "spsr_el2")] + ["pstate"]
        return [name for name in names if machine[name] != before[SLOT_NAMES.index(name)]]
    # A VHE host lives in EL2: EL1's registers are the guest's alone and stay.
    shared = ("actlr_el1", "tpidr_el0", "tpidrro_el0", "tpidr_el1", "mdscr_el1", "sp_el0", "elr_el2", "spsr_el2")
    names = [name for name in names if name not in (*EL1_REGISTERS, *RETURN_STATE, "vmpidr_el2") or name in shared]
    return [name for name in names if machine[name] != before[SLOT_NAMES.index(name)]]


def seen_by_guest(machine: Machine, configuration: Configuration) -> list[str]:
    """Return the registers that do not hold the guest's value (after entry, and after an FP trap if FP is used)."""
    names = [*(f"x{number}" for number in range(31)), *GUEST_SWITCHED, "vmpidr_el2"]
    if configuration.fp_used:
        names += [f"q{number}{half}" for number in range(32) for half in ("", ".hi")] + ["fpsr", "fpcr"]
    if configuration.guest == "aarch32":
        names += [*AARCH32_REGISTERS]
    wrong = [name for name in names if machine[name] != machine[f"guest.{name}"]]
    if configuration.debug != "clean":
        wrong += [name for name in DEBUG_REGISTERS if machine[name] != machine[f"guest_debug.{name}"]]
    return wrong
