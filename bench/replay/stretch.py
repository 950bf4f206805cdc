# SPDX-License-Identifier: GPL-2.0-only
"""One design under a stream of operations: what happened, what it cost, how long interrupts waited.

The stream comes in chunks (bench.recordings.convert) and no chunk is kept. Where a recording says what the real machine
did, the design is compared with it: list registers at entry, values that the guest's loads returned. Operations that
are no part of the recording (see bench.recordings.apart) are run, and counted apart.

Everything that a run counts is in one record (`TALLY`). A new kind of operation needs nothing here unless it raises an
interrupt (`_note_raised`) or returns a value that `@K` may name (`_run_one`).
"""

from time import perf_counter
from typing import Any

import numpy as np

from bench.engine.result_text import RESULT
from bench.engine.runner import BUG, DONE, execute, run_ops_uncounted
from bench.recordings.placement.driver import Chunk, nothing_expected
from bench.recordings.placement.tracking import sgi_to
from bench.replay.differences import compare_entry, note_load
from bench.replay.tally import LATENCY_BINS, TALLY
from kvmarm.config import MAX_VCPUS, VmConfig
from kvmarm.cpuif import new_hardware
from kvmarm.design import Design, get_design
from kvmarm.errors import UsageError
from kvmarm.events import EVENT_COUNT, new_caller, new_observer
from kvmarm.gic import FIRST_LPI, FIRST_RESERVED, FIRST_SPI
from kvmarm.jit import U64, jit
from kvmarm.lr import lr_state
from kvmarm.trace import ACK, FLUSH, INJECT, INJECTM, KIND_NAMES, MMIO_R, MMIO_W, MSI, OP, SGI1R

RING = 1 << 18
"""Values that acknowledges and loads returned, kept for `@K`; an older one is taken from the recording."""


@jit
def _raise_line(tally: Any, slot: Any, number: Any) -> None:
    if tally.raised_at[slot] == 0:
        tally.raised_at[slot] = number
        tally.raised_cost[slot] = tally.cost


@jit
def _slot(vcpu: Any, intid: Any) -> Any:
    return vcpu * 32 + intid if intid < 32 else MAX_VCPUS * 32 + intid


@jit
def _note_acknowledged(tally: Any, vm: Any, op: Any, number: Any, value: Any) -> None:
    intid = np.int64(value & U64(0x3FF if vm.gic == 2 else 0xFFFFFF))
    if intid >= FIRST_RESERVED and intid < FIRST_LPI:
        tally.spurious += 1
        return
    tally.delivered += 1
    if intid < FIRST_LPI and intid & 0x3FF < 32:
        tally.taken[op.vcpu] |= 1 << (intid & 0x3FF)
    slot = _slot(op.vcpu, intid)
    if tally.raised_at[slot] == 0:
        return
    waited = number - tally.raised_at[slot]
    cost = tally.cost - tally.raised_cost[slot]
    tally.waits += 1
    tally.waited_operations += waited
    tally.longest_operations = max(tally.longest_operations, waited)
    tally.waited_cost += cost
    tally.longest_cost = max(tally.longest_cost, cost)
    bin_index = 0
    while waited > 1 and bin_index < LATENCY_BINS - 1:
        waited >>= 1
        bin_index += 1
    tally.waits_log2[bin_index] += 1
    tally.raised_at[slot] = 0


@jit
def _note_entered(tally: Any, vm: Any, result: Any) -> None:
    used = 0
    for register in range(vm.lrs):
        if lr_state(vm.gic, result.lr[register]) != 0:
            used += 1
    tally.live[used] += 1


@jit
def _note_raised(tally: Any, vm: Any, op: Any, number: Any, value: Any) -> None:
    """Note when the interrupts that the operation made pending were raised, or that a line has fallen."""
    kind = op.kind
    if kind == INJECT or kind == INJECTM:
        if op.a < FIRST_RESERVED:
            slot = _slot(op.vcpu, op.a)
            if op.b != 0:
                _raise_line(tally, slot, number)
            elif op.a >= FIRST_SPI or kind == INJECTM:
                tally.raised_at[slot] = 0
    elif kind == MSI:
        if op.c != 0:
            _raise_line(tally, _slot(0, op.c), number)
    elif kind == SGI1R or (kind == MMIO_W and vm.gic == 2 and op.a < 0 and op.b == 0xF00):
        for target in range(vm.vcpus):
            intid = sgi_to(vm.gic, op.vcpu, value, target)
            if intid >= 0:
                _raise_line(tally, _slot(target, intid), number)


@jit
def _count_events(tally: Any, observer: Any, kind: Any, apart: Any) -> None:
    if apart:
        tally.apart_counts[kind] += 1
    else:
        tally.counts[kind] += 1
    for event in range(EVENT_COUNT):
        seen = observer.counts[event]
        if seen != 0:
            if apart:
                tally.apart_events[kind, event] += seen
            else:
                tally.events[kind, event] += seen
                tally.cost += tally.prices[event] * seen
            observer.counts[event] = 0
    observer.log_length = 0


@jit
def _note_operation(tally: Any, vm: Any, op: Any, number: Any, result: Any, value: Any) -> None:
    """Note what an operation that was recorded did."""
    kind = op.kind
    tally.operations += 1
    if kind == ACK:
        _note_acknowledged(tally, vm, op, number, result.value)
    elif kind == FLUSH:
        _note_entered(tally, vm, result)
    elif kind == MMIO_R:
        if tally.compare_loads != 0:
            tally.loads += 1
            if result.value == op.value:
                tally.loads_equal += 1
            else:
                note_load(tally, op, number, result.value)
    elif (kind != INJECT and kind != INJECTM and kind != MSI) or result.rc == (kind == MSI):
        _note_raised(tally, vm, op, number, value)


@jit
def _check_entry(tally: Any, vm: Any, op: Any, number: Any, result: Any, expected: Any, entry: Any) -> Any:
    """Compare an entry with what was recorded there, if it was; return the index of the next recorded entry.

    expected: EXPECTED[:], of which `entry` is the first that has not been passed.
    """
    marks = np.int64(0)
    while entry < expected.shape[0] and expected[entry].op < number:
        entry += 1
    if entry < expected.shape[0] and expected[entry].op == number:
        marks = compare_entry(vm, result, expected[entry], tally)
    tally.taken[op.vcpu] = marks
    return entry


@jit
def run_stretch(
    vm: Any, hardware: Any, ops: Any, apart: Any, expected: Any, values: Any, tally: Any, scratch: Any
) -> Any:
    """Run `ops` (OP[:]), numbered from tally.next; return the index of the one that stopped it, len(ops) when none.

    apart: bool[:], for each operation whether it is no part of the recording. expected: EXPECTED[:], in order. values:
    uint64[RING]. tally: a record of TALLY. scratch: (a record of RESULT, an observer).
    """
    result, observer = scratch
    entry = 0
    first = tally.next
    for index in range(ops.shape[0]):
        op = ops[index]
        number = first + index
        tally.next = number + 1
        value = op.value
        if op.ref > 0 and number - op.ref < RING:
            value = values[op.ref & (RING - 1)]
        status = execute(vm, hardware, op, value, result, observer)
        kind = op.kind
        _count_events(tally, observer, kind, apart[index])
        if not apart[index]:
            tally.kicks += observer.kick_count
        if status != DONE:
            if not apart[index]:
                tally.operations += 1
            tally.status = status
            return index
        if kind == ACK or kind == MMIO_R:
            values[number & (RING - 1)] = result.value
        elif kind == FLUSH:
            entry = _check_entry(tally, vm, op, number, result, expected, entry)
        if not apart[index]:
            _note_operation(tally, vm, op, number, result, value)
    return ops.shape[0]


class Run:
    """One design's run over a stream. `feed` takes chunks; the attributes below hold the outcome so far.

    tally: a record of TALLY; bug: the BUG_ON that ended the run, None while it lives; seconds, timed_operations: host
    time of the first chunk, run once more and uncounted.
    """

    def __init__(
        self, design: Design, config: VmConfig, prices: np.ndarray | None = None, layout: int = 3, timed: bool = True
    ) -> None:
        self.design = design
        self.config = config
        self._vm = design.create(config)
        self._hardware = new_hardware(config.lrs)
        self._result = np.zeros(1, RESULT).view(np.recarray)[0]
        self._values = np.zeros(RING, np.uint64)
        self._observer = new_observer()
        self._timed = timed
        self.timed_operations = 0
        self.tally: Any = np.zeros(1, TALLY).view(np.recarray)[0]
        self.tally.layout = layout
        self.tally.prices[:] = 1.0 if prices is None else prices
        self.bug: str | None = None
        self.seconds = 0.0

    def feed(self, chunk: Chunk, compare_loads: bool = True) -> None:
        """Run a chunk's operations; nothing after a BUG_ON.

        Raises UsageError for an illegal operation, and for one that the design's model has no room for
        (`Design.limits`).
        """
        if self.bug is not None:
            return
        ops = np.ascontiguousarray(chunk.ops).view(np.recarray)
        expected = np.ascontiguousarray(chunk.expected).view(np.recarray) if len(chunk.expected) else nothing_expected()
        apart = np.zeros(len(ops), np.bool_) if chunk.apart is None else chunk.apart
        self.tally.next = chunk.first
        self.tally.compare_loads = compare_loads
        scratch = self._result, self._observer
        stopped = run_stretch(self._vm, self._hardware, ops, apart, expected, self._values, self.tally, scratch)
        if stopped < len(ops):
            name = KIND_NAMES[int(ops[stopped].kind)]
            where = f"operation {chunk.first + int(stopped)}"
            number = int(self._vm.bug)
            if self.tally.status == BUG and number in self.design.limits:
                room = f"for which the model of design {self.design.name!r} has no room"
                raise UsageError(f"{where}: {name}: {self.design.limits[number]}, {room}")
            if self.tally.status == BUG:
                self.bug = self.design.bugs[number]
            else:
                raise UsageError(f"{where}: {name}: the vCPU is on the wrong side of an entry for it")
        if self._timed and chunk.first == 1:
            self._time(ops)

    def _time(self, ops: np.ndarray) -> None:
        """Run the first operations once more, uncounted, on a machine of their own."""
        vm, hardware = self.design.create(self.config), new_hardware(self.config.lrs)
        values, caller = np.zeros(len(ops) + 1, np.uint64), new_caller()
        # Compiled (or loaded) here, so that no time has it in it.
        run_ops_uncounted(vm, hardware, ops[:0], 0, values, self._result, None, caller)
        start = perf_counter()
        done, _, _ = run_ops_uncounted(vm, hardware, ops, 0, values, self._result, None, caller)
        self.seconds = perf_counter() - start
        self.timed_operations = int(done)

    @property
    def live(self) -> np.ndarray:
        """Entries by list registers in use (int64[lrs + 1])."""
        return np.asarray(self.tally.live[: self.config.lrs + 1])

    @property
    def entry_differences(self) -> np.ndarray:
        """The first differences at entries (DIFFERENCE[:])."""
        return self.tally.entry_table[: int(self.tally.entry_differences)].view(np.recarray)

    @property
    def load_differences(self) -> np.ndarray:
        """What loads returned that was not recorded (DIFFERENCE[:]), each pair of values once."""
        return self.tally.load_table[: int(self.tally.load_differences)].view(np.recarray)


def compile_for(name: str) -> None:
    """Compile what a replay on the design `name` needs."""
    config = VmConfig(gic=3, vcpus=1, irqs=64, lrs=1)
    nothing = Chunk(np.zeros(0, OP), 1, nothing_expected())
    Run(get_design(name), config).feed(nothing)
