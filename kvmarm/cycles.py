# SPDX-License-Identifier: GPL-2.0-only
"""The cycles meter: what was executed or counted, times a platform's price list, with a breakdown.

World switches are priced instruction by instruction (`switch_cost`): every executed instruction belongs to one price
class. VGIC transitions are priced by their events (`vgic_cost`). An event costs the instructions that the real code
takes for it (the fitted weights of its design), at the platform's cycles per instruction. The atomics of a lock and the
kick are added, since an instruction price does not include them. A design without weights is priced with one
instruction per event, and its term says so.

Cycles here are a sum of prices: no overlap, no cache misses beyond what a price has in it. What the model cannot know
(the rest of KVM's run loop, decoding an MMIO access, the host's IPI) is a named term of the platform.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kvmarm.el2.instructions import CLASSES, Instruction
from kvmarm.el2.machine import Executed
from kvmarm.events import event_names
from kvmarm.platforms import Platform

if TYPE_CHECKING:
    import numpy as np

_PRICE_OF_CLASS = {
    "gpr_save": "store",
    "mem_store": "store",
    "gpr_restore": "load",
    "mem_load": "load",
    "fp_save": "fp_store",
    "fp_restore": "fp_load",
    "gich_read": "gich_read",
    "gich_write": "gich_write",
    "branch": "branch",
    "branch_taken": "branch_taken",
    "eret": "eret",
    "hvc": "trap",
    "alu": "alu",
    "other": "nop",
}
_LOCK, _KICK = "lock", "kick"


@dataclass
class Cost:
    """Cycles by term. `total`: their sum."""

    terms: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """All cycles."""
        return sum(self.terms.values())

    def add(self, term: str, cycles: float) -> None:
        """Add cycles to a term."""
        if cycles:
            self.terms[term] = self.terms.get(term, 0.0) + cycles

    def __add__(self, other: "Cost") -> "Cost":
        result = Cost(dict(self.terms))
        for term, cycles in other.terms.items():
            result.add(term, cycles)
        return result


def price_class(line: Instruction, klass: str) -> str:
    """Return the price class of an instruction of a program that counts as `klass`."""
    if klass in ("sysreg_read", "sysreg_write"):
        gic = line.name is not None and line.name.startswith(("ich_", "icc_"))
        return klass.replace("sysreg", "ich") if gic else klass
    if klass == "barrier":
        return "isb" if line.name == "isb" else "dsb"
    return _PRICE_OF_CLASS[klass]


def priced_counts(ran: Executed, lines: Iterable[int] | None = None) -> dict[str, int]:
    """Return how often each price class was executed; of the steps with numbers `lines` only, if given."""
    counts: dict[str, int] = {}
    for index in ran.steps if lines is None else lines:
        line = ran.program.instructions[index]
        if line.takes_exception:
            counts["trap"] = counts.get("trap", 0) + 1
        if line.counted_branch:
            name = "branch_taken" if index in ran.taken else "branch"
            counts[name] = counts.get(name, 0) + 1
        for number, count in line.counts:
            name = price_class(line, CLASSES[number])
            counts[name] = counts.get(name, 0) + count
    return counts


def cost_of(platform: Platform, counts: Mapping[str, int]) -> Cost:
    """Return the cost of counts by price class, one term per class."""
    cost = Cost()
    for name, count in counts.items():
        cost.add(name, count * platform.price(name))
    return cost


def switch_cost(platform: Platform, ran: Executed) -> Cost:
    """Return the cost of one phase of a world switch, one term a price class."""
    return cost_of(platform, priced_counts(ran))


def switch_cost_by_group(platform: Platform, phases: Iterable[Executed]) -> dict[str, float]:
    """Return the cycles of each register group over several phases."""
    groups: dict[str, float] = {}
    for ran in phases:
        members: dict[str, list[int]] = {}
        for index in ran.steps:
            members.setdefault(ran.program.instructions[index].group, []).append(index)
        for group, lines in members.items():
            groups[group] = groups.get(group, 0.0) + cost_of(platform, priced_counts(ran, lines)).total
    return groups


def event_prices(platform: Platform, weights: "np.ndarray | None") -> "np.ndarray":
    """Return the cycles of each event (float64[EVENT_COUNT]). `weights`: instructions of each event, or None."""
    import numpy as np

    names = event_names()
    prices = (np.ones(len(names)) if weights is None else np.asarray(weights, float)) * platform.price("instruction")
    prices[names.index("lock")] += platform.price(_LOCK)
    prices[names.index("kick")] += platform.term(_KICK)
    return prices


def vgic_cost(platform: Platform, counts: Mapping[str, int], weights: "np.ndarray | None") -> Cost:
    """Return the cost of a VGIC transition: event name -> count, priced; one term per event, atomics and kicks apart.

    `weights`: float64[EVENT_COUNT], instructions of the real code for each event, None where nothing was fitted.
    """
    names = event_names()
    each = platform.price("instruction")
    cost = Cost()
    for name, count in counts.items():
        weight = 1.0 if weights is None else float(weights[names.index(name)])
        cost.add(f"instructions: {name}" if weights is not None else f"events: {name}", count * weight * each)
    cost.add("lock atomics", counts.get(_LOCK, 0) * platform.price(_LOCK))
    cost.add("host: kick", counts.get(_KICK, 0) * platform.term(_KICK))
    return cost
