# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench trace`: run traces, explain them, cost them."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bench.engine import trace_files
from bench.explain.steps import explain_trace
from bench.studies import trace_cost
from bench.system.progress import counted
from kvmarm.design import get_design
from kvmarm.files import check_file, check_folder, check_not_input
from kvmarm.inputs import check_readable
from kvmarm.trace_read import read_trace
from vgic_bench.choices import designs_of
from vgic_bench.groups import command, new_app
from vgic_bench.options import OUTPUT, Designs, complete_designs, one_of
from vgic_bench.progress import ProgressBars, announce_compilation
from vgic_bench.show.explain import print_steps

Traces = Annotated[
    list[Path],
    typer.Argument(help="Trace files (.trace, or .trace.xz).", metavar="TRACE…", show_default=False),
]

app = new_app(
    "Run, explain and cost traces of one virtual machine.",
    ("vgic-bench trace run boot.trace --design old -o out", "vgic-bench trace explain boot.trace --op 17"),
)

RUN_EXAMPLES = (
    "vgic-bench trace run boot.trace --design old -o out",
    "vgic-bench trace run one.trace two.trace.xz --design new -o out --counts --locks",
)


@command(app, "run", RUN_EXAMPLES, "Run traces through a design and write their results.")
def run(
    traces: Traces,
    design: Annotated[
        list[str],
        typer.Option(
            "--design",
            metavar="NAME",
            help="The VGIC design: old, new, or one found by entry point.",
            autocompletion=complete_designs,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FOLDER",
            help="Folder for NAME.result and the other files.",
            rich_help_panel=OUTPUT,
        ),
    ],
    counts: Annotated[
        bool, typer.Option("--counts", help="Also write NAME.counts.parquet: what every operation counted.")
    ] = False,
    locks: Annotated[
        bool, typer.Option("--locks", help="Also write NAME.locks: every lock taken and released.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per trace.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Run each TRACE through a design and write NAME.result.

    Exit status 3 when a run ended in a BUG_ON of the original (its result is written up to there).
    """
    chosen = get_design(one_of(design, "--design"))
    trace_files.check_names(traces)
    check_folder(output)
    for path in traces:
        check_readable(path)
    outcomes = []
    announce_compilation()
    with ProgressBars() as progress:
        for path in counted(traces, "traces", progress):
            outcome = trace_files.run_file(path, chosen, output, counts=counts, locks=locks)
            outcomes.append(outcome)
            if as_json:
                about = {"trace": outcome.name, "design": chosen.name, "operations": outcome.operations}
                print(json.dumps(about | {"bug": outcome.bug, "files": [str(path) for path in outcome.written]}))
    if not as_json:
        total = sum(outcome.operations for outcome in outcomes)
        print(f"{len(outcomes)} traces, {total:,} operations through {chosen.name}: results in {output}")
    for outcome in outcomes:
        if outcome.bug:
            print(
                f"{outcome.name}: the host dies at operation {outcome.operations} (BUG_ON at {outcome.bug})",
                file=sys.stderr,
            )
    if any(outcome.bug for outcome in outcomes):
        raise typer.Exit(3)


EXPLAIN_EXAMPLES = (
    "vgic-bench trace explain boot.trace",
    "vgic-bench trace explain boot.trace --op 17 --designs old,new --json",
)


@command(app, "explain", EXPLAIN_EXAMPLES, "Explain a trace, operation by operation.")
def explain(
    trace: Annotated[Path, typer.Argument(help="A trace file.", metavar="TRACE", show_default=False)],
    op: Annotated[int, typer.Option("--op", help="Explain this operation only (numbered from 1).", min=0)] = 0,
    designs: Designs = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per operation.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Describe, operation by operation and design by design, what a TRACE does.

    What changed in the state, what was locked, visited, queued and loaded, and what it counted.
    """
    names = designs_of(designs)
    read = read_trace(trace)
    announce_compilation()
    steps = explain_trace(read, names, op)
    if as_json:
        for step in steps:
            print(json.dumps(asdict(step)))
    else:
        print_steps(steps, {name: get_design(name).title for name in names}, f"{read.name}\n{read.config}")


@command(app, "cost", ("vgic-bench trace cost *.trace -o costs.csv",), "Write what traces cost as a CSV file.")
def cost(
    traces: Traces,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE", help="CSV file to write.", rich_help_panel=OUTPUT),
    ],
    designs: Designs = None,
) -> None:
    """Write what each TRACE costs on each design, by kind of operation and in total.

    Columns: trace, design, kind, operations, instructions (predicted for the real code), then the events.
    """
    check_file(output)
    check_not_input(output, *traces)
    trace_cost.write_trace_costs(traces, output, designs_of(designs))
