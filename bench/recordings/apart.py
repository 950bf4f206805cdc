# SPDX-License-Identifier: GPL-2.0-only
"""Operations that are no part of what was recorded: run like the others, counted and priced apart.

They are the set-up that no event shows, the set-up before a window, and the epilogue. A converted trace names them in
comments, so that it replays as its recording does.
"""

import re
from collections.abc import Iterable

import numpy as np

Ranges = tuple[tuple[int, int], ...]
"""First and last number of operations."""

_HEAD = "# no part of the recording: operations"
_LINE = re.compile(rf"^{_HEAD} (\d{{1,18}})\.\.(\d{{1,18}})$".encode(), re.MULTILINE)


def within(ranges: Iterable[tuple[int, int]], first: int, count: int) -> np.ndarray:
    """Return bool[count]: whether the operations numbered from `first` are in one of the ranges (ends included)."""
    found = np.zeros(count, np.bool_)
    for low, high in ranges:
        found[max(low - first, 0) : max(high - first + 1, 0)] = True
    return found


def comments(ranges: Ranges) -> str:
    """Return the comments that name `ranges` in a trace."""
    return "".join(f"{_HEAD} {first}..{last}\n" for first, last in ranges)


def in_comments(text: bytes) -> Ranges:
    """Return the ranges that the comments of a trace name."""
    return tuple((int(first), int(last)) for first, last in _LINE.findall(text))
