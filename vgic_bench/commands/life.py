# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench life`: an interrupt's whole life on every pairing of VGIC design and world switch."""

from typing import Annotated

import typer


def life(
    design: Annotated[
        list[str] | None, typer.Option("--design", help="VGIC designs, the first two make the 2×2; repeat the option.")
    ] = None,
    platform: Annotated[
        list[str] | None,
        typer.Option("--platform", help="Platforms by name, or files of your own; none for all. Repeat the option."),
    ] = None,
    gic: Annotated[
        list[int] | None, typer.Option("--gic", help="GIC versions: 2, 3; none for those of the platforms.")
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option("--scenario", help="Lives to show: edge, level, timer, sgi, kicked, idle; none for all."),
    ] = None,
    irqs: Annotated[int, typer.Option("--irqs", help="INTIDs of the VM.")] = 256,
    vcpus: Annotated[int, typer.Option("--vcpus", help="vCPUs of the VM.")] = 4,
    lrs: Annotated[int, typer.Option("--lrs", help="List registers.")] = 4,
    phases: Annotated[bool, typer.Option("--phases", help="Every phase of every pairing, not only the 2×2.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object: rows (phases) and effects (the 2×2).")
    ] = False,
) -> None:
    """Follow one interrupt from injection to the sync after its EOI: what each of the two changes bought.

    Pairings are old and new VGIC with the assembly and the C switch, and C with VHE. Cycles are a platform's prices;
    the guest's own accesses and the rest of the host's run loop are named terms, equal for all pairings.
    """
    import json

    from bench.meters import compile as warm
    from bench.studies.life import effects, life_rows, scenario_names
    from kvmarm.errors import UsageError
    from kvmarm.platforms import load_platform, platform_names
    from vgic_bench.show.life import print_effects, print_phases

    designs = design or ["old", "new"]
    for name in scenario or ():
        if name not in scenario_names():
            raise UsageError(f"--scenario: {name!r} is not one of {', '.join(scenario_names())}")
    prices = [load_platform(name) for name in platform or platform_names()]
    gics = gic or list(dict.fromkeys(each.gic for each in prices))
    warm.ensure_compiled(designs, ["counting"])
    rows = life_rows(designs, gics, platform, irqs, vcpus, lrs, scenarios=scenario)
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


def register(app: typer.Typer) -> None:
    """Add `vgic-bench life`."""
    app.command("life")(life)
