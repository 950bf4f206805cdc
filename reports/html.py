# SPDX-License-Identifier: GPL-2.0-only
"""HTML built so that text cannot become markup: strings are escaped unless they are `Markup`.

`tag("td", "a < b", class_="n")` gives `<td class="n">a &lt; b</td>`. A trailing underscore in an attribute's name is
dropped, an inner one becomes a hyphen; an attribute that is None or False is left out, True gives the name alone.
"""

import re
from collections.abc import Iterable
from html import escape
from typing import Any

VOID = frozenset(("br", "col", "hr", "img", "input", "link", "meta", "wbr"))


class Markup(str):
    """A string that is markup already."""

    __slots__ = ()


def text(value: Any) -> str:
    """Return the markup of one child: Markup as it is, None as nothing, iterables joined, the rest escaped."""
    if value is None or value is False:
        return ""
    if isinstance(value, Markup):
        return value
    if isinstance(value, str):
        # Control characters other than white space are not allowed in HTML, even as references.
        return escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "\N{REPLACEMENT CHARACTER}", value), quote=False)
    if isinstance(value, Iterable):
        return "".join(text(child) for child in value)
    return escape(str(value), quote=False)


def tag(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """Return an element."""
    parts = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        parts.append(key if value is True else f'{key}="{escape(str(value), quote=True)}"')
    opening = f"<{' '.join(parts)}>"
    if name in VOID:
        return Markup(opening)
    return Markup(f"{opening}{''.join(text(child) for child in children)}</{name}>")


def join(*children: Any) -> Markup:
    """Return children one after another."""
    return Markup("".join(text(child) for child in children))


def slug(*words: Any) -> str:
    """Return an identifier for `id` and permalinks from any words: ASCII letters, digits, hyphens."""
    parts = []
    for word in words:
        folded = re.sub(r"[^A-Za-z0-9]+", "-", str(word)).strip("-").lower()
        parts.append(folded or "x" + "".join(f"{ord(character):x}" for character in str(word)))
    return "-".join(parts)


def breakable(name: str) -> Markup:
    """Return a name in which a line may break after each underscore, slash or plus sign."""
    return Markup(re.sub(r"([_/+])", r"\1<wbr>", text(name)))
