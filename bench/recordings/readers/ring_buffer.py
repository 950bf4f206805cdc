# SPDX-License-Identifier: GPL-2.0-only
"""Events out of trace.dat's ring buffer pages: EVENT arrays in time order over all CPUs.

A page is a time stamp, a word with the length of what follows (and flags for events lost before), then entries: a
32-bit head (5 bits type or length, 27 bits time delta) and data. Source: Documentation/trace/ring-buffer-design, struct
ring_buffer_event in include/linux/ring_buffer.h. Pages are decoded in jitted code, fields picked with NumPy, and the
CPUs merged as far as every CPU has been read.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.recordings import events as ev
from bench.recordings.events import EVENT
from bench.recordings.machine.thread_table import find_thread, learn_all
from bench.recordings.readers.ftrace_args import VIRTUAL_TIMER
from bench.recordings.readers.trace_dat import Container, EventFormat
from kvmarm.config import MAX_VCPUS
from kvmarm.errors import UsageError
from kvmarm.jit import U64, jit

_DATA_LENGTH_MASK = 0xFFFFF
_MISSED = 1 << 31
_PADDING, _TIME_EXTEND, _TIME_STAMP = 29, 30, 31
_HEAD = 16
_LEAST_EVENT = 8
"""Bytes of an event's data at least: common_type, flags and common_pid."""
_IRQ, _TRAP = 0, 2
"""ARM_EXCEPTION_IRQ, ARM_EXCEPTION_TRAP (arch/arm64/include/asm/kvm_asm.h): what kvm_exit's `ret` is."""
_OF_ARM = "vcpu_pc"
"""A field that kvm_entry and kvm_exit have in KVM/Arm alone."""


@jit
def _word(data: Any, position: Any) -> Any:
    value = U64(0)
    for index in range(4):
        value |= U64(data[position + index]) << U64(8 * index)
    return value


@jit
def decode_pages(data: Any, page_size: Any, times: Any, offsets: Any) -> Any:
    """Decode whole pages of `data` (uint8[:]): time (int64 ns) and data offset of each event.

    Returns (events, pages before which events were lost, whether a page was damaged).
    """
    done = 0
    missed = 0
    damaged = False
    for page in range(0, data.shape[0] - page_size + 1, page_size):
        time = np.int64(_word(data, page) | _word(data, page + 4) << U64(32))
        commit = _word(data, page + 8)
        length = np.int64(commit & U64(_DATA_LENGTH_MASK))
        if commit & U64(_MISSED) != U64(0):
            missed += 1
        if length > page_size - _HEAD:
            damaged = True
            continue
        position: Any = page + _HEAD
        end = position + length
        while position + 4 <= end:
            head = _word(data, position)
            kind = np.int64(head & U64(31))
            delta = np.int64(head >> U64(5))
            if kind == _PADDING:
                if delta == 0 or position + 8 > end:
                    break
                time += delta
                position += 4 + np.int64(_word(data, position + 4))
            elif kind == _TIME_EXTEND or kind == _TIME_STAMP:
                if position + 8 > end:
                    break
                high = np.int64(_word(data, position + 4)) << 27
                time = time + high + delta if kind == _TIME_EXTEND else (time & (31 << 59)) | (high + delta)
                position += 8
            else:
                time += delta
                if kind == 0:
                    if position + 8 > end:
                        break
                    size = np.int64(_word(data, position + 4))
                    start = position + 8
                else:
                    size = kind * 4
                    start = position + 4
                if size < 4 or position + 4 + size > end:
                    damaged = True
                    break
                if start + _LEAST_EVENT > position + 4 + size:
                    # An event always says its type and thread: one without is left out, and counted.
                    damaged = True
                    position += 4 + size
                    continue
                times[done] = time
                offsets[done] = start
                done += 1
                position += 4 + size
    return done, missed, damaged


def _field(data: np.ndarray, offsets: np.ndarray, layout: EventFormat, name: str, default: int = 0) -> np.ndarray:
    """Return the field `name` of the events at `offsets` as uint64, `default` when the event has none."""
    if name not in layout.fields:
        return np.full(len(offsets), default, np.uint64)
    offset, size, signed = layout.fields[name]
    values = np.zeros(len(offsets), np.uint64)
    last = len(data) - 1
    for index in range(min(size, 8)):
        values |= data[np.minimum(offsets + offset + index, last)].astype(np.uint64) << np.uint64(8 * index)
    if signed and size < 8:
        sign = np.uint64(1 << (8 * size - 1))
        values = np.where(values & sign, values | ~np.uint64((1 << 8 * size) - 1), values)
    return values


def _convert(
    layout: EventFormat, data: np.ndarray, times: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return EVENT records of one kind's events and which event each is of, None when it does not concern a VGIC.

    `vcpu` is -1 where the thread says it; list registers follow as LRS records.
    """
    events = np.arange(len(offsets))
    name = layout.name
    rows = np.zeros(len(offsets), EVENT)
    rows["time"] = times
    rows["vcpu"] = -1

    def get(member: str, default: int = 0) -> np.ndarray:
        return _field(data, offsets, layout, member, default)

    if name == "kvm_entry":
        rows["kind"] = ev.ENTRY
    elif name == "kvm_exit":
        rows["kind"] = ev.EXIT
        rows["a"] = np.where(get("ret", _TRAP) == _IRQ, ev.EXIT_INTERRUPT, get("esr_ec", ev.EXIT_UNKNOWN))
    elif name == "kvm_userspace_exit":
        rows["kind"] = ev.USER_EXIT
    elif name == "vgic_update_irq_pending":
        rows["kind"] = ev.LINE
        rows["vcpu"], rows["a"], rows["b"] = get("vcpu_id"), get("irq"), get("level") != 0
        possible = get("vcpu_id") < MAX_VCPUS
        return rows[possible], events[possible]
    elif name == "kvm_get_timer_map":
        rows["kind"] = ev.TIMER_MAP
        rows["a"] = get("vcpu_id")
        possible = rows["a"] < MAX_VCPUS
        return rows[possible], events[possible]
    elif name in ("kvm_timer_save_state", "kvm_timer_restore_state"):
        rows["kind"] = ev.TIMER_STATE
        rows["a"], rows["b"] = get("ctl"), get("cval")
        virtual = get("timer_idx") == VIRTUAL_TIMER
        return rows[virtual], events[virtual]
    elif name == "kvm_mmio":
        kind = get("type")
        rows["kind"] = np.where(kind == 2, ev.GPA_WRITE, ev.GPA_READ)
        rows["a"], rows["b"], rows["c"] = get("gpa"), get("len"), get("val")
        return rows[kind != 0], events[kind != 0]
    elif name == "kvm_sys_access":
        register = (get("Op0") == 3) & (get("Op1") == 0) & (get("CRn") == 12) & (get("CRm") == 11)
        last = get("Op2")
        rows["kind"] = np.where(last == 5, ev.SGI_TRAP, ev.OTHER_SGI)
        register &= (last >= 5) & (last <= 7)
        return rows[register], events[register]
    elif name == "kvm_wfx_arm64":
        rows["kind"] = ev.WFI
        waits = get("is_wfe") == 0
        return rows[waits], events[waits]
    elif name == "vgic_sgi1r":
        rows["kind"] = ev.SGI_VALUE
        rows["a"] = get("val")
    elif name == "vgic_msi":
        rows["kind"] = ev.MSI
        rows["a"], rows["b"], rows["c"] = get("devid"), get("data"), get("addr_lo")
        rows["n"] = "devid" in layout.fields and "data" in layout.fields
    elif name in ("vgic_lr_entry", "vgic_lr_exit"):
        rows["kind"] = ev.LR_ENTRY if name == "vgic_lr_entry" else ev.LR_EXIT
        rows["vcpu"], rows["a"], rows["b"], rows["c"] = get("vcpu"), get("used"), get("hcr"), get("vmcr")
        registers = [index for index in range(16) if f"lr{index}" in layout.fields]
        rows["n"] = len(registers)
        groups = [rows]
        for first in range(0, len(registers), 4):
            extra = np.zeros(len(offsets), EVENT)
            extra["time"], extra["vcpu"], extra["kind"] = times, rows["vcpu"], ev.LRS
            extra["n"] = len(registers[first : first + 4])
            for part, register in zip("abcd", registers[first : first + 4], strict=False):
                extra[part] = get(f"lr{register}")
            groups.append(extra)
        possible = get("vcpu") < MAX_VCPUS
        groups = [group[possible] for group in groups]
        return np.stack(groups, axis=1).reshape(-1), np.repeat(events[possible], len(groups))
    else:
        return None
    return rows, events


def _cpu_events(container: Container, cpu: int, offset: int, size: int, counts: Any) -> Iterator[np.ndarray]:
    """Yield arrays of EVENT in time order for one CPU; `thread` holds the PID."""
    latest = np.int64(0)
    for piece in container.pages(offset, size):
        if len(piece) % container.page_size:
            raise UsageError(f"{container.name}: the data of CPU {cpu} is cut off: not a whole number of pages")
        data = np.frombuffer(piece, np.uint8)
        times = np.empty(len(data) // 8 + 1, np.int64)
        offsets = np.empty(len(data) // 8 + 1, np.int64)
        done, missed, damaged = decode_pages(data, container.page_size, times, offsets)
        times, offsets = times[:done], offsets[:done]
        if done and (times[0] < latest or (times[1:] < times[:-1]).any()):
            # A CPU's clock does not go back: a damaged page. Order is kept, for the merge of all CPUs.
            damaged = True
            times = np.maximum(np.maximum.accumulate(times), latest)
        latest = times[-1] if done else latest
        counts.lines += done + int(damaged)
        counts.lost_markers += missed
        counts.malformed += int(damaged)
        kinds = data[offsets].astype(np.int64) | data[offsets + 1].astype(np.int64) << 8
        parts, orders = [], []
        for number in np.unique(kinds):
            chosen = np.flatnonzero(kinds == number)
            layout = container.formats.get(int(number))
            if layout is not None and layout.name in ("kvm_entry", "kvm_exit") and _OF_ARM not in layout.fields:
                counts.foreign += len(chosen)
                counts.malformed += len(chosen)
                continue
            converted = None if layout is None else _convert(layout, data, times[chosen], offsets[chosen])
            if converted is None or layout is None:
                counts.other += len(chosen)
                continue
            rows, events = converted
            counts.other += len(chosen) - len(np.unique(events))
            rows["thread"] = _field(data, offsets[chosen], layout, "common_pid").astype(np.int64)[events]
            parts.append(rows)
            orders.append(chosen[events])
        if parts:
            merged = np.concatenate(parts)
            yield merged[np.argsort(np.concatenate(orders), kind="stable")]


def _merge(sources: list[Iterator[np.ndarray]]) -> Iterator[np.ndarray]:
    """Merge arrays of EVENT by time, holding one array per source."""
    held: list[np.ndarray | None] = [next(source, None) for source in sources]
    while any(array is not None for array in held):
        limit = min(int(array["time"][-1]) for array in held if array is not None)
        taken = []
        for index, array in enumerate(held):
            if array is None:
                continue
            count = int(np.searchsorted(array["time"], limit, side="right"))
            if count:
                taken.append(array[:count])
            held[index] = array[count:] if count < len(array) else next(sources[index], None)
        together = np.concatenate(taken)
        yield together[np.argsort(together["time"], kind="stable")]


def read(container: Container, threads: np.ndarray, counts: Any) -> Iterator[np.ndarray]:
    """Yield EVENT arrays of the whole recording in time order.

    Fills `threads` (THREAD[:]) and `counts` (a record of COUNTS) as the text scanner does.
    """
    empty = np.zeros(0, np.uint8)
    sources = [_cpu_events(container, cpu, offset, size, counts) for cpu, offset, size in container.cpus]
    rows_of: dict[int, int] = {}
    for events in _merge(sources):
        for pid in np.unique(events["thread"]).tolist():
            if pid not in rows_of:
                name = container.threads.get(pid, b"")
                letters = np.frombuffer(name, np.uint8) if name else empty
                rows_of[pid] = int(find_thread(threads, counts, pid, -1, letters, 0, len(letters)))
        known = np.array(sorted(rows_of), np.int64)
        table = np.array([rows_of[pid] for pid in known.tolist()], np.int32)
        events["thread"] = table[np.searchsorted(known, events["thread"])]
        learn_all(events.view(np.recarray), threads)
        for_readers = (events["kind"] == ev.TIMER_MAP) | (events["kind"] == ev.USER_EXIT)
        counts.other += int(np.count_nonzero(for_readers))
        kept = events[~for_readers]
        counts.events += int(np.count_nonzero(kept["kind"] != ev.LRS))
        yield kept
