# SPDX-License-Identifier: GPL-2.0-only
"""The EL2 machine, plainly: executes a program instruction by instruction and reports what it executed.

This is the readable twin of `kvmarm.el2.executor`; both give the same state and the same counts.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kvmarm import registers
from kvmarm.el2 import instructions as p
from kvmarm.el2.slots import SLOT_COUNT, slot


@dataclass(frozen=True)
class Executed:
    """What a program executed: its instructions in order, and for branches whether they were taken."""

    program: p.Program
    steps: tuple[int, ...]
    taken: frozenset[int]

    def sequence(self) -> list[tuple[str, str]]:
        """Return the (class, name) of everything the hardware saw, in order."""
        lines = self.program.instructions
        return [seen for seen in (lines[index].visible for index in self.steps) if seen is not None]

    def counts(self) -> dict[str, int]:
        """Return the number of executed instructions of every class (zeros included)."""
        return self.counts_by(lambda line: None)[None]

    def counts_by(self, key: Callable[[p.Instruction], Hashable]) -> dict[Any, dict[str, int]]:
        """Return class counts (zeros included) for each value of key(instruction)."""
        groups: dict[Any, list[int]] = {}
        lines = self.program.instructions
        for index in self.steps:
            line = lines[index]
            totals = groups.setdefault(key(line), [0] * len(p.CLASSES))
            if line.counted_branch:
                totals[_TAKEN if index in self.taken else _NOT_TAKEN] += 1
            for klass, number in line.counts:
                totals[klass] += number
        return {name: dict(zip(p.CLASSES, totals, strict=True)) for name, totals in groups.items()}


_TAKEN, _NOT_TAKEN = p.CLASS_INDEX["branch_taken"], p.CLASS_INDEX["branch"]


class Machine:
    """The state of one CPU and of the context memory; runs programs."""

    def __init__(self) -> None:
        self.state = [0] * SLOT_COUNT

    def __getitem__(self, name: str) -> int:
        return self.state[slot(name)]

    def __setitem__(self, name: str, value: int) -> None:
        self.state[slot(name)] = value & p.MASK64

    def run(self, program: p.Program) -> Executed:
        """Execute a program from its first instruction to its end; return what was executed."""
        lines = program.instructions
        steps: list[int] = []
        taken: set[int] = set()
        place, end = 0, len(lines)
        while place < end:
            steps.append(place)
            line = lines[place]
            if line.target is None:
                self.apply(line.ops)
                place += 1
            elif line.ops[0][0] == p.STOP:
                place = end
            elif self._condition(line.ops[0]):
                taken.add(place)
                place = line.target
            else:
                place += 1
        return Executed(program, tuple(steps), frozenset(taken))

    def apply(self, operations: Iterable[p.Op]) -> None:
        """Carry out micro-operations other than branches."""
        state = self.state
        for operation in operations:
            kind, destination, source, a, b = operation
            if kind == p.MOVE:
                state[destination] = state[source]
            elif kind == p.SET:
                state[destination] = state[source] & a | b
            elif kind == p.MERGE:
                state[destination] = state[source] | state[a]
            elif kind == p.FIELD:
                state[destination] = (state[source] >> (b & 63) & a) << (b >> 8)
            elif kind == p.MARK:
                if state[source] & a:
                    state[destination] |= b
            elif kind == p.TEST_ZERO:
                state[destination] = int(not state[source] & a)
            else:
                self._read_status(operation)

    def _condition(self, operation: p.Op) -> bool:
        kind, _, source, a, b = operation
        value = self.state[source]
        if kind == p.BRANCH_IF:
            return value & a == b
        if kind == p.BRANCH_UNLESS:
            return value & a != b
        if kind == p.BRANCH_SAME:
            return value == self.state[a]
        return True

    def _read_status(self, operation: p.Op) -> None:
        kind, destination, first, count, form = operation
        lrs = np.array(self.state[first : first + count], np.uint64)
        v3 = bool(form & p.LR_FORMAT_V3)
        gic = 3 if v3 else 2
        if kind == p.ELRSR:
            value = registers.elrsr(lrs, count, gic)
        elif kind == p.EISR:
            value = registers.eisr(lrs, count, gic)
        else:
            hcr = np.uint64(self["ich_hcr_el2" if v3 else "gich_hcr"])
            value = registers.misr(lrs, count, gic, hcr, registers.eisr(lrs, count, gic))
        self.state[destination] = int(value)
