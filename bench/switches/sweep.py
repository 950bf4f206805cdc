# SPDX-License-Identifier: GPL-2.0-only
"""Sweeps of world switches: many configurations, each executed many times by the compiled loop, counted exactly."""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.switches.listing import variants
from bench.switches.names import name_of
from kvmarm.cycles import switch_cost
from kvmarm.el2.configuration import Configuration, parse_configuration
from kvmarm.el2.instructions import VISIBLE_CLASSES
from kvmarm.el2.round_trip import encode
from kvmarm.el2.switch import WorldSwitch, model_of
from kvmarm.errors import UsageError
from kvmarm.platforms import Platform

MOST_VALUES = 1024


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def parse_axes(texts: Sequence[str], option: str = "--vary") -> dict[str, list[str]]:
    """Return the axes of a sweep from texts `key=value,value` or `key=first..last`. Raises UsageError.

    option: what the user calls them.
    """
    axes: dict[str, list[str]] = {}
    for text in texts:
        key, separator, values = text.partition("=")
        if key in axes:
            raise UsageError(f"{option} {text!r}: {key} is given twice, expected different keys")
        if not separator or not values:
            raise UsageError(f"{option} {text!r}: expected KEY=VALUE,VALUE or KEY=FIRST..LAST")
        first, dots, last = values.partition("..")
        if dots:
            if not (_is_number(first) and _is_number(last)) or int(first) > int(last):
                raise UsageError(f"{option} {text!r}: expected two numbers FIRST..LAST, the first not larger")
            if int(last) - int(first) >= MOST_VALUES:
                raise UsageError(f"{option} {text!r}: expected no more than {MOST_VALUES:,} values")
            axes[key] = [str(number) for number in range(int(first), int(last) + 1)]
        else:
            axes[key] = values.split(",")
    return axes


def configurations(axes: Mapping[str, Sequence[str]], fixed: Mapping[str, str]) -> list[Configuration]:
    """Return the cross product of the axes; more live list registers than there are is left out. Raises UsageError."""
    found = []
    for values in itertools.product(*axes.values()):
        options = {**fixed, **dict(zip(axes, values, strict=True))}
        if "implementation" in options:
            raise UsageError("--vary implementation: every switch is run anyway")
        live, most = options.get("live_lrs", "0"), options.get("nr_lr", "4")
        # What is no number is for the configuration to refuse.
        if not (_is_number(live) and _is_number(most)) or int(live) <= int(most):
            found.append(parse_configuration(options, "sweep"))
    if not found:
        raise UsageError("the sweep is empty: every point has more live list registers than list registers")
    return found


def sweep(points: Sequence[Configuration], rounds: int, platforms: Sequence[Platform] = ()) -> Iterator[dict[str, Any]]:
    """Execute `rounds` round trips of every switch at every point; yield one dict each.

    Keys: `configuration` (its name), `switch`, `entry` and `exit` (instructions), `accesses` (what the hardware sees),
    `cycles` (platform name -> cycles of a round trip, for platforms with this GIC), `rounds`, `ns` (of a round trip of
    the compiled model, processor time of this thread), `per_second` (phases executed a second of that). The compiled
    loop's counts are compared with the plain machine's; UsageError (status 5) if they differ.
    """
    for point in points:
        for title, configuration in variants(point):
            builder = model_of(configuration).programs
            ran = WorldSwitch(builder).run(configuration)
            counts = {phase: executed.counts() for phase, executed in ran.items()}
            trip = encode(builder, configuration)
            if trip.count(1) != counts:
                raise UsageError(f"{configuration.name}: the compiled loop and the plain machine differ", exit_status=5)
            trip.run(10)  # compiles, the first time
            start = time.thread_time_ns()
            trip.run(rounds)
            elapsed = max(1, time.thread_time_ns() - start)
            priced = [platform for platform in platforms if configuration.gic == f"v{platform.gic}"]
            yield {
                "configuration": replace(configuration, id="").name,
                "switch": name_of(title),
                **{phase: sum(each.values()) for phase, each in counts.items()},
                "accesses": sum(n for each in counts.values() for klass, n in each.items() if klass in VISIBLE_CLASSES),
                "cycles": {
                    platform.name: sum(switch_cost(platform, executed).total for executed in ran.values())
                    for platform in priced
                },
                "rounds": rounds,
                "ns": elapsed / rounds,
                "per_second": len(ran) * rounds * 1e9 / elapsed,
            }
