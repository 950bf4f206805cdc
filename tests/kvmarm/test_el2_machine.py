# SPDX-License-Identifier: GPL-2.0-only
"""The EL2 machine's own rules: status of list registers, classes by address, names under VHE, configurations."""

import numpy as np
import pytest

from kvmarm import registers
from kvmarm.el2.configuration import parse_configuration
from kvmarm.el2.machine import Machine
from kvmarm.el2.program import Assembler
from kvmarm.el2.slots import el12, resolve, slot
from kvmarm.errors import UsageError
from kvmarm.gic import HCR_EN, HCR_UIE, MISR_EOI, MISR_U, V2_LR_EOI, V2_LR_HW, V3_LR_EOI

PENDING, ACTIVE = 1 << 28, 1 << 29


@pytest.mark.parametrize(
    ("value", "empty", "ended"),
    [
        (0, 1, 0),
        (PENDING | 34, 0, 0),
        (ACTIVE | 34, 0, 0),
        (34, 1, 0),
        (V2_LR_EOI | 34, 0, 1),
        (V2_LR_HW | 34 << 10 | 34, 1, 0),
        (V2_LR_HW | V2_LR_EOI, 1, 0),
        (PENDING | V2_LR_EOI | 34, 0, 0),
    ],
)
def test_what_the_hardware_says_of_a_list_register(value: int, empty: int, ended: int) -> None:
    lrs = np.array([value], np.uint64)
    assert registers.elrsr(lrs, 1, 2) == empty
    assert registers.eisr(lrs, 1, 2) == ended


def misr(values: list[int], hcr: int) -> int:
    lrs = np.array(values, np.uint64)
    return int(registers.misr(lrs, len(values), 3, np.uint64(hcr), registers.eisr(lrs, len(values), 3)))


def test_maintenance_status() -> None:
    assert misr([V3_LR_EOI], HCR_EN) == MISR_EOI
    assert misr([1 << 62], HCR_UIE) == MISR_U
    assert misr([1 << 62, 1 << 62], HCR_UIE) == 0
    assert misr([1 << 62], 0) == 0


def test_class_follows_the_address() -> None:
    asm = Assembler("test")
    for memory in ("guest.x3", "host.q2", "guest.fpcr", "gich_vmcr", "vgic.vmcr", "guest.sctlr_el1", "stack.0"):
        asm.ldr("q0" if ".q" in memory else "x0", memory)
        asm.str_("q0" if ".q" in memory else "x0", memory)
    counts = Machine().run(asm.finish()).counts()
    found = {klass: number for klass, number in counts.items() if number}
    assert found == {
        "gpr_save": 1,
        "gpr_restore": 1,
        "fp_save": 2,
        "fp_restore": 2,
        "gich_read": 1,
        "gich_write": 1,
        "mem_load": 3,
        "mem_store": 3,
    }


def test_a_pair_is_one_instruction_and_two_moves() -> None:
    asm = Assembler("test")
    asm.ldp(("x1", "x2"), "guest.x1", "guest.x2")
    asm.push("x1", "x2")
    asm.pop("x3", "x4")
    machine = Machine()
    machine["guest.x1"], machine["guest.x2"] = 11, 22
    counts = machine.run(asm.finish()).counts()
    assert (machine["x3"], machine["x4"]) == (11, 22)
    assert sum(counts.values()) == 3


def test_branches_count_by_what_they_do() -> None:
    asm = Assembler("test")
    end = asm.label()
    asm.b_if("cbz x0, 1f", end, "x0")
    asm.alu("add")
    asm.place(end)
    program = asm.finish()
    machine = Machine()
    assert machine.run(program).counts()["branch_taken"] == 1
    machine["x0"] = 5
    counts = machine.run(program).counts()
    assert (counts["branch"], counts["branch_taken"], counts["alu"]) == (1, 0, 1)


def test_vhe_names() -> None:
    assert el12("sctlr_el1", vhe=True) == "sctlr_el12"
    assert el12("csselr_el1", vhe=True) == "csselr_el1"
    assert el12("sctlr_el1", vhe=False) == "sctlr_el1"
    assert resolve("sctlr_el12", vhe=True) == "sctlr_el1"
    assert resolve("cpacr_el1", vhe=True) == "cptr_el2"
    assert resolve("cpacr_el1", vhe=False) == "cpacr_el1"
    assert resolve("cntv_ctl_el02", vhe=True) == "cntv_ctl_el0"


def test_unknown_slot_is_refused() -> None:
    with pytest.raises(UsageError, match="no register or memory word named 'sctlr_el9'"):
        slot("sctlr_el9")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gic": "v4"}, "gic: 'v4' is not one of v2, v3"),
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"live_lrs": "5"}, "5 live list registers, but nr_lr is 4"),
        ({"nr_lr": "17", "gic": "v3"}, "17 is not from 1 to 16"),
        ({"nr_lr": "many"}, "'many' is not a number"),
        ({"exit": ["irq"]}, "expected a string"),
        ({"implementation": "c48-vhe", "vhe": "0"}, "runs with VHE"),
        ({"phase": "middle"}, "'middle' is not one of entry, fptrap, exit"),
    ],
)
def test_bad_configurations(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_configuration(values, "runs.jsonl: line 3")
    assert str(caught.value).startswith("runs.jsonl: line 3: ")


def test_defaults_and_empty_values() -> None:
    configuration = parse_configuration({"implementation": "c48", "vhe": "1", "prio_bits": "", "vgic_sre": ""})
    assert configuration.implementation == "c48-vhe"
    assert (configuration.prio_bits, configuration.vgic_sre, configuration.timer) == (5, True, True)
