# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench plot`: the figures of a run as files."""

import json
from pathlib import Path
from typing import Annotated

import typer

from kvmarm.errors import UsageError
from reports.figures import FIGURES
from reports.plot import plot as write_figures
from vgic_bench.console import print_table
from vgic_bench.groups import command, new_app
from vgic_bench.options import Json, words

app = new_app()

EXAMPLES = ("vgic-bench plot --list", "vgic-bench plot results/mine --figures scaling --format svg -o figures")


@command(app, "plot", EXAMPLES)
def plot(
    results: Annotated[
        Path | None, typer.Argument(help="A results folder.", metavar="RESULTS", show_default=False)
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Folder for the files.")] = Path(
        "figures"
    ),
    figures: Annotated[
        list[str] | None,
        typer.Option(
            "--figures",
            metavar="A,B",
            help="Draw these figures only. [default: all that have data]",
            show_default=False,
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="A,B", help="svg, png. [default: both]", show_default=False),
    ] = None,
    list_figures: Annotated[bool, typer.Option("--list", help="List the figures that there are and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Write the figures of the report as SVG and PNG files."""
    if list_figures:
        if as_json:
            print(json.dumps(FIGURES, indent=1))
        else:
            print_table(("figure", "what it shows"), list(FIGURES.items()))
        return
    if results is None:
        raise UsageError("RESULTS is missing: expected a results folder, or --list")
    written = write_figures(results, output, words(figures), words(["svg,png"] if formats is None else formats))
    if as_json:
        print(json.dumps([str(path) for path in written]))
    else:
        for path in written:
            print(path)
