# SPDX-License-Identifier: GPL-2.0-only
"""One run: the chosen transitions and workloads on the chosen designs, by the chosen meters, as one `Results`.

Events are counted in this process: they are the same wherever they are counted. Times come from fresh processes
(bench.timing_run). Nothing here prints; `progress` is told what is going on.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench import environment, warm, weights, yardstick
from bench.interleave import with_times
from bench.measure import FAMILY, Counted, differences, measure_all
from bench.results import Results, frame, new_meta, utc_now
from bench.timing_run import CALLS, QUICK_CALLS, time_points
from bench.transitions.catalogue import Transition, cost_transitions, load_catalogue, select
from bench.workload_run import measure_workloads
from kvmarm.config import VmConfig
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.jit import JIT_ENABLED

METERS = ("events", "instructions", "time", "workloads")
DEFAULT_DESIGNS = ("old", "new")
QUICK_GROUPS = ("overflow", "migration")

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how much of it is done, of how much)."""


@dataclass
class Options:
    """What a run is to measure.

    gics, vcpus, irqs, lrs, pending: the configuration, one for each GIC version. transitions: patterns, none for all.
    catalogue: TOML files with more transitions. processes: fresh processes of the time meter. quick: the transitions
    with known instruction counts, overflow and migration, fewer calls a sample, the boots alone.
    """

    designs: Sequence[str] = DEFAULT_DESIGNS
    gics: Sequence[int] = (2, 3)
    irqs: int = 256
    vcpus: int = 4
    lrs: int = 4
    pending: int = 0
    transitions: Sequence[str] = ()
    catalogue: Sequence[str] = ()
    meters: Sequence[str] = METERS
    processes: int = 6
    quick: bool = False

    def configurations(self) -> list[VmConfig]:
        """Return one configuration a GIC version. Raises UsageError when one is out of range."""
        return [VmConfig(gic, self.vcpus, self.irqs, self.lrs) for gic in self.gics]

    def chosen(self) -> list[Transition]:
        """Return the transitions to measure. Raises UsageError for a name or file that is not right."""
        catalogue = load_catalogue(self.catalogue)
        patterns = list(self.transitions)
        if not patterns and self.quick:
            own = [name for name, entry in catalogue.items() if entry.source in {str(path) for path in self.catalogue}]
            patterns = [*cost_transitions(), *QUICK_GROUPS, *own]
        return select(catalogue, patterns)


def silent(what: str, done: int, total: int) -> None:
    """Ignore progress."""


def check(options: Options) -> None:
    """Raise UsageError for options that no run can satisfy, before anything is compiled or measured."""
    for name in options.designs:
        get_design(name)
    for meter in options.meters:
        if meter not in METERS:
            raise UsageError(f"meter {meter!r}: expected one of {', '.join(METERS)}")
    if options.processes < 1:
        raise UsageError(f"processes={options.processes}: expected 1 or more")
    configurations = options.configurations()
    transitions = options.chosen()
    for config in configurations:
        if all(transition.effective_pending(config, options.pending) is None for transition in transitions):
            raise UsageError(f"none of the transitions applies to {config} pending={options.pending}")


def transition_rows(points: Iterable[Counted]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return rows of the tables `transitions` (without times) and `events`."""
    rows, event_rows = [], []
    for point in points:
        key = point.key()
        vector = weights.weights_of(get_design(point.design))
        rows.append(
            key
            | {
                "group": point.transition.group,
                "before": point.before,
                "operation": point.transition.trace(point.config)[-1],
                "after": point.after,
                "expected": f"{point.expected_before or '?'} -> {point.expected_after or '?'}",
                "ok": point.ok,
                "instructions": float(weights.instructions(point.counts, vector)),
                "events": int(point.counts.sum()),
                "title": point.transition.title,
                "why": point.transition.why,
            }
        )
        event_rows += [key | {"event": name, "count": count} for name, count in point.events.items()]
    return rows, event_rows


def parts_needed(options: Options) -> list[str]:
    """Return the compiled parts (bench.warm) that a run needs."""
    parts = ["counting"]
    if "time" in options.meters and JIT_ENABLED:
        parts.append("timing")
        if "workloads" in options.meters:
            parts.append("plain")
    return parts


@dataclass
class Outcome:
    """What a run gave: its results, and one line a point whose states were not the expected ones."""

    results: Results
    unexpected: list[str] = field(default_factory=list)


def execute(options: Options, progress: Progress = silent) -> Outcome:
    """Measure. Raises UsageError for bad options (status 2) or a measurement that failed (status 5)."""
    check(options)
    compile_seconds = warm.ensure_compiled(options.designs, parts_needed(options))
    meta = new_meta("run")
    transitions = options.chosen()
    configurations = options.configurations()
    points: list[Counted] = []
    steps = [(name, config) for config in configurations for name in options.designs]
    for number, (name, config) in enumerate(steps):
        progress("events", number, len(steps))
        points += measure_all(get_design(name), config, options.pending, transitions)
    rows, event_rows = transition_rows(points)
    tables = {"transitions": frame("transitions", rows), "events": frame("events", event_rows)}
    timed = "time" in options.meters and JIT_ENABLED
    if timed:
        samples = time_points(
            options.designs,
            [(config, options.pending) for config in configurations],
            transitions,
            options.processes,
            QUICK_CALLS if options.quick else CALLS,
            options.catalogue,
            lambda done, total: progress("time", done, total),
        )
        tables["samples"] = frame("samples", samples)
        tables["transitions"] = with_times(tables["transitions"], tables["samples"])
    else:
        tables["transitions"][["time_ns", "time_low", "time_high"]] = np.nan
    if "workloads" in options.meters:
        workload_tables = measure_workloads(options.designs, options.gics, timed, options.quick, progress)
        tables |= {name: frame(name, table_rows) for name, table_rows in workload_tables.items()}
    lock_ns, lock_kind = yardstick.lock_pair_ns() if JIT_ENABLED else (None, "none")
    meta |= describe(options, compile_seconds) | {"lock_pair_ns": lock_ns, "lock_pair_by": lock_kind}
    meta |= {"complete": True, "finished": utc_now()}
    return Outcome(Results(meta, tables), differences(points))


def describe(options: Options, compile_seconds: float) -> dict[str, Any]:
    """Return what the metadata says of tool, environment, options and designs."""
    designs = [get_design(name) for name in options.designs]
    notes = []
    if not JIT_ENABLED:
        notes.append("JIT is off: no times were measured")
    notes += [
        f"design {design.name}: no fitted weights, so no instruction figures"
        for design in designs
        if weights.weights_of(design) is None
    ]
    return {
        "tool": environment.tool(),
        "command": environment.command(),
        "environment": environment.environment(),
        "configuration": {
            "gic": list(options.gics),
            "irqs": options.irqs,
            "vcpus": options.vcpus,
            "lrs": options.lrs,
            "pending": options.pending,
            "transitions": list(options.transitions),
            "quick": options.quick,
            "processes": options.processes,
        },
        "designs": [
            {"name": design.name, "title": design.title, "source": design.source, "family": FAMILY}
            for design in designs
        ],
        "meters": [m for m in options.meters if m != "time" or JIT_ENABLED],
        "compile_seconds": round(compile_seconds, 1),
        "notes": notes,
    }


def default_output(path: str | None, kind: str) -> Path:
    """Return the results folder to write: the one asked for, or a new one under `results`."""
    from bench.results import new_folder

    return Path(path) if path else new_folder(kind)
