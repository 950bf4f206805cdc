# SPDX-License-Identifier: GPL-2.0-only
"""The EL2 machine, plainly: executes a program instruction by instruction and reports what it executed.

This is the readable twin of `kvmarm.el2.executor`; both give the same state and the same counts.
List-register formats: GICv2 architecture (IHI 0048B) 5.3.9, GICv3 (IHI 0069) ICH_LR<n>_EL2.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kvmarm.el2 import program as p
from kvmarm.el2.slots import SLOT_COUNT, slot

V2_STATE, V2_HW, V2_EOI = 3 << 28, 1 << 31, 1 << 19
V3_STATE, V3_HW, V3_EOI = 3 << 62, 1 << 61, 1 << 41
MISR_EOI, MISR_U, HCR_UIE = 1, 2, 2


def empty_list_registers(values: Sequence[int], v3: bool) -> int:
    """Return ELRSR for list registers: a bit for each that holds nothing and owes no EOI maintenance interrupt."""
    state, hw, eoi = (V3_STATE, V3_HW, V3_EOI) if v3 else (V2_STATE, V2_HW, V2_EOI)
    return sum(
        1 << index for index, value in enumerate(values) if not value & state and (value & hw or not value & eoi)
    )


def ended_list_registers(values: Sequence[int], v3: bool) -> int:
    """Return EISR for list registers: a bit for each that is inactive, not tied to hardware, with EOI maintenance."""
    state, hw, eoi = (V3_STATE, V3_HW, V3_EOI) if v3 else (V2_STATE, V2_HW, V2_EOI)
    return sum(1 << index for index, value in enumerate(values) if not value & (state | hw) and value & eoi)


def maintenance_status(values: Sequence[int], hcr: int, v3: bool) -> int:
    """Return MISR: EOI when any EISR bit is set, U when UIE is enabled and at most one list register is valid."""
    state = V3_STATE if v3 else V2_STATE
    valid = sum(1 for value in values if value & state)
    status = MISR_EOI if ended_list_registers(values, v3) else 0
    return status | (MISR_U if hcr & HCR_UIE and valid < 2 else 0)


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
        values = self.state[first : first + count]
        v3 = bool(form & p.LR_FORMAT_V3)
        if kind == p.ELRSR:
            value = empty_list_registers(values, v3)
        elif kind == p.EISR:
            value = ended_list_registers(values, v3)
        else:
            value = maintenance_status(values, self["ich_hcr_el2" if v3 else "gich_hcr"], v3)
        self.state[destination] = value
