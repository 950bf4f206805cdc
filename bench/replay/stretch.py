# SPDX-License-Identifier: GPL-2.0-only
"""One design under a stream of operations: what happened, what it cost, how long interrupts waited.

The stream comes in chunks (bench.recordings.convert) and no chunk is kept. Where a recording says what the real machine
did, the design is compared with it: list registers at entry, values that the guest's loads returned.
"""

from time import perf_counter
from typing import Any

import numpy as np

from bench.engine.result_text import RESULT
from bench.engine.runner import BUG, DONE, execute, run_ops
from bench.recordings.convert import Chunk
from bench.recordings.placement.kvm import EXPECTED, recorded_key
from kvmarm.config import MAX_VCPUS, VmConfig
from kvmarm.cpuif import new_hardware
from kvmarm.design import Design, get_design
from kvmarm.errors import UsageError
from kvmarm.events import EVENT_COUNT, new_caller, new_observer
from kvmarm.gic import FIRST_RESERVED, FIRST_SPI
from kvmarm.jit import U64, jit
from kvmarm.lr import lr_intid, lr_state
from kvmarm.mpidr import vcpu_affinity
from kvmarm.trace import ACK, FLUSH, INJECT, INJECTM, KIND_NAMES, MMIO_R, MMIO_W, OP, SGI1R

KINDS = len(KIND_NAMES)
RING = 1 << 18
"""Values that acknowledges and loads returned, kept for `@K`; an older one is taken from the recording."""
TIMER = 27
MOST_DIFFERENCES = 256
LATENCY_BINS = 40

# Scalars of a run, in `Run.s`.
(
    S_DONE, S_KICKS, S_DELIVERED, S_SPURIOUS, S_STATUS, S_ENTRIES_CHECKED, S_ENTRIES_EQUAL, S_LRS_CHECKED, S_LRS_EQUAL,
    S_READS, S_READS_EQUAL, S_LATENCIES, S_LATENCY_OPS, S_LATENCY_MOST, S_DIFFERENCES, S_READ_DIFFERENCES, S_EXTRA,
    S_READS_UNLISTED, S_REASONS,
) = range(19)  # fmt: skip
"""S_DIFFERENCES, S_READ_DIFFERENCES: rows of the tables in use; from S_REASONS on: differences at entries by reason."""
SCALARS = 21

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


@jit
def _raise_line(since: Any, clocks: Any, slot: Any, number: Any, clock: Any) -> None:
    if since[slot] == 0:
        since[slot] = number
        clocks[slot] = clock


@jit
def _slot(vcpu: Any, intid: Any) -> Any:
    return vcpu * 32 + intid if intid < 32 else MAX_VCPUS * 32 + intid


@jit
def _sgi_sent(gic: Any, vcpus: Any, vcpu: Any, value: Any, since: Any, clocks: Any, number: Any, clock: Any) -> None:
    bits = np.int64(value & U64(0xFFFFFFFFFFFFFF))
    for target in range(vcpus):
        if gic == 2:
            mode = (bits >> 24) & 3
            listed = mode == 0 and (bits >> (16 + target)) & 1 != 0
            named = listed or (mode == 1 and target != vcpu) or (mode == 2 and target == vcpu)
            intid = bits & 15
        else:
            affinity = vcpu_affinity(target)
            cluster = (bits >> 16 & 0xFF) << 8 | (bits >> 32 & 0xFF) << 16
            in_list = affinity & 0xFFFF00 == cluster and affinity & 0xFF < 16 and (bits >> (affinity & 15)) & 1 != 0
            named = target != vcpu if (bits >> 40) & 1 != 0 else in_list
            intid = (bits >> 24) & 15
        if named:
            _raise_line(since, clocks, _slot(target, intid), number, clock)


@jit
def _compare_entry(
    gic: Any, lrs: Any, result: Any, record: Any, layout: Any, s: Any, differences: Any, taken: Any
) -> Any:
    """Compare the SGIs and the timer in the recorded list registers with those the design loaded.

    taken: bit mask of the private interrupts acknowledged here since the entry before; in its upper half, those that
    were swapped at the entry before. Returns the upper half for the next entry.
    """
    marks = np.int64(0)
    checked = 0
    equal = 0
    for index in range(record.n):
        lr = record.lr[index]
        state = np.int64((lr >> (U64(28) if layout == 2 else U64(62))) & U64(3))
        intid = recorded_key(layout, gic, lr) & 0x3FF
        if state == 0 or recorded_key(layout, gic, lr) >= 0x2000 or not (intid < 16 or intid == TIMER):
            continue
        checked += 1
        swapped = (taken >> (32 + intid)) & 1 != 0
        found = False
        for other in range(lrs):
            if lr_state(gic, result.lr[other]) != 0 and (lr_intid(gic, result.lr[other]) & 0x3FF) == intid:
                found = True
        if found:
            equal += 1
            continue
        reason = R_UNKNOWN
        if state == 1 and (taken >> intid) & 1 != 0:
            reason = R_TAKEN
        elif state >= 2 and (swapped or taken & 0xFFFFFFFF != 0):
            # It stays so at every entry until the guest completes what it holds there.
            reason = R_SWAPPED
            marks |= 1 << (32 + intid)
        s[S_REASONS + reason] += 1
        if s[S_DIFFERENCES] < differences.shape[0]:
            difference = differences[s[S_DIFFERENCES]]
            difference.op = record.op
            difference.vcpu = record.vcpu
            difference.region = reason
            difference.offset = intid
            difference.recorded = lr
            difference.count = 1
            s[S_DIFFERENCES] += 1
    for other in range(lrs):
        intid = lr_intid(gic, result.lr[other]) & 0x3FF
        if lr_state(gic, result.lr[other]) == 0 or not (intid < 16 or intid == TIMER):
            continue
        found = False
        for index in range(record.n):
            lr = record.lr[index]
            state = np.int64((lr >> (U64(28) if layout == 2 else U64(62))) & U64(3))
            if state != 0 and (recorded_key(layout, gic, lr) & 0x3FF) == intid:
                found = True
        if not found:
            s[S_EXTRA] += 1
    s[S_LRS_CHECKED] += checked
    s[S_LRS_EQUAL] += equal
    if checked > 0:
        s[S_ENTRIES_CHECKED] += 1
        if checked == equal:
            s[S_ENTRIES_EQUAL] += 1
    return marks


@jit
def _note_load(op: Any, number: Any, model: Any, s: Any, differences: Any) -> None:
    """Note that the load `op` returned `model` and not what was recorded, once for each pair of values."""
    for index in range(s[S_READ_DIFFERENCES]):
        known = differences[index]
        if (
            known.offset == op.b
            and known.recorded == op.value
            and known.model == model
            and known.region == op.a
            and known.size == op.c
        ):
            known.count += 1
            return
    if s[S_READ_DIFFERENCES] == differences.shape[0]:
        s[S_READS_UNLISTED] += 1
        return
    difference = differences[s[S_READ_DIFFERENCES]]
    difference.op = number
    difference.vcpu = op.vcpu
    difference.region = op.a
    difference.offset = op.b
    difference.size = op.c
    difference.recorded = op.value
    difference.model = model
    difference.count = 1
    s[S_READ_DIFFERENCES] += 1


@jit
def run_stretch(
    vm: Any,
    hardware: Any,
    ops: Any,
    first: Any,
    values: Any,
    result: Any,
    observer: Any,
    prices: Any,
    s: Any,
    counts: Any,
    events: Any,
    cycles: Any,
    since: Any,
    clocks: Any,
    latencies: Any,
    expected: Any,
    layout: Any,
    entry_differences: Any,
    read_differences: Any,
    compare_reads: Any,
    taken: Any,
    live: Any,
) -> Any:
    """Run `ops` (OP[:]), numbered from `first`; return the index of the operation that stopped it, len(ops) when none.

    values: uint64[RING]. prices: float64[EVENT_COUNT], cost of an event. s: int64[SCALARS]. counts: int64[KINDS];
    events: int64[KINDS, EVENT_COUNT]; cycles: float64[3], the cost so far, the sum and the largest of latencies.
    since, clocks: for each private and shared interrupt, when it was raised (operation number, cost). latencies:
    int64[LATENCY_BINS], by log2 of operations. expected: EXPECTED[:], in order. taken: int64[vcpus], masks of private
    interrupts acknowledged since the latest entry (see _compare_entry). live: int64[lrs + 1], entries by list registers
    in use.
    """
    entry = 0
    for index in range(ops.shape[0]):
        op = ops[index]
        number = first + index
        value = op.value
        if op.ref > 0 and number - op.ref < RING:
            value = values[op.ref & (RING - 1)]
        status = execute(vm, hardware, op, value, result, observer)
        kind = op.kind
        counts[kind] += 1
        s[S_DONE] += 1
        s[S_KICKS] += observer.kick_count
        for event in range(EVENT_COUNT):
            seen = observer.counts[event]
            if seen != 0:
                events[kind, event] += seen
                cycles[0] += prices[event] * seen
                observer.counts[event] = 0
        observer.log_length = 0
        if status != DONE:
            s[S_STATUS] = status
            return index
        if kind == ACK:
            values[number & (RING - 1)] = result.value
            intid = np.int64(result.value & U64(0x3FF if vm.gic == 2 else 0xFFFFFF))
            if intid >= FIRST_RESERVED:
                s[S_SPURIOUS] += 1
            else:
                s[S_DELIVERED] += 1
                if intid & 0x3FF < 32:
                    taken[op.vcpu] |= 1 << (intid & 0x3FF)
                slot = _slot(op.vcpu, intid)
                if since[slot] != 0:
                    waited = number - since[slot]
                    s[S_LATENCIES] += 1
                    s[S_LATENCY_OPS] += waited
                    s[S_LATENCY_MOST] = max(s[S_LATENCY_MOST], waited)
                    cost = cycles[0] - clocks[slot]
                    cycles[1] += cost
                    cycles[2] = max(cycles[2], cost)
                    bin_index = 0
                    while waited > 1 and bin_index < LATENCY_BINS - 1:
                        waited >>= 1
                        bin_index += 1
                    latencies[bin_index] += 1
                    since[slot] = 0
        elif kind == FLUSH:
            used = 0
            for register in range(vm.lrs):
                if lr_state(vm.gic, result.lr[register]) != 0:
                    used += 1
            live[used] += 1
            marks = np.int64(0)
            while entry < expected.shape[0] and expected[entry].op < number:
                entry += 1
            if entry < expected.shape[0] and expected[entry].op == number:
                marks = _compare_entry(
                    vm.gic, vm.lrs, result, expected[entry], layout, s, entry_differences, taken[op.vcpu]
                )
            taken[op.vcpu] = marks
        elif kind == MMIO_R:
            values[number & (RING - 1)] = result.value
            if compare_reads:
                s[S_READS] += 1
                if result.value == op.value:
                    s[S_READS_EQUAL] += 1
                else:
                    _note_load(op, number, result.value, s, read_differences)
        elif (kind == INJECT or kind == INJECTM) and result.rc == 0:
            if op.a < FIRST_RESERVED:
                slot = _slot(op.vcpu, op.a)
                if op.b != 0:
                    _raise_line(since, clocks, slot, number, cycles[0])
                elif op.a >= FIRST_SPI or kind == INJECTM:
                    since[slot] = 0
        elif kind == SGI1R or (kind == MMIO_W and vm.gic == 2 and op.a < 0 and op.b == 0xF00):
            _sgi_sent(vm.gic, vm.vcpus, op.vcpu, value, since, clocks, number, cycles[0])
    return ops.shape[0]


class Run:
    """One design's run over a stream. `feed` takes chunks; the attributes below hold the outcome so far.

    counts: int64[KINDS]; events: int64[KINDS, EVENT_COUNT]; s: int64[SCALARS] (see S_…); cycles: float64[3], total cost
    in the unit of `prices`, sum and largest of the latencies; latencies: int64[LATENCY_BINS] by log2 of operations;
    live: int64[lrs + 1], entries by list registers in use; bug: the BUG_ON that ended the run, None while it lives;
    seconds, timed_operations: host time of the first chunk, run once more and uncounted.
    """

    def __init__(
        self, design: Design, config: VmConfig, prices: np.ndarray | None = None, layout: int = 3, timed: bool = True
    ) -> None:
        self.design = design
        self.config = config
        self.layout = layout
        self.prices = np.ones(EVENT_COUNT) if prices is None else np.asarray(prices, np.float64)
        self._vm = design.create(config)
        self._hardware = new_hardware(config.lrs)
        self._result = np.zeros(1, RESULT).view(np.recarray)[0]
        self._values = np.zeros(RING, np.uint64)
        self._observer = new_observer()
        self._timed = timed
        self.timed_operations = 0
        self.s = np.zeros(SCALARS, np.int64)
        self.counts = np.zeros(KINDS, np.int64)
        self.events = np.zeros((KINDS, EVENT_COUNT), np.int64)
        self.cycles = np.zeros(3)
        self.latencies = np.zeros(LATENCY_BINS, np.int64)
        slots = MAX_VCPUS * 32 + 1024
        self._since = np.zeros(slots, np.int64)
        self._clocks = np.zeros(slots)
        self._entry_differences = np.zeros(MOST_DIFFERENCES, DIFFERENCE).view(np.recarray)
        self._read_differences = np.zeros(MOST_DIFFERENCES, DIFFERENCE).view(np.recarray)
        self._taken = np.zeros(MAX_VCPUS, np.int64)
        self.live = np.zeros(config.lrs + 1, np.int64)
        self.bug: str | None = None
        self.seconds = 0.0

    def feed(self, chunk: Chunk, compare_reads: bool = True) -> None:
        """Run a chunk's operations; nothing after a BUG_ON. Raises UsageError for an illegal operation."""
        if self.bug is not None:
            return
        ops = np.ascontiguousarray(chunk.ops).view(np.recarray)
        expected = np.ascontiguousarray(chunk.expected).view(np.recarray)
        if not len(expected):
            expected = np.zeros(0, EXPECTED).view(np.recarray)
        stopped = run_stretch(
            self._vm, self._hardware, ops, chunk.first, self._values, self._result, self._observer, self.prices,
            self.s, self.counts, self.events, self.cycles, self._since, self._clocks, self.latencies, expected,
            self.layout, self._entry_differences, self._read_differences, compare_reads, self._taken, self.live,
        )  # fmt: skip
        if stopped < len(ops):
            if self.s[S_STATUS] == BUG:
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
    def entry_differences(self) -> np.ndarray:
        """The first differences at entries (DIFFERENCE[:])."""
        return self._entry_differences[: int(self.s[S_DIFFERENCES])]

    @property
    def read_differences(self) -> np.ndarray:
        """What loads returned that was not recorded (DIFFERENCE[:]), each pair of values once."""
        return self._read_differences[: int(self.s[S_READ_DIFFERENCES])]


def compile_for(name: str) -> None:
    """Compile what a replay on the design `name` needs."""
    config = VmConfig(gic=3, vcpus=1, irqs=64, lrs=1)
    nothing = Chunk(np.zeros(0, OP), 1, np.zeros(0, EXPECTED))
    Run(get_design(name), config).feed(nothing)
