# SPDX-License-Identifier: GPL-2.0-only
"""How numbers are written in a report, and the means they are summed up by.

A rounded figure carries six significant figures in `data-v`, so that sorting uses what was measured.
Ratios are always the candidate design's cost over the reference design's: below 1 the candidate is cheaper.
"""

import math
from collections.abc import Iterable
from typing import Any

from reports.html import Markup, tag

SAME = 0.02
"""Ratios within 2 % of 1 count as the same cost: the fitted instruction weights are no better than that."""
CHEAPER, DEARER, EQUAL, NONE = "▼", "▲", "≈", "·"


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number (None and NaN are not)."""
    try:
        return value is not None and math.isfinite(value)
    except TypeError:
        return False


def plain(value: Any) -> str:
    """Return a number to six significant figures, whole numbers in full; `` when there is none."""
    if not is_number(value):
        return ""
    number = float(value)
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else f"{number:.6g}"


def hidden(value: Any, text: str) -> str | None:
    """Return what `data-v` has to hold beside a text: `plain` of the value, None when the text says it already."""
    exact = plain(value)
    return exact if exact and exact != text.replace(",", "").replace("−", "-") else None


def shown(value: Any, digits: int = 3) -> str:
    """Return a number for reading: thousands separated, whole from 100 up, else `digits` significant figures."""
    if not is_number(value):
        return "–"
    number = float(value)
    if number == 0:
        return "0"
    if abs(number) >= 100 or (number.is_integer() and abs(number) < 1e15):
        return f"{number:,.0f}".replace("-", "−")
    places = max(0, digits - 1 - math.floor(math.log10(abs(number))))
    rounded = f"{number:.{places}f}"
    return (rounded.rstrip("0").rstrip(".") if "." in rounded else rounded).replace("-", "−")


def ratio_text(ratio: Any) -> str:
    """Return a ratio for reading: `0.62×`, `12×`; `–` when there is none."""
    if not is_number(ratio):
        return "–"
    return f"{ratio:.2f}×" if ratio < 10 else f"{ratio:,.0f}×" if ratio >= 100 else f"{ratio:.1f}×"


def glyph(ratio: Any) -> str:
    """Return ▼ (the candidate is cheaper), ▲ (it costs more), ≈ (within SAME) or · (not known)."""
    if not is_number(ratio):
        return NONE
    if abs(ratio - 1) <= SAME:
        return EQUAL
    return CHEAPER if ratio < 1 else DEARER


def verdict_class(ratio: Any) -> str:
    """Return the style class that goes with `glyph`."""
    return {CHEAPER: "less", DEARER: "more", EQUAL: "same", NONE: "none"}[glyph(ratio)]


def percent(share: Any) -> str:
    """Return a share (0..1) in per cent; two significant figures below 10 %."""
    if not is_number(share):
        return "–"
    value = 100 * share
    size = abs(value)
    text = f"{value:.0f} %" if size >= 10 or value == 0 else f"{value:.1f} %" if size >= 0.1 else f"{value:.2g} %"
    return text.replace("-", "−")


def cell(value: Any, digits: int = 3, **attributes: Any) -> Markup:
    """Return a table cell with a number, in `data-v` more exactly where the text is rounded."""
    text = shown(value, digits)
    return tag("td", text, data_v=hidden(value, text), **attributes)


def ratio_cell(ratio: Any, **attributes: Any) -> Markup:
    """Return a table cell with a ratio, its glyph and its colour class."""
    classes = " ".join(("r", verdict_class(ratio), attributes.pop("class_", ""))).strip()
    glyph_part = tag("i", glyph(ratio), aria_hidden="true")
    return tag("td", ratio_text(ratio), glyph_part, data_v=plain(ratio) or None, class_=classes, **attributes)


def number(value: Any, digits: int = 3) -> Markup:
    """Return a number in running text with its full value."""
    return tag("data", shown(value, digits), value=plain(value))


def ratio_number(ratio: Any) -> Markup:
    """Return a ratio in running text with its full value."""
    return tag("data", ratio_text(ratio), value=plain(ratio))


def percent_number(share: Any) -> Markup:
    """Return a share in running text, in per cent, with its full value (0..1)."""
    return tag("data", percent(share), value=plain(share))


def geometric_mean(values: Iterable[Any]) -> float:
    """Return the geometric mean of the positive finite values; NaN when there is none."""
    logs = [math.log(value) for value in values if is_number(value) and value > 0]
    return math.exp(math.fsum(logs) / len(logs)) if logs else math.nan
