# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench replay`: what a recorded workload would have cost on each design."""

import json
from pathlib import Path
from typing import Annotated

import typer

from bench.recordings.options import Options, parse_address, parse_threads
from bench.replay import compile as compiled
from bench.replay import outcome as outcomes
from bench.results.folders import check_new_folder
from kvmarm.errors import UsageError
from kvmarm.files import check_file, check_not_input
from kvmarm.platforms import load_platform
from vgic_bench.choices import designs_of
from vgic_bench.groups import command, new_app
from vgic_bench.options import OUTPUT, Designs, complete_platforms, gic_of, one_of
from vgic_bench.progress import ProgressBars
from vgic_bench.report_page import write_report_page
from vgic_bench.show.replay import show

MACHINE, SPAN = "What the recording does not say", "Which part of the recording"

app = new_app()

EXAMPLES = (
    "vgic-bench replay my-host.ftrace.txt.gz",
    "vgic-bench replay trace.dat --from 10 --to 20 --results results/mine",
    "trace-cmd report trace.dat | vgic-bench replay - --details",
)


@command(app, "replay", EXAMPLES, tables=True)
def replay(
    recordings: Annotated[
        list[str],
        typer.Argument(
            help="KVM ftrace text or trace-cmd report (.gz, .xz, .zst), trace.dat, QEMU GIC event CSV or trace log, or "
            "a vgic-bench trace; - for standard input.",
            metavar="RECORDING…",
            show_default=False,
        ),
    ],
    designs: Designs = None,
    platform: Annotated[
        list[str] | None,
        typer.Option(
            "--platform",
            metavar="NAME",
            help="Platform whose prices turn events into cycles. [default: one with the recording's GIC]",
            autocompletion=complete_platforms,
            show_default=False,
        ),
    ] = None,
    msi: Annotated[
        str,
        typer.Option(
            metavar="lpi|spi|both",
            help="What MSIs are: lpi, LPIs on designs with an ITS and SPIs on others; spi, edge-triggered SPIs on "
            "all, as a GICv2m frame gives them; both, a column for each on designs with an ITS.",
        ),
    ] = "lpi",
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write the converted trace here (a folder for several recordings).",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            "--results",
            metavar="FOLDER",
            help="Also keep the figures as a results folder.",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        bool,
        typer.Option(
            "--html/--no-html",
            help="With --results: also write the report page into the folder.",
            rich_help_panel=OUTPUT,
        ),
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per recording.", rich_help_panel=OUTPUT)
    ] = False,
    details: Annotated[
        bool, typer.Option("--details", help="Print every counter and every difference.", rich_help_panel=OUTPUT)
    ] = False,
    gic: Annotated[
        str | None,
        typer.Option(
            "--gic",
            metavar="2|3",
            help="GIC version. [default: found out]",
            rich_help_panel=MACHINE,
            show_default=False,
        ),
    ] = None,
    irqs: Annotated[
        int | None,
        typer.Option("--irqs", help="INTIDs. [default: found out]", rich_help_panel=MACHINE, show_default=False),
    ] = None,
    lrs: Annotated[
        int | None,
        typer.Option(
            "--lrs",
            help="List registers. [default: as recorded, else 4]",
            rich_help_panel=MACHINE,
            show_default=False,
        ),
    ] = None,
    gic_base: Annotated[
        str | None,
        typer.Option(
            "--gic-base",
            metavar="ADDRESS",
            help="The distributor's address. [default: found out]",
            rich_help_panel=MACHINE,
            show_default=False,
        ),
    ] = None,
    redist_base: Annotated[
        str | None,
        typer.Option(
            "--redist-base",
            metavar="ADDRESS",
            help="The first redistributor's address. [default: found out]",
            rich_help_panel=MACHINE,
            show_default=False,
        ),
    ] = None,
    vmm: Annotated[
        str | None,
        typer.Option(
            "--vmm",
            help="Take the GIC's place from this VMM: kvmtool or qemu.",
            rich_help_panel=MACHINE,
            show_default=False,
        ),
    ] = None,
    vm: Annotated[
        int | None,
        typer.Option(
            "--vm",
            metavar="PID",
            help="Of several machines, the one with this vCPU thread.",
            rich_help_panel=SPAN,
            show_default=False,
        ),
    ] = None,
    vcpu_thread: Annotated[
        list[str] | None,
        typer.Option(
            "--vcpu-thread",
            metavar="PID=N",
            help="Thread PID is vCPU N. Repeat it for each; other threads are left out.",
            rich_help_panel=SPAN,
            show_default=False,
        ),
    ] = None,
    start: Annotated[
        float | None,
        typer.Option(
            "--from",
            metavar="SECONDS",
            help="Leave out what is before, counted from the first event.",
            rich_help_panel=SPAN,
            show_default=False,
        ),
    ] = None,
    stop: Annotated[
        float | None,
        typer.Option(
            "--to",
            metavar="SECONDS",
            help="Leave out what is after, counted from the first event.",
            rich_help_panel=SPAN,
            show_default=False,
        ),
    ] = None,
    first: Annotated[
        int | None,
        typer.Option(
            "--first",
            metavar="N",
            help="Leave out the events before this number.",
            rich_help_panel=SPAN,
            show_default=False,
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            "--events", metavar="N", help="Take this many events only.", rich_help_panel=SPAN, show_default=False
        ),
    ] = None,
) -> None:
    """Replay each RECORDING on every design: counts, cost and latency, side by side.

    What a recording does not contain is inferred by stated rules or left out; the output says how much.
    """
    names = designs_of(designs)
    prices = one_of(platform, "--platform") if platform else None
    if recordings.count("-") > 1:
        raise UsageError("standard input can be read once only")
    options = Options(
        gic=None if gic is None else gic_of(gic),
        irqs=irqs,
        lrs=lrs,
        gic_base=parse_address("--gic-base", gic_base),
        redist_base=parse_address("--redist-base", redist_base),
        vmm=vmm,
        vm=vm,
        vcpu_threads=parse_threads(vcpu_thread or []),
        start=start,
        stop=stop,
        first=first,
        count=count,
    )
    if prices is not None:
        load_platform(prices)
    targets = _targets(output, recordings)
    if results is not None:
        check_new_folder(results)
    with ProgressBars() as progress:
        compiled.ensure_compiled(names, progress)
    found: list[outcomes.Outcome] = []
    for number, (path, target) in enumerate(zip(recordings, targets, strict=True)):
        with ProgressBars(Path(path).name) as progress:
            outcome = outcomes.replay(path, options, names, target, progress, prices, msi)
        found.append(outcome)
        if as_json:
            print(json.dumps(outcome.as_dict()))
        else:
            if number:
                print()
            show(outcome, details)
            if target is not None:
                print(f"converted trace: {target}")
    if results is not None:
        # Loads pandas, which costs time and memory: only when it is needed.
        from bench.replay.results import save_results

        results = save_results(found, results, names)
        page = write_report_page(results) if html else None
        if not as_json:
            print(f"results: {results}" + (f", report: {page}" if page else ""))


def _targets(output: Path | None, recordings: list[str]) -> list[Path | None]:
    """Return the files for the converted traces. Raises UsageError when one can't be written, or is that of two."""
    targets = [_target(output, path, len(recordings)) for path in recordings]
    for file in filter(None, targets):
        if targets.count(file) > 1:
            raise UsageError(f"{file}: two recordings would be written there, expected different file names")
        check_file(file)
        check_not_input(file, *(path for path in recordings if path != "-"))
    return targets


def _target(output: Path | None, path: str, recordings: int) -> Path | None:
    """Return the file for the converted trace of one recording, None when none is wanted."""
    if output is None or (recordings == 1 and not output.is_dir()):
        return output
    name = "stdin" if path == "-" else Path(path).name
    for suffix in (".gz", ".xz", ".zst", ".txt", ".csv", ".qtrace", ".dat", ".ftrace", ".report", ".trace"):
        name = name.removesuffix(suffix)
    return output / f"{name}.trace"
