# SPDX-License-Identifier: GPL-2.0-only
"""Configurations beside the recorded cross product: what changes, and that nothing else does.

Expectations are the written description of the executed runs (4.4.177 and 4.8.17), one line of it a test.
"""

import pytest

from bench.switches.listing import run
from kvmarm.el2.machine import Executed
from tests.switch_models.recorded import configuration


def _names(executed: Executed, *prefixes: str) -> list[str]:
    letter = {"sysreg_read": "r", "gich_read": "r", "sysreg_write": "w", "gich_write": "w"}
    return [
        f"{letter.get(klass, '')} {name}".strip() for klass, name in executed.sequence() if name.startswith(prefixes)
    ]


def _difference(base: Executed, other: Executed) -> dict[str, int]:
    before, after = base.counts(), other.counts()
    return {klass: after[klass] - before[klass] for klass in before if after[klass] != before[klass]}


@pytest.mark.parametrize("live", range(5))
def test_gich_accesses_follow_the_live_list_registers(live: int) -> None:
    c = run(configuration(implementation="c48", live_lrs=live))
    assert c["entry"].counts()["gich_write"] == (3 + live if live else 1)
    accesses = c["exit"].counts()["gich_read"] + c["exit"].counts()["gich_write"]
    assert accesses == (4 + 2 * live if live else 1)
    asm = run(configuration(live_lrs=live))
    assert asm["entry"].counts()["gich_write"] == 7
    assert (asm["exit"].counts()["gich_read"], asm["exit"].counts()["gich_write"]) == (11, 1)


@pytest.mark.parametrize("live", range(17))
def test_gicv3_list_registers_one_by_one(live: int) -> None:
    ran = run(configuration(implementation="c48", gic="v3", nr_lr=16, live_lrs=live))
    assert _names(ran["entry"], "ich_lr") == [f"w ich_lr{index}_el2" for index in range(live)]
    pairs = [f"{way} ich_lr{index}_el2" for index in range(live) for way in "rw"]
    assert _names(ran["exit"], "ich_lr") == pairs


@pytest.mark.parametrize(("live", "size"), [(k, n) for n in (4, 16) for k in range(1, n + 1)])
def test_compiled_work_per_list_register(live: int, size: int) -> None:
    base = run(configuration(implementation="c48", gic="v3", nr_lr=size))
    ran = run(configuration(implementation="c48", gic="v3", nr_lr=size, live_lrs=live))
    entry, leave = _difference(base["entry"], ran["entry"]), _difference(base["exit"], ran["exit"])
    assert sum(entry.values()) == 10 + 15 * live + 6 * size
    assert entry["branch"] == size + (3 if live == size else 5)
    assert sum(leave.values()) == 21 + 34 * live + 14 * size


def test_eoi_maintenance_is_asked_about_only_if_expected() -> None:
    plain = run(configuration(implementation="c48", live_lrs=2))["exit"]
    assert _names(plain, "GICH_MISR", "GICH_EISR") == []
    waiting = run(configuration(implementation="c48", live_lrs=2, lr_kind="pending+eoi_maint"))["exit"]
    assert _names(waiting, "GICH_MISR", "GICH_EISR") == ["r GICH_MISR"]
    ended = run(configuration(implementation="c48", live_lrs=2, lr_kind="eoi_maint+completed"))["exit"]
    assert _names(ended, "GICH") == [
        *("r GICH_VMCR", "r GICH_APR", "r GICH_MISR", "r GICH_EISR0", "r GICH_ELRSR0"),
        *("r GICH_LR0", "w GICH_LR0", "r GICH_LR1", "w GICH_LR1", "w GICH_HCR"),
    ]
    forwarded = run(configuration(implementation="c48", live_lrs=2, lr_kind="pending+hw"))["exit"]
    assert forwarded.sequence() == plain.sequence()


def test_eoi_maintenance_on_gicv3() -> None:
    ended = run(configuration(implementation="c48", gic="v3", live_lrs=1, lr_kind="eoi_maint+completed"))["exit"]
    assert _names(ended, "ich_") == [
        *("r ich_vmcr_el2", "r ich_elrsr_el2", "w ich_hcr_el2", "r ich_vtr_el2", "r ich_misr_el2", "r ich_eisr_el2"),
        *("r ich_lr0_el2", "w ich_lr0_el2", "r ich_ap0r0_el2", "r ich_ap1r0_el2"),
    ]


@pytest.mark.parametrize("gic", ["v2", "v3"])
def test_an_empty_list_register_is_not_read(gic: str) -> None:
    ran = run(configuration(implementation="c48", gic=gic, live_lrs=3, lr_kind="completed_by_guest"))["exit"]
    name = "GICH_LR{}" if gic == "v2" else "ich_lr{}_el2"
    expected = [f"w {name.format(0)}", *(f"{way} {name.format(index)}" for index in (1, 2) for way in "rw")]
    assert _names(ran, "GICH_LR", "ich_lr") == expected


def test_memory_mapped_guest_on_gicv3() -> None:
    c = run(configuration(implementation="c48", gic="v3", live_lrs=1, vgic_sre=0))
    entry = [name for _, name in c["entry"].sequence()]
    first = entry.index("icc_sre_el1")
    assert entry[first : first + 3] == ["icc_sre_el1", "isb", "ich_vtr_el2"]
    assert entry[entry.index("ich_lr0_el2") : entry.index("ich_lr0_el2") + 5] == [
        *("ich_lr0_el2", "isb", "dsb sy", "icc_sre_el2", "icc_sre_el2"),
    ]
    leave = [name for _, name in c["exit"].sequence()]
    assert leave[leave.index("dsb st") + 1] == "ich_vmcr_el2"
    assert leave[leave.index("icc_sre_el1") - 1] == "isb"
    asm = run(configuration(gic="v3", vgic_sre=0)), run(configuration(gic="v3"))
    assert _difference(asm[1]["entry"], asm[0]["entry"]) == {
        "sysreg_read": 1,
        "sysreg_write": 1,
        "alu": 1,
        "branch": 1,
        "branch_taken": -1,
    }
    assert asm[0]["exit"].sequence() == asm[1]["exit"].sequence()


@pytest.mark.parametrize(("bits", "registers"), [(5, [0]), (6, [1, 0]), (7, [3, 2, 1, 0])])
@pytest.mark.parametrize(("implementation", "groups"), [("asm44", (1, 0)), ("c48", (0, 1)), ("c48-vhe", (0, 1))])
def test_priority_bits(bits: int, registers: list[int], implementation: str, groups: tuple[int, int]) -> None:
    ran = run(configuration(implementation=implementation, gic="v3", live_lrs=1, prio_bits=bits))
    assert _names(ran["entry"], "ich_ap") == [f"w ich_ap{g}r{index}_el2" for g in groups for index in registers]
    assert _names(ran["exit"], "ich_ap") == [f"r ich_ap{g}r{index}_el2" for g in (0, 1) for index in registers]


def test_permission_fault_is_translated() -> None:
    asm = run(configuration(exit="dabt_perm"))["exit"]
    assert asm.sequence()[:6] == [
        ("sysreg_read", "esr_el2"),
        ("sysreg_read", "par_el1"),
        ("sysreg_read", "far_el2"),
        ("barrier", "isb"),
        ("sysreg_read", "par_el1"),
        ("sysreg_write", "par_el1"),
    ]
    translation = run(configuration(exit="dabt"))["exit"]
    # The `at` walk: both tests fall through, PAR goes to the stack and back, one `at`, one jump, two alu.
    assert _difference(translation, asm) == {
        "sysreg_read": 1,
        "sysreg_write": 1,
        "barrier": 1,
        "mem_load": 1,
        "mem_store": 1,
        "branch": 3,
        "alu": 2,
        "other": 1,
    }
    c = run(configuration(implementation="c48", exit="dabt_perm"))["exit"]
    assert [name for _, name in c.sequence()[:8]] == [
        *("esr_el2", "tpidr_el2", "esr_el2", "far_el2", "par_el1", "isb", "par_el1", "par_el1"),
    ]


def test_erratum_834220_translates_every_abort() -> None:
    asm = run(configuration(exit="dabt", erratum_834220=1))["exit"]
    permission = run(configuration(exit="dabt_perm"))["exit"]
    assert asm.sequence() == permission.sequence()
    assert _difference(permission, asm) == {"alu": -2, "branch": -1, "other": 3}
    for exit in ("hvc", "irq"):
        healthy, ill = (run(configuration(exit=exit, erratum_834220=flag))["exit"].counts() for flag in (0, 1))
        assert healthy == ill
    c = run(configuration(implementation="c48", exit="dabt", erratum_834220=1))["exit"]
    assert c.sequence() == run(configuration(implementation="c48", exit="dabt_perm"))["exit"].sequence()


@pytest.mark.parametrize("implementation", ["asm44", "c48", "c48-vhe"])
def test_debug_enabled_by_the_guest_counts_as_dirty(implementation: str) -> None:
    dirty = run(configuration(implementation=implementation, debug="dirty"))
    enabled = run(configuration(implementation=implementation, debug="mdscr_mde"))
    for phase in ("entry", "exit"):
        assert enabled[phase].sequence() == dirty[phase].sequence()
    assert enabled["exit"].counts() == dirty["exit"].counts()
    assert enabled["entry"].counts()["mem_store"] == dirty["entry"].counts()["mem_store"] + 1


@pytest.mark.parametrize("implementation", ["asm44", "c48", "c48-vhe"])
def test_fpcr_is_written_only_if_it_differs(implementation: str) -> None:
    same = run(configuration(implementation=implementation, fp_used=1))
    differs = run(configuration(implementation=implementation, fp_used=1, fpcr_differs=1))
    for phase in ("fptrap", "exit"):
        assert _difference(same[phase], differs[phase]) == {"sysreg_write": 1, "branch": 1, "branch_taken": -1}
        assert _names(differs[phase], "fpcr") == ["r fpcr", "r fpcr", "w fpcr"]
    assert same["entry"].counts() == differs["entry"].counts()


def test_pan_and_the_low_mask_replace_nops() -> None:
    plain = run(configuration(implementation="c48", live_lrs=1))
    pan = run(configuration(implementation="c48", live_lrs=1, pan=1))
    low = run(configuration(implementation="c48", live_lrs=1, hyp_offset_low=1))
    for phase in ("entry", "exit"):
        assert pan[phase].counts() == plain[phase].counts()
        change = _difference(plain[phase], low[phase])
        assert set(change) == {"alu", "other"}
        assert change["alu"] == -change["other"] > 0
    with_vhe = [run(configuration(implementation="c48-vhe", hyp_offset_low=flag))["entry"].counts() for flag in (0, 1)]
    assert with_vhe[0] == with_vhe[1]


# Total instructions, entry and exit, with 0, 1 and 4 live list registers (hvc, 64-bit guest, no FP, clean, timer on).
COMPILED = {
    ("gcc-11.3 -O2", "v2"): ((362, 328), (405, 442), (414, 475)),
    ("gcc-11.3 -O2", "v3"): ((363, 330), (421, 460), (469, 568)),
    ("gcc-12.2 -O2 -fno-jump-tables", "v2"): ((363, 327), (406, 444), (415, 483)),
    ("gcc-12.2 -O2 -fno-jump-tables", "v3"): ((366, 329), (424, 456), (472, 570)),
    ("gcc-12.2 -Os", "v2"): ((359, 329), (404, 447), (425, 489)),
    ("gcc-12.2 -Os", "v3"): ((351, 330), (400, 440), (457, 539)),
}


@pytest.mark.parametrize(("compiler", "gic"), COMPILED)
def test_other_compilers(compiler: str, gic: str) -> None:
    for live, (entry, leave) in zip((0, 1, 4), COMPILED[compiler, gic], strict=True):
        ran = run(configuration(implementation="c48", gic=gic, live_lrs=live, compiler=compiler))
        usual = run(configuration(implementation="c48", gic=gic, live_lrs=live))
        assert (sum(ran["entry"].counts().values()), sum(ran["exit"].counts().values())) == (entry, leave)
        assert ran["entry"].sequence() == usual["entry"].sequence()
        assert ran["exit"].sequence() == usual["exit"].sequence()
