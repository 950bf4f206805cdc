# SPDX-License-Identifier: GPL-2.0-only
"""Fitted weights as text: the weights, the error by transition, the error of all."""

from collections.abc import Mapping
from typing import Any

from kvmarm.design import Design
from vgic_bench.console import print_table


def print_fit(design: Design, found: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]) -> None:
    """Print what a fit of one design found.

    found: `weights`, `written`. parts: `points` and `lpis`, as far as there are such: `points` (how many),
    `transitions` (count, mean, min and max error of each), `geometric_mean_error`, `worst_error`.
    """
    print_table(
        ["event", ">instructions"],
        [(name, f"{weight:.2f}") for name, weight in found["weights"].items() if weight],
        title=f"{design.name}: {design.title}",
    )
    for part in parts.values():
        print_table(
            ["transition", ">points", ">mean error", ">least", ">most"],
            [
                (name, int(row["count"]), f"{row['mean']:+.1%}", f"{row['min']:+.1%}", f"{row['max']:+.1%}")
                for name, row in part["transitions"].items()
            ],
        )
    for name, part in parts.items():
        geometric, worst = part["geometric_mean_error"], part["worst_error"]
        kind = "points of LPIs" if name == "lpis" else "points"
        print(f"{design.name}: {part['points']} {kind}, geometric mean error {geometric:.2%}, worst {worst:.1%}")
    for target in found["written"]:
        print(f"weights: {target}")
    print()
