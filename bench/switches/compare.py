# SPDX-License-Identifier: GPL-2.0-only
"""The world switches side by side, by register group, with the reasons for the differences and, if asked, cycles."""

from typing import Any

from bench.switches.listing import compare_groups, run, variants
from kvmarm.cycles import switch_cost_by_group
from kvmarm.el2.configuration import Configuration
from kvmarm.errors import UsageError
from kvmarm.platforms import load_platform


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
