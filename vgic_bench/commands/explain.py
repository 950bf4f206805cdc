# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench explain`: what the designs do on a transition, a workload or a trace, step by step and side by side."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bench.catalogue.catalogue import Transition
from bench.explain import target as targets
from bench.explain.steps import explain_trace
from bench.explain.timeline import timeline
from bench.meters.weights import weights_of
from bench.system.progress import counted
from kvmarm.config import VmConfig
from kvmarm.design import Design, get_design
from kvmarm.errors import UsageError
from kvmarm.files import check_file, check_not_input
from kvmarm.trace import Trace
from reports import perfetto as perfetto_file
from reports.explanation import build_page
from vgic_bench.choices import designs_of, with_lpis
from vgic_bench.groups import command, new_app
from vgic_bench.options import OUTPUT, VM, Designs, Gic, Irqs, Lrs, Vcpus, gic_of
from vgic_bench.progress import ProgressBars, announce_compilation
from vgic_bench.show.explain import print_steps

MOST = 2000
"""Longest trace that is explained in full; more would be about 1 GB of text."""

app = new_app()

EXAMPLES = (
    "vgic-bench explain flush_p",
    "vgic-bench explain mmio_write_ISENABLER --gic 3 --pending 16",
    "vgic-bench explain boot.trace --op 17 --page step.html",
)


@command(app, "explain", EXAMPLES)
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
    designs: Designs = None,
    gic: Gic = "2",
    irqs: Irqs = 256,
    vcpus: Vcpus = 4,
    lrs: Lrs = 4,
    pending: Annotated[
        int, typer.Option("--pending", help="Standing interrupts on vCPU 0.", min=0, rich_help_panel=VM)
    ] = 0,
    set_up: Annotated[
        bool, typer.Option("--set-up", help="Explain a transition's set-up operations too, not only the measured one.")
    ] = False,
    page: Annotated[
        Path | None,
        typer.Option(
            "--page", metavar="FILE", help="Write it as an HTML page.", rich_help_panel=OUTPUT, show_default=False
        ),
    ] = None,
    perfetto: Annotated[
        Path | None,
        typer.Option(
            "--perfetto",
            metavar="FILE",
            help="Write a timeline for the Perfetto UI.",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per operation.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Show what each design does on a TRANSITION, WORKLOAD or TRACE: state, locks, list registers, events.

    With --page or --perfetto the file is written and nothing is printed.
    """
    for path in filter(None, (page, perfetto)):
        check_file(path)
        check_not_input(path, target)
    trace, first, transition = targets.resolve(target, VmConfig(gic_of(gic), vcpus, irqs, lrs), pending)
    names = designs_of(designs)
    if transition is not None and op:
        raise UsageError("--op: expected with a trace file or workload only")
    names, lacking = with_lpis(names, trace)
    loaded = [get_design(name) for name in names]
    titles = {design.name: design.title for design in loaded}
    measured = len(trace.ops) if transition is not None and not set_up else 0
    if not op and transition is None and (page or not (perfetto or as_json)):
        _check_size(trace)
    heading = f"{transition.name}: {transition.title}" if transition is not None else trace.name
    announce_compilation()
    if perfetto is not None:
        _write_timeline(perfetto, trace, loaded, first)
        if not as_json:
            print(f"timeline: {perfetto} (open it at ui.perfetto.dev)")
    steps = explain_trace(trace, names, op or measured, first)
    if page is not None:
        build_page(page, list(steps), titles, heading, _about(trace, transition, lacking))
        if not as_json:
            print(f"page: {page}")
    if as_json:
        for step in explain_trace(trace, names, op or measured, first) if page is not None else steps:
            print(json.dumps(asdict(step), ensure_ascii=False))
    elif page is None and perfetto is None:
        for name in lacking:
            print(f"{name}: has none (no LPIs, no ITS)")
        print_steps(steps, titles, f"{heading}\n{trace.config}")


def _check_size(trace: Trace) -> None:
    """Raise UsageError for a trace that nobody would read to its end."""
    if len(trace.ops) > MOST:
        raise UsageError(
            f"{trace.name}: has {len(trace.ops):,} operations; expected --op N, --json or --perfetto FILE with more "
            f"than {MOST:,}"
        )


def _write_timeline(path: Path, trace: Trace, designs: Sequence[Design], first: int) -> None:
    """Write the timeline of a trace, one design after the other: that of a long trace is large."""
    with ProgressBars() as progress:
        chosen = counted(designs, "designs", progress)
        perfetto_file.write(path, (timeline(trace, design, weights_of(design), first) for design in chosen))


def _about(trace: Trace, transition: Transition | None, lacking: Sequence[str]) -> list[str]:
    """Return the paragraphs at the head of the page. lacking: designs that are left out, having no LPIs."""
    about = [f"Configuration: {trace.config}."]
    if transition is not None and transition.why:
        about.append(f"Why the designs differ: {transition.why}.")
    return [*about, *(f"{name}: has none (no LPIs, no ITS)." for name in lacking)]
