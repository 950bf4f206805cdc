# SPDX-License-Identifier: GPL-2.0-only
"""Progress on standard error: bars at a terminal, nothing anywhere else."""

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from bench.system.streams import styled
from kvmarm.code_cache import module_cache
from kvmarm.jit import JIT_ENABLED


class ProgressBars:
    """A context: call it with (what, done, total) as often as you like; a bar appears for each `what`.

    A total of 0 is one that is not known. Work of one item gets no bar.
    """

    def __init__(self, suffix: str = "") -> None:
        """`suffix`: put after each `what`, for example the name of a file."""
        self._suffix = suffix
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "ProgressBars":
        return self

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` of `what` is done."""
        if total == 1 or not sys.stderr.isatty():
            return
        if self._progress is None:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._progress = Progress(*columns, console=Console(file=styled(sys.stderr), stderr=True), transient=True)
            self._progress.start()
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(f"{what} {self._suffix}".rstrip(), total=total or None)
        self._progress.update(self._tasks[what], completed=done, total=total or None)

    def note(self, text: str) -> None:
        """Print one line on standard error, at a terminal or not."""
        line = f"vgic-bench: {text}"
        if self._progress is not None:
            self._progress.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()


def announce_compilation() -> None:
    """Announce on standard error that the models must be compiled first, when they must."""
    if JIT_ENABLED and not any(module_cache("bench.engine.runner").rglob("runner.run_ops*.nbi")):
        print("vgic-bench: compiling the models for this machine, once …", file=sys.stderr, flush=True)
