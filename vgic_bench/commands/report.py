# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench report`: one HTML page of a run."""

from pathlib import Path
from typing import Annotated, Any

import typer


def report(
    results: Annotated[Path, typer.Argument(help="A results folder.", metavar="RESULTS", show_default=False)],
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Another results folder to hold it against.", show_default=False)
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="The HTML file to write.")] = Path("report.html"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the verdicts and the file as one JSON object.")
    ] = False,
) -> None:
    """Write one self-contained HTML page of a run: the verdict, every transition, figures, method and data."""
    import json

    from kvmarm.files import check_file
    from vgic_bench.console import print_table

    check_file(output)
    path, found = _write(results, output, baseline)
    if as_json:
        print(
            json.dumps(
                {"report": str(path), "bytes": path.stat().st_size, "claims": found}, ensure_ascii=False, indent=1
            )
        )
        return
    print_table(("claim", "verdict"), [(entry["claim"], entry["verdict"]) for entry in found])
    print(f"report: {path}")


def _write(results: Path, output: Path, baseline: Path | None) -> tuple[Path, list[dict[str, Any]]]:
    """Write the page; return its path and the verdicts."""
    import gc

    collecting = gc.isenabled()
    # What a page is made of lives until it is written: looking for garbage in it again and again finds none.
    gc.disable()
    try:
        from reports.data import Report
        from reports.document import write
        from reports.summary import verdicts

        read = Report(results)
        return write(read, output, baseline), verdicts(read)
    finally:
        if collecting:
            gc.enable()


def register(app: typer.Typer) -> None:
    """Add `report`."""
    app.command("report")(report)
