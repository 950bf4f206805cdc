# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench report`: one HTML page of a run."""

import gc
import json
from pathlib import Path
from textwrap import fill
from typing import Annotated, Any

import typer

from kvmarm.files import check_file
from reports import answer
from reports.data import Report
from reports.document import write
from reports.summary import verdicts
from reports.verify_page import is_verification, write_page
from vgic_bench.console import PLAIN_WIDTH, print_table, say
from vgic_bench.groups import command, new_app
from vgic_bench.options import Json

app = new_app()

EXAMPLES = ("vgic-bench report results/mine", "vgic-bench report results/after --baseline results/before -o page.html")


@command(app, "report", EXAMPLES, tables=True)
def report(
    results: Annotated[Path, typer.Argument(help="A results folder.", metavar="RESULTS", show_default=False)],
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="FOLDER", help="Results folder to compare with.", show_default=False),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The HTML file to write.")] = Path(
        "report.html"
    ),
    as_json: Json = False,
) -> None:
    """Write one self-contained HTML page of a run: the verdict, every transition, figures, method and data."""
    check_file(output)
    if is_verification(results):
        print(f"report: {write_page(results, output)}")
        return
    path, found, said = _write(results, output, baseline)
    if as_json:
        document = {"report": str(path), "bytes": path.stat().st_size, "claims": found}
        print(json.dumps(document, ensure_ascii=False, indent=1))
        return
    for sentence in said:
        say(fill(sentence, PLAIN_WIDTH))
    if found:
        print_table(("verdict", "~claim"), [(entry["verdict"], entry["claim"]) for entry in found])
    print(f"report: {path}")


def _write(results: Path, output: Path, baseline: Path | None) -> tuple[Path, list[dict[str, Any]], list[str]]:
    """Write the page; return its path, the verdicts on the claims, and the sentences of the answer."""
    collecting = gc.isenabled()
    # What a page is made of lives until it is written: looking for garbage in it again and again finds none.
    gc.disable()
    try:
        read = Report(results)
        return write(read, output, baseline), verdicts(read), answer.verdict(read)
    finally:
        if collecting:
            gc.enable()
