# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench compare`: two runs side by side."""

import json
from pathlib import Path
from typing import Annotated

import typer

from bench.gate.compare import METERS
from bench.gate.compare import compare as compare_runs
from bench.results import exchange
from vgic_bench.choices import policy_of
from vgic_bench.groups import command, new_app
from vgic_bench.options import Json, Meters, SameHost, listed
from vgic_bench.show.compare import print_comparison

app = new_app()

EXAMPLES = (
    "vgic-bench compare results/before results/after",
    "vgic-bench compare results/before results/after --meters time --minimum-effect 0.05 --all",
)


@command(app, "compare", EXAMPLES, tables=True)
def compare(
    baseline: Annotated[Path, typer.Argument(help="A results folder, counts file or pytest-benchmark JSON.")],
    candidate: Annotated[Path, typer.Argument(help="What to compare with it: any of the same.")],
    meters: Meters = None,
    minimum_effect: Annotated[
        float, typer.Option("--minimum-effect", help="Changes of time smaller than this fraction are none.")
    ] = 0.03,
    same_host: SameHost = False,
    everything: Annotated[bool, typer.Option("--all", help="Show every row, unchanged ones too.")] = False,
    as_json: Json = False,
) -> None:
    """Compare two runs row by row, with a verdict for each count and time.

    Exit status 4 when nothing, or not everything asked for, could be compared; 0 otherwise, whatever changed.
    """
    policy = policy_of(minimum_effect)
    wanted = tuple(listed(meters, "--meters", METERS))
    found = compare_runs(exchange.load(baseline), exchange.load(candidate), policy, wanted, same_host)
    (found.blocked if meters else found.notes).extend(found.lost)
    if as_json:
        print(json.dumps(found.as_json(), indent=1))
    else:
        print_comparison(found, everything)
    if found.blocked:
        raise typer.Exit(4)
