# SPDX-License-Identifier: GPL-2.0-only
"""Fitted weights, and the models' times against the real code's, as text: by transition, and in all."""

from collections.abc import Mapping
from typing import Any

from bench.meters.fit_time import ClockCheck
from kvmarm.design import Design
from vgic_bench.console import print_table, say


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
        say(f"{design.name}: {part['points']} {kind}, geometric mean error {geometric:.2%}, worst {worst:.1%}")
    for target in found["written"]:
        say(f"weights: {target}")
    say()


def _direction(opposite: int, sure: int) -> str:
    if not sure:
        return "–"
    return "same" if not opposite else f"opposite at {opposite} of {sure}"


def print_times(check: ClockCheck) -> None:
    """Print how far the models' times follow the real code's."""
    first, second = check.designs
    print_table(
        ["transition", ">points", f">{first} model/real", f">{second} model/real", f">real {second}/{first}",
         f">model {second}/{first}", "direction"],
        [
            (row.transition, row.points, f"{row.factors[first]:.2f}", f"{row.factors[second]:.2f}", f"{row.real:.2f}",
             f"{row.model:.2f}", _direction(row.opposite, row.sure))
            for row in check.transitions
        ],
    )  # fmt: skip
    say(
        f"{check.points} points: {second}/{first} off by {check.deviation:.2f}x (geometric mean), "
        f"bias {check.bias:.2f}x, rank correlation {check.rank:.2f}, "
        f"opposite direction at {check.opposite} of {check.sure}"
    )
    say(
        f"model/real: {first} {check.factors[first]:.2f}, {second} {check.factors[second]:.2f} "
        f"(lock pair {check.lock_pair_ns:.1f} ns here, {check.reference_lock_pair_ns:.1f} ns where the real code ran)"
    )
