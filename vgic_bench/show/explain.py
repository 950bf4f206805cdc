# SPDX-License-Identifier: GPL-2.0-only
"""What designs do step by step, side by side in the terminal."""

import sys
from collections.abc import Iterable, Mapping

from rich.box import ROUNDED
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.explain.steps import Step
from bench.system.streams import styled
from kvmarm.events import event_names, event_texts
from kvmarm.text import safe
from reports.explanation import design_lines


def print_steps(steps: Iterable[Step], titles: Mapping[str, str], heading: str) -> None:
    """Print steps side by side on standard output: tables at a terminal, plain text of 80 columns anywhere else."""
    terminal = sys.stdout.isatty()
    out = styled(sys.stdout)
    console = Console(file=out, highlight=False)
    if not terminal:
        console = Console(file=out, highlight=False, width=80, no_color=True)
    console.print(Text(safe(heading), style="bold"))
    used: dict[str, None] = {}
    for step in steps:
        console.print(
            Text(f"\n{step.number}  {step.line}", style="bold"),
            Text(f"   {step.meaning}") if step.meaning else Text(""),
        )
        table = Table(box=ROUNDED if terminal else None, expand=terminal, pad_edge=False, padding=(0, 2, 0, 0))
        for part in step.designs:
            table.add_column(Text(titles.get(part.design, part.design)), ratio=1, overflow="fold")
            used.update(dict.fromkeys(part.counts))
        table.add_row(*(Text("\n".join(design_lines(part))) for part in step.designs))
        console.print(table)
    texts = dict(zip(event_names(), event_texts(), strict=True))
    if used:
        console.print(Text("\nCounted:", style="bold"))
        for name in used:
            console.print(Text(f"  {name}: {texts.get(name, '')}"))
