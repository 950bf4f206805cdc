# SPDX-License-Identifier: GPL-2.0-only
"""The answer of a run in plain sentences: which design costs less, for what, by how much, and what to choose when.

The terminal and the page say the same words. Each sentence is derived from the results of one pair of designs; none
knows which designs these are. A figure is a ratio, candidate over reference, in the run's preferred meter.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from bench.catalogue.catalogue import main_transitions
from bench.replay.break_even import crossing
from reports.data import Report, total
from reports.numbers import SAME, geometric_mean, is_number, percent, ratio_text
from reports.scaling import DIMENSION, curves
from reports.tables import TOTAL, workload_parts

GROUP_OF_KIND = {
    "flush": "flush",
    "sync": "sync",
    "inject": "inject",
    "injectm": "inject",
    "mmio_w": "mmio write",
    "mmio_r": "mmio read",
    "sgi1r": "sgi",
    "pending": "query",
    "map": "forwarding",
    "unmap": "forwarding",
}
"""Kind of a workload's operation -> group of the transitions that are like it. The others are the guest's: no cost."""
WORDS = {
    "flush": "entering the guest",
    "sync": "leaving the guest",
    "inject": "raising an interrupt",
    "sgi": "sending interrupts between vCPUs",
    "query": "asking for pending interrupts",
    "mmio write": "guest writes to GIC registers",
    "mmio read": "guest reads of GIC registers",
    "overflow": "more interrupts than list registers",
    "migration": "moving interrupts between vCPUs",
}
"""Group of transitions -> what happens, for a reader new to it."""
MOST_WORDS = 2
"""Groups that a sentence names."""


class Group(NamedTuple):
    """One group of transitions: how often recorded workloads do it (0..1, NaN without any), and its mean ratios.

    ratios: geometric mean by GIC version over the main transitions measured; `whole`: over both versions.
    """

    name: str
    transitions: int
    weight: float
    ratios: dict[int, float]
    whole: float


class Means(NamedTuple):
    """Mean cost of a register access by the guest and of any other VGIC operation over all workloads, two designs."""

    mmio: tuple[float, float]
    other: tuple[float, float]
    share: float
    """The share of register accesses among the VGIC's operations."""


@lru_cache(maxsize=8)
def main_names(report: Report) -> frozenset[str]:
    """Return the transitions that headlines and claims are made of: the main ones, all where none of them was measured.

    A quick run and a whole one have the same, so that what is said does not depend on how much was measured beside.
    """
    measured = {key[-1] for key in report.measurements()}
    own = [name for name in main_transitions() if name in measured and (name != "flush_p" or _standing(report))]
    return frozenset(own or measured)


def _standing(report: Report) -> bool:
    """Return whether interrupts were pending all along: without any, `flush_p` is `flush_empty` again."""
    return any(key[4] for key in report.measurements())


def main_ratio(report: Report, wanted: Callable[[str], bool]) -> tuple[float, int]:
    """Return the geometric mean ratio of the main transitions whose group is `wanted`, and of how many measurements."""
    found = [ratio for _, group, ratio in _main_ratios(report) if wanted(group)]
    return geometric_mean(found), len(found)


def _main_ratios(report: Report) -> list[tuple[int, str, float]]:
    """Return (GIC version, group, ratio) of the main transitions in the preferred meter, without the guest's steps."""
    meters, names = report.meters(), main_names(report)
    if not meters or len(report.designs()) < 2:
        return []
    pairs = zip(report.measurements(), report.ratios(meters[0].key), strict=False)
    found = [(key[0], report.group(key[-1]), ratio) for key, ratio in pairs if key[-1] in names and ratio > 0]
    return [row for row in found if row[1] != "guest" and math.isfinite(row[2])]


@lru_cache(maxsize=8)
def weights(report: Report) -> dict[str, float]:
    """Return how often the recorded workloads do what a group of transitions is: group -> share, which sum up to 1.

    The mean over the workloads of each one's shares, so that a long recording counts as much as a short one. Don't
    change it.
    """
    parts, _ = workload_parts(report)
    design = next((part.design for part in parts), "")
    by_workload: dict[str, dict[str, int]] = {}
    for part in parts:
        group = GROUP_OF_KIND.get(part.kind)
        if part.design == design and part.kind != TOTAL and group:
            own = by_workload.setdefault(part.workload, {})
            own[group] = own.get(group, 0) + part.operations
    shares: dict[str, float] = {}
    for own in by_workload.values():
        whole = sum(own.values())
        for group, count in own.items():
            shares[group] = shares.get(group, 0.0) + (count / whole / len(by_workload) if whole else 0.0)
    return shares


@lru_cache(maxsize=8)
def groups(report: Report) -> list[Group]:
    """Return the groups of main transitions of a pair, what workloads do most first. Don't change the list."""
    share, rows = weights(report), _main_ratios(report)
    found = []
    for name in dict.fromkeys(group for _, group, _ in rows):
        own = [(gic, ratio) for gic, group, ratio in rows if group == name]
        by_gic = {gic: geometric_mean(r for g, r in own if g == gic) for gic in sorted({gic for gic, _ in own})}
        weight = share.get(name, 0.0) if share else math.nan
        most = max(sum(gic == version for gic, _ in own) for version in by_gic)
        found.append(Group(name, most, weight, by_gic, geometric_mean(ratio for _, ratio in own)))
    return sorted(found, key=lambda group: -group.weight if share else 0.0)


def weighted_ratio(report: Report) -> float:
    """Return the mean ratio with each group of transitions as often as recorded workloads do it; NaN without any."""
    own = [group for group in groups(report) if is_number(group.weight) and group.weight > 0]
    whole = sum(group.weight for group in own)
    return math.exp(sum(group.weight * math.log(group.whole) for group in own) / whole) if whole else math.nan


def means(report: Report) -> Means | None:
    """Return the mean costs over all workloads of a pair of designs, None when one of them is not known."""
    parts, unit = workload_parts(report)
    designs = [design.name for design in report.designs()][:2]
    if not unit or len(designs) < 2:
        return None
    costs: list[tuple[float, float]] = []
    counts: list[int] = []
    for mmio in (True, False):
        pair = []
        for design in designs:
            own = [
                part
                for part in parts
                if part.design == design and part.kind in GROUP_OF_KIND and part.kind.startswith("mmio") == mmio
            ]
            count = sum(part.operations for part in own)
            pair.append(total(part.cost for part in own) / count if count else math.nan)
        costs.append((pair[0], pair[1]))
        counts.append(count)
    if not all(is_number(cost) for pair in costs for cost in pair):
        return None
    return Means(costs[0], costs[1], counts[0] / sum(counts))


def workload_ratios(report: Report) -> list[float]:
    """Return candidate over reference of each workload's whole cost."""
    parts, unit = workload_parts(report)
    designs = [design.name for design in report.designs()][:2]
    if not unit or len(designs) < 2:
        return []
    costs: dict[str, dict[str, float]] = {}
    for part in parts:
        if part.kind == TOTAL:
            costs.setdefault(part.workload, {})[part.design] = part.cost
    pairs = [tuple(own.get(name, math.nan) for name in designs) for own in costs.values()]
    return [second / first for first, second in pairs if is_number(first) and is_number(second) and first > 0]


def names(report: Report) -> str:
    """Return what the designs of a run are, on one line."""
    return "; ".join(f"{design.name} = {design.title}" for design in report.designs())


def headline(report: Report) -> str:
    """Return the first sentence of a pair: what it costs on recorded guests, or over the transitions without them."""
    reference, candidate = report.designs()
    ratios, weighted = workload_ratios(report), weighted_ratio(report)
    whole, count = main_ratio(report, lambda _: True)
    unit = next((meter.unit for meter in report.meters()), "")
    if ratios:
        mean = geometric_mean(ratios)
        spread = f" ({ratio_text(min(ratios))} to {ratio_text(max(ratios))})" if len(ratios) > 1 else ""
        tail = f"; per transition, weighted as they do them, {ratio_text(weighted)}" if is_number(weighted) else ""
        kind = "ns" if workload_parts(report)[1] == "ns" else "instructions"
        return (
            f"{candidate.name} costs {ratio_text(mean)} what {reference.name} does in {kind} over {len(ratios)} "
            f"recorded workloads{spread}{tail}."
        )
    if count:
        return (
            f"{candidate.name} costs {ratio_text(whole)} what {reference.name} does by the catalogue mean, each of "
            f"{count:,} measurements counted once ({unit})."
        )
    return f"No transition of {candidate.name} can be compared with {reference.name}."


def where(report: Report) -> str:
    """Return a sentence on what each design of a pair costs less for, the most different first; `` without any."""
    reference, candidate = report.designs()
    known = [group for group in groups(report) if is_number(group.whole)]
    parts = []
    for name, sign in ((candidate.name, -1), (reference.name, 1)):
        own = [group for group in known if sign * math.log(group.whole) > SAME]
        ranked = sorted(own, key=lambda group: -_importance(group))[:MOST_WORDS]
        if ranked:
            said = ", ".join(f"{WORDS.get(group.name, group.name)} ({ratio_text(group.whole)})" for group in ranked)
            parts.append(f"{name} costs less for {said}")
    return f"{'; '.join(parts)}." if parts else ""


def _importance(group: Group) -> float:
    """Return how much a group moves the weighted mean; without weights how far it is from 1."""
    distance = abs(math.log(group.whole))
    return distance * group.weight + 1e-9 * distance if is_number(group.weight) else distance


def advice(report: Report) -> str:
    """Return what to choose when, from the workloads' break-even, else from crossovers, else from the groups."""
    reference, candidate = (design.name for design in report.designs())
    found = means(report)
    if found is not None:
        first, second = zip(found.mmio, found.other, strict=True)
        even = crossing((first[0], first[1]), (second[0], second[1]))
        if not is_number(even) or not 0 < even < 1:
            better = candidate if second < first or (second[0] <= first[0] and second[1] <= first[1]) else reference
            return f"Choose {better}: it costs less at any share of guest accesses to GIC registers."
        rises = second[0] - first[0] > 0
        low, high = (candidate, reference) if rises else (reference, candidate)
        return (
            f"Choose {low} unless more than {percent(even)} of the work is guest accesses to GIC registers "
            f"({percent(found.share)} in the recorded workloads), then {high}."
        )
    return _by_size(report) or _by_groups(report)


def _by_size(report: Report) -> str:
    """Return what to choose by the size of the VM: the first crossover of a curve, `` where none was measured."""
    reference, candidate = (design.name for design in report.designs())
    meters = report.meters()
    for curve in curves(report, meters[0].key) if meters else []:
        crossings = curve.crossings()
        if curve.transition in main_names(report) and len(crossings) == 1:
            last = curve.points[-1][1]
            later = candidate if last[1] < last[0] else reference
            return (
                f"Choose {later} from about {crossings[0]:.0f} {DIMENSION[curve.dimension]} on where "
                f"{curve.transition} is what the VM does most."
            )
    return ""


def _by_groups(report: Report) -> str:
    whole, count = main_ratio(report, lambda _: True)
    if not count:
        return ""
    reference, candidate = (design.name for design in report.designs())
    if abs(whole - 1) <= SAME:
        return "Neither costs less by the catalogue mean: choose by what the VM does most."
    better = candidate if whole < 1 else reference
    return f"Choose {better} unless the VM does mostly what the other costs less for."


def verdict(report: Report) -> list[str]:
    """Return the sentences of the answer for each pair of designs: the headline, where each wins, what to choose."""
    lines = []
    for pair in report.pairs:
        lines += [line for line in (headline(pair), where(pair), advice(pair)) if line]
    return lines
