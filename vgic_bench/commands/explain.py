# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench explain`: what the designs do on a transition, a workload or a trace, step by step and side by side."""

from pathlib import Path
from typing import Annotated

import typer

MOST = 2000
"""Operations of a trace that are explained in full to people; more than that nobody reads, and they would be a GB."""


def explain(
    target: Annotated[
        str,
        typer.Argument(
            help="A transition's or workload's name (see `vgic-bench transitions`, `workloads`), or a trace file.",
            metavar="TRANSITION|WORKLOAD|TRACE",
            show_default=False,
        ),
    ],
    op: Annotated[
        int, typer.Option("--op", help="Explain this operation of a trace or workload only (numbered from 1).", min=0)
    ] = 0,
    designs: Annotated[
        str, typer.Option("--designs", help="Designs to put side by side, separated by commas.")
    ] = "old,new",
    gic: Annotated[int, typer.Option("--gic", help="GIC version (2 or 3) that a transition is explained with.")] = 2,
    irqs: Annotated[int, typer.Option("--irqs", help="INTIDs of the VM.")] = 256,
    vcpus: Annotated[int, typer.Option("--vcpus", help="vCPUs of the VM.")] = 4,
    lrs: Annotated[int, typer.Option("--lrs", help="List registers.")] = 4,
    pending: Annotated[int, typer.Option("--pending", help="Standing pending interrupts on vCPU 0.", min=0)] = 0,
    set_up: Annotated[
        bool,
        typer.Option("--set-up", help="Explain a transition's own set-up operations too, not only the measured one."),
    ] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write it as an HTML page to this file.", show_default=False)
    ] = None,
    perfetto: Annotated[
        Path | None,
        typer.Option("--perfetto", help="Write a timeline for the Perfetto UI to this file.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object an operation.")] = False,
) -> None:
    """Say what each design does on a TRANSITION, WORKLOAD or TRACE: state, locks, list registers, events.

    With --html or --perfetto the file is written instead of printing.
    """
    import json
    from dataclasses import asdict

    from bench.engine.designs import named_designs
    from bench.explain.steps import explain_trace
    from bench.explain.target import resolve
    from kvmarm.config import VmConfig
    from kvmarm.design import get_design
    from kvmarm.errors import UsageError
    from kvmarm.files import check_file
    from vgic_bench.progress import announce_compilation

    for path in filter(None, (html, perfetto)):
        check_file(path)
    trace, first, transition = resolve(target, VmConfig(gic, vcpus, irqs, lrs), pending)
    names = named_designs(designs)
    if transition is not None and op:
        raise UsageError("--op: expected with a trace file or workload only")
    loaded = [get_design(name) for name in names]
    titles = {design.name: design.title for design in loaded}
    measured = len(trace.ops) if transition is not None and not set_up else 0
    if len(trace.ops) > MOST and not op and transition is None and (html or not (perfetto or as_json)):
        raise UsageError(
            f"{trace.name}: has {len(trace.ops):,} operations; expected --op N, --json or --perfetto FILE with more "
            f"than {MOST:,}"
        )
    heading = f"{transition.name}: {transition.title}" if transition is not None else trace.name
    announce_compilation()
    if perfetto is not None:
        from bench.explain.timeline import timeline
        from bench.meters.weights import weights_of
        from bench.system.progress import counted
        from reports import perfetto as writer
        from vgic_bench.progress import ProgressBars

        # One design after the other: the timeline of a long trace is large.
        with ProgressBars() as progress:
            chosen = counted(loaded, "designs", progress)
            writer.write(perfetto, (timeline(trace, design, weights_of(design), first) for design in chosen))
        if not as_json:
            print(f"timeline: {perfetto} (open it at ui.perfetto.dev)")
    steps = explain_trace(trace, names, op or measured, first)
    if html is not None:
        from reports.explanation import build_page

        about = [f"Configuration: {trace.config}."]
        if transition is not None and transition.why:
            about.append(f"Why the designs differ: {transition.why}.")
        build_page(html, list(steps), titles, heading, about)
        if not as_json:
            print(f"page: {html}")
    if as_json:
        for step in explain_trace(trace, names, op or measured, first) if html is not None else steps:
            print(json.dumps(asdict(step), ensure_ascii=False))
    elif html is None and perfetto is None:
        from vgic_bench.show.explain import print_steps

        print_steps(steps, titles, f"{heading}\n{trace.config}")


def register(app: typer.Typer) -> None:
    """Add `explain`."""
    app.command("explain")(explain)
