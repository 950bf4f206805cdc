# SPDX-License-Identifier: GPL-2.0-only
"""A sheet to draw figures on: matplotlib's canvas, with places in inches from the top left corner.

matplotlib's axes measure every label and build five objects per tick before anything is drawn, which took most of the
time of a report. The figures here know where everything is, so they put shapes, lines and words onto the canvas
themselves; a `Panel` turns values into places. Everything of one look is one path, which also keeps an SVG small.

Colours are roles of the theme. Identical calls draw identical bytes.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Affine2D

from reports.theme import LIGHT as PALETTE

FONT = "DejaVu Sans"
SERIES = ("reference", "candidate", "third", "fourth")
"""Designs, in the order of the results. Parts of a whole have colours of their own, PARTS: the two never mix."""
DASHES: tuple[tuple[float, ...], ...] = ((5, 2), (), (1, 1.5), (4, 1, 1, 1))
PARTS = tuple(f"part-{number}" for number in range(1, 10))
HATCHES = ("", "///", "", "\\\\\\", "", "---", "", "|||", "")

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""left, top, width, height"""
Side = Literal["left", "center", "right"]


class Sheet:
    """A drawing of `width` × `height` inches; `figure` is what matplotlib saves."""

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width, height), facecolor="none", edgecolor="none")
        self.figure.patch.set_visible(False)
        self._places = Affine2D().scale(1, -1).translate(0, height) + self.figure.dpi_scale_trans

    def boxes(
        self, boxes: Iterable[Box], fill: str, edge: str = "surface", width: float = 0.6, hatch: str = ""
    ) -> None:
        """Draw rectangles as one path; `width` of their outline in points."""
        self.polygons(
            [[(x, y), (x + w, y), (x + w, y + h), (x, y + h)] for x, y, w, h in boxes], fill, edge, width, hatch
        )

    def polygons(
        self, polygons: Iterable[Sequence[Point]], fill: str, edge: str = "", width: float = 0.0, hatch: str = ""
    ) -> None:
        """Draw closed shapes as one path."""
        corners: list[Point] = []
        codes: list[Any] = []
        for polygon in polygons:
            corners += [*polygon, polygon[0]]
            codes += [Path.MOVETO, *[Path.LINETO] * (len(polygon) - 1), Path.CLOSEPOLY]
        face = PALETTE[fill] if fill else "none"
        line = PALETTE[edge] if edge else "none"
        self._path(corners, codes, facecolor=face, edgecolor=line, linewidth=width if edge else 0, hatch=hatch or None)

    def lines(self, lines: Iterable[Sequence[Point]], role: str, width: float, dash: Sequence[float] = ()) -> None:
        """Draw open lines as one path; `dash` in multiples of the width."""
        corners: list[Point] = []
        codes: list[Any] = []
        for line in lines:
            corners += line
            codes += [Path.MOVETO, *[Path.LINETO] * (len(line) - 1)]
        style: Any = (0, tuple(dash)) if dash else "solid"
        self._path(corners, codes, facecolor="none", edgecolor=PALETTE[role], linewidth=width, linestyle=style)

    def _path(self, corners: list[Point], codes: list[Any], **style: Any) -> None:
        if not corners:
            return
        path = Path(np.array(corners, float), np.array(codes, np.uint8))
        path.should_simplify = False
        self.figure.add_artist(PathPatch(path, transform=self._places, capstyle="butt", **style), clip=False)

    def words(
        self,
        labels: Iterable[tuple[float, float, str]],
        size: float,
        role: str = "ink",
        across: Side = "left",
        down: str = "center",
        bold: bool = False,
        url: str = "",
    ) -> None:
        """Write labels (x, y, text) of one look, `size` in points; a text may have several lines.

        `across` (left, center, right) and `down` (top, center, bottom) say which part of a text is at its place.
        """
        pitch = 1.2 * size / 72
        # From a line's place to its base line: digits and capitals of the font are 0.73 of its size high.
        base = {"top": 0.76, "center": 0.36, "bottom": -0.2}[down] * size / 72
        lift = {"top": 0.0, "center": 0.5, "bottom": 1.0}[down] * pitch
        placed = []
        for x, y, text in labels:
            lines = text.split("\n")
            first = y + base - lift * (len(lines) - 1)
            placed += [(x, first + number * pitch, line) for number, line in enumerate(lines) if line]
        if placed:
            self.figure.add_artist(_Words(placed, size, role, across, bold, url), clip=False)

    def legend(
        self, entries: Sequence[tuple[str, str, str]], left: float, top: float, width: float, size: float = 8
    ) -> None:
        """Draw swatches (label, fill, hatch) with their labels, in as many lines as `width` asks for."""
        line = 0.2
        x, y = left, top
        for label, fill, hatch in entries:
            need = 0.34 + text_inches([label], size)
            if x > left and x + need > left + width:
                x, y = left, y + line
            self.boxes([(x, y - 0.045, 0.22, 0.09)], fill, hatch=hatch)
            self.words([(x + 0.28, y, label)], size)
            x += need + 0.1


def legend_lines(labels: Iterable[str], width: float, size: float = 8) -> int:
    """Return how many lines `Sheet.legend` takes."""
    lines, x = 1, 0.0
    for label in labels:
        need = 0.34 + text_inches([label], size)
        if x and x + need > width:
            lines, x = lines + 1, 0.0
        x += need + 0.1
    return lines


class _Words(Artist):
    """Labels of one look, written straight to the renderer: measuring each would take longer than all the rest."""

    zorder = 3

    def __init__(
        self, labels: list[tuple[float, float, str]], size: float, role: str, across: Side, bold: bool, url: str
    ) -> None:
        super().__init__()
        self._labels, self._colour, self._across, self._url_of_all = labels, to_rgba(PALETTE[role]), across, url
        self._font = FontProperties(family=FONT, size=size, weight="bold" if bold else "normal")

    def draw(self, renderer: Any) -> None:
        """Write all labels."""
        inch = renderer.points_to_pixels(72)
        # Only an SVG's reader knows how wide its letters are: there the anchor goes with the text.
        anchored = hasattr(renderer, "writer")
        anchor = Text(horizontalalignment=self._across)
        share = {"left": 0.0, "center": 0.5, "right": 1.0}[self._across]
        context = renderer.new_gc()
        context.set_foreground(self._colour, isRGBA=True)
        if self._url_of_all:
            context.set_url(self._url_of_all)
        for across, down, text in self._labels:
            x, y = across * inch, down * inch
            if anchored:
                anchor.set_x(x)
            elif share:
                x -= share * renderer.get_text_width_height_descent(text, self._font, False)[0]
            renderer.draw_text(context, x, y, text, self._font, 0, ismath=False, mtext=anchor)
        context.restore()


@dataclass(frozen=True)
class Panel:
    """A part of a sheet with two scales. `x` and `y` hold the values at its left and right, top and bottom edge."""

    left: float
    top: float
    width: float
    height: float
    x: Point = (0.0, 1.0)
    y: Point = (0.0, 1.0)
    logarithmic: bool = False

    @property
    def right(self) -> float:
        """The right edge in inches."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The lower edge in inches."""
        return self.top + self.height

    def across(self, value: float) -> float:
        """Return where a value is from left to right, in inches."""
        low, high = self.x
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.left + (value - low) / (high - low) * self.width

    def down(self, value: float) -> float:
        """Return where a value is from top to bottom, in inches."""
        first, last = self.y
        return self.top + (value - first) / (last - first) * self.height

    def grid(self, sheet: Sheet, values: Sequence[float], size: float = 8, title: str = "") -> None:
        """Draw upright lines at values, the values below and what they are below that."""
        places = [self.across(value) for value in values]
        sheet.lines([[(x, self.top), (x, self.bottom)] for x in places], "line", 0.6)
        labels = [
            (x, self.bottom + 0.06, f"{value:,.0f}" if value >= 100 else f"{value:g}")
            for x, value in zip(places, values, strict=True)
        ]
        sheet.words(labels, size, "muted", "center", "top")
        if title:
            sheet.words([(self.left + self.width / 2, self.bottom + 0.22, title)], size, "muted", "center", "top")


def round_steps(low: float, high: float, most: int = 6) -> list[float]:
    """Return values of 1, 2 or 5 times a power of ten apart that lie in a range, at most about `most`."""
    if not high > low:
        return [low]
    rough = (high - low) / (most + 0.5)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [number * step for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def log_steps(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten that lie in a range; of a wide one the powers alone."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(powers) < 6 else (1,)
    return [value for power in powers for factor in factors if low <= (value := factor * 10.0**power) <= high]


def text_inches(labels: Iterable[str], size: float) -> float:
    """Return about how wide the longest line of the labels is at a font size in points."""
    longest = max((len(line) for label in labels for line in label.split("\n")), default=0)
    return longest * size * 0.62 / 72 + 0.06
