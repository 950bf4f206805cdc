# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench plot`: the figures of a run as files."""

from pathlib import Path
from typing import Annotated

import typer


def plot(
    results: Annotated[
        Path | None, typer.Argument(help="A results folder.", metavar="RESULTS", show_default=False)
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the files.")] = Path("figures"),
    figure: Annotated[
        list[str] | None,
        typer.Option(
            "--figure", help="Draw this figure only (repeatable); by default all that have data.", show_default=False
        ),
    ] = None,
    formats: Annotated[str, typer.Option("--format", help="svg, png, or both separated by a comma.")] = "svg,png",
    list_figures: Annotated[bool, typer.Option("--list", help="List the figures that there are and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the files written as a JSON array.")] = False,
) -> None:
    """Write the figures of the report as SVG and PNG files."""
    import json

    from reports.figures import FIGURES
    from vgic_bench.console import print_table

    if list_figures:
        if as_json:
            print(json.dumps(FIGURES, indent=1))
        else:
            print_table(("figure", "what it shows"), list(FIGURES.items()))
        return
    from kvmarm.errors import UsageError
    from reports.plot import plot as write_figures

    if results is None:
        raise UsageError("RESULTS is missing: expected a results folder, or --list")

    written = write_figures(
        results, output, figure or (), [kind.strip() for kind in formats.split(",") if kind.strip()]
    )
    if as_json:
        print(json.dumps([str(path) for path in written]))
    else:
        for path in written:
            print(path)


def register(app: typer.Typer) -> None:
    """Add `plot`."""
    app.command("plot")(plot)
