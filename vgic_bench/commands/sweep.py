# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench sweep`: transitions over a grid of configurations."""

from typing import Annotated

import typer

from bench.catalogue.catalogue import cost_transitions
from bench.meters import compile as compiled
from bench.results.folders import check_new_folder
from bench.studies import sweep as study
from bench.studies.crossover import summary
from bench.studies.run import default_output
from bench.system.interruption import Interrupted, deferred
from bench.system.processes import cores
from kvmarm.errors import UsageError
from vgic_bench import report_page
from vgic_bench.choices import designs_of
from vgic_bench.console import print_table
from vgic_bench.groups import command, new_app
from vgic_bench.options import LIST, OUTPUT, Catalogue, Designs, Json, ResultsOutput, Transitions, gics_of, numbers_of
from vgic_bench.progress import ProgressBars

GRID = "The grid"

app = new_app()

EXAMPLES = (
    "vgic-bench sweep",
    "vgic-bench sweep --gic 3 --vcpus 1..64x2 --irqs 64..1024x2 --designs old,new",
    "vgic-bench sweep --gic 3 --transitions msi,its_command --lpis 1..4096x4 --devices 1,16 --position first,last",
)


@command(app, "sweep", EXAMPLES, tables=True)
def sweep(
    designs: Designs = None,
    gic: Annotated[str, typer.Option(metavar="2,3", help="GIC versions.", rich_help_panel=GRID)] = "2,3",
    irqs: Annotated[
        str, typer.Option(metavar="LIST", help=f"INTIDs. {LIST}", rich_help_panel=GRID)
    ] = "64,128,256,512,1024",
    vcpus: Annotated[str, typer.Option(metavar="LIST", help="vCPUs.", rich_help_panel=GRID)] = "1,2,4,8",
    lrs: Annotated[str, typer.Option(metavar="LIST", help="List registers.", rich_help_panel=GRID)] = "4",
    pending: Annotated[
        str, typer.Option(metavar="LIST", help="Standing interrupts.", rich_help_panel=GRID)
    ] = "0,1,4,16,64",
    live: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Live list registers of the world switches' transitions; empty for none.",
            rich_help_panel=GRID,
        ),
    ] = "0,1,2,3,4",
    lpis: Annotated[
        str, typer.Option(metavar="LIST", help="Mapped LPIs, for transitions of LPIs.", rich_help_panel=GRID)
    ] = "16",
    devices: Annotated[
        str, typer.Option(metavar="LIST", help="Devices that the LPIs belong to.", rich_help_panel=GRID)
    ] = "1",
    position: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Which LPI, in the order of the lists: first, middle or last.",
            rich_help_panel=GRID,
        ),
    ] = "first",
    transitions: Transitions = None,
    catalogue: Catalogue = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Run on the Dask cluster whose scheduler is at this address.", show_default=False
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Worker processes on this machine; 0 for one per core.")] = 0,
    as_json: Json = False,
    html: Annotated[
        bool,
        typer.Option("--html/--no-html", help="Also write the report page into the folder.", rich_help_panel=OUTPUT),
    ] = True,
    output: ResultsOutput = None,
) -> None:
    """Count transitions over a grid of configurations and find where one design starts to win.

    Without --transitions: those whose instructions on the real code are known. An interrupted sweep resumes where it
    was when the same command is given again.
    """
    if jobs < 0:
        raise UsageError(f"--jobs {jobs}: expected 0 or more")
    plan = study.Plan(
        designs=tuple(designs_of(designs)),
        gics=tuple(gics_of(gic)),
        irqs=numbers_of(irqs, "--irqs"),
        vcpus=numbers_of(vcpus, "--vcpus"),
        lrs=numbers_of(lrs, "--lrs"),
        pending=numbers_of(pending, "--pending"),
        transitions=tuple(transitions or cost_transitions()),
        catalogue=tuple(str(path) for path in catalogue or ()),
        live=numbers_of(live, "--live") if live else (),
        lpis=numbers_of(lpis, "--lpis"),
        devices=numbers_of(devices, "--devices"),
        positions=tuple(part.strip() for part in position.split(",")),
    )
    study.check(plan)
    folder = default_output(None if output is None else str(output), "sweep")
    check_new_folder(folder)
    try:
        with ProgressBars() as progress:
            compiled.ensure_compiled(plan.designs, plan.code_needed(), progress)
            results, shards, found = study.sweep(
                plan, folder.parent, scheduler, jobs or cores(), lambda done, total: progress("blocks", done, total)
            )
        with deferred():
            folder = results.save_new(folder)
            shards.remove()
        page = report_page.write_report_page(folder) if html else None
    except KeyboardInterrupt:
        if (folder / "meta.json").exists():
            raise Interrupted(f"results: {folder}") from None
        raise Interrupted("finished blocks are kept for 24 hours; run the same command again to resume") from None
    table = results.tables["crossover"]
    if as_json:
        print(table.to_json(orient="records", indent=1))
        return
    tables = summary(table)
    most = max(2, 16 // max(1, len(tables)) - 3)
    for title, heads, rows in tables:
        print_table(heads, rows, title=title, most=most)
        print()
    if found:
        print(f"{found} of {len(plan.blocks())} blocks had been done before")
    transitions_table = results.tables["transitions"]
    wrong = int((~transitions_table["ok"]).sum())
    print(f"{len(transitions_table)} points, {wrong} not in the expected states")
    print(f"results: {folder}")
    if page:
        print(f"report:  {page}")
