# SPDX-License-Identifier: GPL-2.0-only
"""Tables on standard output: fitted to the terminal, plain text of at most 80 columns anywhere else."""

import sys
from collections.abc import Iterable, Sequence

from bench.system.streams import styled
from kvmarm.text import safe

PLAIN_WIDTH = 80
LEAST_TEXT = 8
"""Columns that a column of text has at least, at a narrow terminal."""


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "", styles: Sequence[str] | None = None
) -> None:
    """Print rows under a heading; a column whose name starts with ">" is set to the right.

    `styles`: a rich style a row ("" for none), used at a terminal only.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    texts = [[safe(str(cell)) for cell in row] for row in rows]
    out = styled(sys.stdout)
    console = Console(file=out, highlight=False)
    if not terminal:
        console = Console(file=out, highlight=False, width=PLAIN_WIDTH, no_color=True)
    widths: list[int] | list[None] = [None] * len(columns)
    if console.width < PLAIN_WIDTH:
        widths = _narrow(columns, texts, console.width)
        console = Console(file=out, highlight=False, width=max(console.width, _width(widths)))
    table = Table(
        box=SIMPLE_HEAD if terminal else None, title=safe(title) or None, title_justify="left", pad_edge=False
    )
    for column, width in zip(columns, widths, strict=True):
        right = column.startswith(">")
        heading = Text(column.removeprefix(">"))
        table.add_column(heading, justify="right" if right else "left", overflow="fold", width=width)
    for number, row in enumerate(texts):
        # Text, not markup: a name with brackets in it has to come out as it is.
        table.add_row(*map(Text, row), style=styles[number] if styles and terminal else None)
    console.print(table)


def _width(widths: Sequence[int]) -> int:
    """Return the width of a table at a terminal whose columns are so wide."""
    return sum(widths) + 3 * (len(widths) - 1) + 2


def _narrow(columns: Sequence[str], rows: Sequence[Sequence[str]], most: int) -> list[int]:
    """Return widths of columns for a terminal `most` wide; text is folded, figures are not, even where they do not fit.

    A figure that is cut into pieces is read as several.
    """
    longest = [max((len(row[index]) for row in rows), default=1) or 1 for index in range(len(columns))]
    wanted = [
        width if column.startswith(">") else max(width, len(column))
        for width, column in zip(longest, columns, strict=True)
    ]
    widths = [
        width if column.startswith(">") else min(width, LEAST_TEXT)
        for width, column in zip(wanted, columns, strict=True)
    ]
    while _width(widths) < most and widths != wanted:
        short = [index for index, width in enumerate(widths) if width < wanted[index]]
        widths[min(short, key=widths.__getitem__)] += 1
    return widths
