# SPDX-License-Identifier: GPL-2.0-only
"""How long work reports what it does; the front door shows it, nobody below prints."""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Progress(Protocol):
    """A listener: `progress("events", 3, 8)` for each step, `progress.note(line)` for one line that everyone sees."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Report that `done` of `total` of `what` is done."""

    def note(self, text: str) -> None:
        """Report one line, whether or not anybody watches a display."""


class Silent:
    """Ignore progress."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Ignore a step."""

    def note(self, text: str) -> None:
        """Ignore a line."""


SILENT: Progress = Silent()


def counted(items: Sequence[Item], what: str, progress: Progress) -> Iterator[Item]:
    """Yield the items and report before each how many are done, and all of them at the end."""
    for number, item in enumerate(items):
        progress(what, number, len(items))
        yield item
    progress(what, len(items), len(items))
