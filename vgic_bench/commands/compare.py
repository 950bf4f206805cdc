# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench compare`: two runs side by side."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    baseline: Annotated[Path, typer.Argument(help="A results folder, counts file or pytest-benchmark JSON.")],
    candidate: Annotated[Path, typer.Argument(help="What to compare with it: any of the same.")],
    meters: Annotated[str, typer.Option("--meters", help="Compare these only, separated by commas.")] = "events,time",
    minimum_effect: Annotated[
        float, typer.Option("--minimum-effect", help="Changes of time smaller than this fraction are none.")
    ] = 0.03,
    everything: Annotated[bool, typer.Option("--all", help="Show every row, unchanged ones too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")] = False,
) -> None:
    """Compare two runs row by row, with a verdict for each count and time.

    Exit status 4 when nothing, or not everything asked for, could be compared; 0 otherwise, whatever changed.
    """
    import json

    from bench.gate.compare import compare as compare_runs
    from bench.results import exchange
    from bench.results.statistics import Policy
    from kvmarm.errors import UsageError
    from vgic_bench.show.compare import print_comparison

    if not 0 < minimum_effect < 1:
        raise UsageError(f"--minimum-effect {minimum_effect}: expected a fraction between 0 and 1, both excluded")
    wanted = tuple(name.strip() for name in meters.split(","))
    policy = Policy(minimum_effect=minimum_effect)
    found = compare_runs(exchange.load(baseline), exchange.load(candidate), policy, wanted)
    if as_json:
        print(json.dumps(found.as_json(), indent=1))
    else:
        print_comparison(found, everything)
    if found.blocked:
        raise typer.Exit(4)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)
