# SPDX-License-Identifier: GPL-2.0-only
"""The designs that a command is told to take: a list with commas, checked once, in one place."""

from collections.abc import Sequence

from kvmarm.design import get_design
from kvmarm.errors import UsageError


def named_designs(text: str) -> list[str]:
    """Return the designs of a list with commas, in its order. Raises UsageError as `check_designs`."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    check_designs(names)
    return names


def check_designs(names: Sequence[str]) -> None:
    """Raise UsageError for a design that there is not, one that is named twice, and for none at all."""
    if not names:
        raise UsageError("--designs: expected at least one design")
    for name in names:
        get_design(name)
        if names.count(name) > 1:
            raise UsageError(f"--designs: {name!r} is named twice, expected different designs")
