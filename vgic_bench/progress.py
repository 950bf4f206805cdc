# SPDX-License-Identifier: GPL-2.0-only
"""Progress on standard error, for people at a terminal only."""

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def progress_over(items: Sequence[Item], what: str) -> Iterator[Item]:
    """Yield the items; show how many are done and how long the rest will take when standard error is a terminal."""
    if len(items) < 2 or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(items, description=what)


def announce_compilation() -> None:
    """Say on standard error that compiled code for these sources is still to be made, when it is."""
    from kvmarm.jit import JIT_ENABLED, module_cache

    if JIT_ENABLED and not any(module_cache("bench.engine.runner").rglob("runner.run_ops*.nbi")):
        print("vgic-bench: compiling the models for this machine, once …", file=sys.stderr, flush=True)
