# SPDX-License-Identifier: GPL-2.0-only
"""The table of a recording's threads, kept while it is read: an open-addressed table by PID in jitted code.

It learns which vCPU a thread is: from the thread's name, from the probes, or from the timer map event that precedes the
thread's first entry into a guest.
"""

from typing import Any

import numpy as np

from bench.recordings import events as ev
from bench.recordings.machine.ascii import (
    COLON,
    DOT,
    SLASH,
    SPACE,
    ZERO,
    at_word,
    at_word_any_case,
    is_digit,
    word,
)
from kvmarm.jit import U64, jit

THREAD = np.dtype(
    [
        ("pid", np.int64),
        ("tgid", np.int64),
        ("named", np.int32),
        ("probed", np.int32),
        ("mapped", np.int32),
        ("timer_map", np.int32),
        ("entries", np.int64),
        ("first", np.int64),
        ("last", np.int64),
        ("qemu", np.int32),
        ("file", np.int64),
        ("user", np.int32),
    ]
)
"""One thread. `pid` -1: free. vCPU numbers (-1: not known): `named` from its name, `probed` from a probe, `mapped` from
the timer map before its first kvm_entry; `timer_map`: of the latest such event. `first`, `last`: ns of its entries;
`qemu`: its name is one QEMU gives its threads. `file`: which of several merged recordings it is of (0: the only one,
else a hash of the name before its lines); `user`: it has returned to user space since its latest exit."""
THREADS = 1 << 14

COUNTS = np.dtype(
    [
        ("lines", np.int64),
        ("events", np.int64),
        ("other", np.int64),
        ("comments", np.int64),
        ("unknown", np.int64),
        ("lost_markers", np.int64),
        ("lost_events", np.int64),
        ("malformed", np.int64),
        ("threads", np.int64),
        ("foreign", np.int64),
    ]
)
"""What a scan counts: lines; of them events for us, other events, comments, lines that are not understood (`unknown`)
and events whose arguments are not (`malformed`); notes that events were lost, and how many; threads in the table;
`foreign`: entries and exits of another architecture's KVM."""

_VCPU, _LIBVIRT, _QEMU = word("vcpu"), word("CPU "), word("qemu")


def new_counts() -> Any:
    """Return a record of COUNTS, all zero."""
    return np.zeros(1, COUNTS).view(np.recarray)[0]


def new_threads() -> np.ndarray:
    """Return an empty table."""
    threads = np.zeros(THREADS, THREAD).view(np.recarray)
    for field in ("pid", "tgid", "named", "probed", "mapped", "timer_map"):
        threads[field] = -1
    return threads


@jit
def vcpu_of_name(data: Any, start: Any, end: Any) -> Any:
    """Return the vCPU number that a thread's name data[start:end] states, -1 when none.

    `vcpu` in any case and a number after at most two separators (kvm-vcpu-3, fc_vcpu 3, vcpu3), or `CPU 3/KVM`.
    """
    for at in range(start, end - 3):
        letters = at_word_any_case(data, at, end, _VCPU)
        libvirt = at == start and at_word(data, at, end, _LIBVIRT)
        if not letters and not libvirt:
            continue
        position = at + 4
        skipped = 0
        while position < end and skipped < 2 and not is_digit(data[position]):
            position += 1
            skipped += 1
        if position >= end or not is_digit(data[position]):
            continue
        number: Any = 0
        while position < end and is_digit(data[position]):
            number = number * 10 + (np.int64(data[position]) - ZERO)
            position += 1
        if libvirt and (position >= end or data[position] != SLASH):
            continue
        if number < 512:
            return number
    return -1


@jit
def merged_name(data: Any, start: Any, end: Any) -> Any:
    """Return (hash of the recording's name, start of the thread's name) of data[start:end]; 0 for the only recording.

    `trace-cmd report` of several recordings prints `FILE.dat: ` before each line. A thread's name may hold a colon and
    a blank as well, so the word before them must have a dot.
    """
    file = np.int64(0)
    dotted = False
    for at in range(start, end - 1):
        if data[at] <= SPACE:
            break
        if data[at] == COLON and data[at + 1] <= SPACE and dotted:
            position = at + 1
            while position < end and data[position] <= SPACE:
                position += 1
            return file | 1, position
        dotted = dotted or data[at] == DOT
        file = (file * 31 + np.int64(data[at])) & 0x3FFFFFFF
    return np.int64(0), start


@jit
def find_thread(threads: Any, counts: Any, pid: Any, tgid: Any, data: Any, start: Any, end: Any) -> Any:
    """Return the table index of `pid`, added with its name data[start:end] when new; -1 when the table is full.

    The name may have that of a recording before it (see `merged_name`): PIDs are told apart by recording.
    """
    mask = threads.shape[0] - 1
    file, start = merged_name(data, start, end)
    index = ((pid + file) * 40503) & mask
    for _ in range(threads.shape[0]):
        thread = threads[index]
        if thread.pid < 0:
            if counts.threads > threads.shape[0] * 3 // 4:
                return -1
            counts.threads += 1
            thread.pid = pid
            thread.file = file
        if thread.pid == pid and thread.file == file:
            if thread.tgid < 0:
                thread.tgid = tgid
            if thread.named < 0 and thread.mapped < 0:
                _learn_name(thread, data, start, end)
            return index
        index = (index + 1) & mask
    return -1


@jit
def _learn_name(thread: Any, data: Any, start: Any, end: Any) -> None:
    # Looked at again as long as it tells nothing: who reads a running trace sees `<...>`, or the parent's name, first.
    thread.named = vcpu_of_name(data, start, end)
    if end - start >= len(_QEMU):
        thread.qemu = at_word(data, start, end, _QEMU) or at_word(data, start, end, _LIBVIRT)


@jit
def learn_entry(thread: Any, time: Any) -> None:
    """A thread (a record of THREAD) enters a guest at `time` ns."""
    if thread.entries == 0:
        thread.first = time
        thread.mapped = thread.timer_map
    thread.entries += 1
    thread.last = time
    thread.user = 0


@jit
def learn_timer_map(thread: Any, vcpu: Any) -> None:
    """A thread traced the timer map of `vcpu`: as it loads one, before its entries.

    A recording that starts while a vCPU is loaded has its first timer map after its first entry.
    """
    thread.timer_map = vcpu
    if thread.entries > 0 and thread.mapped < 0:
        thread.mapped = vcpu


@jit
def learn_all(events: Any, threads: Any) -> None:
    """Let the table learn from `events` (EVENT[:]) whose `thread` is a row of it, timer maps among them."""
    for index in range(events.shape[0]):
        event = events[index]
        if event.thread < 0:
            continue
        if event.kind == ev.ENTRY:
            event.b = U64(threads[event.thread].user)
            learn_entry(threads[event.thread], event.time)
        elif event.kind == ev.USER_EXIT:
            threads[event.thread].user = 1
        elif event.kind == ev.TIMER_MAP:
            learn_timer_map(threads[event.thread], np.int32(event.a))
        elif event.kind == ev.LR_ENTRY:
            threads[event.thread].probed = event.vcpu
            learn_entry(threads[event.thread], event.time)
