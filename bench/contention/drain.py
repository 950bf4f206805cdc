# SPDX-License-Identifier: GPL-2.0-only
"""Correctness under load, checked when the threads have ended: nothing lost, nothing doubled, no lock held.

Rules inside:
- Every vCPU is entered until it has nothing to take. Then each interrupt that the bodies make pending is made pending
  once more, by one thread: it has to be taken exactly once. One that is on no list although its record says so, or on
  two, shows there.
- A body whose every interrupt is taken by itself (`exact`) took as many as it made pending; others took no more.
- The state in words (`Design.snapshot`) is then that of a VM on which one thread did the same work in order.
- Locks are the fields called `lock` of the record, at any depth; the order in which they were nested is the watchers'.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bench.contention.bodies import Scene
from bench.contention.loop import new_mine, run_once
from bench.contention.threads import describe
from kvmarm.config import VmConfig
from kvmarm.design import Design
from kvmarm.events import new_caller
from kvmarm.gic import SPURIOUS
from kvmarm.locks import CLASS_NAMES
from kvmarm.trace import ACK, EOI, FLUSH, OP, SYNC
from kvmarm.watch import CLASSES

MOST_ROUNDS = 4096
"""Entries of one vCPU after which a drain that still finds something will not end."""


def _operation(kind: int, vcpu: int, ref: int = 0) -> tuple[int, ...]:
    return kind, vcpu, 0, 0, 0, 0, ref, 0


def _taking(vcpu: int) -> np.ndarray:
    """Return the operations by which a vCPU takes one interrupt."""
    rows = [_operation(FLUSH, vcpu), _operation(ACK, vcpu), _operation(EOI, vcpu, 1), _operation(SYNC, vcpu)]
    return np.array(rows, OP)


class Drain:
    """Takes what is left of a VM, one thread at a time."""

    def __init__(self, vm: Any, config: VmConfig) -> None:
        self.vm = vm
        self.config = config
        self._mine = new_mine()
        self._caller = new_caller()

    def do(self, ops: np.ndarray) -> None:
        """Do operations once."""
        self.do_as(self._mine, ops)

    def do_as(self, mine: Any, ops: np.ndarray) -> None:
        """Do operations once as the thread whose record (bench.contention.loop.MINE) is given."""
        run_once(self.vm, ops.view(np.recarray), mine, self._caller)

    def take_all(self) -> Counter[int]:
        """Enter every vCPU until it has nothing to take; return how often each INTID was taken, -1 where it never ends.

        Then once more, so that each design has seen every vCPU leave with nothing.
        """
        found: Counter[int] = Counter()
        for vcpu in [*range(self.config.vcpus)] * 2:
            ops = _taking(vcpu)
            for _ in range(MOST_ROUNDS):
                self._mine.last = SPURIOUS
                self.do(ops)
                intid = int(self._mine.last)
                if intid == SPURIOUS:
                    break
                found[intid] += 1
            else:
                found[-1] += 1
        return found


def held_locks(vm: Any) -> list[str]:
    """Return the places of the locks of a record that are held, such as `vcpu[1].lock`."""
    return list(_held(vm, vm.dtype, ""))


def _held(value: Any, dtype: np.dtype[Any], place: str) -> Iterator[str]:
    assert dtype.fields is not None
    for name, (form, *_) in dtype.fields.items():
        inner, shape = (form.subdtype or (form, ()))[:2]
        at = f"{place}.{name}" if place else name
        if name == "lock" and not shape:
            values = np.atleast_1d(value[name])
            if values.ndim == 1 and values.any():
                yield from (at if values.size == 1 else f"{place}[{index}].lock" for index in np.flatnonzero(values))
        elif inner.names is not None and len(shape) <= 1:
            yield from _held(value[name], inner, at)


def _probe(drain: Drain, scene: Scene) -> str | None:
    """Make each interrupt of the bodies pending once more and take it; return what is wrong."""
    probes = scene.probing()
    for index in range(len(probes)):
        op = probes[index : index + 1]
        drain.do(op)
        taken = drain.take_all()
        if -1 in taken:
            return f"after {describe(op[0])} a vCPU finds something to take for ever"
        if sum(taken.values()) != 1:
            what = "is lost" if not taken else f"is taken {sum(taken.values())} times"
            return f"an interrupt {what}: {describe(op[0])} when all is quiet"
    return None


def _at_rest(design: Design, scene: Scene) -> dict[str, str]:
    """Return the state in words after one thread did each body once and everything was taken."""
    vm = design.create(scene.config)
    drain = Drain(vm, scene.config)
    for ops in (scene.set_up, *scene.threads, scene.closing):
        drain.do(ops)
    drain.take_all()
    _probe(drain, scene)
    return design.snapshot(vm)


def order_faults(watchers: Sequence[Any], ops: Sequence[np.ndarray]) -> str | None:
    """Return where two classes of locks were nested both ways by the threads of a run, None for nowhere."""
    edges: dict[tuple[int, int], str] = {}
    for number, watcher in enumerate(watchers):
        for outer in range(CLASSES):
            for inner in range(CLASSES):
                if int(watcher.edges[outer]) >> inner & 1:
                    op = ops[number][int(watcher.edge_operation[outer, inner])]
                    edges.setdefault((outer, inner), describe(op))
    for (outer, inner), text in sorted(edges.items()):
        if outer < inner and (inner, outer) in edges:
            return (
                f"lock order: {CLASS_NAMES[inner]} inside {CLASS_NAMES[outer]} in {text}, "
                f"{CLASS_NAMES[outer]} inside {CLASS_NAMES[inner]} in {edges[inner, outer]}"
            )
    for cls in range(CLASSES):
        up = any(int(watcher.ascending[cls]) for watcher in watchers)
        if up and any(int(watcher.descending[cls]) for watcher in watchers):
            return f"lock order: two {CLASS_NAMES[cls]} locks are nested in both orders"
    return None


def check(design: Design, scene: Scene, vm: Any, injected: int, taken: int) -> str | None:
    """Return in one line what a run left wrong on a VM, None for nothing.

    injected, taken: interrupts that the bodies made pending and acknowledged, their set-up's included.
    """
    if int(vm.bug):
        return f"the host died: {design.bugs.get(int(vm.bug), int(vm.bug))}"
    held = held_locks(vm)
    if held:
        return f"a lock is held when all threads have ended: {', '.join(held[:4])}"
    drain = Drain(vm, scene.config)
    drain.do(scene.closing)
    left = drain.take_all()
    if -1 in left:
        return "the drain does not end: a vCPU finds something to take for ever"
    total = taken + sum(left.values())
    if total > injected:
        return f"interrupts are doubled: {injected} made pending, {total} taken"
    if scene.body.exact and total != injected:
        return f"interrupts are lost: {injected} made pending, {total} taken"
    if injected and not total:
        return f"interrupts are lost: {injected} made pending, none taken"
    fault = _probe(drain, scene)
    if fault is None and int(vm.bug):
        fault = f"the host died: {design.bugs.get(int(vm.bug), int(vm.bug))}"
    if fault is None and (held := held_locks(vm)):
        fault = f"a lock is held after the drain: {', '.join(held[:4])}"
    if fault is not None:
        return fault
    wanted, found = _at_rest(design, scene), design.snapshot(vm)
    for key in sorted(wanted.keys() | found.keys()):
        if wanted.get(key) != found.get(key):
            return f"{key} is {found.get(key, 'at rest')!r} after the drain, expected {wanted.get(key, 'at rest')!r}"
    return None
