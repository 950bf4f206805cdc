# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench results`: what is stored, one run in short, and runs in other programs' formats."""

from pathlib import Path
from typing import Annotated

import typer

results_app = typer.Typer(help="List stored runs, show one, export it to other formats.", no_args_is_help=True)


@results_app.command("list")
def list_runs(
    folder: Annotated[Path, typer.Argument(help="The folder that holds the results folders.")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array instead of the table.")] = False,
) -> None:
    """List the runs stored in a folder, oldest first; one that can't be read is listed with the reason."""
    import json
    import sys

    from bench.results.folders import find_runs
    from vgic_bench.console import print_table
    from vgic_bench.show.results import describe_folder

    rows = [describe_folder(path) for path in find_runs(folder)]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    good = [row for row in rows if not row["error"]]
    if good:
        columns = ("run", "kind", "started", ">transitions", "meters", "commit")
        cells = [
            (
                row["name"] + (f" ({row['state'].split(',')[0]})" if row["state"] else ""),
                row["kind"],
                row["started"],
                row["transitions"],
                row["meters"],
                row["commit"],
            )
            for row in good
        ]
        print_table(columns, cells)
    else:
        print(f"{folder}: no stored runs")
    for row in rows:
        if row["error"]:
            print(f"vgic-bench: warning: {row['error']}", file=sys.stderr)


@results_app.command("show")
def show(
    run: Annotated[Path, typer.Argument(help="A results folder, counts file or pytest-benchmark JSON.")],
    table: Annotated[str, typer.Option("--table", help="Show this table's first rows instead of the summary.")] = "",
    rows: Annotated[int, typer.Option("--rows", help="Rows of the table to show; 0 for all.", min=0)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: the metadata, or the table's rows.")] = False,
) -> None:
    """Show how a run was made and what it holds, or the rows of one of its tables."""
    from bench.results import exchange
    from vgic_bench.show.results import show_run, show_table

    loaded = exchange.load(run)
    if table:
        show_table(loaded, table, rows, as_json)
    else:
        show_run(loaded, as_json)


@results_app.command("export")
def export(
    run: Annotated[Path, typer.Argument(help="A results folder, counts file or pytest-benchmark JSON.")],
    form: Annotated[
        str, typer.Option("--format", help="csv, counts (exact counts for version control), pytest-benchmark, pyperf.")
    ] = "csv",
    table: Annotated[str, typer.Option("--table", help="With csv: this table only, to one file.")] = "",
    output: Annotated[
        Path, typer.Option("-o", "--output", help="File to write; with csv and no --table, a folder.")
    ] = Path("export"),
) -> None:
    """Write a run in another format."""
    from bench.gate.budget import nearest
    from bench.results import exchange
    from kvmarm.errors import UsageError

    if form not in exchange.FORMATS:
        hint = nearest(form, list(exchange.FORMATS)) or f"; expected one of {', '.join(exchange.FORMATS)}"
        raise UsageError(f"--format {form!r} is unknown{hint}")
    if table and form != "csv":
        raise UsageError(f"--table goes with --format csv only, not with {form}")
    loaded = exchange.load(run)
    if form == "csv":
        for path in exchange.write_csv(loaded, output, table or None):
            print(path)
        return
    if form == "counts":
        exchange.write_counts(loaded, output)
    elif form == "pytest-benchmark":
        exchange.write_pytest_benchmark(loaded, output)
    else:
        exchange.write_pyperf(loaded, output)
    print(output)


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(results_app, name="results")
