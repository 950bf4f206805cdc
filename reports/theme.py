# SPDX-License-Identifier: GPL-2.0-only
"""The colours of a report by role, for light and dark; figures and page use the same.

Blue (candidate) and orange (reference) differ for every kind of colour vision and in lightness; nothing is told by
colour alone. The light values all differ from each other, because they are how a role is found again in an SVG.
"""

LIGHT = {
    "ink": "#1c2430",
    "muted": "#566070",
    "line": "#cdd2da",
    "surface": "#ffffff",
    "reference": "#a84c06",
    "candidate": "#1f5fa8",
    "third": "#54721a",
    "fourth": "#8a4a9e",
    "part-1": "#3d3180",
    "part-2": "#44a999",
    "part-3": "#882456",
    "part-4": "#d8c66f",
    "part-5": "#16703a",
    "part-6": "#c96a7a",
    "part-7": "#86c8ea",
    "part-8": "#8d8d3a",
    "part-9": "#a7adb6",
    "band-less-3": "#2f6db5",
    "band-less-2": "#85b0df",
    "band-less-1": "#d3e4f6",
    "band-same": "#eef0f3",
    "band-more-1": "#fbe2c8",
    "band-more-2": "#f0a963",
    "band-more-3": "#b8560b",
    "on-strong": "#fefefe",
    "on-weak": "#1d2531",
}

DARK = LIGHT | {
    "ink": "#e6e9ee",
    "muted": "#a3acb9",
    "line": "#3a424e",
    "surface": "#14181e",
    "reference": "#f0a052",
    "candidate": "#74b0f0",
    "third": "#a9c95a",
    "fourth": "#d09be0",
    "part-1": "#9a8ff0",
    "part-3": "#d8639c",
    "part-5": "#4fae74",
    "part-6": "#e48a98",
    "band-less-3": "#3d7cc9",
    "band-less-2": "#2a568c",
    "band-less-1": "#1f3550",
    "band-same": "#262c35",
    "band-more-1": "#4a331d",
    "band-more-2": "#7d4a14",
    "band-more-3": "#c2640f",
    "on-weak": "#e7eaef",
}

PAGE_LIGHT = {"page": "#f7f8fa", "shade": "#f0f2f5", "link": "#1a5291", "target": "#fff3c9"}
PAGE_DARK = {"page": "#0f1216", "shade": "#1b2027", "link": "#8abdf5", "target": "#4a4017"}


def css_variables() -> str:
    """Return the style rules that define every role for light, dark and print."""

    def block(values: dict[str, str]) -> str:
        return "".join(f"--{name}:{value};" for name, value in values.items())

    light, dark = block(LIGHT | PAGE_LIGHT), block(DARK | PAGE_DARK)
    return (
        f":root{{color-scheme:light dark;{light}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f"@media print{{:root{{color-scheme:light;{block({'page': '#ffffff'})}}}}}"
    )
