# SPDX-License-Identifier: GPL-2.0-only
"""A round trip of a world switch as arrays, for the compiled loop of `kvmarm.el2.executor`.

A `Round` is a whole round trip: list registers filled, entry, FP trap if FP is used, the guest's work, exit. Its
micro-operations (`kvmarm.el2.program`) are laid end to end and simplified: a value that only passes through a general
register or the stack is moved directly, and what nobody reads is not written. Registers of the system, memory and the
general registers at the end come out the same as on the plain machine; instructions without an effect take no time.

Counting is optional: from how often each branch was passed and taken follows how often every instruction ran, since
control flow only goes forward.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kvmarm.el2 import instructions as p
from kvmarm.el2 import scene
from kvmarm.el2.configuration import Configuration
from kvmarm.el2.executor import run_rounds
from kvmarm.el2.machine import Machine
from kvmarm.el2.slots import SLOT_COUNT, SLOT_NAMES, slot
from kvmarm.el2.switch import Builder, boot_programs

_PASSING = sum(
    1 << index
    for index, name in enumerate(SLOT_NAMES)
    if name.startswith("stack.") or (name[0] == "x" and name[1:].isdigit())
)
_ALL = (1 << SLOT_COUNT) - 1


@dataclass
class Round:
    """One round trip of one configuration, ready to execute.

    kinds: uint8[n]; destinations, sources: uint16[n]; a, b: uint64[n], b of a move: moves from it on (see executor).
    state: uint64[slots], the machine at the start. segments: phase -> (its program, place of each of its branches).
    """

    kinds: Any
    destinations: Any
    sources: Any
    a: Any
    b: Any
    state: Any
    segments: dict[str, tuple[p.Program, dict[int, int]]]

    def run(self, rounds: int) -> None:
        """Execute round trips on `state`, as fast as possible."""
        run_rounds(self.kinds, self.destinations, self.sources, self.a, self.b, self.state, rounds, None)

    def count(self, rounds: int = 1) -> dict[str, dict[str, int]]:
        """Execute round trips and return, for each phase, how many instructions of each class were executed."""
        outcomes = np.zeros((len(self.kinds), 2), np.int64)
        run_rounds(self.kinds, self.destinations, self.sources, self.a, self.b, self.state, rounds, outcomes)
        return {phase: _counts(*segment, outcomes, rounds) for phase, segment in self.segments.items()}


def encode(builder: Builder, configuration: Configuration) -> Round:
    """Return a round trip of an implementation. Raises UsageError for what the implementation lacks."""
    programs = boot_programs(builder, configuration.boot)
    machine = Machine()
    scene.set_up(machine, configuration)
    operations: list[p.Op] = list(scene.rearm(configuration))
    segments = {"entry": _append(operations, programs["entry"])}
    if configuration.fp_used:
        operations += scene.fp_trap_event()
        segments["fptrap"] = _append(operations, programs["fptrap"])
    operations += scene.guest_work(configuration)
    operations += scene.exit_event(configuration, configuration.exit)
    segments["exit"] = _append(operations, programs["exit"])
    # The host's caller sets its arguments up again.
    operations += [(p.SET, slot(name), 0, 0, machine[name]) for name in ("x0", "x1", "x2", "x3", "pc")]
    kept, places = _simplify(operations)
    moved = {
        phase: (program, {line: places[place] for line, place in branches.items()})
        for phase, (program, branches) in segments.items()
    }
    kinds, destinations, sources, a, b = _arrays(kept)
    return Round(kinds, destinations, sources, a, b, np.array(machine.state, np.uint64), moved)


def _append(operations: list[p.Op], program: p.Program) -> tuple[p.Program, dict[int, int]]:
    """Append a program, branch targets absolute; return it with the places of its branches."""
    places = []
    place = len(operations)
    for line in program.instructions:
        places.append(place)
        place += len(line.ops)
    places.append(place)
    for line in program.instructions:
        if line.target is None:
            operations.extend(line.ops)
        else:
            kind, _, source, a, b = line.ops[0]
            target = place if kind == p.STOP else places[line.target]
            operations.append((p.BRANCH if kind == p.STOP else kind, target, source, a, b))
    branches = {index: places[index] for index, line in enumerate(program.instructions) if line.target is not None}
    return program, branches


def _simplify(operations: Sequence[p.Op]) -> tuple[list[p.Op], list[int]]:
    """Drop moves through general registers and the stack; return what is left and the new place of each operation."""
    direct = list(_read_origins(operations))
    live = [0] * len(direct) + [_ALL]
    kept = [True] * len(direct)
    for place in reversed(range(len(direct))):
        kind, destination, source, a, _ = direct[place]
        after = live[place + 1]
        if kind >= p.BRANCH:
            live[place] = live[destination] if kind == p.BRANCH else after | live[destination]
        elif 1 << destination & _PASSING & ~after:
            kept[place] = False
            live[place] = after
            continue
        else:
            live[place] = after if kind == p.MARK else after & ~(1 << destination)
        for reads in _reads(kind, source, a):
            live[place] |= 1 << reads
    places = [0] * (len(direct) + 1)
    for place, keep in enumerate(kept):
        places[place + 1] = places[place] + keep
    left = [
        (kind, places[destination] if kind >= p.BRANCH else destination, source, a, b)
        for keep, (kind, destination, source, a, b) in zip(kept, direct, strict=True)
        if keep
    ]
    return left, places


def _read_origins(operations: Sequence[p.Op]) -> Iterator[p.Op]:
    """Let every operation read a value where it came from, as far as that is certain."""
    arriving: dict[int, dict[int, int]] = {}
    origins: dict[int, int] | None = {}
    for place, (kind, destination, source, a, b) in enumerate(operations):
        if place in arriving:
            other = arriving[place]
            origins = other if origins is None else {k: v for k, v in origins.items() if other.get(k) == v}
        assert origins is not None, "unreachable code in a program"
        if kind not in (p.ELRSR, p.EISR, p.MISR):
            source = origins.get(source, source)
        if kind in (p.MERGE, p.BRANCH_SAME):
            a = origins.get(a, a)
        yield (kind, destination, source, a, b)
        if kind >= p.BRANCH:
            seen = arriving.get(destination)
            arriving[destination] = (
                dict(origins) if seen is None else {k: v for k, v in seen.items() if origins.get(k) == v}
            )
            if kind == p.BRANCH:
                origins = None
            continue
        origins = {k: v for k, v in origins.items() if k != destination and v != destination}
        if kind == p.MOVE and source != destination:
            origins[destination] = source


def _reads(kind: int, source: int, a: int) -> Iterator[int]:
    if kind in (p.ELRSR, p.EISR, p.MISR):
        yield from range(source, source + a)
    elif kind != p.BRANCH:
        yield source
        if kind in (p.MERGE, p.BRANCH_SAME):
            yield a


def _arrays(operations: Sequence[p.Op]) -> tuple[Any, ...]:
    """Encode. A branch into the middle of a run of moves finds the rest of the run's length there."""
    encoded = [list(operation) for operation in operations]
    run = 0
    for index in reversed(range(len(encoded))):
        run = run + 1 if encoded[index][0] == p.MOVE else 0
        if run:
            encoded[index][4] = run
    columns = list(zip(*encoded, strict=True))
    types = (np.uint8, np.uint16, np.uint16, np.uint64, np.uint64)
    return tuple(np.array(column, kind) for column, kind in zip(columns, types, strict=True))


def _counts(program: p.Program, branches: dict[int, int], outcomes: Any, rounds: int) -> dict[str, int]:
    """Derive how often each instruction ran from the branches' outcomes."""
    arriving = [0] * (len(program.instructions) + 1)
    totals = dict.fromkeys(p.CLASSES, 0)
    flow = rounds
    for index, line in enumerate(program.instructions):
        flow += arriving[index]
        for klass, number in line.counts:
            totals[p.CLASSES[klass]] += number * flow
        if line.target is not None:
            taken = int(outcomes[branches[index], 1])
            if line.ops[0][0] != p.STOP:
                arriving[line.target] += taken
            if line.counted_branch:
                totals["branch_taken"] += taken
                totals["branch"] += flow - taken
            flow -= taken
    return totals
