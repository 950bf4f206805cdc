# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench history`: one figure over the stored runs, and where it changed."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.gate import history as histories
from kvmarm.errors import UsageError
from vgic_bench.choices import policy_of
from vgic_bench.groups import command, new_app
from vgic_bench.options import OUTPUT, VM, Json, complete_designs, gic_of, words
from vgic_bench.show.history import print_history

MOST_LINES = 12

app = new_app()

EXAMPLES = (
    "vgic-bench history --transition flush_p --designs new",
    "vgic-bench history results --metric time_ns --plot times.svg --transition inject_edge_spi",
)


@command(app, "history", EXAMPLES, tables=True)
def history(
    folder: Annotated[Path, typer.Argument(help="The folder that holds the results folders.")] = Path("results"),
    metric: Annotated[
        str, typer.Option("--metric", help="events, instructions, time_ns, or the name of one event.")
    ] = "events",
    transition: Annotated[
        str, typer.Option("--transition", help="A transition's name; * and ? match as in file names.")
    ] = "*",
    designs: Annotated[
        list[str] | None,
        typer.Option(
            "--designs",
            metavar="A,B",
            help="These designs only. [default: all]",
            autocompletion=complete_designs,
            show_default=False,
        ),
    ] = None,
    gic: Annotated[
        str | None,
        typer.Option("--gic", metavar="2|3", help="Rows with this GIC version only.", rich_help_panel=VM),
    ] = None,
    irqs: Annotated[
        int | None, typer.Option("--irqs", help="Rows with so many INTIDs only.", rich_help_panel=VM)
    ] = None,
    vcpus: Annotated[
        int | None, typer.Option("--vcpus", help="Rows with so many vCPUs only.", rich_help_panel=VM)
    ] = None,
    lrs: Annotated[
        int | None, typer.Option("--lrs", help="Rows with so many list registers only.", rich_help_panel=VM)
    ] = None,
    pending: Annotated[
        int | None, typer.Option("--pending", help="Rows with so many standing interrupts only.", rich_help_panel=VM)
    ] = None,
    minimum_effect: Annotated[
        float, typer.Option("--minimum-effect", help="Steps of time smaller than this fraction are none.")
    ] = 0.03,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help="Draw the series to this .svg, .png or .pdf file.",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Follow a figure over the stored runs and name the runs in which it changed.

    One series is printed run by run; of several, the changes.
    """
    effect = policy_of(minimum_effect).minimum_effect
    given = {"gic": None if gic is None else gic_of(gic), "irqs": irqs, "vcpus": vcpus, "lrs": lrs, "pending": pending}
    fields = {name: value for name, value in given.items() if value is not None}
    series, unread = histories.history(folder, metric, transition, words(designs), fields, effect)
    for line in unread:
        print(f"vgic-bench: warning: {line}", file=sys.stderr)
    if plot:
        if len(series) > MOST_LINES:
            raise UsageError(
                f"--plot: {len(series)} series are too many for one figure; choose by --transition, --designs, --gic, …"
            )
        histories.plot(series, plot)
    if as_json:
        print(json.dumps(histories.as_json(series), indent=1))
        return
    print_history(series, metric)
    if plot:
        print(plot)
