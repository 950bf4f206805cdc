# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench replay`: what a recorded workload would have cost on each design."""

from pathlib import Path
from typing import Annotated

import typer


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
    designs: Annotated[str, typer.Option("--designs", help="Designs to run, separated by commas.")] = "old,new",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write the converted trace here (a folder for several recordings)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a recording instead.")] = False,
    details: Annotated[bool, typer.Option("--details", help="Print every counter and every difference.")] = False,
    results: Annotated[
        Path | None, typer.Option("--results", help="Also keep the figures as a results folder.")
    ] = None,
    html: Annotated[
        bool, typer.Option("--html/--no-html", help="With --results: also write the report page into the folder.")
    ] = True,
    platform: Annotated[
        str | None,
        typer.Option(
            "--platform",
            help="Whose prices turn events into cycles: a machine with the recording's GIC (default: one that fits).",
            show_default=False,
        ),
    ] = None,
    gic_base: Annotated[
        str | None, typer.Option("--gic-base", help="Address of the distributor (default: found out).")
    ] = None,
    redist_base: Annotated[
        str | None, typer.Option("--redist-base", help="Address of the first redistributor (default: found out).")
    ] = None,
    vmm: Annotated[
        str | None, typer.Option("--vmm", help="Take the GIC's place from this VMM: kvmtool or qemu.")
    ] = None,
    vm: Annotated[
        int | None, typer.Option("--vm", help="Of several machines, the one with this vCPU thread (PID).")
    ] = None,
    vcpu_thread: Annotated[
        list[str] | None,
        typer.Option("--vcpu-thread", help="PID=N: thread PID is vCPU N. Repeat for each; others are left out."),
    ] = None,
    start: Annotated[
        float | None, typer.Option("--from", help="Leave out what is before (seconds from the first event).")
    ] = None,
    stop: Annotated[
        float | None, typer.Option("--to", help="Leave out what is after (seconds from the first event).")
    ] = None,
    first: Annotated[int | None, typer.Option("--first", help="Leave out the events before this number.")] = None,
    count: Annotated[int | None, typer.Option("--events", help="Take this many events only.")] = None,
    gic: Annotated[int | None, typer.Option("--gic", help="GIC version, 2 or 3 (default: found out).")] = None,
    irqs: Annotated[int | None, typer.Option("--irqs", help="INTIDs (default: found out).")] = None,
    lrs: Annotated[int | None, typer.Option("--lrs", help="List registers (default: as recorded, else 4).")] = None,
) -> None:
    """Replay each RECORDING on every design: counts, cost and latency, old against new.

    What a recording does not contain is inferred by stated rules or left out; the output says how much.
    """
    import json

    from bench.engine.designs import named_designs
    from bench.recordings.options import Options, parse_address, parse_threads
    from bench.replay.compile import ensure_compiled
    from bench.replay.outcome import Outcome
    from bench.replay.outcome import replay as run_replay
    from bench.replay.results import save_results
    from kvmarm.errors import UsageError
    from kvmarm.files import check_file
    from kvmarm.platforms import load_platform
    from vgic_bench.progress import ProgressBars
    from vgic_bench.show.replay import show

    names = named_designs(designs)
    if recordings.count("-") > 1:
        raise UsageError("standard input can be read once only")
    options = Options(
        gic=gic,
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
    if platform is not None:
        load_platform(platform)
    targets = [_target(output, path, len(recordings)) for path in recordings]
    for file in filter(None, targets):
        if targets.count(file) > 1:
            raise UsageError(f"{file}: two recordings would be written there, expected different file names")
        check_file(file)
    if results is not None:
        # Loads pandas, which costs time and memory: only when it is needed.
        from bench.results.folders import check_new_folder

        check_new_folder(results)
    ensure_compiled(names)
    outcomes: list[Outcome] = []
    for number, (path, target) in enumerate(zip(recordings, targets, strict=True)):
        with ProgressBars(Path(path).name) as progress:
            outcome = run_replay(path, options, names, target, progress, platform)
        outcomes.append(outcome)
        if as_json:
            print(json.dumps(outcome.as_dict()))
        else:
            if number:
                print()
            show(outcome, details)
            if target is not None:
                print(f"converted trace: {target}")
    if results is not None:
        save_results(outcomes, results, names)
        from vgic_bench.report_page import write_report_page

        page = write_report_page(results) if html else None
        if not as_json:
            print(f"results: {results}" + (f", report: {page}" if page else ""))


def _target(output: Path | None, path: str, recordings: int) -> Path | None:
    """Return the file for the converted trace of one recording, None when none is wanted."""
    if output is None or (recordings == 1 and not output.is_dir()):
        return output
    name = "stdin" if path == "-" else Path(path).name
    for suffix in (".gz", ".xz", ".zst", ".txt", ".csv", ".qtrace", ".dat", ".ftrace", ".report", ".trace"):
        name = name.removesuffix(suffix)
    return output / f"{name}.trace"


def register(app: typer.Typer) -> None:
    """Add `replay`."""
    app.command("replay")(replay)
