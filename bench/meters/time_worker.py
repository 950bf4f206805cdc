# SPDX-License-Identifier: GPL-2.0-only
"""One fresh process of the time meter: `python -m bench.meters.time_worker` reads a job and writes its samples.

The job is a JSON object on standard input: process (int), designs (names), configurations (objects with gic, vcpus,
irqs, lrs, pending), transitions (names), catalogue (TOML files), calls (per block), passes (over all transitions). On
standard output, one JSON object per line: {"prepared": seconds} once everything is loaded, {"done": n} as it goes, and
at the end {"samples": [[row of configurations, transition, design, position, calls, ns], …]}.

Within a transition the designs are measured in turn and then in reverse turn (ABBA); in every second process the other
way round, so that a drift of the machine favours none. A pass measures all transitions once; several passes come back
to each of them after a while, when what disturbed it may be gone.
"""

import json
import os
import sys
import time
from typing import Any, TextIO

from bench.catalogue.catalogue import Transition, load_catalogue
from bench.meters.events import Stage
from bench.meters.time import Clock, Prepared, prepare
from kvmarm.config import VmConfig
from kvmarm.design import get_design

_REPORT_EVERY = 20


def _stay_on_one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def order_of(designs: list[str], process: int) -> list[str]:
    """Return the order in which a process measures its designs: ABBA, in odd processes BAAB."""
    first = designs if process % 2 == 0 else designs[::-1]
    return [*first, *first[::-1]]


def measure(
    stages: dict[str, dict[int, Stage]],
    transition: Transition,
    order: list[str],
    clock: Clock,
    calls: int,
    pending: int,
) -> list[tuple[str, int, int, float]]:
    """Return (design, position, calls, ns) of one transition on all designs of `stages`."""
    ready: dict[str, Prepared] = {}
    for design, by_pending in stages.items():
        stage = stage_for(by_pending, transition, pending)
        prepared = prepare(stage, transition) if stage is not None else None
        if prepared is None:
            continue
        ready[design] = prepared
    return [
        (design, position, calls, clock.sample(ready[design], calls))
        for position, design in enumerate(order)
        if design in ready
    ]


def stage_for(by_pending: dict[int, Stage], transition: Transition, pending: int) -> Stage | None:
    """Return the stage with as many standing interrupts as the transition needs, made when there is none yet."""
    base = by_pending[pending]
    effective = transition.effective_pending(base.config, pending)
    if effective is None:
        return None
    if effective not in by_pending:
        by_pending[effective] = Stage(base.design, base.config, effective)
    return by_pending[effective]


def run(job: dict[str, Any], output: TextIO) -> None:
    """Do a job (see the module's head); write JSON lines to `output`."""

    def say(**message: Any) -> None:
        output.write(json.dumps(message) + "\n")
        output.flush()

    start = time.monotonic()
    _stay_on_one_core()
    catalogue = load_catalogue(job["catalogue"])
    transitions = [catalogue[name] for name in job["transitions"]]
    designs = [get_design(name) for name in job["designs"]]
    order = order_of(job["designs"], job["process"])
    samples: list[list[Any]] = []
    clock: Clock | None = None
    done = 0
    for row, entry in enumerate(job["configurations"]):
        config = VmConfig(entry["gic"], entry["vcpus"], entry["irqs"], entry["lrs"])
        pending = entry["pending"]
        stages = {design.name: {pending: Stage(design, config, pending)} for design in designs}
        if clock is None:
            clock = Clock()
            # Loading the compiled code is not to be seen in the first transition's time.
            for transition in transitions[:1]:
                measure(stages, transition, order, clock, job["calls"], pending)
            say(prepared=round(time.monotonic() - start, 3))
        for number, transition in [(n, t) for n in range(job["passes"]) for t in transitions]:
            for design, position, calls, ns in measure(stages, transition, order, clock, job["calls"], pending):
                samples.append([row, transition.name, design, number * len(order) + position, calls, round(ns, 3)])
            done += 1
            if done % _REPORT_EVERY == 0:
                say(done=done)
    say(samples=samples)


if __name__ == "__main__":
    run(json.load(sys.stdin), sys.stdout)
