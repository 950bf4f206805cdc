# SPDX-License-Identifier: GPL-2.0-only
"""Fitted weights as text: the weights, the error by transition, the error of all."""

from collections.abc import Mapping
from typing import Any

from kvmarm.design import Design
from vgic_bench.console import print_table


def print_fit(design: Design, found: Mapping[str, Any], points: int) -> None:
    """Print what a fit of one design found.

    found: `weights`, `transitions` (count, mean, min and max error of each), `geometric_mean_error`, `worst_error`,
    `written`.
    """
    print_table(
        ["event", ">instructions"],
        [(name, f"{weight:.2f}") for name, weight in found["weights"].items() if weight],
        title=f"{design.name}: {design.title}",
    )
    print_table(
        ["transition", ">points", ">mean error", ">least", ">most"],
        [
            (name, int(row["count"]), f"{row['mean']:+.1%}", f"{row['min']:+.1%}", f"{row['max']:+.1%}")
            for name, row in found["transitions"].items()
        ],
    )
    geometric, worst = found["geometric_mean_error"], found["worst_error"]
    print(f"{design.name}: {points} points, geometric mean error {geometric:.2%}, worst {worst:.1%}")
    for target in found["written"]:
        print(f"weights: {target}")
    print()
