# SPDX-License-Identifier: GPL-2.0-only
"""The budget file: what a gate lets pass, and how large a change of time must be to matter.

TOML, every part optional:

    [time]
    minimum_effect = 0.03       # smaller changes of time are no regression
    separate_effect = 0.1       # runs that were not interleaved: the regression that "unchanged" excludes
    significance = 0.01         # chance that a gate without any change fires, over all rows together
    power = 0.9                 # chance to find a change of minimum_effect, for "how many processes would it take"
    inconclusive_share = 0.1    # this share of the timed rows may stay inconclusive

    [[allow]]                   # one change of an exact count, let pass by name
    transition = "inject_edge"  # names may hold * and ?; a field left out matches anything
    design = "new"
    event = "lock"
    change = "+1"               # this change only ("+1", "-2"); left out: any
    reason = "one more lock while the active list is walked"

    [[limit]]                   # counts of these rows are judged by a limit, not by being the same
    event = "list_step"
    limit = "at most 5"         # or "+2" or "+5 %": more than the baseline
    reason = "the list may grow"

Rules inside: a key that isn't known is an error, because a misspelt limit would otherwise silently not apply; an
`[[allow]]` needs a reason and at least one name; allowances that match nothing are reported by the gate, so that
they get removed.
"""

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bench.results.statistics import Policy
from kvmarm.errors import UsageError
from kvmarm.inputs import read_toml

NAMES = ("transition", "design", "family", "event")


@dataclass(frozen=True)
class Allowance:
    """One `[[allow]]`: patterns by field name, the change allowed (None: any), why, and its place in the file."""

    names: Mapping[str, str]
    change: int | None
    reason: str
    where: str

    def matches(self, fields: Mapping[str, Any], change: int | None) -> bool:
        """Tell whether a change of a count in a row with these fields is the one allowed."""
        if self.change is not None and change != self.change:
            return False
        return all(fnmatchcase(str(fields.get(name, "")), pattern) for name, pattern in self.names.items())


@dataclass(frozen=True)
class Limit:
    """One `[[limit]]`: patterns by field name, its text and reason, and where it is in the file.

    most: the largest count; None where it is relative: `plus` more than the baseline, or `share` of it more.
    """

    names: Mapping[str, str]
    text: str
    reason: str
    where: str
    most: int | None = None
    plus: int = 0
    share: float = 0.0

    def matches(self, fields: Mapping[str, Any]) -> bool:
        """Return whether a row with these fields is judged by this limit."""
        return all(fnmatchcase(str(fields.get(name, "")), pattern) for name, pattern in self.names.items())

    def holds(self, baseline: int, candidate: int) -> bool:
        """Return whether a count is within the limit."""
        return candidate <= (self.most if self.most is not None else baseline * (1 + self.share) + self.plus)


@dataclass(frozen=True)
class Budget:
    """What the gate judges by. `inconclusive_share`: fraction of the timed rows that may stay inconclusive."""

    policy: Policy = field(default_factory=Policy)
    inconclusive_share: float = 0.1
    allowances: tuple[Allowance, ...] = ()
    limits: tuple[Limit, ...] = ()

    def check_names(self, transitions: set[str]) -> None:
        """Raise UsageError when an entry names a transition that neither run has, with the nearest one."""
        entries: list[Allowance | Limit] = [*self.allowances, *self.limits]
        for entry in entries:
            name = entry.names.get("transition", "*")
            if not any(fnmatchcase(known, name) for known in transitions):
                raise UsageError(f"{entry.where}: transition {name!r} is unknown{nearest(name, transitions)}")


def nearest(name: str, known: set[str] | list[str]) -> str:
    """Return "; did you mean 'x'?" for the known name most like `name`, or "" when none is like it."""
    close = difflib.get_close_matches(name, sorted(known), 1, 0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def load_budget(path: str | os.PathLike[str] | None) -> Budget:
    """Read a budget file; the defaults when `path` is None.

    Raises UsageError naming the file, the field and what was expected.
    """
    if path is None:
        return Budget()
    file = Path(path)
    data = read_toml(file)
    _known(data, {"time", "allow", "limit"}, f"{file}")
    time = data.get("time", {})
    if not isinstance(time, dict):
        raise UsageError(f"{file}: time: expected a table [time]")
    limits = ("minimum_effect", "separate_effect", "significance", "power")
    _known(time, {*limits, "inconclusive_share"}, f"{file}: [time]")
    given: dict[str, float] = {}
    for name, value in time.items():
        share = name == "inconclusive_share"
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not (0 <= value <= 1 if share else 0 < value < 1):
            expected = "a number from 0 to 1" if share else "a number between 0 and 1, both excluded"
            raise UsageError(f"{file}: [time] {name}={value!r}: expected {expected}")
        given[name] = float(value)
    allowances = tuple(_allowance(entry, where) for entry, where in _tables(data, "allow", file))
    per_event = tuple(_limit(entry, where) for entry, where in _tables(data, "limit", file))
    policy = replace(Policy(), **{name: given[name] for name in limits if name in given})
    return Budget(policy, given.get("inconclusive_share", Budget.inconclusive_share), allowances, per_event)


def _tables(data: Mapping[str, Any], key: str, file: Path) -> list[tuple[dict[str, Any], str]]:
    """Return each table `[[key]]` and where it is."""
    entries = data.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UsageError(f"{file}: {key}: expected tables [[{key}]]")
    return [(entry, f"{file}: [[{key}]] {number}") for number, entry in enumerate(entries, 1)]


_LIMIT = re.compile(r"at most (?P<most>\d{1,15})|\+(?P<share>\d{1,6}(?:\.\d{1,6})?) ?%|\+(?P<plus>\d{1,15})", re.ASCII)


def _limit(entry: dict[str, Any], where: str) -> Limit:
    _known(entry, {*NAMES, "limit", "reason"}, where)
    names = _names(entry, where)
    text = entry.get("limit")
    found = _LIMIT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise UsageError(f"{where}: limit={text!r}: expected 'at most 5', '+2' or '+5 %'")
    most, share, plus = found.group("most", "share", "plus")
    given = (int(most) if most else None, int(plus or 0), float(share or 0) / 100)
    return Limit(names, found.group(), entry["reason"], where, *given)


def _names(entry: dict[str, Any], where: str) -> dict[str, str]:
    """Return the patterns of an entry, which needs one at least, and a reason."""
    names = {name: entry[name] for name in NAMES if name in entry}
    for name, value in [*names.items(), ("reason", entry.get("reason"))]:
        if not isinstance(value, str) or not value.strip():
            raise UsageError(f"{where}: {name}={value!r}: expected text")
    if not names:
        raise UsageError(f"{where}: names nothing; expected at least one of {', '.join(NAMES)}")
    return names


def _allowance(entry: dict[str, Any], where: str) -> Allowance:
    _known(entry, {*NAMES, "change", "reason"}, where)
    names = _names(entry, where)
    change = entry.get("change")
    if change is not None:
        try:
            change = int(str(change))
        except ValueError:
            raise UsageError(f"{where}: change={change!r}: expected a signed number as in '+1'") from None
    return Allowance(names, change, entry["reason"], where)


def _known(table: Mapping[str, Any], known: set[str], where: str) -> None:
    for name in table:
        if name not in known:
            hint = nearest(name, known) or f"; expected one of {', '.join(sorted(known))}"
            raise UsageError(f"{where}: unknown key {name!r}{hint}")
