# SPDX-License-Identifier: GPL-2.0-only
"""The world switches side by side, by register group, with the reasons for the differences and, if asked, cycles."""

from collections.abc import Sequence
from typing import Any

from bench.switches.listing import compare_groups, run, variants
from kvmarm.cycles import switch_cost_by_group
from kvmarm.el2.configuration import Configuration
from kvmarm.errors import UsageError
from kvmarm.platforms import load_platform
from vgic_bench.console import print_table

_NOT_VARIANTS = ("group", "why")


def comparison(configuration: Configuration, platform: str | None) -> list[dict[str, Any]]:
    """Return `bench.switches.listing.compare_groups`, with `cycles` in every cell if a platform is named."""
    rows = compare_groups(configuration)
    if platform is None:
        return rows
    prices = load_platform(platform)
    if configuration.gic != f"v{prices.gic}":
        raise UsageError(f"platform {platform}: has a GICv{prices.gic}; expected --gic v{prices.gic}")
    for title, variant in variants(configuration):
        groups = switch_cost_by_group(prices, run(variant).values())
        for row in rows:
            cycles = sum(groups.values()) if row["group"] == "total" else groups.get(row["group"], 0.0)
            row[title]["cycles"] = round(cycles, 1)
    return rows


def _cell(cell: dict[str, Any]) -> str:
    return f"{cell['save']}/{cell['restore']} ({cell['accesses']})"


def print_comparison(rows: Sequence[dict[str, Any]]) -> None:
    """Print the comparison: instructions (accesses the hardware sees) of a round trip, then why groups differ."""
    titles = [key for key in rows[0] if key not in _NOT_VARIANTS]
    priced = "cycles" in rows[0][titles[0]]
    columns = ["register group", *(f">{title}" for title in titles)]
    cells = [[row["group"], *(_cell(row[title]) for title in titles)] for row in rows]
    print_table(columns, cells, "Round trip: instructions, save/restore (what hardware sees)")
    if priced:
        print()
        cells = [[row["group"], *(f"{row[title]['cycles']:,.0f}" for title in titles)] for row in rows]
        print_table(columns, cells, "Cycles")
    print()
    import textwrap

    for row in rows:
        if row["why"] and len({str(row[title]["counts"]) for title in titles}) > 1:
            text = f"{row['group']}: {row['why']}"
            print("\n".join(textwrap.wrap(text, 78, initial_indent="  ", subsequent_indent="    ")))
