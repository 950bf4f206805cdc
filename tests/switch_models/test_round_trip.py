# SPDX-License-Identifier: GPL-2.0-only
"""What a world switch is for: the host gets back what it had, the guest keeps its changes, neither sees the other."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmarm.el2 import scene
from kvmarm.el2.configuration import Configuration
from kvmarm.el2.instructions import Program
from kvmarm.el2.slots import AARCH32_REGISTERS, DEBUG_REGISTERS
from kvmarm.el2.switch import WorldSwitch, boot_programs, model_of
from tests.switch_models.recorded import configuration

IMPLEMENTATIONS = ("asm44", "c48", "c48-vhe")

CONFIGURATIONS = st.builds(
    configuration,
    implementation=st.sampled_from(IMPLEMENTATIONS),
    gic=st.sampled_from(("v2", "v3")),
    live_lrs=st.integers(0, 4),
    lr_kind=st.sampled_from(
        ("pending", "pending+eoi_maint", "pending+hw", "eoi_maint+completed", "completed_by_guest")
    ),
    fp_used=st.integers(0, 1),
    fpcr_differs=st.integers(0, 1),
    debug=st.sampled_from(("clean", "dirty", "mdscr_mde")),
    guest=st.sampled_from(("aarch64", "aarch32")),
    exit=st.sampled_from(("hvc", "irq", "dabt", "dabt_perm")),
    timer=st.integers(0, 1),
    vgic_sre=st.integers(0, 1),
    prio_bits=st.integers(5, 7),
    erratum_834220=st.integers(0, 1),
)


def _enter(world: WorldSwitch, configuration: Configuration) -> list[int]:
    """Configure and enter; return the state before."""
    world.configure(configuration)
    before = list(world.machine.state)
    world.enter()
    if configuration.fp_used:
        world.fp_trap()
    return before


@settings(max_examples=150, deadline=None)
@given(CONFIGURATIONS)
def test_everyone_finds_their_own(configuration: Configuration) -> None:
    world = WorldSwitch(model_of(configuration).programs)
    before = _enter(world, configuration)
    assert scene.seen_by_guest(world.machine, configuration) == []
    world.exit()
    assert scene.lost_by_host(before, world.machine, configuration.vhe) == []


@settings(max_examples=100, deadline=None)
@given(CONFIGURATIONS)
def test_what_the_guest_changed_is_kept(configuration: Configuration) -> None:
    world = WorldSwitch(model_of(configuration).programs)
    _enter(world, configuration)
    names = [*(f"x{number}" for number in range(31)), *scene.GUEST_SWITCHED]
    if configuration.fp_used:
        names += [*(f"q{number}" for number in range(32)), "fpsr"]
    if configuration.guest == "aarch32":
        names += [*AARCH32_REGISTERS, *(["fpexc32_el2"] if configuration.fp_used else [])]
    expected = {}
    for number, name in enumerate(names):
        expected[name] = 0xC0DE_0000 + number
        world.machine[name] = expected[name]
    debug = {} if configuration.debug == "clean" else {n: 0xDB + i for i, n in enumerate(DEBUG_REGISTERS)}
    for name, value in debug.items():
        world.machine[name] = value
    world.machine["pc"] = 0x1234
    world.exit()
    kept = {name: world.machine[f"guest.{name}"] for name in expected}
    assert kept == expected
    assert {name: world.machine[f"guest_debug.{name}"] for name in debug} == debug
    assert world.machine["guest.elr_el2"] == 0x1234


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_idle_guests_fp_registers_stay_unseen(implementation: str) -> None:
    """Without an FP trap the guest's FP state is not loaded, and FP stays trapped while it runs."""
    world = WorldSwitch(model_of(configuration(implementation=implementation)).programs)
    before = _enter(world, configuration(implementation=implementation))
    fp_bits, trapped = (3 << 20, 0) if implementation == "c48-vhe" else (1 << 10, 1 << 10)
    assert world.machine["cptr_el2"] & fp_bits == trapped
    world.exit()
    assert scene.lost_by_host(before, world.machine, implementation == "c48-vhe") == []


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_control_registers_after_a_round_trip(implementation: str) -> None:
    world = WorldSwitch(model_of(configuration(implementation=implementation)).programs)
    world.run(configuration(implementation=implementation, live_lrs=1))
    expected = {
        "asm44": {"cptr_el2": 0, "hcr_el2": 0x300_8000_0000, "gich_hcr": 0},
        "c48": {"cptr_el2": 0x33FF, "hcr_el2": 0x8000_0000, "gich_hcr": 0, "gich_lr0": 0},
        "c48-vhe": {"cptr_el2": 3 << 20, "hcr_el2": 1 << 31 | 1 << 34 | 1 << 27, "gich_lr0": 0},
    }[implementation]
    assert {name: world.machine[name] for name in expected} == expected
    assert (world.machine["vttbr_el2"], world.machine["hstr_el2"]) == (0, 0)
    stale = world.machine["gich_lr0"] != 0
    assert stale == (implementation == "asm44")


def test_an_untranslatable_address_goes_back_to_the_guest() -> None:
    for implementation in IMPLEMENTATIONS:
        options = configuration(implementation=implementation, exit="dabt_perm")
        world = WorldSwitch(model_of(options).programs)
        _enter(world, options)
        world.machine["pc"] = 0x4000
        event = [(k, d, s, a, 1 if d == _par() else b) for k, d, s, a, b in scene.exit_event(options, "dabt_perm")]
        world.machine.apply(event)
        ran = world.machine.run(world.programs["exit"])
        assert ran.sequence()[-1] == ("eret", "eret")
        assert world.machine["pc"] == 0x4000
        assert scene.seen_by_guest(world.machine, options) == []
        assert sum(ran.counts().values()) < 130  # a whole exit has 230 and more


def _par() -> int:
    from kvmarm.el2.slots import slot

    return slot("event.par")


def _without(program: Program, text: str) -> Program:
    """Return a program that lacks the first line with a text: a faulty switch."""
    index = next(i for i, line in enumerate(program.instructions) if line.text == text)
    lines = [
        replace(line, target=line.target - (line.target > index)) if line.target is not None else line
        for i, line in enumerate(program.instructions)
        if i != index
    ]
    return Program(program.name, tuple(lines))


@pytest.mark.parametrize(
    ("phase", "text", "who"),
    [
        ("exit", "msr TPIDR_EL1, x21", "host"),
        ("exit", "ldp x19, x20, [host.x19]", "host"),
        ("entry", "msr SCTLR_EL1, x6", "guest"),
        ("entry", "ldp x4, x5, [guest.x4]", "guest"),
    ],
)
def test_a_faulty_switch_is_found_out(phase: str, text: str, who: str) -> None:
    options = configuration()
    programs = dict(boot_programs(model_of(options).programs, options.boot))
    programs[phase] = _without(programs[phase], text)
    world = WorldSwitch(lambda boot: programs)
    before = _enter(world, options)
    wrong = scene.seen_by_guest(world.machine, options)
    if phase == "exit":
        assert wrong == []
        world.exit()
        wrong = scene.lost_by_host(before, world.machine, vhe=False)
    assert wrong, who
