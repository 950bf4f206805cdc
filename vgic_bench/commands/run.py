# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench run`: the transitions and real workloads on every design, as tables, a results folder and a page."""

import json
import sys
from typing import Annotated, Any

import typer

from kvmarm.errors import UsageError


def _numbers(text: str, option: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} {text!r}: expected whole numbers separated by commas") from None
    return list(dict.fromkeys(numbers))


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def run(
    gic: Annotated[str, typer.Option(help="GIC versions, separated by commas.")] = "2,3",
    irqs: Annotated[int, typer.Option(help="INTIDs of the VM: a multiple of 32, 64 to 1024.")] = 256,
    vcpus: Annotated[int, typer.Option(help="vCPUs: up to 8 with GICv2, up to 512 with GICv3.")] = 4,
    lrs: Annotated[int, typer.Option(help="List registers a vCPU: up to 64 with GICv2, up to 16 with GICv3.")] = 4,
    pending: Annotated[int, typer.Option(help="Standing interrupts: SPIs pending on vCPU 0 all the while.")] = 0,
    transitions: Annotated[
        list[str] | None,
        typer.Option("--transitions", "-t", help="Transitions by name, group or pattern (*, ?), separated by commas."),
    ] = None,
    catalogue: Annotated[
        list[str] | None, typer.Option("--catalogue", help="A TOML file with more transitions; may be repeated.")
    ] = None,
    designs: Annotated[
        str, typer.Option(help="Designs, separated by commas; the first is the one to hold against.")
    ] = ("old,new"),
    meters: Annotated[
        str, typer.Option(help="Any of events, instructions, time, cycles, separated by commas.")
    ] = "events,instructions,time,cycles",
    parts: Annotated[
        str | None,
        typer.Option(
            help="Any of transitions, workloads, switch, life, separated by commas "
            "[default: all; with --transitions those alone]."
        ),
    ] = None,
    platforms: Annotated[
        str | None, typer.Option(help="Platforms to price cycles for, separated by commas [default: all].")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Fresh processes of the time meter [default: 6, with --quick 1].")
    ] = None,
    passes: Annotated[int, typer.Option(help="How often each of these processes goes over all transitions.")] = 1,
    quick: Annotated[
        bool, typer.Option("--quick", help="The main transitions, one timing process, the boots alone.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run as JSON instead of tables.")] = False,
    html: Annotated[
        bool | None,
        typer.Option(
            "--html/--no-html", help="Also write the report page into the folder [default: not with --quick]."
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Results folder to write [default: a new one in results/].")
    ] = None,
) -> None:
    """Measure what each state transition and real workload costs on each design, and say why."""
    from bench.results.folders import check_new_folder
    from bench.results.meta import load_meta
    from bench.studies.options import PARTS, Options, resolve
    from bench.studies.run import default_output, execute
    from bench.system.interruption import Interrupted, deferred
    from vgic_bench.progress import ProgressBars
    from vgic_bench.report_page import write_report_page

    options = Options(
        designs=_words(designs),
        gics=_numbers(gic, "--gic"),
        irqs=irqs,
        vcpus=vcpus,
        lrs=lrs,
        pending=pending,
        transitions=transitions or (),
        catalogue=catalogue or (),
        meters=_words(meters),
        parts=_words(parts) if parts is not None else (["transitions", "switch"] if transitions else PARTS),
        platforms=_words(platforms) if platforms is not None else None,
        processes=processes if processes is not None else (1 if quick else 6),
        passes=passes,
        quick=quick,
    )
    plan = resolve(options)
    folder = default_output(output, "run")
    check_new_folder(folder)
    page = None
    try:
        with ProgressBars() as progress:
            outcome = execute(plan, progress, folder)
        if (html or (html is None and not quick)) and not outcome.interrupted:
            page = write_report_page(folder)
        if outcome.interrupted:
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        with deferred(again=True):
            if (folder / "meta.json").exists():
                lacking = load_meta(folder).get("missing")
                without = f" without {', '.join(lacking)}" if lacking else ""
                raise Interrupted(f"results{without}: {folder}") from None
        raise
    if as_json:
        from bench.studies.summary import as_json as plain

        document = plain(outcome.results) | {"folder": str(folder), "page": page, "unexpected": outcome.unexpected}
        print(json.dumps(document, indent=1))
    else:
        _print(outcome, folder, page)
    for line in outcome.failures:
        print(f"vgic-bench: error: {line}", file=sys.stderr)
    if outcome.unexpected or outcome.failures:
        raise typer.Exit(5)


def _print(outcome: Any, folder: Any, page: str | None) -> None:
    from bench.catalogue.catalogue import cost_transitions
    from bench.studies.summary import designs_of, headline

    results = outcome.results
    names = headline(results, cost_transitions())
    place = results.meta["configuration"]
    for gic in place["gic"]:
        if designs_of(results):
            title = f"GICv{gic}, {place['irqs']} INTIDs, {place['vcpus']} vCPUs, {place['lrs']} LRs"
            _print_transitions(results, gic, names, "vgic", title)
            if names is not None:
                _print_groups(results, gic)
        if designs_of(results, "switch"):
            _print_transitions(results, gic, None, "switch", f"World switch, GICv{gic}, {place['lrs']} LRs")
    _print_workloads(results)
    for line in outcome.unexpected:
        print(f"unexpected: {line}", file=sys.stderr)
    for note in results.meta["notes"]:
        print(f"note: {note}")
    print(f"results: {folder}")
    print(f"report:  {page or f'vgic-bench report {folder}'}")


def _heads(first: str, designs: list[str]) -> list[str]:
    return [first, *(f">{name}" for name in designs), *(f">{name}/{designs[0]}" for name in designs[1:])]


def _cells(row: Any) -> tuple[str, ...]:
    return (row.name, *(f"{figure:,.0f}" for figure in row.figures), *(f"{ratio:.2f}" for ratio in row.ratios))


def _times(row: Any) -> str:
    return "/".join("?" if time != time else f"{time:.0f}" for time in row.times)


def _print_transitions(results: Any, gic: int, names: list[str] | None, family: str, title: str) -> None:
    from bench.studies.summary import designs_of, transition_rows
    from vgic_bench.console import print_table

    unit, rows = transition_rows(results, gic, names, family)
    timed = unit != "ns" and any(time == time for row in rows for time in row.times)
    print_table(
        [*_heads("transition", designs_of(results, family)), *([">ns"] if timed else []), "mostly"],
        [(*_cells(row), *([_times(row)] if timed else []), row.because) for row in rows],
        title=f"{title}, {unit}",
    )
    print()


def _print_groups(results: Any, gic: int) -> None:
    from bench.studies.summary import designs_of, group_rows
    from vgic_bench.console import print_table

    designs = designs_of(results)
    print_table(
        ["group", ">transitions", *(f">{name}/{designs[0]}" for name in designs[1:])],
        [(group, count, *(f"{mean:.2f}" for mean in means)) for group, count, means in group_rows(results, gic)],
        title=f"GICv{gic}, all transitions by group, geometric mean of the ratios",
    )
    print()


def _print_workloads(results: Any) -> None:
    from bench.studies.summary import workload_rows
    from vgic_bench.console import print_table

    unit, rows = workload_rows(results)
    if not rows:
        return
    designs = list(dict.fromkeys(results.table("workloads")["design"]))
    reasons = any(row.because for row, _, _ in rows)
    print_table(
        [*_heads("workload", designs), ">MMIO", *(["mostly"] if reasons else [])],
        [(*_cells(row), f"{share:.1%}", *([row.because] if reasons else [])) for row, _, share in rows],
        title=f"Recorded workloads, {unit}",
    )
    print()


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)
