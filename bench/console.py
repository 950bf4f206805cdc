# SPDX-License-Identifier: GPL-2.0-only
"""Tables on standard output: fitted to the terminal, plain text of at most 80 columns anywhere else."""

import sys
from collections.abc import Iterable, Sequence

PLAIN_WIDTH = 80


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
    console = Console(highlight=False) if terminal else Console(highlight=False, width=PLAIN_WIDTH, no_color=True)
    table = Table(box=SIMPLE_HEAD if terminal else None, title=title or None, title_justify="left", pad_edge=False)
    for column in columns:
        right = column.startswith(">")
        table.add_column(Text(column.removeprefix(">")), justify="right" if right else "left", overflow="fold")
    for number, row in enumerate(rows):
        # Text, not markup: a name with brackets in it has to come out as it is.
        cells = [Text(str(cell)) for cell in row]
        table.add_row(*cells, style=styles[number] if styles and terminal else None)
    console.print(table)
