# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench run`: the transitions and real workloads on every design, as tables, a results folder and a page."""

import importlib
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
        str, typer.Option(help="Any of events, instructions, time, workloads, separated by commas.")
    ] = "events,instructions,time,workloads",
    processes: Annotated[
        int | None, typer.Option(help="Fresh processes of the time meter [default: 6, with --quick 1].")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="The main transitions, one timing process, the boots alone.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run as JSON instead of tables.")] = False,
    html: Annotated[bool, typer.Option("--html/--no-html", help="Also write the report page into the folder.")] = True,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Results folder to write [default: a new one in results/].")
    ] = None,
) -> None:
    """Measure what each state transition and real workload costs on each design, and say why."""
    from bench.progress_lines import ProgressLines
    from bench.run import Options, check, default_output, execute

    options = Options(
        designs=[name for name in designs.split(",") if name],
        gics=_numbers(gic, "--gic"),
        irqs=irqs,
        vcpus=vcpus,
        lrs=lrs,
        pending=pending,
        transitions=transitions or (),
        catalogue=catalogue or (),
        meters=[name for name in meters.split(",") if name],
        processes=processes if processes is not None else (1 if quick else 6),
        quick=quick,
    )
    check(options)
    folder = default_output(output, "run")
    if folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder]):
        raise UsageError(f"{folder}: already exists, expected a new results folder")
    with ProgressLines() as progress:
        outcome = execute(options, progress)
    outcome.results.save(folder, replace=True)
    page = _page(str(folder)) if html else None
    if as_json:
        from bench.run_summary import as_json as plain

        document = plain(outcome.results) | {"folder": str(folder), "page": page, "unexpected": outcome.unexpected}
        print(json.dumps(document, indent=1))
    else:
        _print(outcome, folder, page)
    if outcome.unexpected:
        raise typer.Exit(5)


def _page(folder: str) -> str | None:
    """Write the report page and return its path; a run whose page cannot be made is still a run."""
    # The reports stand above this layer: they are looked up by name when they are there, never imported.
    try:
        return str(importlib.import_module("reports").build(folder, f"{folder}/report.html"))
    except Exception as error:
        print(f"vgic-bench: no report page: {error}", file=sys.stderr)
        return None


def _print(outcome: Any, folder: Any, page: str | None) -> None:
    from bench.console import print_table
    from bench.run_summary import group_rows, headline, transition_rows, workload_rows
    from bench.transitions.catalogue import cost_transitions

    results = outcome.results
    names = headline(results, cost_transitions())
    for gic in results.meta["configuration"]["gic"]:
        unit, rows = transition_rows(results, gic, names)
        designs = [entry["name"] for entry in results.meta["designs"]]
        heads = ["transition", *(f">{name}" for name in designs), *(f">{n}/{designs[0]}" for n in designs[1:])]
        place = results.meta["configuration"]
        title = f"GICv{gic}, {place['irqs']} INTIDs, {place['vcpus']} vCPUs, {place['lrs']} LRs, {unit}"
        print_table(
            [*heads, "most of the difference"],
            [
                (row.name, *(f"{f:,.0f}" for f in row.figures), *(f"{r:.2f}" for r in row.ratios), row.because)
                for row in rows
            ],
            title=title,
        )
        if names is not None:
            print()
            heads = ["group", ">transitions", *(f">{name}/{designs[0]}" for name in designs[1:])]
            print_table(
                heads,
                [
                    (group, count, *(f"{mean:.2f}" for mean in means))
                    for group, count, means in group_rows(results, gic)
                ],
                title=f"GICv{gic}, all transitions by group, geometric mean of the ratios",
            )
        print()
    unit, workloads = workload_rows(results)
    if workloads:
        heads = ["workload", *(f">{name}" for name in designs), *(f">{n}/{designs[0]}" for n in designs[1:])]
        print_table(
            [*heads, ">MMIO", "most of the difference"],
            [
                (
                    row.name,
                    *(f"{f:,.0f}" for f in row.figures),
                    *(f"{r:.2f}" for r in row.ratios),
                    f"{share:.1%}",
                    row.because,
                )
                for row, _, share in workloads
            ],
            title=f"Recorded workloads, {unit}",
        )
        print()
    for line in outcome.unexpected:
        print(f"unexpected: {line}", file=sys.stderr)
    for note in results.meta["notes"]:
        print(f"note: {note}")
    print(f"results: {folder}")
    if page:
        print(f"report:  {page}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)
