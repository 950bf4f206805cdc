# SPDX-License-Identifier: GPL-2.0-only
"""What a comparison consists of: rows with a verdict each, and what a reader has to know about them."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.results.schema import KEY
from bench.results.statistics import Policy

METERS = ("events", "time")
TABLE_OF = {"events": "events", "time": "samples"}
NEW = "new"
STATES = ("before", "after")
PLACE = ("gic", "irqs", "vcpus", "lrs", "pending", "live")
"""The KEY columns that make up a configuration."""


@dataclass
class Row:
    """One thing compared. `meter`: "events" (an event's count, or all of them: event ""), "instructions" (what changed
    counts come to), "state", "time" or "transition" (whether it is there at all). `fields`: the KEY columns and
    `event`; of a workload `design`, `transition` (its name) and `event`. `baseline`, `candidate`: counts,
    ns (medians) or states. `low`, `high`: 95 % interval of the ratio. `needed`: interleaved processes
    a side that would settle an inconclusive row."""

    meter: str
    fields: dict[str, Any]
    baseline: Any
    candidate: Any
    verdict: str
    ratio: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    processes: int = 0
    needed: int | None = None
    note: str = ""
    allowed: str = ""

    @property
    def change(self) -> int | None:
        """The change of an exact count; None for other meters."""
        return self.candidate - self.baseline if self.meter == "events" else None

    @property
    def name(self) -> str:
        """The row's name in one line, without the configuration."""
        event = self.fields.get("event")
        return f"{self.fields['design']} {self.fields['transition']}" + (f" {event}" if event else "")

    @property
    def configuration(self) -> str:
        """The configuration in one line; empty for rows about several of them."""
        if "irqs" not in self.fields:
            return ""
        return " ".join(f"{name}={self.fields[name]}" for name in PLACE)


@dataclass
class Comparison:
    """`rows`: one a thing compared. `summaries`: time over all transitions of a design (Row, meter "time").
    `notes`: what a reader has to know. `blocked`: why nothing or not everything could be compared. `lost`: meters that
    only the baseline has. `same_host`: times of hosts of other names are compared."""

    baseline: str
    candidate: str
    policy: Policy
    rows: list[Row] = field(default_factory=list)
    summaries: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    paired: bool = False
    same_host: bool = False

    def count(self, verdict: str, meter: str | None = None) -> int:
        """Return how many rows (of one meter) have the verdict; a transition's total is not counted here."""
        return sum(row.verdict == verdict and (meter is None or row.meter == meter) for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """Return everything as what JSON can hold; numbers that don't exist are None."""
        data = asdict(self)
        for row in [*data["rows"], *data["summaries"]]:
            for name, value in row.items():
                if isinstance(value, float) and not math.isfinite(value):
                    row[name] = None
        return data


def fields_of(key: tuple[Any, ...]) -> dict[str, Any]:
    """Return the KEY columns of a transition by name."""
    return {name: value.item() if hasattr(value, "item") else value for name, value in zip(KEY, key, strict=True)}
