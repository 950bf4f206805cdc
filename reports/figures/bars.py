# SPDX-License-Identifier: GPL-2.0-only
"""Horizontal stacked bars, each part of all bars one path: small in an SVG, and quick to draw."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from reports.numbers import shown
from reports.svg import HATCHES, PALETTE, PARTS


def stacked(axes: Any, places: Sequence[float], parts: Iterable[tuple[str, np.ndarray]], height: float) -> None:
    """Draw bars at `places` (float64[n]) of parts (label, widths float64[n]), their sums beside them."""
    left = np.zeros(len(places))
    for number, (label, given) in enumerate(parts):
        widths = np.nan_to_num(np.asarray(given, float))
        corners: list[tuple[float, float]] = []
        for place, start, width in zip(places, left, widths, strict=True):
            if width > 0:
                low, high = place - height / 2, place + height / 2
                corners += [(start, low), (start + width, low), (start + width, high), (start, high), (start, low)]
        codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * (len(corners) // 5)
        axes.add_patch(
            PathPatch(
                Path(corners or [(0, places[0])], codes or [Path.MOVETO]),
                facecolor=PALETTE[PARTS[number % len(PARTS)]],
                # The second round of colours has other hatches than the first.
                hatch=HATCHES[(number + number // len(PARTS)) % len(HATCHES)],
                edgecolor=PALETTE["surface"],
                linewidth=0.6,
                clip_on=False,
                label=label,
            )
        )
        left += widths
    for place, total in zip(places, left, strict=True):
        if total:
            axes.text(total, place, f" {shown(total)}", va="center", fontsize=8, color=PALETTE["ink"])
    axes.set_xlim(0, max(left.max() * 1.13, 1e-9))
    axes.set_ylim(max(places) + 0.7, min(places) - 0.7)
    tidy(axes)


def tidy(axes: Any) -> None:
    """Take away what bars do not need."""
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)
