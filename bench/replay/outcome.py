# SPDX-License-Identifier: GPL-2.0-only
"""A recording through every design: what it would have cost on each, and how far to trust that.

`replay` returns plain data (dicts of numbers and text) that the command prints, writes as JSON or keeps as a results
folder. Instructions are predictions for the real kernel code (bench.meters.weights); time is this host's, of the model.
"""

import contextlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.meters import weights
from bench.recordings.convert import Progress, Recording, open_recording
from bench.recordings.options import Options
from bench.recordings.placement import common as placing
from bench.recordings.readers import detect
from bench.recordings.write import header
from bench.replay import checks as replay_checks
from bench.replay.stretch import (
    S_DELIVERED,
    S_DONE,
    S_KICKS,
    S_LATENCIES,
    S_LATENCY_MOST,
    S_LATENCY_OPS,
    S_SPURIOUS,
    Run,
)  # fmt: skip
from kvmarm.cycles import event_prices, switch_cost
from kvmarm.design import get_design
from kvmarm.events import event_names
from kvmarm.files import atomic_write
from kvmarm.platforms import Platform, load_platform
from kvmarm.trace import (
    ACK,
    BPR,
    CTLR,
    DIR,
    EOI,
    FLUSH,
    KIND_NAMES,
    MAP,
    MMIO_R,
    MMIO_W,
    PHYS,
    PMR,
    SYNC,
    UNMAP,
    format_op,
)  # fmt: skip

DEFAULT_PLATFORM = "seattle"
NO_VGIC_WORK = (ACK, EOI, DIR, PMR, CTLR, BPR, PHYS, MAP, UNMAP)
"""Kinds that are the guest's or the host's, not the VGIC's."""


def replay(
    path: str,
    options: Options | None = None,
    designs: Sequence[str] = ("old", "new"),
    output: Path | None = None,
    progress: Progress | None = None,
    platform: str = DEFAULT_PLATFORM,
) -> dict[str, Any]:
    """Replay one recording (`-`: standard input) and return the outcome; see `_outcome` for its keys.

    output: file to write the converted trace to. platform: whose prices turn events into cycles. Raises UsageError for
    anything that is no usable recording.
    """
    machine = load_platform(platform)
    with open_recording(path, options, progress) as recording:
        runs = []
        for name in designs:
            design = get_design(name)
            prices = event_prices(machine, weights.weights_of(design))
            runs.append(Run(design, recording.config, prices, recording.lr_layout))
        compare = recording.kind != detect.TRACE
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(atomic_write(output)) if output is not None else None
            if file is not None:
                file.write(f"{header(recording)}\nconfig {recording.config}\n".encode())
            for chunk in recording.chunks(progress):
                if file is not None:
                    file.write("".join(f"{format_op(op)}\n" for op in chunk.ops).encode())
                for run in runs:
                    run.feed(chunk, compare)
        return _outcome(recording, runs, machine)


def _outcome(recording: Recording, runs: list[Run], platform: Platform) -> dict[str, Any]:
    placed = recording.placed
    groups: dict[str, dict[str, int]] = {"seen": {}, "inferred": {}, "dropped": {}}
    for group, name, _ in placing.COUNTERS:
        if placed.get(name):
            groups[group][name] = placed[name]
    for kind, count in sorted(recording.not_converted.items()):
        groups["dropped"][kind] = count
    config = recording.config
    return {
        "recording": recording.name,
        "kind": recording.kind,
        "config": {"gic": config.gic, "vcpus": config.vcpus, "irqs": config.irqs, "lrs": config.lrs},
        "lines": recording.lines,
        "facts": recording.facts,
        **groups,
        "totals": {name: sum(values.values()) for name, values in groups.items()},
        "epilogue": recording.epilogue,
        "platform": platform.name,
        "designs": {run.design.name: design_outcome(run, recording.kind != detect.TRACE) for run in runs},
        "switches": world_switches(runs, platform),
    }


def design_outcome(run: Run, compared: bool) -> dict[str, Any]:
    """Return one design's outcome. compared: the operations come from a recording that says what really happened."""
    prices = weights.weights_of(run.design)
    kinds = {}
    for kind, name in enumerate(KIND_NAMES):
        if run.counts[kind]:
            kinds[name] = _row(int(run.counts[kind]), run.events[kind], prices)
            kinds[name]["cycles"] = float(run.events[kind] @ run.prices)
    delivered, waits = int(run.s[S_DELIVERED]), int(run.s[S_LATENCIES])
    mmio = int(run.counts[MMIO_R] + run.counts[MMIO_W])
    work = int(run.counts.sum() - run.counts[list(NO_VGIC_WORK)].sum())
    total = _row(int(run.s[S_DONE]), run.events.sum(axis=0), prices)
    return {
        **total,
        "cycles": float(run.cycles[0]),
        "kinds": kinds,
        "bug": run.bug,
        "entries": int(run.counts[FLUSH]),
        "exits": int(run.counts[SYNC]),
        "kicks": int(run.s[S_KICKS]),
        "delivered": delivered,
        "spurious": int(run.s[S_SPURIOUS]),
        "vgic_operations": work,
        "mmio": mmio,
        "mmio_share": mmio / work if work else 0.0,
        "live_lrs": run.live.tolist(),
        "time_ns": run.seconds * 1e9 / run.timed_operations * total["operations"] if run.timed_operations else None,
        "timed_operations": run.timed_operations,
        "latency": {
            "interrupts": waits,
            "operations_mean": int(run.s[S_LATENCY_OPS]) / waits if waits else None,
            "operations_most": int(run.s[S_LATENCY_MOST]) if waits else None,
            "operations_log2": run.latencies[: _last(run.latencies) + 1].tolist(),
            "cycles_mean": float(run.cycles[1]) / waits if waits else None,
            "cycles_most": float(run.cycles[2]) if waits else None,
        },
        "loads": replay_checks.loads(run) if compared else None,
        "list_registers": replay_checks.entries(run),
    }


def world_switches(runs: Sequence[Run], platform: Platform) -> list[dict[str, Any]]:
    """Return what the entries and exits cost on every world switch, by design: instructions and cycles, in all.

    A round trip ends in an interrupt exit; how many list registers are in use at each entry is the design's. The
    switches are AArch64 programs, so these instructions are Arm's, not the x86-64 ones of the VGIC; cycles of both add
    up (`total_cycles`).
    """
    from bench.switches.listing import run as run_switch
    from bench.switches.listing import variants
    from kvmarm.el2.configuration import Configuration

    rows: list[dict[str, Any]] = []
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
            {
                "design": run.design.name,
                "switch": title,
                "round_trips": entries,
                "instructions": instructions,
                "cycles": cycles,
                "total_cycles": cycles + float(run.cycles[0]),
            }
            for title, (instructions, cycles) in totals.items()
        ]
    return rows


def _last(histogram: np.ndarray) -> int:
    filled = np.flatnonzero(histogram)
    return int(filled[-1]) if len(filled) else -1


def _row(operations: int, events: np.ndarray, prices: np.ndarray | None) -> dict[str, Any]:
    instructions = float(weights.instructions(events, prices))
    return {
        "operations": operations,
        "instructions": None if math.isnan(instructions) else instructions,
        "events": {name: int(count) for name, count in zip(event_names(), events, strict=True) if count},
    }


def break_even(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any] | None:
    """How much MMIO would this workload need before the first design wins? `old`, `new`: values of outcome["designs"].

    The cost of an average MMIO operation and of an average other VGIC operation is kept, their share changed. Returns
    mmio and other cost of each, the share now and the share at which both cost the same (None: at no share), and which
    wins above it, "first" or "second". None when instructions are not known or there is no MMIO.
    """
    sides = []
    for side in (old, new):
        if side["instructions"] is None:
            return None
        mmio = sum(side["kinds"].get(kind, {"instructions": 0})["instructions"] for kind in ("mmio_r", "mmio_w"))
        count = side["mmio"]
        others = side["vgic_operations"] - count
        if not count or not others:
            return None
        rest = side["instructions"] - mmio
        sides.append((mmio / count, rest / others))
    (old_mmio, old_rest), (new_mmio, new_rest) = sides
    slope = (old_mmio - new_mmio) - (old_rest - new_rest)
    share = -(old_rest - new_rest) / slope if slope else math.inf
    inside = 0 <= share <= 1
    return {
        "share": old["mmio"] / old["vgic_operations"],
        "old_mmio": old_mmio,
        "new_mmio": new_mmio,
        "old_other": old_rest,
        "new_other": new_rest,
        "break_even": share if inside else None,
        "wins_above": ("second" if slope > 0 else "first") if inside else None,
        "wins_always": None if inside else ("first" if old_mmio < new_mmio else "second"),
    }


def results_tables(outcomes: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return rows of the results tables `workloads` and `workload_events` for the outcomes."""
    rows: list[dict[str, Any]] = []
    event_rows: list[dict[str, Any]] = []
    for outcome in outcomes:
        workload = Path(outcome["recording"]).name
        for design, side in outcome["designs"].items():
            for kind, row in [*side["kinds"].items(), ("total", side)]:
                rows.append(
                    {
                        "workload": workload,
                        "source": outcome["kind"],
                        "gic": outcome["config"]["gic"],
                        "vcpus": outcome["config"]["vcpus"],
                        "design": design,
                        "kind": kind,
                        "operations": row["operations"],
                        "instructions": math.nan if row["instructions"] is None else row["instructions"],
                        "time_ns": math.nan if kind != "total" or side["time_ns"] is None else side["time_ns"],
                        "mmio_share": side["mmio_share"],
                    }
                )
                event_rows += [
                    {"workload": workload, "design": design, "kind": kind, "event": name, "count": count}
                    for name, count in row["events"].items()
                ]
    return {"workloads": rows, "workload_events": event_rows}


def save_results(outcomes: Sequence[dict[str, Any]], folder: Path, designs: Sequence[str]) -> Path:
    """Keep outcomes as a results folder of kind `replay`. Raises UsageError when it cannot be written."""
    from bench.results import environment
    from bench.results.meta import new_meta, utc_now
    from bench.results.schema import frame
    from bench.results.store import Results

    tables = {name: frame(name, rows) for name, rows in results_tables(outcomes).items()}
    chosen = [get_design(name) for name in designs]
    meta = new_meta(
        "replay",
        tool=environment.tool(),
        environment=environment.environment(),
        command=environment.command(),
        designs=[{"name": design.name, "title": design.title, "source": design.source} for design in chosen],
        replays=list(outcomes),
    )
    meta |= {"complete": True, "finished": utc_now()}
    return Results(meta, tables).save(folder, replace=True)
