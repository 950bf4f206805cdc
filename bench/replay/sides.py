# SPDX-License-Identifier: GPL-2.0-only
"""What a replay says of one design: counts, costs, how long interrupts waited, how far it agrees with the recording."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.meters import weights
from bench.replay import checks
from bench.replay.stretch import Run
from bench.switches.listing import run as run_switch
from bench.switches.listing import variants
from kvmarm.cycles import switch_cost
from kvmarm.el2.configuration import Configuration
from kvmarm.events import event_names
from kvmarm.platforms import Platform
from kvmarm.trace import (
    ACK,
    BPR,
    CTLR,
    DIR,
    EOI,
    FLUSH,
    GMEM_R,
    GMEM_W,
    KIND_NAMES,
    MAP,
    MMIO_R,
    MMIO_W,
    PHYS,
    PMR,
    SYNC,
    UNMAP,
)

NO_VGIC_WORK = (ACK, EOI, DIR, PMR, CTLR, BPR, PHYS, MAP, UNMAP, GMEM_W, GMEM_R)
"""Kinds that are the guest's or the host's, not the VGIC's."""


@dataclass(frozen=True)
class Cost:
    """Operations and what they cost: predicted instructions (None: no weights), events by name, cycles."""

    operations: int
    instructions: float | None
    events: dict[str, int]
    cycles: float


@dataclass(frozen=True)
class Waits:
    """How long interrupts waited from the rise of their line, or the SGI, to the acknowledge.

    In operations and in cycles of the VGIC; None where none was acknowledged. operations_log2: how many by log2.
    """

    interrupts: int
    operations_mean: float | None
    operations_most: int | None
    operations_log2: list[int]
    cycles_mean: float | None
    cycles_most: float | None


@dataclass(frozen=True)
class Side:
    """One design's outcome. Everything but `apart` is of the operations that were recorded.

    kinds: cost by kind of operation. bug: the BUG_ON that ended the run. live_lrs: entries by list registers in use.
    time_ns: of the model on this host. apart: the operations that are no part of the recording (set-up, epilogue).
    loads, list_registers: see bench.replay.checks.
    """

    operations: int
    instructions: float | None
    events: dict[str, int]
    cycles: float
    kinds: dict[str, Cost]
    bug: str | None
    entries: int
    exits: int
    kicks: int
    delivered: int
    spurious: int
    vgic_operations: int
    mmio: int
    mmio_share: float
    live_lrs: list[int]
    time_ns: float | None
    timed_operations: int
    latency: Waits
    apart: Cost
    loads: dict[str, Any] | None
    list_registers: dict[str, Any] | None

    @property
    def mmio_instructions(self) -> float:
        """Instructions of the MMIO operations."""
        return sum(self.kinds[kind].instructions or 0.0 for kind in ("mmio_r", "mmio_w") if kind in self.kinds)

    @property
    def measure(self) -> float:
        """What designs are compared by: instructions, or events where no weights are fitted."""
        return measure_of(self)


def measure_of(row: Cost | Side) -> float:
    """Return a row's instructions, or its number of events where no weights are fitted."""
    return float(sum(row.events.values())) if row.instructions is None else row.instructions


@dataclass(frozen=True)
class SwitchCost:
    """Entries and exits of one design on one world switch: instructions and cycles of all of them together.

    total_cycles: with the VGIC's own.
    """

    design: str
    switch: str
    round_trips: int
    instructions: int
    cycles: float
    total_cycles: float


def side_of(run: Run, compared: bool) -> Side:
    """Return one design's outcome. compared: the operations come from a recording that says what really happened."""
    tally = run.tally
    known = not run.config.its or weights.covers_lpis(run.design)
    prices = weights.weights_of(run.design) if known else None

    def cost(operations: int, events: np.ndarray) -> Cost:
        instructions = float(weights.instructions(events, prices))
        named = {name: int(count) for name, count in zip(event_names(), events, strict=True) if count}
        known = None if math.isnan(instructions) else instructions
        return Cost(operations, known, named, float(events @ tally.prices))

    counts = np.asarray(tally.counts)
    total = cost(int(tally.operations), tally.events.sum(axis=0))
    mmio = int(counts[MMIO_R] + counts[MMIO_W])
    work = int(counts.sum() - counts[list(NO_VGIC_WORK)].sum())
    return Side(
        operations=total.operations,
        instructions=total.instructions,
        events=total.events,
        cycles=float(tally.cost),
        kinds={
            name: cost(int(counts[kind]), tally.events[kind]) for kind, name in enumerate(KIND_NAMES) if counts[kind]
        },
        bug=run.bug,
        entries=int(counts[FLUSH]),
        exits=int(counts[SYNC]),
        kicks=int(tally.kicks),
        delivered=int(tally.delivered),
        spurious=int(tally.spurious),
        vgic_operations=work,
        mmio=mmio,
        mmio_share=mmio / work if work else 0.0,
        live_lrs=run.live.tolist(),
        time_ns=run.seconds * 1e9 / run.timed_operations * total.operations if run.timed_operations else None,
        timed_operations=run.timed_operations,
        latency=_waits(run),
        apart=cost(int(tally.apart_counts.sum()), tally.apart_events.sum(axis=0)),
        loads=checks.loads(run) if compared else None,
        list_registers=checks.entries(run),
    )


def _waits(run: Run) -> Waits:
    tally = run.tally
    waits = int(tally.waits)
    filled = np.flatnonzero(tally.waits_log2)
    return Waits(
        interrupts=waits,
        operations_mean=int(tally.waited_operations) / waits if waits else None,
        operations_most=int(tally.longest_operations) if waits else None,
        operations_log2=tally.waits_log2[: int(filled[-1]) + 1 if len(filled) else 0].tolist(),
        cycles_mean=float(tally.waited_cost) / waits if waits else None,
        cycles_most=float(tally.longest_cost) if waits else None,
    )


def world_switches(runs: Sequence[Run], platform: Platform) -> list[SwitchCost]:
    """Return what the entries and exits cost on every world switch, by design.

    A round trip ends in an interrupt exit; how many list registers are in use at each entry is the design's. The
    switches are AArch64 programs, so these instructions are Arm's, not the x86-64 ones of the VGIC; cycles of both add
    up.
    """
    rows: list[SwitchCost] = []
    for run in runs:
        config = run.config
        totals: dict[str, tuple[int, float]] = {}
        for live in np.flatnonzero(run.live).tolist():
            base = Configuration(gic=f"v{config.gic}", nr_lr=config.lrs, live_lrs=live, exit="irq")
            for title, variant in variants(base):
                phases = run_switch(variant).values()
                instructions, cycles = totals.get(title, (0, 0.0))
                times = int(run.live[live])
                instructions += times * sum(sum(phase.counts().values()) for phase in phases)
                cycles += times * sum(switch_cost(platform, phase).total for phase in phases)
                totals[title] = instructions, cycles
        entries = int(run.live.sum())
        rows += [
            SwitchCost(run.design.name, title, entries, instructions, cycles, cycles + float(run.tally.cost))
            for title, (instructions, cycles) in totals.items()
        ]
    return rows
