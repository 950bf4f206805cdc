# SPDX-License-Identifier: GPL-2.0-only
"""The whole life of an interrupt, phase by phase, for every pairing of VGIC design and world switch.

A scenario is played on a design through the interface, counting. What the design leaves in the list registers at entry,
and what the guest makes of them, is a configuration. Each world switch is then run with it. So the pairing shows where
the two meet: a design that fills a list register makes the C switch move it. Costs are instructions (predicted ones of
the VGIC on x86-64, counted ones of the switch on arm64) and cycles of each platform. The terms that the model cannot
know are separate phases (the guest's accesses, the host's run loop). A platform without VHE is priced for the VHE
pairing all the same: what VHE would make of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.catalogue.language import compile_lines
from bench.engine.runner import DONE
from bench.meters.events import Stage
from bench.meters.weights import weights_of
from bench.switches.listing import run as run_switch
from bench.switches.listing import variants
from bench.switches.names import VHE_SUFFIX, name_of
from kvmarm.built_in import DEFAULT_DESIGNS
from kvmarm.config import VmConfig
from kvmarm.cycles import cost_of, priced_counts, vgic_cost
from kvmarm.design import Design, get_design
from kvmarm.el2.configuration import Configuration
from kvmarm.el2.machine import Executed
from kvmarm.errors import UsageError
from kvmarm.events import event_names
from kvmarm.lr import lr_has_eoi, lr_is_hw, lr_state
from kvmarm.platforms import Platform, load_platform, platform_names

PHASES = ("inject", "flush", "enter", "guest", "exit", "sync", "host")


@dataclass(frozen=True)
class Scenario:
    """One life. set_up, inject, guest: lines (bench.catalogue.language); guest lines run between entry and exit.

    running: the vCPU is in the guest, idle, when the interrupt comes: it is kicked out first, a second exit and sync.
    """

    name: str
    title: str
    set_up: tuple[str, ...] = ()
    inject: tuple[str, ...] = ()
    guest: tuple[str, ...] = ()
    running: bool = False


SCENARIOS = (
    Scenario("edge", "an edge-triggered SPI", inject=("inject 0 32 1",), guest=("ack 0", "eoi 0 @ack")),
    Scenario(
        "level", "a level-triggered SPI, lowered by its handler",
        inject=("inject 0 33 1",), guest=("ack 0", "inject 0 33 0", "eoi 0 @ack"),
    ),
    Scenario(
        "timer", "the virtual timer, a forwarded PPI",
        set_up=("byte IPRIORITYR 27 0", "map 0 27 27"), inject=("injectm 0 27 1",),
        guest=("ack 0", "injectm 0 27 0", "eoi 0 @ack"),
    ),
    Scenario(
        "sgi", "an SGI from another vCPU", set_up=("byte IPRIORITYR 1 0",),
        inject=("sgi {last} 1 0",), guest=("ack 0", "eoi 0 @ack"),
    ),
    Scenario(
        "kicked", "an edge-triggered SPI for a vCPU that is in the guest", running=True,
        inject=("inject 0 32 1",), guest=("ack 0", "eoi 0 @ack"),
    ),
    Scenario("idle", "an exit and entry with no interrupt at all"),
)  # fmt: skip


def scenario_names() -> tuple[str, ...]:
    """Return the names of all scenarios."""
    return tuple(scenario.name for scenario in SCENARIOS)


@dataclass(frozen=True)
class Played:
    """What a scenario did on a design. counts: phase -> int64[EVENT_COUNT]. live, lr_kind: of the entry in it."""

    counts: dict[str, np.ndarray]
    live: int
    lr_kind: str


def play(stage: Stage, scenario: Scenario) -> Played:
    """Play a scenario from the stage's standing state, and put that back. Raises UsageError when that is impossible."""
    config = stage.config
    # One operation per line, so that places in the list are places among the operations.
    kicked_out = ["sync 0"] if scenario.running else []
    first = [*scenario.set_up, *(["flush 0"] if scenario.running else [])]
    lines = [*first, *scenario.inject, *kicked_out, "flush 0", *scenario.guest, "sync 0"]
    ops = compile_lines(lines, config, f"scenario {scenario.name}")
    injected = len(first)
    out = injected + len(scenario.inject)
    entered = out + len(kicked_out) + 1
    assert len(ops) == len(lines)
    try:
        status, before = stage.play(ops[:entered])
        kind = _lr_kind(stage, completed=bool(scenario.guest))
        live = sum(1 for lr in stage.hardware.cpu[0].lr[: config.lrs] if lr_state(config.gic, lr))
        stage.reset()
        status, rows = stage.play(ops)
    finally:
        stage.reset()
    if status != DONE or len(before) != entered:
        raise UsageError(f"scenario {scenario.name}: cannot be played on design {stage.design.name} with {config}")
    counts = {
        "inject": rows[injected:out].sum(axis=0, dtype=np.int64),
        "flush": rows[entered - 1].astype(np.int64),
        "guest": rows[entered:-1].sum(axis=0, dtype=np.int64),
        "sync": rows[out : entered - 1].sum(axis=0, dtype=np.int64) + rows[-1],
    }
    return Played(counts, live, kind)


def _lr_kind(stage: Stage, *, completed: bool) -> str:
    """Return the kind of the list registers in the hardware, in the words of a switch configuration."""
    gic = stage.config.gic
    live = [lr for lr in stage.hardware.cpu[0].lr[: stage.config.lrs] if lr_state(gic, lr)]
    if any(lr_has_eoi(gic, lr) and not lr_is_hw(gic, lr) for lr in live):
        return "eoi_maint+completed" if completed else "pending+eoi_maint"
    if completed and live:
        return "completed_by_guest"
    return "pending+hw" if any(lr_is_hw(gic, lr) for lr in live) else "pending"


def life_rows(
    designs: Sequence[str] = DEFAULT_DESIGNS,
    gics: Sequence[int] = (2, 3),
    platforms: Sequence[str] | None = None,
    irqs: int = 256,
    vcpus: int = 4,
    lrs: int = 4,
    pending: int = 0,
    scenarios: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Return the rows of the results table `life`: every scenario, pairing, platform and phase.

    platforms: names or files; None for all built-in ones. scenarios: names; None for all. A platform is used with its
    own GIC version; a GIC version without a platform has rows with an empty platform and NaN cycles. Columns: design,
    switch (`asm`, `c`, `c-vhe`), gic, scenario, platform, phase, instructions, cycles, events.
    """
    priced = [load_platform(name) for name in (platform_names() if platforms is None else platforms)]
    rows: list[dict[str, Any]] = []
    for gic in gics:
        config = VmConfig(gic, vcpus, irqs, lrs)
        matching: list[Platform | None] = [platform for platform in priced if platform.gic == gic]
        for name in designs:
            design = get_design(name)
            stage = Stage(design, config, pending)
            for scenario in SCENARIOS:
                if scenarios and scenario.name not in scenarios:
                    continue
                if vcpus < 2 and scenario.name == "sgi":
                    continue
                played = play(stage, scenario)
                ran = _run_switches(config, played)
                for platform in matching or [None]:
                    rows += _pairings(design, config, scenario, played, ran, platform)
    return rows


@dataclass(frozen=True)
class _Executed:
    """One phase of a world switch: its instructions, and how many there are of each price class."""

    instructions: int
    priced: dict[str, int]


def _counted(ran: Executed) -> _Executed:
    return _Executed(sum(ran.counts().values()), priced_counts(ran))


def _run_switches(config: VmConfig, played: Played) -> dict[str, dict[str, _Executed]]:
    """Return what each variant of a switch executes for a scenario: title -> phase, and `kicked`, -> what it ran."""
    base = Configuration(
        gic=f"v{config.gic}", nr_lr=config.lrs, live_lrs=played.live, lr_kind=played.lr_kind, exit="irq"
    )
    found = {}
    for title, configuration in variants(base):
        kicked = run_switch(replace(configuration, live_lrs=0, lr_kind="pending"))["exit"]
        phases = {**run_switch(configuration), "kicked": kicked}
        found[title] = {phase: _counted(ran) for phase, ran in phases.items()}
    return found


def _pairings(
    design: Design,
    config: VmConfig,
    scenario: Scenario,
    played: Played,
    switches: dict[str, dict[str, _Executed]],
    platform: Platform | None,
) -> Iterable[dict[str, Any]]:
    for title, ran in switches.items():
        for phase in PHASES:
            instructions, cycles, events = _phase(phase, design, scenario, played, ran, platform)
            yield {
                "design": design.name,
                "switch": name_of(title),
                "gic": config.gic,
                "scenario": scenario.name,
                "platform": platform.name if platform else "",
                "phase": phase,
                "instructions": instructions,
                "cycles": cycles,
                "events": events,
            }


def _phase(
    phase: str, design: Design, scenario: Scenario, played: Played, ran: dict[str, _Executed], platform: Platform | None
) -> tuple[float, float, int]:
    """Return (instructions, cycles, events) of one phase; NaN where there is no weight or no platform."""
    if phase in ("enter", "exit"):
        executed = [ran["entry" if phase == "enter" else "exit"]]
        if phase == "exit" and scenario.running:
            executed.append(ran["kicked"])
        total = sum(one.instructions for one in executed)
        cycles = sum(cost_of(platform, one.priced).total for one in executed) if platform else np.nan
        return float(total), cycles, total
    if phase == "host":
        if platform is None:
            return 0.0, np.nan, 0
        once = platform.term("run_loop")
        return 0.0, 2 * once + platform.term("host_ipi") if scenario.running else once, 0
    counts = played.counts[phase]
    weights = weights_of(design)
    instructions = float(counts @ weights) if weights is not None else np.nan
    cycles = np.nan
    if platform:
        named = {name: int(count) for name, count in zip(event_names(), counts, strict=True) if count}
        cycles = vgic_cost(platform, named, weights).total
        if phase == "guest" and scenario.guest:
            cycles += platform.term("guest_ack_eoi")
    return instructions, cycles, int(counts.sum())


def effects(rows: Iterable[dict[str, Any]], column: str = "cycles") -> list[dict[str, Any]]:
    """Return the 2×2 of every scenario, GIC and platform: which change bought what, summed over the phases.

    The pairings are the first two designs and the first two switches in the rows. `design_effect` and `switch_effect`
    are what the second of each changes, averaged over the other; `interaction` by how much the second switch's effect
    differs between the designs, halved; `vhe_effect` what VHE changes on top of the last pairing. All in the unit of
    `column`.
    """
    listed = list(rows)
    designs = list(dict.fromkeys(row["design"] for row in listed))[:2]
    switches = [name for name in dict.fromkeys(row["switch"] for row in listed) if not name.endswith(VHE_SUFFIX)][:2]
    totals: dict[tuple[Any, ...], dict[tuple[str, str], float]] = {}
    for row in listed:
        cell = totals.setdefault((row["scenario"], row["gic"], row["platform"]), {})
        pairing = (row["design"], row["switch"])
        cell[pairing] = cell.get(pairing, 0.0) + row[column]
    result = []
    for (scenario, gic, platform), cell in totals.items():
        if len(designs) < 2 or len(switches) < 2:
            continue
        a, b, c, d = (cell[design, switch] for design in designs for switch in switches)
        last = cell.get((designs[1], switches[1] + VHE_SUFFIX))
        result.append(
            {
                "scenario": scenario,
                "gic": gic,
                "platform": platform,
                "unit": column,
                "totals": {f"{design}+{switch}": cell[design, switch] for design in designs for switch in switches},
                "design_effect": ((c - a) + (d - b)) / 2,
                "switch_effect": ((b - a) + (d - c)) / 2,
                "interaction": round(((d - c) - (b - a)) / 2, 6) + 0.0,
                "vhe_effect": last - d if last is not None else None,
            }
        )
    return result
