# SPDX-License-Identifier: GPL-2.0-only
"""What a user may ask of a run, and the frozen plan it is resolved into: once, before anything is compiled."""

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.catalogue.catalogue import Transition, load_catalogue, main_transitions, select, typed
from bench.engine.designs import check_designs
from bench.switches.tables import chosen_platforms
from bench.switches.transitions import GROUP, switch_transitions
from kvmarm.built_in import DEFAULT_DESIGNS
from kvmarm.config import VmConfig
from kvmarm.errors import UsageError
from kvmarm.jit import JIT_ENABLED

METERS = ("events", "instructions", "time", "cycles")
PARTS = ("transitions", "workloads", "switch", "life")


@dataclass
class Options:
    """What a run is to measure.

    gics, vcpus, irqs, lrs, pending: the configuration, one for each GIC version. transitions: patterns, none for all.
    catalogue: TOML files with more transitions. meters, parts: what of METERS and PARTS. platforms: whose cycles, None
    for all. processes: fresh processes of the time meter; passes: how often each goes over the transitions. quick: the
    transitions with known instruction counts, overflow and migration, fewer calls a sample, the boots alone and not
    timed.
    """

    designs: Sequence[str] = DEFAULT_DESIGNS
    gics: Sequence[int] = (2, 3)
    irqs: int = 256
    vcpus: int = 4
    lrs: int = 4
    pending: int = 0
    transitions: Sequence[str] = ()
    catalogue: Sequence[str] = ()
    meters: Sequence[str] = METERS
    parts: Sequence[str] = PARTS
    platforms: Sequence[str] | None = None
    processes: int = 6
    passes: int = 1
    quick: bool = False


@dataclass(frozen=True)
class RunPlan:
    """A run, decided: `options` as given, and what they come to.

    configurations: one per GIC version. lpi_configurations: those with an ITS, where transitions of LPIs are counted.
    transitions: of the VGICs; switch: names of the world switch's. platforms: as
    `chosen_platforms` returns them, none without the cycles meter. timed: whether times are measured; not without JIT,
    where they would be those of the interpreter.
    """

    options: Options
    configurations: tuple[VmConfig, ...]
    lpi_configurations: tuple[VmConfig, ...]
    transitions: tuple[Transition, ...]
    switch: tuple[str, ...]
    platforms: tuple[Any, ...]
    timed: bool

    def code_needed(self) -> list[str]:
        """Return the compiled code (bench.meters.compile.PARTS) that the run needs."""
        needed = ["counting"]
        if self.lpi_configurations:
            needed.append("lpis")
        if self.timed:
            needed.append("timing")
            if "workloads" in self.options.parts and not self.options.quick:
                needed.append("plain")
        return needed


def resolve(options: Options) -> RunPlan:
    """Return the plan of a run. Raises UsageError for options that no run can satisfy."""
    check_designs(options.designs)
    _check_words("meter", options.meters, METERS)
    _check_words("part", options.parts, PARTS)
    check_patterns(options.transitions)
    if options.platforms is not None and not options.platforms:
        raise UsageError("--platforms: expected at least one platform")
    platforms = chosen_platforms(options.platforms) if "cycles" in options.meters else []
    for word, number in (("processes", options.processes), ("passes", options.passes)):
        if number < 1:
            raise UsageError(f"{word}={number}: expected 1 or more")
    if options.pending < 0:
        raise UsageError(f"pending={options.pending}: expected 0 or more")
    configurations = tuple(VmConfig(gic, options.vcpus, options.irqs, options.lrs) for gic in options.gics)
    transitions = _transitions(options)
    with_its = tuple(replace(config, its=1) for config in configurations if config.gic == 3)
    lpi_configurations = with_its if any(transition.lpis for transition in transitions) else ()
    for config in (*configurations, *lpi_configurations):
        for transition in transitions:
            if transition.source in map(str, options.catalogue):
                transition.check(config)
        places = (config, replace(config, its=1)) if config.gic == 3 else (config,)
        if transitions and all(
            transition.effective_pending(place, options.pending) is None
            for transition in transitions
            for place in places
        ):
            raise UsageError(f"none of the transitions applies to {config} pending={options.pending}")
    timed = "time" in options.meters and JIT_ENABLED
    own = tuple(transitions), tuple(_switch(options)), tuple(platforms)
    return RunPlan(options, configurations, lpi_configurations, *own, timed)


def _check_words(word: str, given: Sequence[str], known: Sequence[str]) -> None:
    if not given:
        raise UsageError(f"--{word}s: expected at least one of {', '.join(known)}")
    for name in given:
        if name not in known:
            raise UsageError(f"{word} {name!r}: expected one of {', '.join(known)}")


def _transitions(options: Options) -> list[Transition]:
    if "transitions" not in options.parts:
        return []
    catalogue = load_catalogue(options.catalogue)
    names = {transition.name for transition in switch_transitions()}
    patterns = [one for one in split(options.transitions) if not _named(one, names)]
    if options.transitions and not patterns:
        return []
    if not patterns and options.quick:
        own = [name for name, entry in catalogue.items() if entry.source in {str(path) for path in options.catalogue}]
        patterns = [*main_transitions(), *own]
    return select(catalogue, patterns, [typed(GROUP), *names])


def _switch(options: Options) -> list[str]:
    if "switch" not in options.parts:
        return []
    names = [transition.name for transition in switch_transitions()]
    if not options.transitions:
        return names
    return [name for name in names if any(_named(one, {name}) for one in split(options.transitions))]


def split(patterns: Iterable[str]) -> list[str]:
    """Return the parts of comma-separated patterns."""
    return [part for pattern in patterns for part in pattern.split(",") if part]


def check_patterns(patterns: Sequence[str]) -> None:
    """Raise UsageError for patterns that hold no name at all: `,` is not all of the catalogue."""
    if patterns and not split(patterns):
        raise UsageError("--transitions: expected at least one name, group or pattern")


def _named(pattern: str, switch_names: set[str]) -> bool:
    return typed(pattern) == typed(GROUP) or bool(fnmatch.filter(switch_names, pattern))
