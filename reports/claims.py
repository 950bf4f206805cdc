# SPDX-License-Identifier: GPL-2.0-only
"""The five claims that were made for the redesign when it was presented (LAS16-500, Zyngier and Dall, 2016), tested.

Each claim is a function of a `Report` that returns a `Claim` with a verdict by a stated rule; the rule is part of the
claim and printed with it. They are about two designs and two world switches (PAIR, SWITCHES): of a run that does not
hold both designs none is judged, and of others beside them in the run nothing is said.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import median
from typing import Any

from bench.replay.break_even import crossing
from reports import matrix
from reports.answer import main_ratio
from reports.data import Report, total
from reports.html import Markup, join
from reports.numbers import SAME, geometric_mean, is_number, number, percent_number, ratio_number
from reports.scaling import curves
from reports.tables import TOTAL, Step, main_configuration, workload_parts

HOLDS, PART, FAILS, OPEN = "holds", "holds in part", "does not hold", "not measured"
INFREQUENT = 0.10
"""MMIO counts as infrequent when it is below this share of a workload's operations."""
SMALL_COST = 0.05
"""The C switch "costs little" when entry and exit together take at most this much more than the assembly."""
READS, WRITES = "mmio read", "mmio write"


PAIR = ("old", "new")
"""The designs that the claims are about, by their names in results: the legacy design and the redesign."""
SWITCHES = ("asm", "c")
"""The world switches that claim 5 is about."""


@dataclass(frozen=True)
class Claim:
    """One claim: what was said, the verdict, the figures (label, value) behind it, the rule, and where to read on."""

    number: int
    statement: str
    verdict: str
    figures: list[tuple[str, Any]] = field(default_factory=list)
    rule: str = ""
    section: str = ""


def is_mmio(group: str) -> bool:
    """Return whether a catalogue group is register access by the guest."""
    return group.lower().startswith("mmio")


def group_ratio(report: Report, meter: str, wanted: Callable[[str], bool]) -> tuple[float, int]:
    """Return the geometric mean of candidate over reference over the transitions whose group is `wanted`, and how many.

    The guest's own steps are hardware, the same for every design, and not part of any mean.
    """
    chosen = []
    for key, ratio in zip(report.measurements(), report.ratios(meter), strict=False):
        if ratio > 0:
            group = report.group(key[-1])
            if group != "guest" and wanted(group):
                chosen.append(ratio)
    return geometric_mean(chosen), len(chosen)


def _meter(report: Report) -> str:
    meters = report.meters()
    return meters[0].key if meters else ""


def _ratio(value: float, count: int) -> Markup:
    return join(ratio_number(value), f" over {count:,} measurements")


def mmio_claim(report: Report) -> Claim:
    """Return claim 1."""
    parts = [
        (label, *main_ratio(report, wanted))
        for label, wanted in (
            ("register reads", lambda group: group == READS),
            ("register writes", lambda group: group == WRITES),
            ("all register accesses", is_mmio),
        )
    ]
    known = [ratio for _, ratio, count in parts[:2] if count] or [ratio for _, ratio, count in parts if count]
    dearer = [ratio > 1 + SAME for ratio in known]
    verdict = OPEN if not known else HOLDS if all(dearer) else PART if any(dearer) else FAILS
    figures = [(f"redesign ÷ legacy, {label}", _ratio(ratio, count)) for label, ratio, count in parts if count]
    rule = "Holds when the redesign is dearer in both reads and writes of the distributor, in part when in one of them."
    return Claim(1, "The legacy VGIC is optimised for MMIO.", verdict, figures, rule, "transitions")


def share_of_mmio(report: Report) -> dict[str, float]:
    """Return the share of MMIO in each workload's operations."""
    table = report.table("workloads")
    rows = list(zip(table.text("workload"), table.text("kind"), table.numbers("mmio_share"), strict=True))
    totals = [row for row in rows if row[1] == TOTAL] or rows
    shares: dict[str, float] = {}
    for workload, _, share in totals:
        shares.setdefault(workload, share)
    return {workload: share for workload, share in shares.items() if is_number(share)}


def mean_costs(report: Report) -> tuple[float, float, float, float] | None:
    """Return the mean costs of an MMIO operation and of any other over all workloads, of the first and second design.

    None when one of the four is not known.
    """
    parts, unit = workload_parts(report)
    designs = list(dict.fromkeys(part.design for part in parts))
    if not unit or len(designs) < 2:
        return None
    means = []
    for design in designs[:2]:
        for mmio in (True, False):
            own = [
                part for part in parts if part.design == design and part.kind != TOTAL and is_mmio(part.kind) == mmio
            ]
            count = sum(part.operations for part in own)
            means.append(total(part.cost for part in own) / count if count else float("nan"))
    first, second, third, fourth = means
    return (first, second, third, fourth) if all(map(is_number, means)) else None


def break_even(report: Report) -> float:
    """Return the share of MMIO at which both designs would cost the same, NaN when one is cheaper at every share."""
    means = mean_costs(report)
    if means is None:
        return float("nan")
    mmio_0, other_0, mmio_1, other_1 = means
    share = crossing((mmio_0, other_0), (mmio_1, other_1))
    return share if 0 < share < 1 else float("nan")


def rare_claim(report: Report) -> Claim:
    """Return claim 2."""
    shares = share_of_mmio(report)
    statement = "MMIO is infrequent in real workloads."
    rule = (
        f"Holds when MMIO is below {100 * INFREQUENT:g} % of the operations of every workload, in part when of at "
        "least half of them."
    )
    if not shares:
        return Claim(2, statement, OPEN, [("workloads", "none in this run")], rule)
    values = list(shares.values())
    below = sum(share < INFREQUENT for share in values) / len(values)
    verdict = HOLDS if below == 1 else PART if below >= 0.5 else FAILS
    figures: list[tuple[str, Any]] = [
        ("share of operations, median", join(percent_number(median(values)), f" over {len(values)} workloads")),
        ("lowest and highest", join(percent_number(min(values)), " – ", percent_number(max(values)))),
    ]
    means, even = mean_costs(report), break_even(report)
    if is_number(even):
        figures.append(("the designs would break even", join("at an MMIO share of ", percent_number(even))))
    elif means is not None:
        cheaper = "the redesign" if means[2:] < means[:2] else "the legacy design"
        figures.append(("the designs would break even", f"at no share: {cheaper} is cheaper throughout"))
    return Claim(2, statement, verdict, figures, rule, "workloads")


def growths(report: Report, design: int) -> list[float]:
    """Return how much each transition but MMIO grows from the smallest to the largest vCPU and INTID count."""
    found = curves(report, _meter(report))
    return [
        curve.growth(design)
        for curve in found
        if curve.dimension in ("vcpus", "irqs") and not is_mmio(report.group(curve.transition))
    ]


def others_claim(report: Report) -> Claim:
    """Return claim 3."""
    statement = "The legacy design makes the other transitions dearer, and scales worse."
    rule = (
        "Holds when the redesign is cheaper in the geometric mean of all transitions but MMIO and its cost grows "
        "less with vCPUs and INTIDs; "
        "in part when one of the two is so. Growth needs more than one scenario: a sweep."
    )
    ratio, count = main_ratio(report, lambda group: not is_mmio(group))
    if not count:
        return Claim(3, statement, OPEN, [], rule)
    figures: list[tuple[str, Any]] = [("redesign ÷ legacy, all but MMIO", _ratio(ratio, count))]
    growth = [geometric_mean(growths(report, design)) for design in (0, 1)]
    scaling: bool | None = None
    if all(is_number(value) for value in growth):
        scaling = growth[0] > growth[1] * (1 + SAME)
        figures.append(("growth over the grid, legacy", ratio_number(growth[0])))
        figures.append(("growth over the grid, redesign", ratio_number(growth[1])))
    else:
        figures.append(("growth", "not measured: one scenario per GIC version in this run"))
    cheaper = ratio < 1 - SAME
    verdict = HOLDS if cheaper and scaling else PART if cheaper or scaling else FAILS
    return Claim(3, statement, verdict, figures, rule, "scaling" if scaling is not None else "transitions")


@lru_cache(maxsize=8)
def disagreements(report: Report) -> dict[tuple[str, int], tuple[str, ...]]:
    """Return the transitions whose state afterwards differs between the designs.

    (transition, GIC version) -> the state that each design leaves, `` where it was not measured. Don't change it.
    """
    table = report.table("transitions")
    designs = [design.name for design in report.designs()]
    if len(designs) < 2:
        return {}
    states: dict[tuple[str, int], dict[str, str]] = {}
    rows = zip(table.rows("transition", "gic", "family", "design"), table.text("after"), strict=True)
    for (name, gic, family, design), after in rows:
        if family == "vgic":
            states.setdefault((name, gic), {}).setdefault(design, after)
    found = {key: tuple(own.get(design, "") for design in designs) for key, own in states.items()}
    return {key: own for key, own in found.items() if len(set(own) - {""}) > 1}


def right_claim(report: Report) -> Claim:
    """Return claim 4."""
    statement = "The redesign is right where the legacy design is wrong."
    rule = (
        "The state after a transition is compared between the designs, and where they differ with the one that "
        "the architecture asks for (the catalogue states it). "
        "Holds when the legacy design is wrong somewhere and the redesign in none of those, in part when both "
        "are, does not hold when the legacy design never is."
    )
    measured = list(dict.fromkeys(key[-1] for key in report.measurements()))
    if len(report.designs()) < 2 or not any(report.text(name, "after") for name in measured):
        return Claim(4, statement, OPEN, [], rule)
    different = disagreements(report)
    if not different and not any(map(matrix.designs_differ, measured)):
        words = "none in this run: its transitions are among those in which the designs agree"
        return Claim(4, statement, OPEN, [("transitions in which designs differ", words)], rule)
    wrong: list[set[str]] = [set(), set()]
    for (name, _), states in different.items():
        right = matrix.right_state(name)
        for design, state in enumerate(states):
            if right and state != right:
                wrong[design].add(name)
    verdict = FAILS if not wrong[0] else PART if wrong[1] else HOLDS
    names = {name for name, _ in different}
    unexpected = {str(key[-1]) for design in report.designs() for key in report.unexpected(design.name)}
    figures: list[tuple[str, Any]] = [
        ("transitions that end differently", join(number(len(names)), " of ", number(len(measured)))),
        ("legacy wrong in", number(len(wrong[0]))),
        ("redesign wrong in", number(len(wrong[1]))),
        ("not as the real code behaves", number(len(unexpected))),
    ]
    return Claim(4, statement, verdict, figures, rule, "differences" if names else "transitions")


def gic_accesses(steps: Iterable[Step]) -> int:
    """Return the accesses to the GIC's interface among steps of a switch: GICH memory, or ICH and ICC registers."""
    return sum(
        step.times
        for step in steps
        if step.kind.startswith("gich") or (step.kind.startswith("sysreg") and "gic" in step.group.lower())
    )


def switch_cycles(report: Report, first: str, second: str) -> tuple[float, int]:
    """Return the cycles of whole interrupts with the second switch over those with the first, and over how many.

    The geometric mean over every design, scenario, GIC version and platform that both were priced for.
    """
    table = report.table("life")
    found: dict[tuple[Any, ...], dict[str, float]] = {}
    keys = table.rows("design", "gic", "scenario", "platform")
    for key, switch, cycles in zip(keys, table.text("switch"), table.numbers("cycles"), strict=True):
        if is_number(cycles):
            own = found.setdefault(key, {})
            own[switch] = own.get(switch, 0.0) + cycles
    ratios = [own[second] / own[first] for own in found.values() if own.get(first) and second in own]
    return geometric_mean(ratios), len(ratios)


def switch_claim(report: Report) -> Claim:
    """Return claim 5."""
    statement = "Moving the world switch to C costs little and gives VHE, debug and fewer GIC accesses."
    rule = (
        f"Holds when an interrupt's whole life takes at most {100 * SMALL_COST:g} % more with the C switch than with "
        "the assembly (in cycles; in instructions where no platform was priced), C accesses the GIC less, and a VHE "
        "variant was measured; in part when one of these is so."
    )
    steps = main_configuration(report)
    found = list(dict.fromkeys(step.implementation for step in steps))
    if not set(SWITCHES) <= set(found):
        return Claim(5, statement, OPEN, [("world switches", "not both in this run")], rule)
    names = [*SWITCHES, *(name for name in found if name.startswith(f"{SWITCHES[1]}-"))]
    gic = steps[0].gic
    own = {name: [step for step in steps if step.gic == gic and step.implementation == name] for name in names}
    totals = {name: sum(step.times for step in of_name) for name, of_name in own.items()}
    accesses = {name: gic_accesses(of_name) for name, of_name in own.items()}
    first, second, *more = names
    cycles, count = switch_cycles(report, first, second)
    cost = cycles if is_number(cycles) else totals[second] / totals[first]
    tests = [cost <= 1 + SMALL_COST, accesses[second] < accesses[first], bool(more)]
    verdict = HOLDS if all(tests) else PART if any(tests) else FAILS

    def side_by_side(values: dict[str, int]) -> Markup:
        return join(*[part for name in names for part in (", ", f"{name} ", number(values[name]))][1:])

    figures: list[tuple[str, Any]] = []
    if count:
        figures.append((f"cycles of an interrupt's life, {second} ÷ {first}", _ratio(cycles, count)))
    figures.append((f"instructions of entry and exit, GICv{gic}", side_by_side(totals)))
    figures.append(("GIC accesses of entry and exit", side_by_side(accesses)))
    return Claim(5, statement, verdict, figures, rule, "switch")


@lru_cache(maxsize=4)
def claims(report: Report) -> list[Claim]:
    """Return the five claims with their verdicts, none when the run does not hold their designs. Don't change it."""
    pair = report.pair(*PAIR)
    if pair is None:
        return []
    return [test(pair) for test in (mmio_claim, rare_claim, others_claim, right_claim, switch_claim)]
