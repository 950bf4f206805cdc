# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench verify`: does a design do what the GIC architecture says?"""

import json
from pathlib import Path
from typing import Annotated

import typer

from bench.engine.designs import check_designs
from bench.verify.classes import class_name, signature_text
from bench.verify.compile import ensure_compiled
from bench.verify.configurations import chosen, large
from bench.verify.report import ReplayError
from bench.verify.results import as_json, differences, junit, new_signatures, read_result, write_traces
from bench.verify.run import Task, verify
from bench.verify.search import Limits
from bench.verify.trace import verify_trace
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.files import check_file
from kvmarm.trace_read import read_trace
from vgic_bench.groups import command, new_app
from vgic_bench.options import OUTPUT, Json, complete_designs, listed
from vgic_bench.progress import ProgressBars
from vgic_bench.show.verify import print_differences, print_verified

app = new_app()

EXAMPLES = (
    "vgic-bench verify",
    'vgic-bench verify --designs new --config "SPI level" -o found',
    "vgic-bench verify --trace found/new-lost-sgi.trace --designs new",
)
RANDOM_RUNS = 1000
VIOLATIONS, INTERNAL = 1, 3


@command(app, "verify", EXAMPLES, tables=True)
def verify_designs(
    designs: Annotated[
        list[str] | None,
        typer.Option(
            "--designs",
            metavar="A,B",
            help="VGIC designs. [default: old,new]",
            autocompletion=complete_designs,
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        str,
        typer.Option("--config", metavar="NAME|FIELDS", help="Part of a name, or gic=2 vcpus=1 lrs=1 irqs=spi-edge."),
    ] = "small-set",
    alphabet: Annotated[str, typer.Option("--alphabet", metavar="lawful|hostile", help="What software may do.")] = (
        "lawful"
    ),
    depth: Annotated[int, typer.Option("--depth", min=0, help="Operations at most; 0: until nothing is new.")] = 0,
    seconds: Annotated[float, typer.Option("--time", min=0, help="Seconds per configuration; 0: no limit.")] = 0.0,
    random: Annotated[
        bool, typer.Option("--random", help=f"{RANDOM_RUNS} random runs of a larger VM instead of a search.")
    ] = False,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Random runs.")] = RANDOM_RUNS,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the random runs.")] = 1,
    beyond: Annotated[bool, typer.Option("--beyond", help="Search on behind violations: their consequences.")] = False,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", metavar="FILE", help="Judge this trace instead.", show_default=False),
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            "--compare", metavar="A,B", help="Signatures that only one of two designs has.", show_default=False
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline", metavar="FILE", help="An earlier --json: only new signatures fail.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Write a trace per signature, and verify.json.",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None,
    junit_file: Annotated[
        Path | None,
        typer.Option(
            "--junit", metavar="FILE", help="Also write JUnit XML.", rich_help_panel=OUTPUT, show_default=False
        ),
    ] = None,
    as_object: Json = False,
) -> None:
    """Search all that a small VM can do on a design for what contradicts the GIC architecture.

    Exit status: 0 no violation (with --baseline: no new one), 1 violations, 2 usage, 3 a defect of the search.
    """
    pair = listed(compare, "--compare", []) if compare else []
    if compare and len(pair) != 2:
        raise UsageError("--compare: expected two designs")
    names = pair or listed(designs, "--designs", ["old", "new"])
    check_designs(names)
    known = read_result(baseline) if baseline is not None else None
    if trace is not None:
        raise typer.Exit(_judge(trace, names, as_object))
    if alphabet not in ("lawful", "hostile"):
        raise UsageError(f"--alphabet {alphabet!r}: expected lawful or hostile")
    if junit_file is not None:
        check_file(junit_file)
    configurations = [large(gic) for gic in (2, 3)] if random and config == "small-set" else chosen(config)
    if alphabet == "hostile":
        configurations = [one.as_hostile() for one in configurations]
    task = Task(tuple(configurations), Limits(depth, seconds, beyond), runs if random else 0, seed)
    with ProgressBars() as progress:
        ensure_compiled(names, progress)
        try:
            verified = verify(names, task, progress)
        except ReplayError as error:
            raise UsageError(str(error), INTERNAL) from error
    if output is not None:
        write_traces(verified, output)
    new = new_signatures(verified, known) if known is not None else None
    failing = new if new is not None else [report for one in verified for report in one.signatures()]
    if junit_file is not None:
        junit_file.write_bytes(junit(verified, failing))
    if as_object:
        print(json.dumps(as_json(verified, output), indent=1, ensure_ascii=False))
    else:
        print_verified(verified, new)
        if pair:
            print_differences(differences(*verified))
    raise typer.Exit(VIOLATIONS if failing else 0)


def _judge(path: Path, names: list[str], as_object: bool) -> int:
    """Judge a trace on each design; return the exit status."""
    found = 0
    trace = read_trace(path)
    with ProgressBars() as progress:
        ensure_compiled(names, progress)
    rows = []
    for name in names:
        design = get_design(name)
        finding = verify_trace(trace, design)
        text = None if finding.code is None else signature_text(finding.code, dict(design.bugs))
        cls = None if finding.code is None else class_name(finding.code)
        found |= finding.code is not None
        rows.append(
            {"trace": str(path), "design": name, "operation": finding.operation, "class": cls, "signature": text}
        )
        if not as_object:
            where = "nothing" if text is None else f"operation {finding.operation}: {text}"
            print(f"{path}: design {name}: {where}")
    if as_object:
        print(json.dumps(rows[0] if len(rows) == 1 else rows, indent=1, ensure_ascii=False))
    return VIOLATIONS if found else 0
