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
from bench.engine.runner import BUG, DONE, execute, run_ops
from bench.recordings.placement.driver import Chunk, nothing_expected
from bench.recordings.placement.list_registers import recorded_key
from bench.recordings.placement.tracking import sgi_to
from kvmarm.config import MAX_VCPUS, VmConfig
from kvmarm.cpuif import new_hardware
from kvmarm.design import Design, get_design
from kvmarm.errors import UsageError
from kvmarm.events import EVENT_COUNT, new_caller, new_observer
from kvmarm.gic import FIRST_LPI, FIRST_RESERVED, FIRST_SPI, TIMER
from kvmarm.jit import U64, jit
from kvmarm.lr import lr_intid, lr_state
from kvmarm.trace import ACK, FLUSH, INJECT, INJECTM, KIND_NAMES, MMIO_R, MMIO_W, MSI, OP, SGI1R

KINDS = len(KIND_NAMES)
RING = 1 << 18
"""Values that acknowledges and loads returned, kept for `@K`; an older one is taken from the recording."""
MOST_DIFFERENCES = 256
LATENCY_BINS = 40
_SLOTS = MAX_VCPUS * 32 + (1 << 16)
_MOST_LRS = 64

DIFFERENCE = np.dtype(
    [
        ("op", np.int64),
        ("vcpu", np.int64),
        ("region", np.int64),
        ("offset", np.int64),
        ("size", np.int64),
        ("recorded", np.uint64),
        ("model", np.uint64),
        ("count", np.int64),
    ]
)
"""Where a design differs from the recording. At an entry: `region` a reason (below), `offset` INTID, `recorded` its
list register. At a load: frame, offset, size, both values and how often."""

R_UNKNOWN, R_TAKEN, R_SWAPPED = range(3)
REASONS = (
    "not explained",
    "taken here already, in the place of another of the same priority (list registers in another order)",
    "active there; here another of the same priority was acknowledged (list registers in another order)",
)
"""Why an interrupt that was in a list register at a recorded entry is in none here."""


TALLY = np.dtype(
    [
        ("next", np.int64),
        ("layout", np.int64),
        ("compare_loads", np.int64),
        ("status", np.int64),
        ("operations", np.int64),
        ("kicks", np.int64),
        ("delivered", np.int64),
        ("spurious", np.int64),
        ("cost", np.float64),
        ("counts", np.int64, (KINDS,)),
        ("events", np.int64, (KINDS, EVENT_COUNT)),
        ("apart_counts", np.int64, (KINDS,)),
        ("apart_events", np.int64, (KINDS, EVENT_COUNT)),
        ("prices", np.float64, (EVENT_COUNT,)),
        ("live", np.int64, (_MOST_LRS + 1,)),
        ("waits", np.int64),
        ("waited_operations", np.int64),
        ("longest_operations", np.int64),
        ("waited_cost", np.float64),
        ("longest_cost", np.float64),
        ("waits_log2", np.int64, (LATENCY_BINS,)),
        ("raised_at", np.int64, (_SLOTS,)),
        ("raised_cost", np.float64, (_SLOTS,)),
        ("entries_checked", np.int64),
        ("entries_equal", np.int64),
        ("lrs_checked", np.int64),
        ("lrs_equal", np.int64),
        ("lrs_extra", np.int64),
        ("lpis_checked", np.int64),
        ("lpis_equal", np.int64),
        ("lpi_differences", np.int64),
        ("lpi_table", DIFFERENCE, (MOST_DIFFERENCES,)),
        ("reasons", np.int64, (len(REASONS),)),
        ("taken", np.int64, (MAX_VCPUS,)),
        ("entry_differences", np.int64),
        ("entry_table", DIFFERENCE, (MOST_DIFFERENCES,)),
        ("loads", np.int64),
        ("loads_equal", np.int64),
        ("loads_unlisted", np.int64),
        ("load_differences", np.int64),
        ("load_table", DIFFERENCE, (MOST_DIFFERENCES,)),
    ]
)
"""What one design's run counted.

`next`: number of the next operation; `layout`: of recorded list registers, 2 or 3; `compare_loads`: whether the
recording says what loads returned; `status`: of the runner, where it stopped. `operations`, `kicks`, `delivered`,
`spurious`: of what was recorded; `cost`: the sum of `events` times `prices`, cost of an event; `counts`, `events`: by
kind of operation; `apart_…`: the same of operations that are no part of the recording; `live`: entries by list
registers in use. `waits`, `waited_…`, `longest_…`: interrupts from the rise to the acknowledge, in operations and in
cost, `waits_log2` by log2 of operations; `raised_…`: for each private and shared interrupt when it was raised (0: it
was not). `entries_…`, `lrs_…`: recorded list registers looked for in the design's, `lpis_…`: those of LPIs;
`reasons`: of those missing;
`taken`: see `_compare_entry`; `loads…`: values returned; `…_differences`: rows of the tables in use.
"""


@jit
def _raise_line(tally: Any, slot: Any, number: Any) -> None:
    if tally.raised_at[slot] == 0:
        tally.raised_at[slot] = number
        tally.raised_cost[slot] = tally.cost


@jit
def _slot(vcpu: Any, intid: Any) -> Any:
    return vcpu * 32 + intid if intid < 32 else MAX_VCPUS * 32 + intid


@jit
def _find_recorded(vm: Any, result: Any, record: Any, tally: Any, lr: Any) -> Any:
    """Look for one recorded list register among those the design loaded; return the mark for the next entry."""
    layout = tally.layout
    state = np.int64((lr >> (U64(28) if layout == 2 else U64(62))) & U64(3))
    intid = recorded_key(layout, vm.gic, lr) & 0x3FF
    for other in range(vm.lrs):
        if lr_state(vm.gic, result.lr[other]) != 0 and (lr_intid(vm.gic, result.lr[other]) & 0x3FF) == intid:
            tally.lrs_equal += 1
            return np.int64(0)
    taken = tally.taken[record.vcpu]
    mark = np.int64(0)
    reason = R_UNKNOWN
    if state == 1 and (taken >> intid) & 1 != 0:
        reason = R_TAKEN
    elif state >= 2 and ((taken >> (32 + intid)) & 1 != 0 or taken & 0xFFFFFFFF != 0):
        # It stays so at every entry until the guest completes what it holds there.
        reason = R_SWAPPED
        mark = np.int64(1) << (32 + intid)
    tally.reasons[reason] += 1
    if tally.entry_differences < MOST_DIFFERENCES:
        difference = tally.entry_table[tally.entry_differences]
        difference.op = record.op
        difference.vcpu = record.vcpu
        difference.region = reason
        difference.offset = intid
        difference.recorded = lr
        difference.count = 1
        tally.entry_differences += 1
    return mark


@jit
def _find_lpi(vm: Any, result: Any, record: Any, tally: Any, lr: Any) -> None:
    """Look for the LPI of a recorded list register among those the design loaded."""
    intid = np.int64(lr & U64(0xFFFFFFFF))
    tally.lpis_checked += 1
    for other in range(vm.lrs):
        if lr_state(vm.gic, result.lr[other]) != 0 and lr_intid(vm.gic, result.lr[other]) == intid:
            tally.lpis_equal += 1
            return
    if tally.lpi_differences < MOST_DIFFERENCES:
        difference = tally.lpi_table[tally.lpi_differences]
        difference.op = record.op
        difference.vcpu = record.vcpu
        difference.offset = intid
        difference.recorded = lr
        difference.count = 1
        tally.lpi_differences += 1


@jit
def _count_extra(vm: Any, result: Any, record: Any, tally: Any) -> None:
    """Count the SGIs and timers that the design loaded and that no recorded list register holds."""
    layout = tally.layout
    for other in range(vm.lrs):
        intid = lr_intid(vm.gic, result.lr[other]) & 0x3FF
        if lr_state(vm.gic, result.lr[other]) == 0 or not (intid < 16 or intid == TIMER):
            continue
        found = False
        for index in range(record.n):
            lr = record.lr[index]
            state = np.int64((lr >> (U64(28) if layout == 2 else U64(62))) & U64(3))
            if state != 0 and (recorded_key(layout, vm.gic, lr) & 0x3FF) == intid:
                found = True
        if not found:
            tally.lrs_extra += 1


@jit
def _compare_entry(vm: Any, result: Any, record: Any, tally: Any) -> Any:
    """Compare the SGIs and the timer in the recorded list registers with those the design loaded.

    tally.taken: for each vCPU a bit mask of the private interrupts acknowledged since the entry before; in its upper
    half, those that were swapped at the entry before. Returns the upper half for the next entry.
    """
    marks = np.int64(0)
    checked = 0
    equal = tally.lrs_equal
    for index in range(record.n):
        lr = record.lr[index]
        state = np.int64((lr >> (U64(28) if tally.layout == 2 else U64(62))) & U64(3))
        key = recorded_key(tally.layout, vm.gic, lr)
        intid = key & 0x3FF
        if state != 0 and key < 0x2000 and (intid < 16 or intid == TIMER):
            checked += 1
            marks |= _find_recorded(vm, result, record, tally, lr)
        elif state != 0 and key >= FIRST_LPI and vm.its:
            _find_lpi(vm, result, record, tally, lr)
    _count_extra(vm, result, record, tally)
    tally.lrs_checked += checked
    if checked > 0:
        tally.entries_checked += 1
        if checked == tally.lrs_equal - equal:
            tally.entries_equal += 1
    return marks


@jit
def _note_load(tally: Any, op: Any, number: Any, model: Any) -> None:
    """Note that the load `op` returned `model` and not what was recorded, once for each pair of values."""
    for index in range(tally.load_differences):
        known = tally.load_table[index]
        if (
            known.offset == op.b
            and known.recorded == op.value
            and known.model == model
            and known.region == op.a
            and known.size == op.c
        ):
            known.count += 1
            return
    if tally.load_differences == MOST_DIFFERENCES:
        tally.loads_unlisted += 1
        return
    difference = tally.load_table[tally.load_differences]
    difference.op = number
    difference.vcpu = op.vcpu
    difference.region = op.a
    difference.offset = op.b
    difference.size = op.c
    difference.recorded = op.value
    difference.model = model
    difference.count = 1
    tally.load_differences += 1


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
                _note_load(tally, op, number, result.value)
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
        marks = _compare_entry(vm, result, expected[entry], tally)
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
            tally.kicks += vm.kick_count
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
        """Run a chunk's operations; nothing after a BUG_ON. Raises UsageError for an illegal operation."""
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
            if self.tally.status == BUG:
                self.bug = self.design.bugs[int(self._vm.bug)]
            else:
                name = KIND_NAMES[int(ops[stopped].kind)]
                where = f"operation {chunk.first + int(stopped)}"
                raise UsageError(f"{where}: {name}: the vCPU is on the wrong side of an entry for it")
        if self._timed and chunk.first == 1:
            self._time(ops)

    def _time(self, ops: np.ndarray) -> None:
        """Run the first operations once more, uncounted, on a machine of their own."""
        vm, hardware = self.design.create(self.config), new_hardware(self.config.lrs)
        values, caller = np.zeros(len(ops) + 1, np.uint64), new_caller()
        # Compiled (or loaded) here, so that no time has it in it.
        run_ops(vm, hardware, ops[:0], 0, values, self._result, None, caller, None, None)
        start = perf_counter()
        done, _, _ = run_ops(vm, hardware, ops, 0, values, self._result, None, caller, None, None)
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
