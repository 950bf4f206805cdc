# SPDX-License-Identifier: GPL-2.0-only
"""At which share of MMIO two designs cost the same: one definition for replays, workloads and the report."""

import math
from dataclasses import dataclass
from typing import Protocol


class Costs(Protocol):
    """What a break-even is made of (see bench.replay.sides.Side)."""

    @property
    def instructions(self) -> float | None:
        """Instructions of all operations, None where they are not known."""

    @property
    def mmio_instructions(self) -> float:
        """Those of MMIO operations."""

    @property
    def mmio(self) -> int:
        """MMIO operations."""

    @property
    def vgic_operations(self) -> int:
        """Operations that are the VGIC's, MMIO among them."""


@dataclass(frozen=True)
class BreakEven:
    """Mean cost of an MMIO operation and of another one for each design, and where the designs cost the same.

    share: of MMIO now. break_even: the share at which both cost the same, None at no share. wins_above: "first" or
    "second", the design that costs less above it. wins_always: the one that costs less at any share, where there is no
    break-even.
    """

    share: float
    old_mmio: float
    new_mmio: float
    old_other: float
    new_other: float
    break_even: float | None
    wins_above: str | None
    wins_always: str | None


def crossing(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return the share of MMIO at which two designs cost the same, NaN when one costs less at every share.

    first, second: mean cost of an MMIO operation and of another one.
    """
    slope = (second[0] - first[0]) - (second[1] - first[1])
    share = (first[1] - second[1]) / slope if slope else math.nan
    return share if 0 <= share <= 1 else math.nan


def break_even(first: Costs, second: Costs) -> BreakEven | None:
    """Return how much MMIO this workload would need for the designs to cost the same.

    The cost of an average MMIO operation and of an average other VGIC operation is kept, their share changed. None when
    instructions are not known or there is no MMIO.
    """
    sides: list[tuple[float, float]] = []
    for side in (first, second):
        others = side.vgic_operations - side.mmio
        if side.instructions is None or not side.mmio or not others:
            return None
        sides.append((side.mmio_instructions / side.mmio, (side.instructions - side.mmio_instructions) / others))
    (old_mmio, old_other), (new_mmio, new_other) = sides
    share = crossing(*sides)
    inside = not math.isnan(share)
    rises = (old_mmio - new_mmio) - (old_other - new_other) > 0
    return BreakEven(
        share=first.mmio / first.vgic_operations,
        old_mmio=old_mmio,
        new_mmio=new_mmio,
        old_other=old_other,
        new_other=new_other,
        break_even=share if inside else None,
        wins_above=("second" if rises else "first") if inside else None,
        wins_always=None if inside else ("first" if old_mmio < new_mmio else "second"),
    )
