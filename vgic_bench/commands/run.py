# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench run`: the transitions and real workloads on every design, as tables, a results folder and a page."""

import json
import sys
from typing import Annotated

import typer

from bench.results.folders import check_new_folder
from bench.results.meta import load_meta
from bench.studies import run as study
from bench.studies.options import METERS, PARTS, Options, resolve
from bench.studies.summary import as_json as as_document
from bench.system.interruption import Interrupted, deferred
from vgic_bench import report_page
from vgic_bench.choices import designs_of
from vgic_bench.groups import command, new_app
from vgic_bench.options import (
    OUTPUT,
    Catalogue,
    Designs,
    Gics,
    Irqs,
    Json,
    Lrs,
    Pending,
    Platforms,
    ResultsOutput,
    Transitions,
    Vcpus,
    gics_of,
    words,
)
from vgic_bench.progress import ProgressBars
from vgic_bench.show.run import print_run

app = new_app()

EXAMPLES = (
    "vgic-bench run --quick",
    "vgic-bench run --transitions flush,mmio_read --gic 3 --vcpus 8",
    "vgic-bench run --meters events --parts transitions,switch --no-html -o results/counts",
)


@command(app, "run", EXAMPLES, tables=True)
def run(
    designs: Designs = None,
    gic: Gics = "2,3",
    irqs: Irqs = 256,
    vcpus: Vcpus = 4,
    lrs: Lrs = 4,
    pending: Pending = 0,
    transitions: Transitions = None,
    catalogue: Catalogue = None,
    meters: Annotated[
        list[str] | None,
        typer.Option(
            "--meters",
            metavar="A,B",
            help="Meters: events, instructions, time, cycles. [default: all]",
            show_default=False,
        ),
    ] = None,
    parts: Annotated[
        list[str] | None,
        typer.Option(
            "--parts",
            metavar="A,B",
            help="Parts: transitions, workloads, switch, life. [default: all; with --transitions those alone]",
            show_default=False,
        ),
    ] = None,
    platforms: Platforms = None,
    processes: Annotated[
        int | None,
        typer.Option(
            help="Fresh processes of the time meter. [default: 6, with --quick 1]",
            show_default=False,
        ),
    ] = None,
    passes: Annotated[int, typer.Option(help="How often each of these processes goes over all transitions.")] = 1,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Main transitions and boot workloads only, one timing process."),
    ] = False,
    as_json: Json = False,
    html: Annotated[
        bool | None,
        typer.Option(
            "--html/--no-html",
            help="Also write the report page into the folder. [default: not with --quick]",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None,
    output: ResultsOutput = None,
) -> None:
    """Measure what each state transition and real workload costs on each design, and say why."""
    default_parts = ["transitions", "switch"] if transitions else PARTS
    options = Options(
        designs=designs_of(designs),
        gics=gics_of(gic),
        irqs=irqs,
        vcpus=vcpus,
        lrs=lrs,
        pending=pending,
        transitions=transitions or (),
        catalogue=[str(path) for path in catalogue or ()],
        meters=words(meters) if meters else METERS,
        parts=words(parts) if parts else default_parts,
        platforms=words(platforms) if platforms else None,
        processes=processes if processes is not None else (1 if quick else 6),
        passes=passes,
        quick=quick,
    )
    plan = resolve(options)
    folder = study.default_output(None if output is None else str(output), "run")
    check_new_folder(folder)
    page = None
    try:
        with ProgressBars() as progress:
            outcome = study.execute(plan, progress, folder)
        folder = outcome.results.folder or folder
        if (html or (html is None and not quick)) and not outcome.interrupted:
            page = report_page.write_report_page(folder)
        if outcome.interrupted:
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        with deferred(again=True):
            if (folder / "meta.json").exists():
                lacking = load_meta(folder).get("missing")
                without = f" without {', '.join(lacking)}" if lacking else ""
                raise Interrupted(f"results{without}: {folder}") from None
        raise
    if as_json:
        document = as_document(outcome.results) | {"folder": str(folder), "page": page}
        print(json.dumps(document | {"unexpected": outcome.unexpected}, indent=1))
    else:
        print_run(outcome, folder, page)
    for line in outcome.failures:
        print(f"vgic-bench: error: {line}", file=sys.stderr)
    if outcome.unexpected or outcome.failures:
        raise typer.Exit(5)
