# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench check`: what the author of a design runs."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bench.meters import compile as compiled
from bench.studies.design_check import check_design, failing
from kvmarm.files import check_file
from vgic_bench.choices import designs_of
from vgic_bench.groups import command, new_app
from vgic_bench.options import OUTPUT, Json, complete_designs
from vgic_bench.progress import ProgressBars
from vgic_bench.show.check import print_findings, write_junit

app = new_app()

EXAMPLES = ("vgic-bench check now", "vgic-bench check mine --against old --junit check.xml")


@command(app, "check", EXAMPLES, tables=True)
def check(
    design: Annotated[
        str, typer.Argument(metavar="DESIGN", help="The design's name.", autocompletion=complete_designs)
    ],
    against: Annotated[
        str,
        typer.Option(metavar="NAME", help="Design that packaged traces are compared with.", show_default=True),
    ] = "new",
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="How many random traces.", show_default=True)] = 6,
    operations: Annotated[
        int, typer.Option(min=10, max=100_000, help="Operations of a random trace.", show_default=True)
    ] = 200,
    junit: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write JUnit XML.", rich_help_panel=OUTPUT, show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a design: interface, catalogue, packaged and random traces, compiled and plain, and its locks.

    Exit status 1 when something is wrong that the design's check.toml does not give a reason for.
    """
    designs_of([design])
    designs_of([against])
    if junit is not None:
        check_file(junit)
    with ProgressBars() as progress:
        compiled.ensure_compiled([design, against], ["counting", "plain"], progress)
    findings = check_design(design, against, range(seeds), operations)
    if junit is not None:
        write_junit(findings, junit)
    if as_json:
        print(json.dumps({"design": design, "findings": [asdict(finding) for finding in findings]}, indent=1))
    else:
        print_findings(findings)
        print(f"{design}: {'not as it should be' if failing(findings) else 'passes'}")
    if failing(findings):
        raise typer.Exit(1)
