# SPDX-License-Identifier: GPL-2.0-only
"""Whether the clock and the predicted instructions say the same of two designs: the direction, row by row."""

from dataclasses import dataclass

from reports.data import Report
from reports.numbers import CHEAPER, DEARER, NONE, glyph

INSTRUCTIONS, TIME = "instructions", "time_ns"
SAME, OPPOSITE, UNKNOWN = "✔", "✘", NONE
"""The marks of a row: both meters do not contradict each other; one says ▼ and the other ▲; one of them is missing."""


def has_both(report: Report, family: str = "vgic") -> bool:
    """Return whether a run has both meters, and two designs to compare."""
    known = {meter.key for meter in report.meters(family)}
    return {INSTRUCTIONS, TIME} <= known and len(report.designs(family)) > 1


def mark(instructions: float, time: float) -> str:
    """Return the mark of two ratios: SAME, OPPOSITE or UNKNOWN. What is equal in one meter contradicts nothing."""
    marks = {glyph(instructions), glyph(time)}
    if NONE in marks:
        return UNKNOWN
    return OPPOSITE if marks == {CHEAPER, DEARER} else SAME


def marks(report: Report, family: str = "vgic") -> list[str]:
    """Return the mark of each of the report's measurements; OPPOSITE where one candidate's meters contradict."""
    each = []
    for candidate in range(1, len(report.designs(family))):
        pairs = zip(report.ratios(INSTRUCTIONS, family, candidate), report.ratios(TIME, family, candidate), strict=True)
        each.append([mark(*pair) for pair in pairs])
    order = (OPPOSITE, SAME, UNKNOWN)
    return [min(row, key=order.index) for row in zip(*each, strict=True)]


@dataclass(frozen=True)
class Agreement:
    """How many measurements have both meters, in how many they contradict, and which transitions those are of."""

    known: int
    opposite: int
    transitions: tuple[str, ...]


def agreement(report: Report, family: str = "vgic") -> Agreement | None:
    """Return how a run's meters agree, None when it lacks one of them."""
    if not has_both(report, family):
        return None
    found = list(zip(report.measurements(family), marks(report, family), strict=True))
    names = dict.fromkeys(str(key[-1]) for key, own in found if own == OPPOSITE)
    known = sum(own != UNKNOWN for _, own in found)
    return Agreement(known, sum(own == OPPOSITE for _, own in found), tuple(names)) if known else None
