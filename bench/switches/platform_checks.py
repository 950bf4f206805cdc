# SPDX-License-Identifier: GPL-2.0-only
"""Platforms against published figures: what the model says, and how far off it is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.switches.listing import direction_of
from kvmarm.cycles import Cost, cost_of, priced_counts
from kvmarm.el2.configuration import parse_configuration
from kvmarm.el2.machine import Executed
from kvmarm.el2.switch import WorldSwitch, get_switch
from kvmarm.errors import UsageError
from kvmarm.platforms import Check, Part, Platform


@dataclass(frozen=True)
class Outcome:
    """A check and what the model says: `modelled` cycles, by term in `cost`; `error` relative to the figure."""

    platform: Platform
    check: Check
    modelled: float
    cost: Cost = field(default_factory=Cost)

    @property
    def error(self) -> float:
        """(modelled - published) / published."""
        return self.modelled / self.check.published - 1

    def row(self) -> dict[str, Any]:
        """Return the outcome as plain data."""
        check = self.check
        return {
            "platform": self.platform.name,
            "check": check.name,
            "published": check.published,
            "source": check.source,
            "certainty": check.certainty,
            "use": check.use,
            "modelled": round(self.modelled, 1),
            "error": round(self.error, 4),
            "terms": {name: round(cycles, 1) for name, cycles in self.cost.terms.items()},
            "note": check.note,
        }


def part_counts(part: Part, gic: int, where: str) -> dict[str, int]:
    """Return the counts by price class of a part. Raises UsageError for options that no switch has."""
    model = get_switch(part.switch)
    options = {"gic": f"v{gic}", **part.options}
    options["implementation"] = model.implementation_name(options.get("vhe") == "1")
    configuration = parse_configuration(options, where)
    ran = WorldSwitch(model.programs).run(configuration)
    counts: dict[str, int] = {}
    for phase in part.phases:
        if phase not in ran:
            raise UsageError(f"{where}: phases: no {phase} in this configuration")
        for name, count in priced_counts(ran[phase], _chosen(part, phase, ran[phase])).items():
            counts[name] = counts.get(name, 0) + count * part.times
    return counts


def _chosen(part: Part, phase: str, ran: Executed) -> Iterator[int]:
    for index in ran.steps:
        line = ran.program.instructions[index]
        if part.groups and line.group not in part.groups:
            continue
        if line.group in part.without:
            continue
        if part.direction in ("both", direction_of(phase, line.piece)):
            yield index


def evaluate(platform: Platform, check: Check) -> Outcome:
    """Return what the model says about a published figure."""
    cost = Cost()
    for part in check.parts:
        cost = cost + cost_of(platform, part_counts(part, platform.gic, f"{platform.path}: {check.name}"))
    for name, count in check.instructions.items():
        cost.add(f"instructions: {name}", count * platform.price("instruction"))
    for term, times in check.terms.items():
        cost.add(f"term: {term}", times * platform.term(term))
    return Outcome(platform, check, cost.total, cost)
