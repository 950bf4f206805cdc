# SPDX-License-Identifier: GPL-2.0-only
"""Rows of the results tables that world switches and platforms fill: switch, transitions, events, cycles."""

from collections.abc import Iterable, Sequence
from typing import Any

from bench.meters.events import Counted
from bench.meters.weights import weights_of
from bench.switches.listing import run, variants
from bench.switches.names import name_of
from bench.switches.transitions import FAMILY, GROUP, measure, switch_transitions
from kvmarm.cycles import vgic_cost
from kvmarm.design import get_design
from kvmarm.el2.configuration import parse_configuration
from kvmarm.platforms import Platform, load_platform, platform_names

_LEAST_CERTAIN = ("assumed", "estimated", "fitted", "measured")


def chosen_platforms(names: Sequence[str] | None) -> list[Platform]:
    """Return platforms by name or file, all built-in ones for None."""
    return [load_platform(name) for name in (platform_names() if names is None else names)]


def switch_rows(gics: Sequence[int], lrs: int = 4, live: int = 0) -> list[dict[str, Any]]:
    """Return rows of the table `switch`: instructions of a round trip by implementation, phase, group and class."""
    rows = []
    for gic in gics:
        base = parse_configuration({"gic": f"v{gic}", "nr_lr": str(lrs), "live_lrs": str(live)})
        for title, configuration in variants(base):
            for phase, executed in run(configuration).items():
                for group, counts in executed.counts_by(lambda line: line.group).items():
                    rows += [
                        {
                            "implementation": name_of(title),
                            "gic": gic,
                            "configuration": f"{lrs} list registers, {live or 'none'} live, hvc",
                            "phase": phase,
                            "register_group": group,
                            "class": klass,
                            "count": number,
                        }
                        for klass, number in counts.items()
                        if number
                    ]
    return rows


def transition_tables(
    gics: Sequence[int], lrs: int = 4, platforms: Sequence[Platform] = (), timed: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """Return rows of `transitions`, `events` and `cycles` for the world switch's own transitions.

    A design of the family `switch` is a variant (`asm`, `c`, `c-vhe`); the VM's size does not matter to it (irqs, vcpus
    and pending are 0). Its events are instructions by class.
    """
    tables: dict[str, list[dict[str, Any]]] = {"transitions": [], "events": [], "cycles": []}
    for gic in gics:
        for transition in switch_transitions():
            for result in measure(transition, gic, lrs, platforms, timed):
                key = {
                    "design": result["switch"],
                    "family": FAMILY,
                    "gic": gic,
                    "irqs": 0,
                    "vcpus": 0,
                    "lrs": lrs,
                    "pending": 0,
                    "live": result["live"],
                    "transition": transition.name,
                }
                nanoseconds = result["time_ns"]
                tables["transitions"].append(
                    {
                        **key,
                        "group": GROUP,
                        "before": result["before"],
                        "operation": ", ".join(transition.phases),
                        "after": result["after"],
                        "expected": f"{transition.before} -> {transition.after}",
                        "ok": result["ok"],
                        "instructions": float(result["instructions"]),
                        "time_ns": float("nan") if nanoseconds is None else nanoseconds,
                        "time_low": float("nan"),
                        "time_high": float("nan"),
                        "samples": 0,
                        "events": result["instructions"],
                        "title": transition.title,
                        "why": "",
                    }
                )
                tables["events"] += [{**key, "event": k, "count": n} for k, n in result["counts"].items() if n]
                for platform in platforms:
                    for term, cycles in result["cycles"].get(platform.name, {}).items():
                        certainty = platform.prices[term].certainty
                        row = {"platform": platform.name, "term": term, "cycles": cycles, "certainty": certainty}
                        tables["cycles"].append(key | row)
    return tables


def vgic_cycle_rows(points: Iterable[Counted], platforms: Sequence[Platform]) -> list[dict[str, Any]]:
    """Return rows of `cycles` for measured VGIC transitions: instructions, lock atomics, kicks, a row each."""
    rows = []
    for point in points:
        if point.has_none:
            continue
        weights = weights_of(get_design(point.design))
        for platform in platforms:
            if platform.gic != point.config.gic:
                continue
            summed: dict[str, float] = {}
            for term, cycles in vgic_cost(platform, point.events, weights).terms.items():
                name = term.split(":")[0] if term.startswith(("instructions", "events")) else term
                summed[name] = summed.get(name, 0.0) + cycles
            for term, cycles in summed.items():
                row = {"platform": platform.name, "term": term, "cycles": cycles}
                rows.append(point.key() | row | {"certainty": _certainty(platform, term)})
    return rows


def _certainty(platform: Platform, term: str) -> str:
    if term == "lock atomics":
        return platform.prices["lock"].certainty
    if term == "host: kick":
        return platform.terms["kick"].certainty
    # A predicted number of x86-64 instructions is an estimate of arm64 ones, whatever the price.
    known = platform.prices["instruction"].certainty
    return min(known, "estimated", key=_LEAST_CERTAIN.index)
