# SPDX-License-Identifier: GPL-2.0-only
"""The exact meter: one transition on one design, its events counted and its states before and after checked.

A `Stage` is one VM of a design in a configuration after the standard set-up. Its memory is kept as it was then, so that
each transition starts from it by a copy. `Stage.measure` plays the set-up lines and the operation through the runner
that traces go through, counting.

The state of an interrupt is what can be seen of it, whatever the design: the pending and active bit that the
distributor shows, and the list registers that hold it: of a vCPU in the guest those in the hardware, of one that is out
those that it would be entered with next. What a vCPU in the guest was entered with it alone can deactivate. So its list
registers then say whether the interrupt is active, not the distributor, which has yet to learn it. Looking ahead to the
next entry changes the VM, so it is done last, or on a VM that is put back afterwards.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from bench.catalogue.catalogue import Transition
from bench.catalogue.language import compile_lines
from bench.catalogue.lpis import DEFAULT_SCENE, LpiScene
from bench.catalogue.standard import standard_set_up
from bench.engine.result_text import RESULT
from bench.engine.runner import BUG, DONE, run_ops
from bench.meters.memory import Memory
from bench.results.schema import KEY
from kvmarm import gic as arch
from kvmarm import guest_memory
from kvmarm.config import VmConfig
from kvmarm.cpuif import new_hardware
from kvmarm.design import Design
from kvmarm.errors import UsageError
from kvmarm.events import EVENT_COUNT, event_names, new_observer
from kvmarm.gic import FIRST_LPI, FIRST_SPI

FAMILY = "vgic"
HOST_DIES = "host dies"
"""The state after an operation in which the design hits a BUG_ON."""
HAS_NONE = "has none"
"""The state of an LPI in a design without LPIs."""

_observer: Any = None


def _shared_observer() -> Any:
    # One for the process: its lock log is large, and every measurement leaves it empty.
    global _observer
    if _observer is None:
        _observer = new_observer()
    return _observer


@dataclass(frozen=True)
class Counted:
    """What one transition did on one design.

    before, after: states seen. expected_before, expected_after: what the catalogue says, None when nothing.
    counts: int64[EVENT_COUNT], events of the operation alone. kicks: vCPUs kicked, in order.
    """

    design: str
    config: VmConfig
    pending: int
    transition: Transition
    before: str
    after: str
    expected_before: str | None
    expected_after: str | None
    counts: np.ndarray
    kicks: tuple[int, ...]

    @property
    def ok(self) -> bool:
        """Whether the states are the expected ones (where the catalogue names them)."""
        return self.expected_before in (None, self.before) and self.expected_after in (None, self.after)

    @property
    def events(self) -> dict[str, int]:
        """Events counted, by name, without those that did not occur."""
        return {name: int(n) for name, n in zip(event_names(), self.counts, strict=True) if n}

    @property
    def has_none(self) -> bool:
        """Whether the design lacks LPIs, which the transition is about."""
        return self.after == HAS_NONE

    def key(self) -> dict[str, Any]:
        """Return the columns that identify the point in every table."""
        return point_key(self.design, self.config, self.pending, self.transition.name)


def point_key(design: str, config: VmConfig, pending: int, transition: str) -> dict[str, Any]:
    """Return the key columns of one point of a VGIC model."""
    values = (design, FAMILY, config.gic, config.irqs, config.vcpus, config.lrs, pending, 0, transition)
    return dict(zip(KEY, values, strict=True))


class _Views(dict[int, Any]):
    """The records of an array, each made at its first use."""

    def __init__(self, array: Any) -> None:
        super().__init__()
        self._array = array

    def __missing__(self, index: int) -> Any:
        self[index] = self._array[index]
        return self[index]


class Stage:
    """One VM of `design` in `config` with `pending` standing interrupts, ready for one transition after another."""

    def __init__(self, design: Design, config: VmConfig, pending: int, scene: LpiScene = DEFAULT_SCENE) -> None:
        self.design = design
        self.scene = scene
        self.config = config
        self.pending = pending
        self.vm = design.create(config)
        self.hardware = new_hardware(config.lrs)
        self.result = np.zeros(1, RESULT).view(np.recarray)[0]
        self.observer = _shared_observer()
        status, _ = self.play(standard_set_up(config, pending, scene))
        if status != DONE:
            raise UsageError(f"design {design.name!r}: the standard set-up fails in configuration {config}")
        self.memory = (Memory(self.vm, config), Memory(self.hardware, config))
        self._saved = [memory.save() for memory in self.memory]
        self._memory_base = guest_memory.save(self.vm)
        # Views of the records, made once: each access to a field of a record makes a new one.
        self._cpus = _Views(self.hardware.cpu)
        self._images = _Views(self.vm.image)

    def reset(self) -> None:
        """Put VM and hardware back to what they were after the standard set-up."""
        for memory, saved in zip(self.memory, self._saved, strict=True):
            memory.restore(saved)
        guest_memory.restore(self.vm, self._memory_base)

    def _applies(self, transition: Transition) -> bool:
        if transition.lpis and transition.scene != self.scene:
            return False
        return transition.effective_pending(self.config, self.pending) == self.pending

    def play(self, ops: np.ndarray) -> tuple[int, np.ndarray]:
        """Run operations; return (status of bench.engine.runner, int32[n, EVENT_COUNT] events of each)."""
        rows = np.zeros((len(ops), EVENT_COUNT), np.int32)
        values = np.zeros(len(ops) + 1, np.uint64)
        status, rows, _ = self._run(ops, rows, values)
        return status, rows

    def play_for_values(self, ops: np.ndarray) -> tuple[int, np.ndarray]:
        """Run operations; return (status, uint64[n + 1] what operation N returned, for `@K`)."""
        values = np.zeros(len(ops) + 1, np.uint64)
        status = self._run(ops, np.zeros((len(ops), EVENT_COUNT), np.int32), values)[0] if len(ops) else DONE
        return status, values

    def _run(self, ops: np.ndarray, rows: np.ndarray, values: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
        position = 0
        log_ends = np.zeros(len(ops), np.int64)
        while True:
            position, _, status = run_ops(
                self.vm,
                self.hardware,
                ops.view(np.recarray),
                position,
                values,
                self.result,
                None,
                self.observer,
                rows,
                log_ends,
            )
            self.observer.log_length = 0
            if position >= len(ops) or status in (DONE, BUG):
                return int(status), rows, values
            if int(status) in (2, 3):
                raise UsageError(f"operation {position + 1}: the vCPU is {'in' if status == 2 else 'out of'} the guest")

    def measure(self, transition: Transition) -> Counted | None:
        """Measure one transition; None when it does not apply here. Raises UsageError when its lines are illegal."""
        if not self._applies(transition):
            return None
        ops = transition.operations(self.config)
        intid, vcpu = transition.watched(self.config)
        try:
            before = self._state_after(ops[:-1], intid, vcpu)
            self.reset()
            status, rows = self.play(ops)
            kicks = tuple(int(v) for v in self.observer.kicks[: self.observer.kick_count])
            after = HOST_DIES if status == BUG else self._see(intid, vcpu)
        except UsageError as error:
            raise UsageError(f"{transition.source}: transition {transition.name}: {error}") from None
        finally:
            self.reset()
        expected_before, expected_after = transition.expected(self.design.name, self.config.gic)
        return Counted(
            self.design.name,
            self.config,
            self.pending,
            transition,
            before,
            after,
            expected_before,
            expected_after,
            rows[-1].astype(np.int64),
            kicks,
        )

    def count(self, transition: Transition) -> np.ndarray | None:
        """Return the events (int64[EVENT_COUNT]) of one transition without a look at its states; None as above."""
        if not self._applies(transition):
            return None
        try:
            return self.play(transition.operations(self.config))[1][-1].astype(np.int64)
        except UsageError as error:
            raise UsageError(f"{transition.source}: transition {transition.name}: {error}") from None
        finally:
            self.reset()

    def _state_after(self, ops: np.ndarray, intid: int, vcpu: int) -> str:
        status = self.play(ops)[0] if len(ops) else DONE
        return HOST_DIES if status == BUG else self._see(intid, vcpu)

    def _see(self, intid: int, vcpu: int) -> str:
        """Return the state of an interrupt in words. The VM is not the same afterwards."""
        held = waiting = 0
        completed = False
        inside, outside = [], []
        for index in sorted({vcpu} if intid < FIRST_SPI else {0, vcpu, self.config.vcpus - 1}):
            if self._cpus[index].in_guest:
                held |= self._states(self._cpus[index], intid)
                completed |= bool(self._states(self._images[index], intid))
                inside.append(index)
            else:
                outside.append(index)
        if intid < FIRST_LPI:
            pending_bit, active_bit = self._look(intid, vcpu, tuple(outside))
        else:
            pending_bit, active_bit = 0, 0
            self._enter_again(inside, outside)
            outside += inside
        for index in outside:
            if self._cpus[index].in_guest:
                waiting |= self._states(self._cpus[index], intid)
        seen = held | waiting
        pending, active = bool(pending_bit or seen & 1), bool((active_bit and not completed) or seen & 2)
        name = "active+pending" if pending and active else "active" if active else "pending" if pending else "inactive"
        return name + " in LR" if held else name

    def _look(self, intid: int, vcpu: int, outside: tuple[int, ...]) -> tuple[int, int]:
        """Return the pending and active bit as loads by `vcpu` show them; then enter the vCPUs outside the guest.

        The loads are a debugger's: they are made with the vCPU in the guest too. A flush that kills the host ends it.
        """
        ops = _looking(self.config, intid, vcpu, outside)
        cpu = self._cpus[vcpu]
        in_guest = int(cpu.in_guest)
        cpu.in_guest = 0
        values = np.zeros(len(ops) + 1, np.uint64)
        self._run(ops, np.zeros((len(ops), EVENT_COUNT), np.int32), values)
        if in_guest:
            cpu.in_guest = 1
        bit = intid & 31
        return int(values[1]) >> bit & 1, int(values[2]) >> bit & 1

    def _enter_again(self, inside: list[int], outside: list[int]) -> None:
        """Have vCPUs leave the guest and enter it again: what they hold of an LPI no register shows."""
        lines = [*(f"sync {index}" for index in inside), *(f"flush {index}" for index in (*inside, *outside))]
        ops = compile_lines(lines, self.config, "state")
        self._run(ops, np.zeros((len(ops), EVENT_COUNT), np.int32), np.zeros(len(ops) + 1, np.uint64))

    def _states(self, interface: Any, intid: int) -> int:
        """Return the states (bit 0 pending, bit 1 active) in which list registers hold an interrupt.

        interface: a vCPU's hardware (kvmarm.cpuif.CPUIF) or its software image (kvmarm.state.IMAGE).
        """
        mask, shift = _LR_FIELDS[self.config.gic]
        states = 0
        for lr in interface.lr[: self.config.lrs].tolist():
            if lr & mask == intid:
                states |= lr >> shift & 3
        return states


_LR_FIELDS = {
    2: (arch.V2_LR_INTID_MASK, arch.V2_LR_STATE_SHIFT),
    3: (arch.V3_LR_INTID_MASK, arch.V3_LR_STATE_SHIFT),
}


@lru_cache(maxsize=1024)
def _looking(config: VmConfig, intid: int, vcpu: int, outside: tuple[int, ...]) -> np.ndarray:
    """Return the operations that show an interrupt's state: loads of its pending and active bit, then entries."""
    loads = [f"get {name} {intid} by {vcpu}" for name in ("ISPENDR", "ISACTIVER")]
    return compile_lines([*loads, *(f"flush {index}" for index in outside)], config, "state")


def _has_none(design: Design, config: VmConfig, pending: int, transition: Transition) -> Counted:
    """Return the result of a design that has no LPIs: that is what it is, not an error."""
    nothing = np.zeros(EVENT_COUNT, np.int64)
    return Counted(design.name, config, pending, transition, HAS_NONE, HAS_NONE, HAS_NONE, HAS_NONE, nothing, ())


def measure_all(design: Design, config: VmConfig, pending: int, transitions: Iterable[Transition]) -> list[Counted]:
    """Measure transitions on one design in one configuration; those that do not apply are left out.

    An entry that needs more standing interrupts than `pending` is measured with as many as it needs.
    """
    stages: dict[tuple[int, LpiScene], Stage] = {}
    results = []
    for transition in transitions:
        effective = transition.effective_pending(config, pending)
        if effective is None:
            continue
        if config.its and not design.has_its:
            results.append(_has_none(design, config, effective, transition))
            continue
        place = effective, transition.scene
        if place not in stages:
            stages[place] = Stage(design, config, *place)
        counted = stages[place].measure(transition)
        if counted is not None:
            results.append(counted)
    return results


def differences(counted: Iterable[Counted]) -> list[str]:
    """Return one line per point whose states are not the expected ones."""
    lines = []
    for point in counted:
        if not point.ok:
            lines.append(
                f"{point.design} {point.config} pending={point.pending} {point.transition.name}: "
                f"{point.before} -> {point.after}, expected {point.expected_before} -> {point.expected_after}"
            )
    return lines
