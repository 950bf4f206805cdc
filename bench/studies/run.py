# SPDX-License-Identifier: GPL-2.0-only
"""One run: the chosen transitions and workloads on the chosen designs, by the chosen meters, as one `Results`.

Events are counted in this process: they are the same wherever they are counted. Times come from fresh processes
(bench.meters.time_processes). Nothing here prints; `progress` is told what is going on.
"""

import fnmatch
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

from bench.catalogue.catalogue import Transition, cost_transitions, load_catalogue, select
from bench.engine.designs import check_designs
from bench.meters import compile as warm
from bench.meters import weights, yardstick
from bench.meters.events import FAMILY, Counted, differences, measure_all
from bench.meters.time_processes import CALLS, QUICK_CALLS, put_down, start_process, time_processes
from bench.results import environment
from bench.results.store import Results, new_meta, utc_now
from bench.studies.life import life_rows
from bench.studies.parts import TIME, Measured, Part, measure_parts
from bench.studies.workloads import measure_workloads
from bench.switches.tables import chosen_platforms, switch_rows, transition_tables, vgic_cycle_rows
from bench.switches.transitions import GROUP, switch_transitions
from bench.system.interruption import deferred
from kvmarm.config import VmConfig
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.jit import JIT_ENABLED

METERS = ("events", "instructions", "time", "cycles")
PARTS = ("transitions", "workloads", "switch", "life")
DEFAULT_DESIGNS = ("old", "new")
QUICK_GROUPS = ("overflow", "migration")

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how much of it is done, of how much)."""


@dataclass
class Options:
    """What a run is to measure.

    gics, vcpus, irqs, lrs, pending: the configuration, one for each GIC version. transitions: patterns, none for all.
    catalogue: TOML files with more transitions. meters, parts: what of METERS and PARTS. platforms: whose cycles, None
    for all. processes: fresh processes of the time meter; passes: how often each goes over the transitions. quick: the
    transitions with known instruction counts, overflow and migration, fewer calls a sample, the boots alone and not
    timed.
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
    parts: Sequence[str] = PARTS
    platforms: Sequence[str] | None = None
    processes: int = 6
    passes: int = 1
    quick: bool = False

    @property
    def timed(self) -> bool:
        """Whether times are measured: not without JIT, where they would be those of the interpreter."""
        return "time" in self.meters and JIT_ENABLED

    def configurations(self) -> list[VmConfig]:
        """Return one configuration a GIC version. Raises UsageError when one is out of range."""
        return [VmConfig(gic, self.vcpus, self.irqs, self.lrs) for gic in self.gics]

    def chosen(self) -> list[Transition]:
        """Return the transitions to measure. Raises UsageError for a name or file that is not right."""
        if "transitions" not in self.parts:
            return []
        catalogue = load_catalogue(self.catalogue)
        names = {transition.name for transition in switch_transitions()}
        patterns = [one for one in split(self.transitions) if not _named(one, names)]
        if self.transitions and not patterns:
            return []
        if not patterns and self.quick:
            own = [name for name, entry in catalogue.items() if entry.source in {str(path) for path in self.catalogue}]
            patterns = [*cost_transitions(), *QUICK_GROUPS, *own]
        return select(catalogue, patterns)

    def chosen_switch(self) -> list[str]:
        """Return the names of the world switch's transitions to measure: all, or those that a pattern names."""
        if "switch" not in self.parts:
            return []
        names = [transition.name for transition in switch_transitions()]
        if not self.transitions:
            return names
        return [name for name in names if any(_named(one, {name}) for one in split(self.transitions))]


def split(patterns: Iterable[str]) -> list[str]:
    """Return the parts of comma-separated patterns."""
    return [part for pattern in patterns for part in pattern.split(",") if part]


def check_patterns(patterns: Sequence[str]) -> None:
    """Raise UsageError for patterns that hold no name at all: `,` is not all of the catalogue."""
    if patterns and not split(patterns):
        raise UsageError("--transitions: expected at least one name, group or pattern")


def _named(pattern: str, switch_names: set[str]) -> bool:
    return pattern == GROUP or bool(fnmatch.filter(switch_names, pattern))


def silent(what: str, done: int, total: int) -> None:
    """Ignore progress."""


def check(options: Options) -> None:
    """Raise UsageError for options that no run can satisfy, before anything is compiled or measured."""
    check_designs(options.designs)
    for word, given, known in (("meter", options.meters, METERS), ("part", options.parts, PARTS)):
        if not given:
            raise UsageError(f"--{word}s: expected at least one of {', '.join(known)}")
        for name in given:
            if name not in known:
                raise UsageError(f"{word} {name!r}: expected one of {', '.join(known)}")
    check_patterns(options.transitions)
    if options.platforms is not None and not options.platforms:
        raise UsageError("--platforms: expected at least one platform")
    if "cycles" in options.meters:
        chosen_platforms(options.platforms)
    for word, number in (("processes", options.processes), ("passes", options.passes)):
        if number < 1:
            raise UsageError(f"{word}={number}: expected 1 or more")
    if options.pending < 0:
        raise UsageError(f"pending={options.pending}: expected 0 or more")
    configurations = options.configurations()
    transitions = options.chosen()
    for config in configurations:
        for transition in transitions:
            if transition.source in map(str, options.catalogue):
                transition.check(config)
        if transitions and all(
            transition.effective_pending(config, options.pending) is None for transition in transitions
        ):
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


def code_needed(options: Options) -> list[str]:
    """Return the compiled code (bench.meters.compile.PARTS) that a run needs."""
    needed = ["counting"]
    if options.timed:
        needed.append("timing")
        if "workloads" in options.parts and not options.quick:
            needed.append("plain")
    return needed


@dataclass
class Outcome:
    """What a run gave: its results, one line a point whose states were not the expected ones, one a part that failed.

    interrupted: it was ended from outside; the metadata say what the results lack.
    """

    results: Results
    unexpected: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    interrupted: bool = False


def _parts(options: Options, progress: Progress, waiting: list[Popen[str]]) -> list[Part]:
    """Return the parts of a run in the order in which they are measured. waiting: timing processes started already."""
    transitions = options.chosen()
    places = [(config, options.pending) for config in options.configurations()]
    platforms = chosen_platforms(options.platforms) if "cycles" in options.meters else []

    def count(measured: Measured) -> None:
        points: list[Counted] = []
        steps = [(name, config) for config, _ in places for name in options.designs]
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
            transitions,
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
        chosen = set(options.chosen_switch())
        own = transition_tables(options.gics, options.lrs, platforms, options.timed and not options.quick)
        own = {name: [row for row in table if row["transition"] in chosen] for name, table in own.items()}
        own["switch"] = switch_rows(options.gics, options.lrs)
        wrong = [row for row in own["transitions"] if not row["ok"]]
        measured.unexpected += [f"{row['design']} {row['transition']}: {row['after']}" for row in wrong]
        measured.add(own)

    def workloads(measured: Measured) -> None:
        timed = options.timed and not options.quick
        measured.add(measure_workloads(options.designs, options.gics, timed, options.quick, progress))

    def lives(measured: Measured) -> None:
        progress("whole lives", 0, 1)
        priced = options.platforms if "cycles" in options.meters else []
        place = (options.irqs, options.vcpus, options.lrs, options.pending)
        measured.add({"life": life_rows(options.designs, options.gics, priced, *place)})

    wanted = {
        "transitions": bool(transitions),
        TIME: bool(transitions) and options.timed,
        "switch": bool(options.chosen_switch()),
        "workloads": "workloads" in options.parts,
        "life": "life" in options.parts,
    }
    measures = (count, time, switches, workloads, lives)
    return [part for part in zip(wanted, measures, strict=True) if wanted[part[0]]]


def execute(options: Options, progress: Progress = silent, folder: Path | None = None) -> Outcome:
    """Measure, and save to `folder` when one is given.

    An interruption keeps the parts that are done, and a part that fails keeps the others: see `Outcome`. Raises
    UsageError for bad options (status 2); UsageError with status 5 or KeyboardInterrupt when nothing was measured.
    """
    check(options)
    compile_seconds = warm.ensure_compiled(options.designs, code_needed(options))
    meta = new_meta("run")
    pair: dict[str, Any] = {"lock_pair_ns": None, "lock_pair_by": "none"}

    def yard(measured: Measured) -> None:
        pair["lock_pair_ns"], pair["lock_pair_by"] = yardstick.lock_pair_ns()

    waiting: list[Popen[str]] = []
    parts = _parts(options, progress, waiting)
    if TIME in dict(parts):
        # It loads while the events are counted, then waits for its job: a second less for a quick run on two cores.
        waiting.append(start_process())
    try:
        measured = measure_parts([*parts, ("lock pair", yard)] if options.timed else parts)
    finally:
        put_down(waiting)
    with deferred(again=measured.interrupted):
        meta |= describe(options, compile_seconds) | pair | {"complete": not measured.missing, "finished": utc_now()}
        if measured.missing:
            meta |= _told_missing(options, measured, meta)
        results = Results(meta, measured.tables())
        if folder is not None:
            results.save(folder, replace=True)
    return Outcome(results, measured.unexpected, measured.failures, measured.interrupted)


def _told_missing(options: Options, measured: Measured, meta: dict[str, Any]) -> dict[str, Any]:
    """Return what the metadata of a run say that lacks something: what, and why."""
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
            "parts": list(options.parts),
            "quick": options.quick,
            "processes": options.processes,
            "passes": options.passes,
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
    from bench.results.store import new_folder

    return Path(path) if path else new_folder(kind)
