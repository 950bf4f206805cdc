# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench sweep`: transitions over a grid of configurations."""

from typing import Annotated

import typer

_LIST = "Numbers separated by commas, LOW..HIGH, or LOW..HIGH*FACTOR."


def sweep(
    gic: Annotated[str, typer.Option(help=f"GIC versions. {_LIST}")] = "2,3",
    irqs: Annotated[str, typer.Option(help=f"INTIDs. {_LIST}")] = "64,128,256,512,1024",
    vcpus: Annotated[str, typer.Option(help=f"vCPUs. {_LIST}")] = "1,2,4,8",
    lrs: Annotated[str, typer.Option(help=f"List registers. {_LIST}")] = "4",
    pending: Annotated[str, typer.Option(help=f"Standing pending interrupts. {_LIST}")] = "0,1,4,16,64",
    live: Annotated[
        str, typer.Option(help=f"Live list registers of the world switches' transitions; empty for none. {_LIST}")
    ] = "0,1,2,3,4",
    transitions: Annotated[
        list[str] | None,
        typer.Option(
            "--transitions",
            "-t",
            help="Transitions by name, group or pattern, separated by commas [default: those with known instructions].",
        ),
    ] = None,
    catalogue: Annotated[
        list[str] | None, typer.Option("--catalogue", help="A TOML file with more transitions; may be repeated.")
    ] = None,
    designs: Annotated[
        str, typer.Option(help="Designs, separated by commas; the first is the one to hold against.")
    ] = ("old,new"),
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run on the Dask cluster whose scheduler is at this address.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Worker processes on this machine; 0 for one a core.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the crossover table as JSON.")] = False,
    html: Annotated[bool, typer.Option("--html/--no-html", help="Also write the report page into the folder.")] = True,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Results folder to write [default: a new one in results/].")
    ] = None,
) -> None:
    """Count transitions over a grid of configurations and find where one design starts to win.

    An interrupted sweep goes on where it was when the same command is given again.
    """
    from bench.catalogue.catalogue import cost_transitions
    from bench.meters.compile import ensure_compiled
    from bench.results.folders import check_new_folder
    from bench.studies.crossover import summary
    from bench.studies.run import default_output
    from bench.studies.sweep import Plan, check, numbers
    from bench.studies.sweep import sweep as run_sweep
    from bench.system.interruption import Interrupted, deferred
    from bench.system.processes import cores
    from kvmarm.errors import UsageError
    from vgic_bench.console import print_table
    from vgic_bench.progress import ProgressBars
    from vgic_bench.report_page import write_report_page

    if jobs < 0:
        raise UsageError(f"--jobs {jobs}: expected 0 or more")
    plan = Plan(
        designs=tuple(name for name in designs.split(",") if name),
        gics=numbers(gic, "--gic"),
        irqs=numbers(irqs, "--irqs"),
        vcpus=numbers(vcpus, "--vcpus"),
        lrs=numbers(lrs, "--lrs"),
        pending=numbers(pending, "--pending"),
        transitions=tuple(transitions or cost_transitions()),
        catalogue=tuple(catalogue or ()),
        live=numbers(live, "--live") if live else (),
    )
    check(plan)
    folder = default_output(output, "sweep")
    check_new_folder(folder)
    ensure_compiled(plan.designs, ["counting"])
    try:
        with ProgressBars() as progress:
            results, shards, found = run_sweep(
                plan, folder.parent, scheduler, jobs or cores(), lambda done, total: progress("blocks", done, total)
            )
        with deferred():
            results.save(folder, replace=True)
            shards.remove()
        page = write_report_page(folder) if html else None
    except KeyboardInterrupt:
        if (folder / "meta.json").exists():
            raise Interrupted(f"results: {folder}") from None
        raise Interrupted("what is done is kept for a day, the same command goes on from there") from None
    table = results.tables["crossover"]
    if as_json:
        print(table.to_json(orient="records", indent=1))
    else:
        for title, heads, rows in summary(table):
            print_table(heads, rows, title=title)
            print()
        if found:
            print(f"{found} of {len(plan.blocks())} blocks had been done before")
        transitions_table = results.tables["transitions"]
        wrong = int((~transitions_table["ok"]).sum())
        print(f"{len(transitions_table)} points, {wrong} not in the expected states")
        print(f"results: {folder}")
        if page:
            print(f"report:  {page}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(sweep)
