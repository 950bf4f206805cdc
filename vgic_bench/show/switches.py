# SPDX-License-Identifier: GPL-2.0-only
"""The world switches as text: their comparison by register group, and why the groups differ."""

import textwrap
from collections.abc import Sequence
from typing import Any

from vgic_bench.console import print_table, say, shows_all

MOST = 18
"""Rows on the screen that the comparison is."""
_NOT_VARIANTS = ("group", "why")


def _cell(cell: dict[str, Any]) -> str:
    return f"{cell['save']}/{cell['restore']} ({cell['accesses']})"


def print_comparison(rows: Sequence[dict[str, Any]]) -> None:
    """Print the comparison: instructions (accesses the hardware sees) of a round trip, then why groups differ."""
    titles = [key for key in rows[0] if key not in _NOT_VARIANTS]
    priced = "cycles" in rows[0][titles[0]]
    columns = ["register group", *(f">{title}" for title in titles)]
    cells = [[row["group"], *(_cell(row[title]) for title in titles)] for row in rows]
    print_table(
        columns,
        cells,
        "Round trip: instructions, save/restore (what hardware sees)",
        most=MOST // 2 if priced else MOST,
    )
    if priced:
        say()
        cells = [[row["group"], *(f"{row[title]['cycles']:,.0f}" for title in titles)] for row in rows]
        print_table(columns, cells, "Cycles of a round trip", most=MOST // 2)
    say()
    if not shows_all():
        say("why the groups differ: --all")
        return
    for row in rows:
        if row["why"] and len({str(row[title]["counts"]) for title in titles}) > 1:
            text = f"{row['group']}: {row['why']}"
            say("\n".join(textwrap.wrap(text, 78, initial_indent="  ", subsequent_indent="    ")))
