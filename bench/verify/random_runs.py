# SPDX-License-Identifier: GPL-2.0-only
"""Random legal runs of a configuration too large to be searched, each failing one shrunk. Deterministic from a seed."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.verify import records as r
from bench.verify.classes import is_advice, signature_of
from bench.verify.configurations import Configuration
from bench.verify.drain import drain, hold, holder, read_all
from bench.verify.memory import Memory
from bench.verify.records import FOUND
from bench.verify.report import probe_of
from bench.verify.search import prepare
from bench.verify.wander import new_random, wander
from kvmarm.design import Design

LENGTH = 60
_ZERO, _ONE = np.int64(0), np.int64(1)


class RandomRuns:
    """Runs of one configuration on one design; `found`: signature -> (how often, shrunk path)."""

    def __init__(self, design: Design, configuration: Configuration, seed: int) -> None:
        self.memory: Memory = prepare(design, configuration, discover=False)
        self.memory.world.logging = 0
        self.seed = seed
        self.found: dict[int, tuple[int, list[int]]] = {}
        self.done = 0

    def run(self, runs: int, progress: Callable[[int], Any] = lambda done: None) -> None:
        """Do `runs` runs of LENGTH operations, each with its reads, hold and drain at the end."""
        for number in range(runs):
            progress(number)
            self.done = number
            path = np.zeros(LENGTH, np.int64)
            random = new_random(self.seed * 1_000_003 + number)
            memory = self.memory
            memory.back_to_root()
            done = int(wander(memory.world, memory.words, random, path, np.int64(LENGTH), _ZERO))
            steps = [int(step) for step in path[:done]]
            for code in self._codes(steps, ("read", "hold", "drain")):
                count, kept = self.found.get(code, (0, []))
                self.found[code] = (count + 1, kept or self._shrunk(steps, code))
        self.done = runs

    def _codes(self, steps: list[int], probes: tuple[str, ...]) -> list[int]:
        """Return the signatures that the steps, then each of the probes, show."""
        codes: dict[int, None] = {}
        for probe in probes:
            _, verdict = self._walk(steps)
            if verdict:
                return [verdict]
            codes.update(dict.fromkeys(self._probe(probe)))
        return [code for code in codes if not is_advice(code)]

    def _walk(self, steps: list[int]) -> tuple[list[int], int]:
        """Do those steps that are allowed; return them and the signature of a contradiction on the way, 0 for none."""
        memory, world = self.memory, self.memory.world
        memory.back_to_root()
        world.verdict.cls = 0
        path = np.array(steps, np.int64)
        done = int(wander(world, memory.words, new_random(0), path, np.int64(len(steps)), _ONE))
        verdict = world.verdict
        code = 0
        if verdict.cls and done:
            code = int(signature_of(world, *(np.int64(verdict[name]) for name in ("cls", "x", "reason", "detail"))))
        return [int(step) for step in path[:done]], code

    def _probe(self, probe: str) -> Iterator[int]:
        memory, world = self.memory, self.memory.world
        world.search.found = 0
        if probe == "read":
            read_all(world, memory.words)
        elif probe == "hold" and holder(world) >= 0:
            hold(world, memory.words, np.int64(holder(world)))
        elif probe == "drain":
            drain(world, memory.words)
        for found in world.found[: world.search.found]:
            yield int(found["code"])

    def _shows(self, steps: list[int], code: int) -> list[int] | None:
        """Return the allowed ones of the steps when they show the signature, None when they do not."""
        done, verdict = self._walk(steps)
        if verdict:
            return done if verdict == code else None
        probe = probe_of(code)
        return done if probe and code in self._probe(probe) else None

    def _shrunk(self, steps: list[int], code: int) -> list[int]:
        """Drop halves, quarters, …, single operations while the signature stays."""
        best = self._shows(steps, code) or steps
        size = max(len(best) // 2, 1)
        while True:
            position, shrunk = 0, False
            while position < len(best):
                shorter = self._shows(best[:position] + best[position + size :], code)
                if shorter is not None and len(shorter) < len(best):
                    best, shrunk = shorter, True
                else:
                    position += size
            if size == 1 and not shrunk:
                return best
            size = max(size // 2, 1)

    def records(self) -> list[tuple[np.ndarray, list[int]]]:
        """Return (a record of FOUND, path) of each signature, the shortest path first."""
        rows = []
        for code, (count, path) in sorted(self.found.items(), key=lambda item: (len(item[1][1]), item[0])):
            row = np.zeros(1, FOUND)[0]
            row["code"], row["count"], row["depth"], row["step"] = code, count, len(path), r.NONE
            rows.append((row, path))
        return rows
