# SPDX-License-Identifier: GPL-2.0-only
"""Tables on standard output: one row is one line, whatever the width; as text, TSV, Markdown or JSON.

A column's heading says what is in it. `>` before it is a figure, set to the right. `~` is prose, which alone may be cut
(with an ellipsis) to fit a terminal. Anything else is a name. Names and figures are never cut or folded, so a line may
be longer than a narrow terminal. Anywhere but at a terminal nothing is cut.
"""

import io
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.system.streams import styled
from kvmarm.text import safe

PLAIN_WIDTH = 80
"""Columns of running text anywhere but at a terminal."""
SCREEN = 24
"""Lines of a screen."""
FORMS = ("table", "tsv", "md", "json")
RIGHT, PROSE = ">", "~"
LEAST_PROSE = 8
"""Columns that a column of prose keeps at least."""
GAP = 2
"""Columns between two columns of a table."""
_UNLIMITED = 100_000


@dataclass
class Manner:
    """How this command prints its tables: in which form, and whether every row."""

    form: str = "table"
    everything: bool = False


manner = Manner()
"""What --format and --all of the running command ask for."""


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    title: str = "",
    styles: Sequence[str] | None = None,
    most: int = 0,
    always: bool = False,
) -> None:
    """Print rows under a heading, each on one line.

    `styles`: a rich style per row ("" for none), used at a terminal only. `most`: rows at a terminal unless --all was
    given, 0 for all; a line says how many are left out. `always`: the same anywhere else, where tables are whole
    otherwise, for what reads them.
    """
    texts = [[safe(str(cell)) for cell in row] for row in rows]
    heads = [safe(column.lstrip(RIGHT + PROSE)) for column in columns]
    if manner.form == "table":
        cut = most and not shows_all(always) and len(texts) > most
        shown = texts[:most] if cut else texts
        _print_text(columns, heads, shown, safe(title), styles)
        if cut:
            print(f"… {len(texts) - most:,} more of {len(texts):,} rows: --all")
    elif manner.form == "tsv":
        lines = [f"# {safe(title)}"] if title else []
        print("\n".join([*lines, *("\t".join(line) for line in [heads, *texts])]))
    elif manner.form == "md":
        print(_markdown(columns, heads, texts, safe(title)))
    else:
        named = [dict(zip(heads, row, strict=True)) for row in texts]
        print(json.dumps({"title": title, "rows": named}, ensure_ascii=False))


def shows_all(always: bool = False) -> bool:
    """Return whether every row is printed: where --all was given and, unless `always`, anywhere but at a terminal."""
    return manner.everything or not (always or sys.stdout.isatty())


def say(text: str = "") -> None:
    """Print a line of running text around tables; in the forms for programs there is none."""
    if manner.form in ("table", "md"):
        print(text)


def _markdown(columns: Sequence[str], heads: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> str:
    rule = ["--:" if column.startswith(RIGHT) else ":--" for column in columns]
    cells = [heads, rule, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join([*([f"**{title}**", ""] if title else []), *(f"| {' | '.join(row)} |" for row in cells), ""])


def _print_text(
    columns: Sequence[str],
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    title: str,
    styles: Sequence[str] | None,
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    held = io.StringIO()
    console = Console(file=styled(sys.stdout) if terminal else held, highlight=False, no_color=not terminal)
    longest = [max((Text(row[index]).cell_len for row in rows), default=0) for index in range(len(heads))]
    prose = [index for index, column in enumerate(columns) if column.startswith(PROSE)]
    wide = [max(own, Text(head).cell_len) for own, head in zip(longest, heads, strict=True)]
    gaps = GAP * (len(columns) - 1)
    if terminal:
        kept = [min(own, LEAST_PROSE) if index in prose else own for index, own in enumerate(wide)]
        if sum(kept) + gaps > console.width:
            # A heading may take several lines, a word at a time; what is under it may not.
            words = [max((Text(word).cell_len for word in head.split()), default=0) for head in heads]
            kept = [min(own, max(pair)) for own, *pair in zip(kept, longest, words, strict=True)]
        for index in prose:
            spare = max(0, console.width - sum(kept) - gaps)
            kept[index] = min(wide[index], kept[index] + spare)
        wide = kept
    console.width = max(console.width, sum(wide) + gaps) if terminal else _UNLIMITED
    table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold underline")
    for index, (column, head) in enumerate(zip(columns, heads, strict=True)):
        side: Literal["left", "right"] = "right" if column.startswith(RIGHT) else "left"
        table.add_column(Text(head), justify=side, width=wide[index])
    for number, row in enumerate(rows):
        # Text, not markup: a name with brackets in it has to come out as it is.
        cells = [Text(cell, no_wrap=True) for cell in row]
        for index in prose:
            cells[index].truncate(wide[index], overflow="ellipsis")
        table.add_row(*cells, style=styles[number] if styles and terminal else None)
    if title:
        print(title)
    console.print(table)
    if not terminal:
        print("\n".join(line.rstrip() for line in held.getvalue().splitlines()))
