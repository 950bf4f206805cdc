# SPDX-License-Identifier: GPL-2.0-only
"""How work reports its progress: a callable that is passed down, so that nothing below the front door prints."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how many of it are done, of how many)."""


def silent(what: str, done: int, total: int) -> None:
    """Ignore progress."""


def counted(items: Sequence[Item], what: str, progress: Progress) -> Iterator[Item]:
    """Yield the items and report before each how many are done, and all of them at the end."""
    for number, item in enumerate(items):
        progress(what, number, len(items))
        yield item
    progress(what, len(items), len(items))
