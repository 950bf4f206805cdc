# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench results`: what is stored, one run in short, and runs in other programs' formats."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.gate.budget import nearest
from bench.results import exchange
from bench.results.folders import find_runs
from kvmarm.errors import UsageError
from kvmarm.files import check_not_input
from vgic_bench.console import print_table
from vgic_bench.groups import command, new_app
from vgic_bench.options import Json
from vgic_bench.show.results import describe_folder, show_run, show_table

app = new_app(
    "List stored runs, show one, export it to other formats.",
    ("vgic-bench results list", "vgic-bench results show results/mine"),
)


@command(
    app,
    "list",
    ("vgic-bench results list", "vgic-bench results list elsewhere --json"),
    "List the stored runs.",
    tables=True,
)
def list_runs(
    folder: Annotated[Path, typer.Argument(help="The folder that holds the results folders.")] = Path("results"),
    as_json: Json = False,
) -> None:
    """List the runs stored in a folder, oldest first; one that can't be read is listed with the reason."""
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
        print_table(columns, cells, most=20)
    else:
        print(f"{folder}: no stored runs")
    for row in rows:
        if row["error"]:
            print(f"vgic-bench: warning: {row['error']}", file=sys.stderr)


SHOW_EXAMPLES = (
    "vgic-bench results show results/mine",
    "vgic-bench results show results/mine --table transitions --rows 5",
)


@command(app, "show", SHOW_EXAMPLES, "Show how a run was made and what it holds.", tables=True)
def show(
    run: Annotated[Path, typer.Argument(help="A results folder, counts file or pytest-benchmark JSON.")],
    table: Annotated[str, typer.Option("--table", help="Show this table's first rows instead of the summary.")] = "",
    rows: Annotated[int, typer.Option("--rows", help="Rows of the table to show; 0 for all.", min=0)] = 20,
    as_json: Json = False,
) -> None:
    """Show how a run was made and what it holds, or the rows of one of its tables.

    With --json: the metadata, or the table's rows.
    """
    loaded = exchange.load(run)
    if table:
        show_table(loaded, table, rows, as_json)
    else:
        show_run(loaded, as_json)


EXPORT_EXAMPLES = (
    "vgic-bench results export results/mine -o csv",
    "vgic-bench results export results/mine --format counts -o counts.json",
)


@command(app, "export", EXPORT_EXAMPLES, "Write a run in another program's format.")
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
    if form not in exchange.FORMATS:
        hint = nearest(form, list(exchange.FORMATS)) or f"; expected one of {', '.join(exchange.FORMATS)}"
        raise UsageError(f"--format {form!r} is unknown{hint}")
    if table and form != "csv":
        raise UsageError(f"--table goes with --format csv only, not with {form}")
    check_not_input(output, run)
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
