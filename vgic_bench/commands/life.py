# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench life`: an interrupt's whole life on every pairing of VGIC design and world switch."""

import json
from typing import Annotated

import typer

from bench.meters import compile as compiled
from bench.studies.life import effects, life_rows, scenario_names
from kvmarm.errors import UsageError
from kvmarm.platforms import load_platform, platform_names
from vgic_bench.choices import designs_of
from vgic_bench.groups import command, new_app
from vgic_bench.options import VM, Designs, Irqs, Json, Lrs, Platforms, Vcpus, gics_of, words
from vgic_bench.progress import ProgressBars
from vgic_bench.show.life import print_effects, print_phases

app = new_app()

EXAMPLES = (
    "vgic-bench life",
    "vgic-bench life --platforms xgene --scenarios level,idle --phases",
    "vgic-bench life --gic 3 --platforms mine.toml --json",
)


@command(app, "life", EXAMPLES, tables=True)
def life(
    designs: Designs = None,
    platforms: Platforms = None,
    gic: Annotated[
        list[str] | None,
        typer.Option(
            "--gic",
            metavar="2,3",
            help="GIC versions. [default: those of the platforms]",
            rich_help_panel=VM,
            show_default=False,
        ),
    ] = None,
    scenarios: Annotated[
        list[str] | None,
        typer.Option(
            "--scenarios",
            metavar="A,B",
            help="Lives to show: edge, level, timer, sgi, kicked, idle. [default: all]",
            show_default=False,
        ),
    ] = None,
    irqs: Irqs = 256,
    vcpus: Vcpus = 4,
    lrs: Lrs = 4,
    phases: Annotated[bool, typer.Option("--phases", help="Every phase of every pairing, not only the 2×2.")] = False,
    as_json: Json = False,
) -> None:
    """Follow one interrupt from injection to the sync after its EOI: what each of the two changes bought.

    Pairings are old and new VGIC with the assembly and the C switch, and C with VHE. Cycles are a platform's prices;
    the guest's own accesses and the rest of the host's run loop are named terms, equal for all pairings.
    """
    chosen = designs_of(designs)
    lives = words(scenarios)
    for name in lives:
        if name not in scenario_names():
            raise UsageError(f"--scenarios: {name!r} is not one of {', '.join(scenario_names())}")
    named = words(platforms)
    prices = [load_platform(name) for name in named or platform_names()]
    gics = gics_of(gic) if gic else list(dict.fromkeys(each.gic for each in prices))
    with ProgressBars() as progress:
        compiled.ensure_compiled(chosen, ["counting"], progress)
    rows = life_rows(chosen, gics, named or None, irqs, vcpus, lrs, scenarios=lives or None)
    squares = effects(rows)
    if as_json:
        print(json.dumps({"rows": _plain(rows), "effects": squares}, indent=1))
        return
    if phases:
        print_phases(rows)
    print_effects(squares)


def _plain(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return rows with null for what is not known: JSON has no NaN."""
    return [{key: None if value != value else value for key, value in row.items()} for row in rows]
