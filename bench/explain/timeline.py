# SPDX-License-Identifier: GPL-2.0-only
"""A trace through designs as a timeline: what each operation took in modelled time, and which interrupt it moved on.

Time is modelled, not measured: an operation lasts as many ns as instructions are predicted for it (1 instruction =
1 ns, at least 1 ns). Operations follow one another in the order of the trace. What the guest does costs the design
nothing and gets 1 ns, so that it can be seen. An interrupt's way is followed from its injection to its end. The
injection is a line, an SGI, or a pending bit set by a store; then come the flush that loads it and the acknowledgement.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bench.engine.runner import BUG, DONE, TraceRun
from bench.explain.its import ItsWatch
from kvmarm import gic as arch
from kvmarm import lr as lr_fields
from kvmarm.design import Design
from kvmarm.errors import UsageError
from kvmarm.events import event_names
from kvmarm.sgi import sgi_intid, sgi_reaches
from kvmarm.trace import ACK, EOI, FLUSH, INJECT, INJECTM, KIND_NAMES, MMIO_W, MSI, OP, SGI1R, SYNC, Trace, format_op

SGIR_OFFSET = next(start for start, _, name, _ in arch.DISTRIBUTOR_V2 if name == "GICD_SGIR")
INTID_MASK = {2: 0x3FF, 3: 0xFFFFFF}


@dataclass
class TimedOp:
    """One operation: number in the trace (from 1), vCPU, kind, trace line, start and length in ns, events counted.

    flows: numbers of the interrupts (one number an injection) that pass through; ends: those that end here.
    bug: the BUG_ON that the design hit, if any.
    """

    number: int
    vcpu: int
    kind: str
    line: str
    start: int
    length: int
    events: dict[str, int]
    flows: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    bug: str = ""


@dataclass
class Timeline:
    """One design's way through a trace. `unit`: what a ns represents."""

    design: str
    title: str
    vcpus: int
    unit: str
    operations: list[TimedOp]


class _Flows:
    """Which injection the interrupt that is acknowledged now came from."""

    def __init__(self, gic: int, vcpus: int) -> None:
        self.gic, self.vcpus = gic, vcpus
        self.waiting: dict[tuple[int, int], int] = {}
        self.active: dict[tuple[int, int], int] = {}
        self.last = 0

    def _place(self, intid: int, vcpu: int) -> tuple[int, int]:
        # An SPI is one interrupt wherever it is taken; private ones are one per vCPU.
        return intid, (vcpu if intid < arch.FIRST_SPI else -1)

    def start(self, intid: int, vcpu: int) -> int:
        place = self._place(intid, vcpu)
        if place not in self.waiting:
            self.last += 1
            self.waiting[place] = self.last
        return self.waiting[place]

    def loaded(self, intid: int, vcpu: int) -> int | None:
        place = self._place(intid, vcpu)
        return self.waiting.get(place)

    def acknowledged(self, intid: int, vcpu: int) -> int | None:
        flow = self.waiting.pop(self._place(intid, vcpu), None)
        if flow is not None:
            self.active[self._place(intid, vcpu)] = flow
        return flow

    def ended(self, intid: int, vcpu: int) -> int | None:
        return self.active.pop(self._place(intid, vcpu), None)

    def sgi_targets(self, op: Mapping[str, int], value: int) -> tuple[int, list[int]]:
        """Return the INTID and the targets of an SGI register write; no targets when it is not one."""
        if self.gic == 2 and (op["b"] != SGIR_OFFSET or op["a"] != -1):
            return 0, []
        written, sender = np.uint64(value), np.int64(op["vcpu"])
        reached = [vcpu for vcpu in range(self.vcpus) if sgi_reaches(self.gic, written, sender, np.int64(vcpu))]
        return int(sgi_intid(self.gic, written)), reached


def _pending_set(trace: Trace, op: Mapping[str, int], value: int) -> list[int]:
    """Return the INTIDs that a store to ISPENDR sets pending."""
    gic, frame, offset = trace.config.gic, op["a"], op["b"]
    base = 0x200 if frame < 0 else arch.SGI_FRAME + 0x200
    first = (offset - base) * 8
    if not 0 <= first < (trace.config.irqs if frame < 0 else arch.FIRST_SPI):
        return []
    if gic == 3 and frame < 0 and first < arch.FIRST_SPI:
        return []
    return [first + bit for bit in range(8 * op["c"]) if value >> bit & 1]


def timeline(
    trace: Trace,
    design: Design,
    weights: np.ndarray | None = None,
    first: int = 1,
) -> Timeline:
    """Run a trace through a design and return its timeline from operation `first` on (from 1).

    weights: instructions per event (float64[EVENT_COUNT]); None: every event counts as one, which the unit then says.
    Raises UsageError when an operation is illegal.
    """
    run = TraceRun(trace, design, count=True)
    assert run.observer is not None and run.counts is not None
    names = event_names()
    prices = weights if weights is not None else np.ones(len(names))
    flows, watch = _Flows(trace.config.gic, trace.config.vcpus), ItsWatch()
    mask = INTID_MASK[trace.config.gic]
    found: list[TimedOp] = []
    clock = 0
    lrs = trace.config.lrs
    # Values that Python knows: a record's field is a slow thing to ask for, and there are many.
    ops: list[dict[str, int]] = [dict(zip(OP.names or (), row, strict=True)) for row in trace.ops.tolist()]
    for index, op in enumerate(ops):
        run.observer.log_length = 0
        status, _ = run.advance(index + 1)
        if status not in (DONE, BUG):
            raise UsageError(run.illegal(status))
        counts = run.counts[index]
        length = max(1, round(float(counts @ prices)))
        counted = np.flatnonzero(counts)
        events = {names[event]: n for event, n in zip(counted.tolist(), counts[counted].tolist(), strict=True)}
        timed = TimedOp(index + 1, op["vcpu"], KIND_NAMES[op["kind"]], format_op(op), clock, length, events)
        if status == BUG:
            timed.bug = design.bugs[int(run.vm.bug)]
        else:
            value = int(run.values[op["ref"]]) if op["ref"] > 0 else op["value"]
            _follow(flows, timed, trace, op, value, run.result, mask, lrs)
            if trace.config.its:
                timed.line += "".join(f"; {command}" for command in watch.follow(op, value))
                lpi = watch.lpis.get((op["a"], op["b"])) if op["kind"] == MSI and run.result.rc == 1 else None
                if lpi is not None:
                    timed.flows.append(flows.start(lpi, 0))
        if index + 1 >= first:
            found.append(timed)
            clock += length
        if status == BUG:
            break
    unit = "1 predicted instruction = 1 ns" if weights is not None else "1 counted event = 1 ns"
    return Timeline(design.name, design.title, trace.config.vcpus, unit, found)


def _follow(
    flows: _Flows,
    timed: TimedOp,
    trace: Trace,
    op: Mapping[str, int],
    value: int,
    result: np.record,
    mask: int,
    lrs: int,
) -> None:
    kind, vcpu = op["kind"], op["vcpu"]
    gic = trace.config.gic
    if kind in (INJECT, INJECTM) and op["b"]:
        timed.flows.append(flows.start(op["a"], vcpu))
    elif kind in (SGI1R, MMIO_W):
        intid, targets = flows.sgi_targets(op, value) if kind == SGI1R or gic == 2 else (0, [])
        timed.flows += [flows.start(intid, target) for target in targets]
        if kind == MMIO_W and not targets:
            owner = op["a"] if op["a"] >= 0 else vcpu
            timed.flows += [flows.start(intid, owner) for intid in _pending_set(trace, op, value)]
    elif kind in (FLUSH, SYNC):
        for lr in result.lr[:lrs] if kind == FLUSH else ():
            if int(lr_fields.lr_state(gic, lr)) & 1:
                flow = flows.loaded(int(lr_fields.lr_intid(gic, lr)), vcpu)
                if flow is not None and flow not in timed.flows:
                    timed.flows.append(flow)
    elif kind == ACK:
        intid = int(result.value) & mask
        flow = flows.acknowledged(intid, vcpu) if intid < arch.FIRST_RESERVED or intid >= arch.FIRST_LPI else None
        if flow is not None:
            timed.flows.append(flow)
    elif kind == EOI:
        flow = flows.ended(value & mask, vcpu)
        if flow is not None:
            timed.ends.append(flow)
