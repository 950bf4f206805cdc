# SPDX-License-Identifier: GPL-2.0-only
"""One run: the chosen transitions and workloads on the chosen designs, by the chosen meters, as one `Results`.

Events are counted in this process: they are the same wherever they are counted. Times come from fresh processes
(bench.meters.time_processes). Nothing here prints; `progress` is told what is being done.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

from bench.meters import compile as warm
from bench.meters import weights, yardstick
from bench.meters.events import FAMILY, Counted, differences, measure_all
from bench.meters.time_processes import CALLS, QUICK_CALLS, put_down, start_process, time_processes
from bench.results import environment
from bench.results.folders import new_folder
from bench.results.meta import new_meta, utc_now
from bench.results.store import Results
from bench.studies.life import life_rows
from bench.studies.options import Options, RunPlan
from bench.studies.parts import TIME, Measured, Part, measure_parts
from bench.studies.workloads import measure_workloads
from bench.switches.tables import switch_rows, transition_tables, vgic_cycle_rows
from bench.system.interruption import deferred
from bench.system.progress import SILENT, Progress
from kvmarm.design import get_design
from kvmarm.jit import JIT_ENABLED


def transition_rows(points: Iterable[Counted]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return rows of the tables `transitions` (without times) and `events`."""
    rows, event_rows = [], []
    for point in points:
        key = point.key()
        design = get_design(point.design)
        known = not point.has_none and (not point.transition.lpis or weights.covers_lpis(design))
        vector = weights.weights_of(design) if known else None
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


@dataclass
class Outcome:
    """What a run gave: its results, one line per point with unexpected states, one per part that failed.

    interrupted: it was ended from outside; the metadata say what the results lack.
    """

    results: Results
    unexpected: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    interrupted: bool = False


def _parts(plan: RunPlan, progress: Progress, waiting: list[Popen[str]]) -> list[Part]:
    """Return the parts of a run in the order in which they are measured. waiting: timing processes started already."""
    options, transitions, platforms = plan.options, plan.transitions, list(plan.platforms)
    places = [(config, options.pending) for config in plan.configurations]
    timed = [transition for transition in transitions if not transition.lpis]

    def count(measured: Measured) -> None:
        points: list[Counted] = []
        counted = (*plan.configurations, *plan.lpi_configurations)
        steps = [(name, config) for config in counted for name in options.designs]
        for number, (name, config) in enumerate(steps):
            progress("events", number, len(steps))
            points += measure_all(get_design(name), config, options.pending, transitions)
        rows, event_rows = transition_rows(points)
        cycle_rows = vgic_cycle_rows(points, platforms)
        measured.unexpected += differences(points)
        measured.add({"transitions": rows, "events": event_rows, "cycles": cycle_rows})

    def time(measured: Measured) -> None:
        for rows in time_processes(
            options.designs,
            places,
            timed,
            options.processes,
            QUICK_CALLS if options.quick else CALLS,
            options.catalogue,
            lambda done, total: progress("time", done, total),
            options.passes,
            waiting,
        ):
            measured.add({"samples": rows})

    def switches(measured: Measured) -> None:
        progress("world switches", 0, 1)
        chosen = set(plan.switch)
        own = transition_tables(options.gics, options.lrs, platforms, plan.timed and not options.quick)
        own = {name: [row for row in table if row["transition"] in chosen] for name, table in own.items()}
        own["switch"] = switch_rows(options.gics, options.lrs)
        wrong = [row for row in own["transitions"] if not row["ok"]]
        measured.unexpected += [f"{row['design']} {row['transition']}: {row['after']}" for row in wrong]
        measured.add(own)

    def workloads(measured: Measured) -> None:
        timed = plan.timed and not options.quick
        measured.add(measure_workloads(options.designs, options.gics, timed, options.quick, progress))

    def lives(measured: Measured) -> None:
        progress("whole lives", 0, 1)
        priced = options.platforms if "cycles" in options.meters else []
        place = (options.irqs, options.vcpus, options.lrs, options.pending)
        measured.add({"life": life_rows(options.designs, options.gics, priced, *place)})

    wanted = {
        "transitions": bool(transitions),
        TIME: bool(timed) and plan.timed,
        "switch": bool(plan.switch),
        "workloads": "workloads" in options.parts,
        "life": "life" in options.parts,
    }
    measures = (count, time, switches, workloads, lives)
    return [part for part in zip(wanted, measures, strict=True) if wanted[part[0]]]


def execute(plan: RunPlan, progress: Progress = SILENT, folder: Path | None = None) -> Outcome:
    """Measure, and save to `folder` when one is given.

    An interruption keeps the parts that are done, and a part that fails keeps the others: see `Outcome`. Raises
    UsageError with status 5 or KeyboardInterrupt when nothing was measured.
    """
    options = plan.options
    compile_seconds = warm.ensure_compiled(options.designs, plan.code_needed(), progress)
    meta = new_meta("run")
    pair: dict[str, Any] = {"lock_pair_ns": None, "lock_pair_by": "none"}

    def yard(measured: Measured) -> None:
        pair["lock_pair_ns"], pair["lock_pair_by"] = yardstick.lock_pair_ns()

    waiting: list[Popen[str]] = []
    parts = _parts(plan, progress, waiting)
    if TIME in dict(parts):
        # It loads while the events are counted, then waits for its job: a second less for a quick run on two cores.
        waiting.append(start_process())
    try:
        measured = measure_parts([*parts, ("lock pair", yard)] if plan.timed else parts)
    finally:
        put_down(waiting)
    with deferred(again=measured.interrupted):
        meta |= describe(options, compile_seconds) | pair | {"complete": not measured.missing, "finished": utc_now()}
        if measured.missing:
            meta |= _incomplete(options, measured, meta)
        results = Results(meta, measured.tables())
        if folder is not None:
            results.save_new(folder)
    return Outcome(results, measured.unexpected, measured.failures, measured.interrupted)


def _incomplete(options: Options, measured: Measured, meta: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of an incomplete run: which parts are missing, and why."""
    processes = measured.timed_processes()
    words = [
        f"{name} ({processes} of {options.processes} processes are there)" if name == TIME and processes else name
        for name in measured.missing
    ]
    how = "this run was interrupted" if measured.interrupted else "a part of this run failed"
    untimed = TIME in measured.missing and not processes
    return {
        "interrupted": measured.interrupted,
        "missing": list(measured.missing),
        "meters": [meter for meter in meta["meters"] if meter != TIME or not untimed],
        "notes": [*meta["notes"], f"{how}; it lacks: {', '.join(words)}", *measured.failures],
    }


def describe(options: Options, compile_seconds: float) -> dict[str, Any]:
    """Return what the metadata says of tool, environment, options and designs."""
    designs = [get_design(name) for name in options.designs]
    notes = []
    if not JIT_ENABLED:
        notes.append("JIT is off: no times were measured")
    notes += [
        f"design {design.name}: no fitted weights, so no instruction figures, only intervals by borrowed weights"
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
            "parts": list(options.parts),
            "quick": options.quick,
            "processes": options.processes,
            "passes": options.passes,
        },
        "designs": [
            {
                "name": design.name,
                "title": design.title,
                "source": design.source,
                "family": FAMILY,
                "origin": design.origin,
                **({"borrowed_weights": weights.borrowed_weights()} if weights.weights_of(design) is None else {}),
            }
            for design in designs
        ],
        "meters": [m for m in options.meters if m != "time" or JIT_ENABLED],
        "compile_seconds": round(compile_seconds, 1),
        "notes": notes,
    }


def default_output(path: str | None, kind: str) -> Path:
    """Return the results folder to write: the one asked for, or a new one under `results`."""
    return Path(path) if path else new_folder(kind)
