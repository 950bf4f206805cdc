# SPDX-License-Identifier: GPL-2.0-only
"""The one runner: operations of a trace through any design, by the interface alone.

`execute` does one operation; `run_ops` a stretch of them, writing result text, counts and lock logs as asked. Both are
jitted once a design and once for each choice of observer (counting or not), and run as plain Python when JIT is off.
`TraceRun` drives them over a whole trace in bounded memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.engine.result_text import MAX_LINE, RESULT, format_result, format_result_plain
from kvmarm import cpuif as hardware_interface
from kvmarm import guest_memory, interface
from kvmarm.cpuif import new_hardware
from kvmarm.design import Design
from kvmarm.errors import UsageError
from kvmarm.events import EVENT_COUNT, LOG_CAPACITY, as_observer, new_caller, new_observer
from kvmarm.jit import JIT_ENABLED, U64, U64_1, jit, jit_uncounted
from kvmarm.locks import lock_name
from kvmarm.trace import (
    ACK,
    BPR,
    CTLR,
    DIR,
    EOI,
    FLUSH,
    GMEM_R,
    GMEM_W,
    INJECT,
    INJECTM,
    ISACTIVE,
    KIND_NAMES,
    MAP,
    MMIO_R,
    MMIO_W,
    MSI,
    PENDING,
    PHYS,
    PMR,
    SGI1R,
    SYNC,
    UNMAP,
    Trace,
)

DONE = 0
BUG = 1
"""The design hit a BUG_ON: the host is dead, the run ends."""
IN_GUEST = 2
"""Illegal: the operation needs the vCPU out of the guest."""
OUT_OF_GUEST = 3
"""Illegal: the operation needs the vCPU in the guest."""
NO_ROOM = 4
"""The text buffer or the lock log is nearly full: take what is there and continue."""

_LOG_RESERVE = LOG_CAPACITY // 2


@jit
def execute(vm: Any, hardware: Any, op: Any, value: Any, result: Any, observer: Any) -> Any:
    """Do one operation and fill `result` (a record of result_text.RESULT); return DONE, BUG or an illegal state.

    op: a record of kvmarm.trace.OP. value: its VALUE (uint64) with `@K` resolved. observer: the caller's record
    (kvmarm.events), in which the operation's kicks are afterwards.
    """
    kind = op.kind
    vcpu = op.vcpu
    gic = vm.gic
    result.kind = kind
    observer.kick_count = 0
    cpu = hardware.cpu[vcpu]
    if kind == ACK or kind == EOI or kind == DIR or kind == PMR or kind == CTLR or kind == BPR:
        if cpu.in_guest == 0:
            return OUT_OF_GUEST
        if kind == ACK:
            result.value = U64(hardware_interface.acknowledge(cpu, gic))
        elif kind == EOI:
            hardware_interface.end_of_interrupt(cpu, gic, value, hardware.physical_active)
        elif kind == DIR:
            hardware_interface.deactivate_interrupt(cpu, gic, value, hardware.physical_active)
        elif kind == PMR:
            hardware_interface.set_priority_mask(cpu, op.a)
        elif kind == CTLR:
            hardware_interface.set_control(cpu, op.a)
        else:
            hardware_interface.set_binary_point(cpu, op.a)
        return DONE
    if kind == FLUSH:
        if cpu.in_guest != 0:
            return IN_GUEST
        interface.flush(vm, vcpu, observer)
        if vm.bug != 0:
            return BUG
        interface.restore(vm, vcpu, cpu, observer)
        cpu.in_guest = 1
        result.hcr = cpu.hcr
        for index in range(vm.lrs):
            result.lr[index] = cpu.lr[index]
    elif kind == SYNC:
        if cpu.in_guest == 0:
            return OUT_OF_GUEST
        interface.save(vm, vcpu, cpu, observer)
        cpu.in_guest = 0
        image = vm.image[vcpu]
        result.misr = image.misr
        result.eisr = image.eisr
        result.elrsr = image.elrsr
        for index in range(vm.lrs):
            result.lr[index] = image.lr[index]
        interface.sync(vm, vcpu, observer)
    elif kind == INJECT:
        result.rc = interface.inject(vm, vcpu, op.a, op.b, observer)
    elif kind == INJECTM:
        result.rc = interface.inject_mapped(vm, vcpu, op.a, op.b, observer)
    elif kind == MMIO_W:
        if cpu.in_guest != 0:
            return IN_GUEST
        if op.c < 8:
            value &= (U64_1 << U64(op.c * 8)) - U64_1
        result.handled = interface.mmio_write(vm, vcpu, op.a, op.b, op.c, value, observer)
    elif kind == MMIO_R:
        if cpu.in_guest != 0:
            return IN_GUEST
        handled, loaded = interface.mmio_read(vm, vcpu, op.a, op.b, op.c, observer)
        result.handled = handled
        result.value = loaded
    elif kind == SGI1R:
        if cpu.in_guest != 0:
            return IN_GUEST
        interface.send_sgi(vm, vcpu, value, observer)
    elif kind == PENDING:
        if cpu.in_guest != 0:
            return IN_GUEST
        result.value = U64(interface.pending(vm, vcpu, observer))
    elif kind == PHYS:
        hardware.physical_active[op.a] = op.b
    elif kind == ISACTIVE:
        result.value = U64(interface.is_active(vm, vcpu, op.a, observer))
    elif kind == MAP:
        if cpu.in_guest != 0:
            return IN_GUEST
        result.rc = interface.map_phys(vm, vcpu, op.a, op.b, observer)
    elif kind == UNMAP:
        if cpu.in_guest != 0:
            return IN_GUEST
        result.rc = interface.unmap_phys(vm, vcpu, op.a, observer)
    elif kind == MSI:
        result.rc = interface.signal_msi(vm, op.a, op.b, observer)
    elif kind == GMEM_W:
        guest_memory.store(vm, U64(op.a), value)
    elif kind == GMEM_R:
        result.value = guest_memory.load(vm, U64(op.a))
    if vm.bug != 0:
        return BUG
    return DONE


@jit
def run_ops(
    vm: Any,
    hardware: Any,
    ops: Any,
    start: Any,
    values: Any,
    result: Any,
    text: Any,
    observer: Any,
    rows: Any,
    log_ends: Any,
) -> Any:
    """Run ops[start:] until the end, a BUG, an illegal operation or a full buffer.

    ops: OP[n]. values: uint64[n + 1], values[N] is what operation N returned, for `@K`. text: uint8[:] that result
    lines are appended to, or None. observer: the caller's record (kvmarm.events). When it counts, its counts are moved
    into rows (int32[n, events]) and its log position after each operation goes into log_ends (int64[n]); both None when
    it does not.
    Returns (next operation's index, bytes of text used, status); at BUG or an illegal operation the index is that of
    the operation itself, whose line is not written.
    """
    # Typed at once: a bare literal would have everything it is passed to compiled a second time.
    used = np.int64(0)
    for index in range(start, ops.shape[0]):
        if text is not None and used + MAX_LINE > text.shape[0]:
            return index, used, NO_ROOM
        if rows is not None and observer.log_length > _LOG_RESERVE:
            return index, used, NO_ROOM
        op = ops[index]
        value = values[op.ref] if op.ref > 0 else op.value
        status = execute(vm, hardware, op, value, result, as_observer(observer))
        if rows is not None:
            for event in range(EVENT_COUNT):
                rows[index, event] = observer.counts[event]
                observer.counts[event] = 0
            log_ends[index] = observer.log_length
        if status != DONE:
            return index, used, status
        if op.kind == ACK or op.kind == MMIO_R:
            values[index + 1] = result.value
        if text is not None:
            used = format_result(index + 1, result, vm.lrs, observer.kicks, observer.kick_count, text, used)
    return ops.shape[0], used, DONE


@jit_uncounted
def run_ops_uncounted(
    vm: Any, hardware: Any, ops: Any, start: Any, values: Any, result: Any, text: Any, caller: Any
) -> Any:
    """Do what `run_ops` does, for a caller's record that does not count, at full speed."""
    return run_ops(vm, hardware, ops, start, values, result, text, caller, None, None)


@dataclass
class RunOutcome:
    """How a trace run ended: operations done (the one that hit a BUG_ON included) and the BUG_ON, if any."""

    operations: int
    bug: str | None


class TraceRun:
    """One trace through one design.

    trace: a kvmarm.trace.Trace. design: a kvmarm.design.Design. count: also count events (self.counts, int32 array
    operations x events, filled as the run goes) and log locks.
    """

    # What a core's cache holds, so that the text is still there when it is copied out.
    TEXT_BYTES = 1 << 18

    def __init__(self, trace: Trace, design: Design, count: bool = False) -> None:
        self.trace = trace
        self.design = design
        if trace.config.its and not design.has_its:
            raise UsageError(
                f"{trace.source or trace.name}: config: its=1: design {design.name!r} has no LPIs and no ITS"
            )
        self.vm = design.create(trace.config)
        self.hardware = new_hardware(trace.config.lrs)
        self.result = np.zeros(1, RESULT).view(np.recarray)[0]
        self.values = np.zeros(len(trace.ops) + 1, np.uint64)
        self.ops = np.ascontiguousarray(trace.ops).view(np.recarray)
        self.observer = new_observer() if count else None
        self.caller = self.observer if self.observer is not None else new_caller()
        self.counts = np.zeros((len(trace.ops), EVENT_COUNT), np.int32) if count else None
        self.log_ends = np.zeros(len(trace.ops), np.int64) if count else None
        self.position = 0

    def run(
        self,
        write_result: Callable[[bytes], Any] | None = None,
        write_locks: Callable[[bytes], Any] | None = None,
        progress: Callable[[int], Any] | None = None,
    ) -> RunOutcome:
        """Run to the end. write_result and write_locks get the lines of the result and lock files in stretches.

        progress is called with the number of operations done. Raises UsageError when an operation is illegal.
        """
        text = np.empty(self.TEXT_BYTES, np.uint8) if write_result is not None and JIT_ENABLED else None
        lines: list[str] | None = [] if write_result is not None and not JIT_ENABLED else None
        while True:
            first = self.position
            if lines is None:
                status, used = self.advance(text=text)
            else:
                used, status = 0, self._run_plain(lines)
            end = self.position + (status not in (DONE, NO_ROOM))
            if write_result is not None:
                if lines is not None:
                    write_result("".join(lines).encode())
                    lines.clear()
                else:
                    assert text is not None
                    write_result(text[:used].tobytes())
            if write_locks is not None:
                write_locks(self._lock_lines(first, end))
            if self.observer is not None:
                self.observer.log_length = 0
            if progress is not None:
                progress(self.position)
            if status == NO_ROOM:
                continue
            if status == DONE:
                return RunOutcome(len(self.ops), None)
            if status == BUG:
                if int(self.vm.bug) in self.design.limits:
                    raise UsageError(self._beyond())
                bug = self.design.bugs[int(self.vm.bug)]
                if write_result is not None:
                    write_result(self._bug_line(bug).encode())
                return RunOutcome(self.position + 1, bug)
            raise UsageError(self.illegal(status))

    def advance(self, stop: int | None = None, text: np.ndarray | None = None) -> tuple[int, int]:
        """Run on to operation number `stop` (from 1; the last one); return (status, bytes of `text` that were filled).

        text: uint8[:] for result lines. The status is NO_ROOM when it is full: empty it and call again.
        """
        ops = self.ops if stop is None else self.ops[:stop]
        state = self.vm, self.hardware, ops, self.position, self.values, self.result, text, self.caller
        if self.observer is None:
            self.position, used, status = run_ops_uncounted(*state)
        else:
            self.position, used, status = run_ops(*state, self.counts, self.log_ends)
        return int(status), int(used)

    def _run_plain(self, lines: list[str]) -> int:
        """Run one operation at a time and append result lines; the twin of run_ops with text, for JIT off."""
        while self.position < len(self.ops):
            status, _ = self.advance(self.position + 1)
            if status != DONE:
                return status
            lines.append(format_result_plain(self.position, self.result, self.vm, self.caller))
        return DONE

    def _bug_line(self, bug: str) -> str:
        known = int(self.ops[self.position].kind) == SYNC
        return format_result_plain(self.position + 1, self.result, self.vm, self.caller, bug=bug, with_fields=known)

    def _lock_lines(self, first: int, end: int) -> bytes:
        assert self.observer is not None and self.log_ends is not None
        log = self.observer.log
        names: dict[int, str] = {}
        lines = []
        start = 0
        for index in range(first, end):
            stop = int(self.log_ends[index])
            entries = []
            for entry in log[start:stop].tolist():
                name = names.get(entry)
                if name is None:
                    name = names[entry] = lock_name(entry)
                entries.append(name)
            start = stop
            lines.append(f"{index + 1} op={KIND_NAMES[int(self.ops[index].kind)]} locks={','.join(entries)}\n")
        return "".join(lines).encode()

    def _beyond(self) -> str:
        op = self.ops[self.position]
        return (
            f"{self.trace.source or self.trace.name}:{int(op.line)}: {KIND_NAMES[int(op.kind)]}: "
            f"{self.design.limits[int(self.vm.bug)]}, for which the model of design {self.design.name!r} has no room"
        )

    def illegal(self, status: int) -> str:
        """Return what is wrong with the operation at `position`, which ended with a status of an illegal one."""
        op = self.ops[self.position]
        name = KIND_NAMES[int(op.kind)]
        state, expected = ("in", "out of") if status == IN_GUEST else ("out of", "in")
        return (
            f"{self.trace.source or self.trace.name}:{int(op.line)}: {name}: "
            f"vCPU {int(op.vcpu)} is {state} the guest, expected it {expected} the guest"
        )
