# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench trace`: run traces, explain them, cost them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

TRACES = typer.Argument(help="Trace files (.trace, or .trace.xz).", metavar="TRACE…", show_default=False)

trace_app = typer.Typer(help="Run, explain and cost traces of one virtual machine.", no_args_is_help=True)


@trace_app.command("run")
def run(
    traces: Annotated[list[Path], TRACES],
    design: Annotated[str, typer.Option("--design", help="The VGIC design: old, new, or one found by entry point.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for NAME.result and the other files.")],
    counts: Annotated[
        bool, typer.Option("--counts", help="Also write NAME.counts.parquet: what every operation counted.")
    ] = False,
    locks: Annotated[
        bool, typer.Option("--locks", help="Also write NAME.locks: every lock taken and released.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a trace instead of the table.")
    ] = False,
) -> None:
    """Run each TRACE through a design and write NAME.result.

    Exit status 3 when a run ended in a BUG_ON of the original (its result is written up to there).
    """
    import json

    from bench.engine.trace_files import check_names, run_file
    from bench.system.progress import counted
    from kvmarm.design import get_design
    from kvmarm.files import check_folder
    from vgic_bench.progress import ProgressBars, announce_compilation

    chosen = get_design(design)
    check_names(traces)
    check_folder(output)
    outcomes = []
    announce_compilation()
    with ProgressBars() as progress:
        for path in counted(traces, "traces", progress):
            outcome = run_file(path, chosen, output, counts=counts, locks=locks)
            outcomes.append(outcome)
            if as_json:
                about = {"trace": outcome.name, "design": design, "operations": outcome.operations, "bug": outcome.bug}
                print(json.dumps(about | {"files": [str(path) for path in outcome.written]}))
    if not as_json:
        total = sum(outcome.operations for outcome in outcomes)
        print(f"{len(outcomes)} traces, {total:,} operations through {design}: results in {output}")
    for outcome in outcomes:
        if outcome.bug:
            print(
                f"{outcome.name}: the host dies at operation {outcome.operations} (BUG_ON at {outcome.bug})",
                file=sys.stderr,
            )
    if any(outcome.bug for outcome in outcomes):
        raise typer.Exit(3)


@trace_app.command("explain")
def explain(
    trace: Annotated[Path, typer.Argument(help="A trace file.", metavar="TRACE", show_default=False)],
    op: Annotated[int, typer.Option("--op", help="Explain this operation only (numbered from 1).", min=0)] = 0,
    designs: Annotated[
        str, typer.Option("--designs", help="Designs to put side by side, separated by commas.")
    ] = "old,new",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object an operation.")] = False,
) -> None:
    """Say in words, operation by operation and design by design, what a TRACE does.

    What changed in the state, what was locked, visited, queued and loaded, and what it counted.
    """
    import json
    from dataclasses import asdict

    from bench.engine.designs import named_designs
    from bench.explain.steps import explain_trace
    from kvmarm.design import get_design
    from kvmarm.trace_read import read_trace
    from vgic_bench.show.explain import print_steps

    names = named_designs(designs)
    read = read_trace(trace)
    steps = explain_trace(read, names, op)
    if as_json:
        for step in steps:
            print(json.dumps(asdict(step)))
    else:
        print_steps(steps, {name: get_design(name).title for name in names}, f"{read.name}\n{read.config}")


@trace_app.command("cost")
def cost(
    traces: Annotated[list[Path], TRACES],
    output: Annotated[Path, typer.Option("-o", "--output", help="CSV file to write.")],
    designs: Annotated[str, typer.Option("--designs", help="Designs to cost, separated by commas.")] = "old,new",
) -> None:
    """Write what each TRACE costs on each design, by kind of operation and in total.

    Columns: trace, design, kind, operations, instructions (predicted for the real code), then the events.
    """
    from bench.engine.designs import named_designs
    from bench.studies.trace_cost import write_trace_costs
    from kvmarm.files import check_file

    check_file(output)
    write_trace_costs(traces, output, named_designs(designs))


def register(app: typer.Typer) -> None:
    """Add `trace` and its subcommands."""
    app.add_typer(trace_app, name="trace")
