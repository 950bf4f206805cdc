# SPDX-License-Identifier: GPL-2.0-only
"""The catalogue's matrix of edges: which edge, kind of interrupt and state a transition's name means.

A transition of the matrix is called EDGE_KIND_STATE; kinds come from the catalogue, so a new one needs nothing here. A
transition outside the matrix, or one that the catalogue of this version does not know, is simply not part of it.
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

STATES = {"inactive": "inactive", "pending": "pending", "active": "active", "active_pending": "active and pending"}


@dataclass(frozen=True)
class Place:
    """Where a transition stands in the matrix."""

    edge: str
    kind: str
    state: str


@cache
def kinds() -> dict[str, str]:
    """Return the kinds of interrupt: name in transitions -> title for people."""
    text = (files("bench.transitions") / "edges.toml").read_text("utf-8")
    return {name: str(kind.get("title", name)) for name, kind in tomllib.loads(text).get("kinds", {}).items()}


@cache
def _pattern() -> re.Pattern[str]:
    # The longest kind first: one may end in another.
    names = "|".join(sorted(map(re.escape, kinds()), key=len, reverse=True))
    return re.compile(rf"(?P<edge>.+?)_(?P<kind>{names})_(?P<state>{'|'.join(STATES)})")


@cache
def place(transition: str) -> Place | None:
    """Return the place of a transition in the matrix, None when it has none."""
    match = _pattern().fullmatch(transition)
    return Place(match["edge"], match["kind"], match["state"]) if match else None


@cache
def _right() -> dict[str, str]:
    from bench.transitions.catalogue import load_catalogue
    from kvmarm.errors import UsageError

    try:
        return {name: entry.after["default"] for name, entry in load_catalogue().items() if "default" in entry.after}
    except UsageError:
        return {}


@cache
def _differing() -> frozenset[str]:
    from bench.transitions.catalogue import load_catalogue
    from kvmarm.errors import UsageError

    try:
        return frozenset(name for name, entry in load_catalogue().items() if len(set(entry.after.values())) > 1)
    except UsageError:
        return frozenset()


def right_state(transition: str) -> str:
    """Return the state that the catalogue expects of a design it does not name, `` when it says none.

    Where designs differ, the catalogue states the difference by design and the architecture's state as the default.
    """
    return _right().get(transition, "")


def designs_differ(transition: str) -> bool:
    """Return whether the catalogue says that designs leave an interrupt in different states after a transition."""
    return transition in _differing()


def outside(transitions: Iterable[str]) -> list[str]:
    """Return the transitions that are no part of the matrix, in their order, each once."""
    return [name for name in dict.fromkeys(transitions) if place(name) is None]
