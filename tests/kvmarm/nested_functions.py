# SPDX-License-Identifier: GPL-2.0-only
"""Jitted functions that call each other, for tests/kvmarm/test_nested.py."""

from typing import Any

from kvmarm.jit import find_first_bit, jit, noinline, population_count


@jit
def inner(word: Any) -> Any:
    """Return the index of the lowest set bit."""
    noinline()
    return find_first_bit(word)


@jit
def outer(word: Any) -> Any:
    """Return that and the number of set bits."""
    return inner(word) + population_count(word)


@jit
def caller(word: Any) -> Any:
    """Return that and 100."""
    return outer(word) + 100


@jit
def set_lock(record: Any, value: Any) -> None:
    """Store `value` in the field `lock` of a record."""
    record.lock = value
