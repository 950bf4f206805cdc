# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench workloads`: the packaged workloads, their mix and provenance; synthetic ones to compare them with."""

from pathlib import Path
from typing import Annotated, Any

import typer


def workloads(
    names: Annotated[
        list[str] | None, typer.Argument(help="Workloads to describe (default: all).", metavar="[WORKLOAD…]")
    ] = None,
    costs: Annotated[
        bool, typer.Option("--costs", help="Run them on both designs: cost, and how much MMIO would turn the result.")
    ] = False,
    designs: Annotated[str, typer.Option("--designs", help="The two designs to compare, by comma.")] = "old,new",
    synthetic: Annotated[
        list[str] | None,
        typer.Option("--synthetic", help="A synthetic workload: knobs as NAME=VALUE,NAME=VALUE,… (repeat for more)."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder to write each workload's trace to.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a workload instead.")] = False,
) -> None:
    """List the packaged workloads: what they are, where they were recorded, how much of them is MMIO.

    Knobs of synthetic ones: gic, vcpus, irqs, lrs, events, rate, level, mmio, ipi, timer, devices, churn, seed.
    """
    import json

    from bench.engine.designs import named_designs
    from bench.workloads.listing import chosen, costed, described, write_traces
    from kvmarm.errors import UsageError
    from vgic_bench.show.workloads import show

    pair = named_designs(designs) if costs else []
    if costs and len(pair) != 2:
        raise UsageError(f"--designs {designs}: expected two designs")
    rows: list[dict[str, Any]] = []
    entries = chosen(names or [], synthetic)
    for entry in entries:
        rows.append(described(entry))
    if output is not None:
        write_traces(entries, output)
    if costs:
        from bench.system.progress import counted
        from vgic_bench.progress import ProgressBars, announce_compilation

        announce_compilation()
        with ProgressBars() as progress:
            for entry, row in counted(list(zip(entries, rows, strict=True)), "workloads", progress):
                row["costs"] = costed(entry, pair)
    if as_json:
        for row in rows:
            print(json.dumps(row))
    else:
        show(rows)


def register(app: typer.Typer) -> None:
    """Add `workloads`."""
    app.command("workloads")(workloads)
