# SPDX-License-Identifier: GPL-2.0-only
"""The questions of the command line as Python functions: each takes what the options take.

A list may be given as one text with commas, as the option takes it, or as a Python list. Bad input raises
kvmarm.errors.UsageError with the line that the command would print. Nothing is printed; `progress` listens
(bench.system.progress.Progress).
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import reports
from bench.catalogue.catalogue import cost_transitions, load_catalogue, select
from bench.explain.steps import explain_trace
from bench.explain.target import resolve as resolve_target
from bench.gate.budget import load_budget
from bench.gate.compare import METERS as COMPARED
from bench.gate.compare import compare as compare_runs
from bench.gate.judge import judge
from bench.meters import compile as compiled
from bench.recordings.options import Options as RecordingOptions
from bench.replay import compile as replay_compiled
from bench.replay.outcome import replay as replay_recording
from bench.results import exchange
from bench.results.folders import check_new_folder
from bench.results.store import Results
from bench.studies import sweep as sweeps
from bench.studies.life import effects, life_rows
from bench.studies.options import METERS, PARTS, Options, resolve
from bench.studies.run import execute
from bench.switches.compare import comparison
from bench.system.processes import cores
from bench.system.progress import SILENT, Progress
from bench.verify import compile as verify_compiled
from bench.verify.configurations import chosen as chosen_configurations
from bench.verify.results import as_json as verify_as_json
from bench.verify.run import Task
from bench.verify.run import verify as verify_designs
from bench.verify.search import Limits
from bench.workloads.listing import chosen, costed, described
from kvmarm.config import VmConfig
from kvmarm.design import get_design
from kvmarm.el2.configuration import parse_configuration
from kvmarm.errors import UsageError
from kvmarm.platforms import load_platform, platform_names
from kvmarm.trace_read import parse_trace
from vgic_bench.answers import Compared, Explained, Judged, Replayed, Rows, Searched, Stored, Sweep
from vgic_bench.choices import designs_of, policy_of, with_lpis
from vgic_bench.contention import contend as contend
from vgic_bench.options import gic_of, gics_of, listed, numbers_of, words
from vgic_bench.show.platforms import check_rows, list_rows

Names = str | Sequence[str] | None
Numbers = str | int | Iterable[int]
PathLike = str | os.PathLike[str]


def run(
    designs: Names = None,
    gic: str | int | Iterable[int] = "2,3",
    *,
    irqs: int = 256,
    vcpus: int = 4,
    lrs: int = 4,
    pending: int = 0,
    transitions: Names = None,
    catalogue: Sequence[PathLike] = (),
    meters: Names = None,
    parts: Names = None,
    platforms: Names = None,
    processes: int | None = None,
    passes: int = 1,
    quick: bool = False,
    output: PathLike | None = None,
    progress: Progress = SILENT,
) -> Stored:
    """Measure what each state transition and recorded workload costs on each design.

    As `vgic-bench run`; output: results folder to write, none by default. Raises UsageError.
    """
    named = words(transitions)
    options = Options(
        designs=designs_of(designs),
        gics=gics_of(str(gic) if isinstance(gic, int) else gic),
        irqs=irqs,
        vcpus=vcpus,
        lrs=lrs,
        pending=pending,
        transitions=named,
        catalogue=[os.fspath(path) for path in catalogue],
        meters=listed(meters, "meters", METERS),
        parts=listed(parts, "parts", ("transitions", "switch") if named else PARTS),
        platforms=words(platforms) if platforms else None,
        processes=processes if processes is not None else (1 if quick else 6),
        passes=passes,
        quick=quick,
    )
    plan = resolve(options)
    folder = _new_folder(output)
    outcome = execute(plan, progress, folder)
    if outcome.interrupted:
        raise KeyboardInterrupt
    return Stored(outcome.results, outcome.results.folder or folder, tuple(outcome.unexpected), tuple(outcome.failures))


def sweep(
    designs: Names = None,
    gic: Numbers = "2,3",
    *,
    irqs: Numbers = "64,128,256,512,1024",
    vcpus: Numbers = "1,2,4,8",
    lrs: Numbers = "4",
    pending: Numbers = "0,1,4,16,64",
    live: Numbers = (),
    transitions: Names = None,
    catalogue: Sequence[PathLike] = (),
    jobs: int = 0,
    output: PathLike | None = None,
    progress: Progress = SILENT,
) -> Sweep:
    """Count transitions over a grid of configurations and find where a design starts to win.

    As `vgic-bench sweep`: lists of numbers are `"1..64x2"`, or Python lists. live: of the world switches' transitions,
    none by default. Unfinished blocks are kept beside `output`, or in the current folder. Raises UsageError.
    """
    plan = sweeps.Plan(
        designs=tuple(designs_of(designs)),
        gics=tuple(gic_of(each) for each in numbers_of(gic, "gic")),
        irqs=numbers_of(irqs, "irqs"),
        vcpus=numbers_of(vcpus, "vcpus"),
        lrs=numbers_of(lrs, "lrs"),
        pending=numbers_of(pending, "pending"),
        transitions=tuple(words(transitions) or cost_transitions()),
        catalogue=tuple(os.fspath(path) for path in catalogue),
        live=numbers_of(live, "live"),
    )
    sweeps.check(plan)
    folder = _new_folder(output)
    compiled.ensure_compiled(plan.designs, ["counting"], progress)
    root = folder.parent if folder else Path()
    results, work, _ = sweeps.sweep(
        plan, root, None, jobs or cores(), lambda done, total: progress("blocks", done, total)
    )
    if folder:
        folder = results.save_new(folder)
    work.remove()
    return Sweep(results, folder)


def replay(
    recording: PathLike,
    designs: Names = None,
    *,
    platform: str | None = None,
    output: PathLike | None = None,
    progress: Progress = SILENT,
    **options: Any,
) -> Replayed:
    """Replay a recording of a real host on every design.

    As `vgic-bench replay`; options: fields of bench.recordings.options.Options (gic, irqs, lrs, vmm, start, stop, …).
    output: file for the converted trace. Raises UsageError for what is no usable recording.
    """
    names = designs_of(designs)
    unknown = sorted(set(options) - set(RecordingOptions.__dataclass_fields__))
    if unknown:
        raise UsageError(f"replay: unknown option {unknown[0]!r}")
    given = RecordingOptions(**options)
    replay_compiled.ensure_compiled(names, progress)
    target = Path(output) if output is not None else None
    return Replayed(replay_recording(os.fspath(recording), given, names, target, progress, platform))


def compare(
    baseline: "PathLike | Stored",
    candidate: "PathLike | Stored",
    meters: Names = None,
    minimum_effect: float = 0.03,
) -> Compared:
    """Compare two runs row by row, with a verdict for each count and time. As `vgic-bench compare`."""
    wanted = tuple(listed(meters, "meters", COMPARED))
    return Compared(compare_runs(_results(baseline), _results(candidate), policy_of(minimum_effect), wanted))


def gate(
    baseline: "PathLike | Stored",
    candidate: "PathLike | Stored",
    *,
    budget: PathLike | None = None,
    meters: Names = None,
    partial: bool = False,
) -> Judged:
    """Judge a run by another: any changed count fails, and any time that shows a regression. As `vgic-bench gate`."""
    wanted = tuple(listed(meters, "meters", COMPARED))
    limits = load_budget(None if budget is None else Path(budget))
    judgement = judge(_results(baseline), _results(candidate), limits, wanted, partial)
    return Judged(judgement.comparison, judgement)


def explain(
    target: PathLike | list[str],
    designs: Names = None,
    *,
    op: int = 0,
    gic: int | str = 2,
    irqs: int = 256,
    vcpus: int = 4,
    lrs: int = 4,
    pending: int = 0,
    set_up: bool = False,
) -> Explained:
    """Show what each design does on a transition, a packaged workload or a trace, step by step.

    As `vgic-bench explain`; target: also a list of operations (docs/reference/trace-format.md). op: this operation only
    (from 1). A design that lacks what a trace needs (LPIs) is left out. Raises UsageError for an unknown name.

    >>> explain(["inject 0 36 1"], "old,new").changes()["what"].unique().tolist()
    ['INTID 36']
    """
    config = VmConfig(gic_of(gic), vcpus, irqs, lrs)
    if isinstance(target, list):
        text = "\n".join([f"config {config}", *target])
        trace, first, transition = parse_trace(text.encode(), "operations"), 1, None
    else:
        trace, first, transition = resolve_target(os.fspath(target), config, pending)
    names, _ = with_lpis(designs_of(designs), trace)
    only = op or (len(trace.ops) if transition is not None and not set_up else 0)
    titles = {name: get_design(name).title for name in names}
    return Explained(tuple(explain_trace(trace, names, only, first)), titles)


def verify(
    designs: Names = None,
    config: str = "small-set",
    *,
    hostile: bool = False,
    depth: int = 0,
    seconds: float = 0.0,
    progress: Progress = SILENT,
) -> Searched:
    """Search all that a small VM can do on a design for what contradicts the GIC architecture.

    As `vgic-bench verify`; config: part of a configuration's name, or its fields. hostile: software may do anything.
    depth, seconds: limits per configuration, 0 for none. Raises UsageError.
    """
    names = designs_of(designs)
    configurations = chosen_configurations(config)
    if hostile:
        configurations = [one.as_hostile() for one in configurations]
    verify_compiled.ensure_compiled(names, progress)
    task = Task(tuple(configurations), Limits(depth, seconds))
    return Searched(verify_as_json(verify_designs(names, task, progress), None))


def life(
    designs: Names = None,
    *,
    platforms: Names = None,
    gic: str | int | Iterable[int] | None = None,
    scenarios: Names = None,
    irqs: int = 256,
    vcpus: int = 4,
    lrs: int = 4,
    squares: bool = False,
) -> Rows:
    """Cost an interrupt's whole life on every pairing of VGIC and world switch. As `vgic-bench life`.

    One row per scenario, platform, pairing and phase; squares: the 2×2 of each scenario instead.
    """
    names = designs_of(designs)
    named = words(platforms)
    prices = [load_platform(name) for name in named or platform_names()]
    versions = [each.gic for each in prices] if gic is None else gics_of(str(gic) if isinstance(gic, int) else gic)
    compiled.ensure_compiled(names, ["counting"])
    gics = list(dict.fromkeys(versions))
    rows = life_rows(names, gics, named or None, irqs, vcpus, lrs, scenarios=words(scenarios) or None)
    return Rows(effects(rows) if squares else rows)


def transitions(patterns: Names = None, catalogue: Sequence[PathLike] = ()) -> Rows:
    """List the state transitions that can be measured: names, groups or patterns; all by default.

    >>> transitions("flush").table()["transition"].head(2).tolist()
    ['flush_empty', 'flush_p']
    """
    entries = select(load_catalogue([os.fspath(path) for path in catalogue]), words(patterns))
    return Rows(
        [
            {"transition": entry.name, "group": entry.typed_group, "title": entry.title, "why": entry.why}
            for entry in entries
        ]
    )


def workloads(
    names: Names = None, *, costs: bool = False, designs: Names = None, synthetic: Sequence[str] = ()
) -> Rows:
    """List the packaged workloads and their mix; costs: also what each costs on two designs.

    As `vgic-bench workloads`.
    """
    entries = chosen(words(names), list(synthetic) or None)
    rows = [described(entry) for entry in entries]
    pair = designs_of(designs)
    for entry, row in zip(entries, rows, strict=True) if costs else ():
        found = costed(entry, pair)
        row |= {f"{name}_instructions": (side or {}).get("instructions") for name, side in found["designs"].items()}
        row["break_even"] = (found["break_even"] or {}).get("break_even")
    return Rows(rows)


def platforms(names: Names = None, *, check: bool = False) -> Rows:
    """List the platforms whose prices turn events into cycles; check: compare them with published figures.

    >>> "seattle" in set(platforms().table()["name"])
    True
    """
    chosen_platforms = [load_platform(name) for name in words(names) or platform_names()]
    return Rows(check_rows(chosen_platforms) if check else list_rows(chosen_platforms))


def switches(*, platform: str | None = None, **options: Any) -> Rows:
    """Compare the world switches in one round trip, by register group. As `vgic-bench switch compare`.

    options: keys of a configuration (gic, nr_lr, live_lrs, exit, fp_used, …; docs/reference/switch.md).

    >>> switches(gic=2, live_lrs=0).table()["group"].iloc[-1]
    'total'
    """
    values = {name: str(value) for name, value in options.items()}
    values["gic"] = f"v{gic_of(values.get('gic', '2'))}"
    rows = comparison(parse_configuration(values, "switches"), platform)
    found = []
    for row in rows:
        flat: dict[str, Any] = {"group": row["group"]}
        for title, cell in row.items():
            if isinstance(cell, dict):
                flat |= {f"{title} {name}": value for name, value in cell.items() if name != "counts"}
        found.append(flat | {"why": row["why"]})
    return Rows(found)


def load(path: PathLike) -> Stored:
    """Read a stored run: a results folder, a counts file or pytest-benchmark JSON. Raises UsageError."""
    return Stored(exchange.load(path), Path(path))


def report(results: "PathLike | Stored", output: PathLike = "report.html", baseline: PathLike | None = None) -> Path:
    """Write one self-contained HTML page of a stored run and return its path. As `vgic-bench report`."""
    folder = results.folder if isinstance(results, Stored) else results
    if folder is None:
        raise UsageError("report: the run is not kept in a folder; expected one with output=")
    return reports.build(os.fspath(folder), os.fspath(output), None if baseline is None else os.fspath(baseline))


def _results(source: "PathLike | Stored") -> Results:
    return source.results if isinstance(source, Stored) else exchange.load(source)


def _new_folder(output: PathLike | None) -> Path | None:
    """Return the folder to write, checked; None when nothing is kept."""
    if output is None:
        return None
    check_new_folder(output)
    return Path(output)
