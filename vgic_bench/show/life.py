# SPDX-License-Identifier: GPL-2.0-only
"""The whole life of an interrupt as tables: phases by pairing, and the 2×2 of each scenario."""

from collections.abc import Sequence
from typing import Any

from bench.studies.life import PHASES, SCENARIOS
from vgic_bench.console import manner, print_table, say, shows_all

MOST = 12
"""Rows on the screen that the lives are."""
_TITLES = {scenario.name: scenario.title for scenario in SCENARIOS}


def print_phases(rows: Sequence[dict[str, Any]]) -> None:
    """Print, for each scenario and platform, the cycles of every phase of every pairing."""
    groups: dict[tuple[Any, ...], dict[str, dict[str, float]]] = {}
    for row in rows:
        pairing = groups.setdefault((row["scenario"], row["gic"], row["platform"]), {})
        phases = pairing.setdefault(f"{row['design']}+{row['switch']}", {})
        phases[row["phase"]] = row["cycles"]
    for (scenario, gic, platform), pairings in groups.items():
        title = f"{scenario}: {_TITLES[scenario]}, GICv{gic}, {platform or 'no platform'} (cycles)"
        cells = [
            (name, *(_cycles(phases[phase]) for phase in PHASES), _cycles(sum(phases.values())))
            for name, phases in pairings.items()
        ]
        print_table(("", *(f">{phase}" for phase in PHASES), ">sum"), cells, title)
        say()


def print_effects(effects: Sequence[dict[str, Any]]) -> None:
    """Print the 2×2 of each scenario and platform: totals of the pairings, main effects, interaction, VHE."""
    places = list(dict.fromkeys((effect["platform"], effect["gic"]) for effect in effects))
    shown = places if shows_all() or manner.form != "table" else places[:1]
    for platform, gic in shown:
        mine = [effect for effect in effects if (effect["platform"], effect["gic"]) == (platform, gic)]
        pairings = list(mine[0]["totals"])
        cells = [
            (
                effect["scenario"],
                *(_cycles(effect["totals"][pairing]) for pairing in pairings),
                *(_signed(effect[name]) for name in ("design_effect", "switch_effect", "interaction", "vhe_effect")),
            )
            for effect in mine
        ]
        heads = (*pairings, "VGIC", "switch", "inter.", "VHE")
        title = f"{platform or 'no platform'}, GICv{gic}: {mine[0]['unit']} of a whole life"
        print_table(("life", *(f">{head}" for head in heads)), cells, title, most=MOST)
        say()
    if len(shown) < len(places):
        say(f"… {len(places) - len(shown)} more platforms: --all, or one by --platforms")
    if effects:
        say("VGIC, switch: what the second of each changes, averaged over the other;")
        say("inter.: by how much the switch's effect differs between the designs, halved;")
        say("VHE: what it changes on top of the last pairing.")


def _cycles(value: float) -> str:
    return "?" if value != value else f"{value:,.0f}"


def _signed(value: float | None) -> str:
    return "?" if value is None or value != value else f"{value:+,.0f}"
