# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench workloads`: the packaged workloads, their mix and provenance; synthetic ones to compare them with."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.system.progress import counted
from bench.workloads.listing import chosen, costed, described, write_traces
from kvmarm.errors import UsageError
from vgic_bench.choices import designs_of
from vgic_bench.groups import command, new_app
from vgic_bench.options import OUTPUT, Designs
from vgic_bench.progress import ProgressBars, announce_compilation
from vgic_bench.show.workloads import show

app = new_app()

EXAMPLES = (
    "vgic-bench workloads",
    "vgic-bench workloads --costs",
    "vgic-bench workloads --synthetic gic=3,vcpus=8,mmio=0.2 -o traces",
)


@command(app, "workloads", EXAMPLES, tables=True)
def workloads(
    names: Annotated[
        list[str] | None, typer.Argument(help="Workloads to describe (default: all).", metavar="[WORKLOAD…]")
    ] = None,
    costs: Annotated[
        bool, typer.Option("--costs", help="Run them on two designs: cost, and how much MMIO would turn the result.")
    ] = False,
    designs: Designs = None,
    synthetic: Annotated[
        list[str] | None,
        typer.Option(
            "--synthetic",
            metavar="KNOB=VALUE,…",
            help="A synthetic workload; repeat the option for more.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FOLDER",
            help="Folder to write each workload's trace to.",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per workload.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """List the packaged workloads: what they are, where they were recorded, how much of them is MMIO.

    Knobs of synthetic ones: gic, vcpus, irqs, lrs, events, rate, level, mmio, ipi, timer, devices, churn, seed.
    """
    pair = designs_of(designs) if costs else []
    if costs and len(pair) < 2:
        raise UsageError(f"--designs {','.join(pair)}: expected two designs or more")
    rows: list[dict[str, Any]] = []
    entries = chosen(names or [], synthetic)
    for entry in entries:
        rows.append(described(entry))
    if output is not None:
        write_traces(entries, output)
    if costs:
        announce_compilation()
        with ProgressBars() as progress:
            for entry, row in counted(list(zip(entries, rows, strict=True)), "workloads", progress):
                row["costs"] = costed(entry, pair)
    if as_json:
        for row in rows:
            print(json.dumps(row))
    else:
        show(rows)
