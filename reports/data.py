# SPDX-License-Identifier: GPL-2.0-only
"""What a report reads: a results folder, with the designs put side by side.

A run may lack designs, meters, workloads or samples; whatever is absent is an empty table or list here, and the
sections leave out what they cannot show. The first design of the results is the *reference* and each later one a
*candidate*, compared with the first; nothing here knows which designs these are. `Report.pairs` are the same results
seen as one candidate beside the reference. What ended in an unexpected state has no ratio.

Columns are plain lists of Python values: a page takes each value once, which lists do faster than frames. A frame
library also takes longer to load than most pages take to make.
"""

import copy
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.results.store import load_columns
from kvmarm.errors import UsageError
from reports.numbers import is_number

SCENARIO = ("gic", "irqs", "vcpus", "lrs", "pending", "live")
"""What a measurement was made with; a scenario is one value of each."""
SCENARIO_WORDS = {
    "gic": "GICv{}",
    "irqs": "{} INTIDs",
    "vcpus": "{} vCPUs",
    "lrs": "{} LRs",
    "pending": "{} pending",
    "live": "{} live",
}
TEXT_COLUMNS = ("group", "before", "operation", "after", "expected", "title", "why")
NAN = float("nan")

Key = tuple[Any, ...]
"""A scenario's values in the order of SCENARIO, then the name of a transition."""


@dataclass(frozen=True)
class Meter:
    """One meter: `key` is its column or `cycles:PLATFORM`, `title` and `unit` are for readers, `noisy` when timed."""

    key: str
    title: str
    unit: str
    noisy: bool = False


@dataclass(frozen=True)
class Choice:
    """One design of a family: its name in the results and its title."""

    name: str
    title: str


class Table:
    """One table of the results; a column becomes a list when it is first asked for. Don't change the lists."""

    def __init__(self, columns: dict[str, Any] | None = None, length: int = 0) -> None:
        self._columns = columns or {}
        self._length = length
        self._lists: dict[str, list[Any]] = {}

    def __len__(self) -> int:
        return self._length

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return list(self._columns)

    def column(self, name: str) -> list[Any]:
        """Return a column's values, None or NaN where it has none; all None when the table has no such column."""
        if name not in self._lists:
            column = self._columns.get(name)
            self._lists[name] = [None] * self._length if column is None else _values(column)
        return self._lists[name]

    def text(self, name: str) -> list[str]:
        """Return a column as text, `` where it has no value."""
        return ["" if value is None or value != value else str(value) for value in self.column(name)]

    def numbers(self, name: str) -> list[float]:
        """Return a column as numbers, NaN where it has none."""
        return [value if is_number(value) else NAN for value in self.column(name)]

    def rows(self, *names: str) -> Iterator[tuple[Any, ...]]:
        """Yield each row's values of these columns."""
        return zip(*(self.column(name) for name in names), strict=True)


def _values(column: Any) -> list[Any]:
    """Return the values of a `pyarrow.ChunkedArray`; its own ways are slow, or load a frame library to look it up."""
    from pyarrow import types

    values: list[Any] = []
    for chunk in column.chunks:
        if chunk.null_count:
            values += chunk.to_pylist()
        elif types.is_dictionary(chunk.type):
            words = chunk.dictionary.to_pylist()
            values += [words[place] for place in np.from_dlpack(chunk.indices).tolist()]
        elif types.is_integer(chunk.type) or types.is_floating(chunk.type):
            values += np.from_dlpack(chunk).tolist()
        else:
            values += chunk.to_pylist()
    return values


@dataclass
class _Family:
    """The measurements of one family: keys in the order of the results, and a cost a key by (meter, design)."""

    keys: list[Key]
    designs: list[str]
    costs: dict[tuple[str, str], list[float]]


class Report:
    """A results folder seen as comparisons. Raises UsageError when it holds nothing that can be shown."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.meta, tables = load_columns(self.folder)
        self.tables = {
            name: Table(dict(zip(table.column_names, table.columns, strict=True)), table.num_rows)
            for name, table in tables.items()
        }
        self._scenario_texts: dict[tuple[Any, bool], str] = {}
        self._only: tuple[str, ...] | None = None
        if not any(len(table) for table in self.tables.values()):
            raise UsageError(f"{self.folder}: no measurement in it, expected at least one table with rows")

    def pair(self, reference: str, candidate: str) -> "Report | None":
        """Return these results with two VGIC designs only, in this order; None when one of them is not there."""
        if not {reference, candidate} <= {design.name for design in self.designs()}:
            return None
        view = copy.copy(self)
        view._only = (reference, candidate)
        view.__dict__.pop("pairs", None)
        return view

    @cached_property
    def pairs(self) -> list["Report"]:
        """These results once for each candidate, beside the reference; empty with fewer than two designs."""
        names = [design.name for design in self.designs()]
        views = (self.pair(names[0], candidate) for candidate in names[1:])
        return [view for view in views if view is not None]

    def in_order(self, names: Iterable[str]) -> list[str]:
        """Return design names of any table, each once: in the order of `designs`, those it does not name last.

        Of a pair's other designs there are none.
        """
        present = list(dict.fromkeys(names))
        order = list(self._only or (design.name for design in self.designs()))
        rest = [] if self._only else [name for name in present if name not in order]
        return [*(name for name in order if name in present), *rest]

    def table(self, name: str) -> Table:
        """Return a table, empty when the run did not produce it."""
        return self.tables.get(name, Table())

    @cached_property
    def cycles(self) -> dict[str, dict[tuple[Any, ...], float]]:
        """Total cycles: platform -> (family, design, *key) -> cycles."""
        table = self.table("cycles")
        found: dict[str, dict[tuple[Any, ...], float]] = {}
        keys = table.rows("family", "design", *SCENARIO, "transition")
        for key, platform, cycles in zip(keys, table.text("platform"), table.numbers("cycles"), strict=True):
            own = found.setdefault(platform, {})
            own[key] = own.get(key, 0.0) + cycles
        return dict(sorted(found.items()))

    @cached_property
    def _families(self) -> dict[str, _Family]:
        table = self.table("transitions")
        found: dict[str, _Family] = {}
        places: dict[tuple[str, Key], int] = {}
        rows = list(zip(table.text("family"), table.text("design"), table.rows(*SCENARIO, "transition"), strict=True))
        for name, design, key in rows:
            family = found.setdefault(name, _Family([], [], {}))
            if (name, key) not in places:
                places[name, key] = len(family.keys)
                family.keys.append(key)
            if design not in family.designs:
                family.designs.append(design)
        for meter in ("instructions", "time_ns", "events"):
            for (name, design, key), value in zip(rows, table.numbers(meter), strict=True):
                _put(found[name], meter, design, places[name, key], value)
        for platform, own in self.cycles.items():
            for (name, design, *rest), value in own.items():
                key = tuple(rest)
                if (name, key) in places and design in found[name].designs:
                    _put(found[name], f"cycles:{platform}", design, places[name, key], value)
        return found

    def _family(self, name: str) -> _Family:
        return self._families.get(name, _Family([], [], {}))

    @lru_cache(maxsize=8)  # noqa: B019 - a report lives as long as its page is made
    def designs(self, family: str = "vgic") -> list[Choice]:
        """Return the designs of a family in the order of the results' metadata, those it does not name last."""
        present = self._family(family).designs
        described = {
            str(entry.get("name")): entry for entry in self.meta.get("designs") or [] if isinstance(entry, dict)
        }
        order = [name for name in described if name in present] + [name for name in present if name not in described]
        if self._only and family == "vgic":
            order = [name for name in self._only if name in present]
        return [Choice(name, str(described.get(name, {}).get("title") or name)) for name in order]

    @lru_cache(maxsize=8)  # noqa: B019 - as above
    def meters(self, family: str = "vgic") -> list[Meter]:
        """Return the meters that this run has at least one value of, the preferred one first."""
        known = [
            Meter("instructions", "Instructions", "instructions of the kernel's code (x86-64, gcc -O2), predicted"),
            *(
                Meter(f"cycles:{platform}", f"Cycles, {platform}", f"cycles on {platform}, modelled")
                for platform in self.cycles
            ),
            Meter("time_ns", "Time", "ns of the model on the measuring host", noisy=True),
            Meter("events", "Events", "primitive steps, counted"),
        ]
        measured = {meter for meter, _ in self._family(family).costs}
        return [meter for meter in known if meter.key in measured]

    def measurements(self, family: str = "vgic") -> list[Key]:
        """Return what was measured, each scenario and transition once, in the order of the results."""
        return self._family(family).keys

    def costs(self, meter: str, design: str, family: str = "vgic") -> list[float]:
        """Return a cost a key of `measurements`, NaN where it was not measured."""
        own = self._family(family)
        return own.costs.get((meter, design)) or [NAN] * len(own.keys)

    @lru_cache(maxsize=32)  # noqa: B019 - as above
    def ratios(self, meter: str, family: str = "vgic", candidate: int = 1) -> list[float]:
        """Return a candidate over the reference per key of `measurements`; empty when there is no such candidate.

        NaN where a cost is unknown, and where one of the two ended in an unexpected state; NaN throughout for events.
        """
        designs = self.designs(family)
        if len(designs) <= candidate:
            return []
        if meter == "events":
            # A sum of events is no cost: a step of one design may cost a hundred times a step of the other.
            return [NAN] * len(self.measurements(family))
        pair = (designs[0], designs[candidate])
        first, second = (self.costs(meter, design.name, family) for design in pair)
        wrong = [self.unexpected(design.name, family) for design in pair]
        return [
            NAN if not a or any(key in own for own in wrong) else b / a
            for key, a, b in zip(self.measurements(family), first, second, strict=True)
        ]

    @lru_cache(maxsize=16)  # noqa: B019 - as above
    def unexpected(self, design: str, family: str = "vgic") -> frozenset[Key]:
        """Return the keys of `measurements` after which the interrupt was not in the state that the catalogue says."""
        table = self.table("transitions")
        rows = zip(table.rows("family", "design", *SCENARIO, "transition"), table.column("ok"), strict=True)
        return frozenset(
            tuple(key) for (of, name, *key), ok in rows if of == family and name == design and ok is not None and not ok
        )

    @cached_property
    def described(self) -> dict[str, dict[str, str]]:
        """What the first row of each transition says of it: name -> one of TEXT_COLUMNS -> text."""
        table = self.table("transitions")
        first: dict[str, int] = {}
        for row, name in enumerate(table.text("transition")):
            first.setdefault(name, row)
        columns = {column: table.text(column) for column in TEXT_COLUMNS}
        return {name: {column: columns[column][row] for column in TEXT_COLUMNS} for name, row in first.items()}

    def group(self, transition: str) -> str:
        """Return the catalogue group of a transition, `` when not known."""
        return self.text(transition, "group")

    def text(self, transition: str, column: str) -> str:
        """Return what the results say of a transition in one of TEXT_COLUMNS, `` when nothing."""
        own = self.described.get(transition)
        return own[column] if own else ""

    @cached_property
    def scenarios(self) -> list[Key]:
        """The scenarios of the VGIC measurements, in the order of SCENARIO, sorted."""
        return sorted({key[:-1] for key in self.measurements()})

    @cached_property
    def varying(self) -> list[str]:
        """The scenario dimensions that take more than one value."""
        return [name for place, name in enumerate(SCENARIO) if len({own[place] for own in self.scenarios}) > 1]

    def scenario_text(self, scenario: Key, short: bool = True) -> str:
        """Return a scenario (values in the order of SCENARIO) in words; `short` leaves out what is the same in all."""
        known = self._scenario_texts.get((scenario, short))
        if known is not None:
            return known
        values = dict(zip(SCENARIO, scenario, strict=False))
        names = self.varying if short else SCENARIO
        if short:
            # None pending is what a reader takes for granted.
            names = [name for name in names if values[name] or name not in ("pending", "live")]
        text = ", ".join(SCENARIO_WORDS[name].format(values[name]) for name in names)
        self._scenario_texts[scenario, short] = text
        return text

    def base_scenario(self, keys: Iterable[Key] | None = None) -> dict[str, Any]:
        """Return the most common value of each dimension (the least of several): the point the others vary around."""
        chosen = list(self.measurements() if keys is None else keys)
        base = {}
        for place, name in enumerate(SCENARIO):
            counts = Counter(key[place] for key in chosen)
            if counts:
                most = max(counts.values())
                base[name] = min(value for value, count in counts.items() if count == most)
        return base


def _put(family: _Family, meter: str, design: str, place: int, value: float) -> None:
    """Store a cost; of several for the same place the first counts, and a meter without any value is not there."""
    if math.isnan(value):
        return
    column = family.costs.setdefault((meter, design), [])
    if not column:
        column += [NAN] * len(family.keys)
    if math.isnan(column[place]):
        column[place] = value


def total(values: Iterable[float]) -> float:
    """Return the sum of the numbers among the values; NaN when there is none."""
    known = [value for value in values if is_number(value)]
    return sum(known) if known else NAN
