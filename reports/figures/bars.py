# SPDX-License-Identifier: GPL-2.0-only
"""Horizontal stacked bars: all bars' parts of one kind are one path, and the sums are beside the bars."""

from collections.abc import Sequence

from reports.drawing import HATCHES, PARTS, Panel, Sheet, round_steps
from reports.numbers import is_number, shown

Parts = Sequence[tuple[str, Sequence[float]]]
"""(label, a width a bar) a part; what is no number has no width."""


def sums(parts: Parts) -> list[float]:
    """Return each bar's whole length."""
    return [sum(width for width in bar if is_number(width)) for bar in zip(*(own for _, own in parts), strict=True)]


def legend_of(labels: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return the legend's entries for parts of these labels: (label, fill, hatch)."""
    entries = []
    for number, label in enumerate(labels):
        # The second round of colours has other hatches than the first.
        hatch = HATCHES[(number + number // len(PARTS)) % len(HATCHES)]
        entries.append((label, PARTS[number % len(PARTS)], hatch))
    return entries


def scale_of(longest: float) -> tuple[float, float]:
    """Return the values at the left and right edge for bars up to `longest`, with room for the sums."""
    return 0.0, max(longest * 1.12, 1e-9)


def stacked(
    sheet: Sheet, panel: Panel, places: Sequence[float], parts: Parts, height: float, names: Sequence[str], title: str
) -> None:
    """Draw bars at `places` of the panel's y scale, `height` of them thick, named on the left; `title` of the scale."""
    panel.grid(sheet, round_steps(0, panel.x[1]), title=title)
    starts = [0.0] * len(places)
    for (_, widths), (_, fill, hatch) in zip(parts, legend_of([label for label, _ in parts]), strict=True):
        boxes = []
        for bar, (place, width) in enumerate(zip(places, widths, strict=True)):
            if is_number(width) and width > 0:
                left, top = panel.across(starts[bar]), panel.down(place - height / 2)
                right = panel.across(starts[bar] + width)
                boxes.append((left, top, right - left, panel.down(place + height / 2) - top))
                starts[bar] += width
        sheet.boxes(boxes, fill, hatch=hatch)
    middles = [panel.down(place) for place in places]
    ends = zip(starts, middles, strict=True)
    sheet.words([(panel.across(end) + 0.05, y, shown(end)) for end, y in ends if end], 8)
    sheet.words([(panel.left - 0.07, y, name) for y, name in zip(middles, names, strict=True)], 8.5, "muted", "right")
