# SPDX-License-Identifier: GPL-2.0-only
"""The search over one configuration: breadth first, layer by layer, until nothing new comes or a limit is reached."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.verify.configurations import Configuration, fill_reference, fill_setup, set_up
from bench.verify.drain import drain
from bench.verify.explore import STATE, expand, gather, hash_row, insert, probe, rehash
from bench.verify.machine import canonical, operate
from bench.verify.memory import Memory
from bench.verify.records import FOUND, MAX_STEPS
from bench.verify.step import allowed, take_step
from bench.verify.wander import new_random, wander
from kvmarm.design import Design

_WALKS, _WALK_STRETCHES, _WALK_STRETCH = 12, 4, 8
_STRETCH, _SHORT_STRETCH, _SHORT_UNTIL = 512, 32, 4096
"""States that are expanded before the driver looks again at the clock and at the memory; fewer while there are few."""


@dataclass
class Limits:
    """Where a search stops: at a depth (0: none), or after seconds (0: never). `beyond`: expand violating states."""

    depth: int = 0
    seconds: float = 0.0
    beyond: bool = False


@dataclass
class Outcome:
    """What the search of one configuration found.

    closed: nothing new was left. found: records of FOUND. states: STATE[n], how each state was reached.
    """

    configuration: Configuration
    design: str
    closed: bool = False
    depth: int = 0
    transitions: int = 0
    seconds: float = 0.0
    words: int = 0
    found: np.ndarray = field(default_factory=lambda: np.zeros(0, FOUND))
    states: np.ndarray = field(default_factory=lambda: np.zeros(0, STATE))

    def path(self, parent: int, step: int) -> list[int]:
        """Return the numbers of the steps from the root to what came after `step` from state `parent`."""
        steps = [step] if step >= 0 else []
        while parent > 0:
            steps.append(int(self.states[parent]["step"]))
            parent = int(self.states[parent]["parent"])
        return steps[::-1]


def prepare(design: Design, configuration: Configuration, discover: bool = True) -> Memory:
    """Return a memory that holds the configuration after its set-up, as the root of a search, with the set-up logged.

    discover: also find out which words are state.
    """
    memory = Memory(design, configuration.vm)
    fill_setup(memory.world, configuration, design.reloads)
    memory.world.logging = 1
    for op in set_up(configuration):
        memory.world.op = op
        operate(memory.world, memory.words)
    fill_reference(memory.world, configuration)
    canonical(memory.world)
    memory.set_root()
    if discover:
        memory.world.logging = 0
        _discover(memory)
    return memory


def _discover(memory: Memory) -> None:
    """Walk at random for a while and see which words change: most of what is state."""
    random = new_random(1)
    path = np.zeros(_WALK_STRETCH, np.int64)
    for _ in range(_WALKS):
        for _ in range(_WALK_STRETCHES):
            wander(memory.world, memory.words, random, path, np.int64(len(path)), np.int64(0))
            changed = memory.changed()
            if changed:
                memory.add(changed)
            if memory.world.verdict.cls:
                break
        memory.back_to_root()


def _grow(
    search: Any, following: np.ndarray, table: np.ndarray, states: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return larger copies of what is nearly full."""
    room = int(search.states) + MAX_STEPS
    if search.kept + MAX_STEPS >= following.shape[0]:
        following = np.concatenate((following, np.zeros_like(following)))
    if room >= states.shape[0]:
        states = np.concatenate((states, np.zeros_like(states)))
    if room * 2 >= table.shape[0]:
        table = rehash(table, np.zeros(table.shape[0] * 4, np.uint64))
    return following, table, states


class _Incomplete(Exception):
    """Something changed that was not known as state: the search starts again with it."""


class Search:
    """The search of one configuration on one design; `run` may be called once."""

    def __init__(self, design: Design, configuration: Configuration, limits: Limits) -> None:
        self.memory = prepare(design, configuration)
        self.limits = limits
        self.outcome = Outcome(configuration, design.name)
        self.progress: Callable[[Outcome], Any] | None = None

    def run(self) -> Outcome:
        """Search until closed or a limit; Ctrl-C leaves what was found so far in `self.outcome`."""
        start = time.monotonic()
        while True:
            try:
                self._search(start)
                self._walk_paths()
                return self.outcome
            except _Incomplete:
                continue
            finally:
                self.outcome.seconds = time.monotonic() - start

    def _walk_paths(self) -> None:
        """Look after each step on the way to what was found for changes that are not known as state."""
        memory = self.memory
        memory.world.logging = 0
        for found in self.outcome.found:
            memory.back_to_root()
            for number in self.outcome.path(int(found["parent"]), int(found["step"])):
                if memory.world.fatal or not allowed(memory.world, memory.world.setup.step[number]):
                    break
                take_step(memory.world, memory.words, np.int64(number))
                self._check()
            if not memory.world.fatal and not memory.world.setup.hostile:
                drain(memory.world, memory.words)
                self._check()

    def _begin(self) -> None:
        memory = self.memory
        memory.back_to_root()
        search = memory.world.search
        for name in ("position", "stop", "state", "kept", "states", "transitions", "depth", "found"):
            setattr(search, name, 0)
        search.beyond = self.limits.beyond
        search.width = memory.world.words

    def _search(self, start: float) -> None:
        memory, search = self.memory, self.memory.world.search
        self._begin()
        layer = np.zeros((1024, int(search.width) + 1), np.uint64)
        following = np.zeros_like(layer)
        table = np.zeros(1 << 12, np.uint64)
        states = np.zeros(1 << 11, STATE)
        gather(memory.world, memory.words, layer[0])
        insert(table, np.uint64(hash_row(layer[0], search.width)))
        search.states = 1
        memory.world.step = -1
        probe(memory.world, memory.words, layer[0])
        count = 1
        self.outcome.closed = False
        while count:
            search.depth += 1
            if self.limits.depth and search.depth > self.limits.depth:
                break
            search.position, search.kept = 0, 0
            while search.position < count:
                stretch = _SHORT_STRETCH if search.states < _SHORT_UNTIL else _STRETCH
                search.stop = min(search.position + stretch, count)
                before = int(search.position)
                records = states.view(np.recarray)
                expand(memory.world, memory.words, layer, following, table, records)
                self._check()
                if search.position == before:
                    following, table, states = _grow(search, following, table, states)
                self._note(search, states)
                if self.limits.seconds and time.monotonic() - start > self.limits.seconds:
                    return
            count = int(search.kept)
            layer, following = following, layer
            if following.shape[0] < layer.shape[0]:
                following = np.zeros_like(layer)
        self.outcome.closed = count == 0

    def _check(self) -> None:
        changed = self.memory.changed()
        if changed:
            self.memory.add(changed)
            raise _Incomplete

    def _note(self, search: Any, states: np.ndarray) -> None:
        outcome = self.outcome
        outcome.depth = int(search.depth)
        outcome.transitions = int(search.transitions)
        outcome.words = int(search.width)
        outcome.found = np.array(self.memory.world.found[: search.found])
        outcome.states = states[: search.states]
        if self.progress is not None:
            self.progress(outcome)
