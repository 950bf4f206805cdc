# SPDX-License-Identifier: GPL-2.0-only
"""The scanner of KVM's ftrace text: bytes to EVENT records in jitted code.

One line is `COMM-PID [(TGID)] [CPU] [FLAGS] TIME: EVENT: ARGUMENTS`. FLAGS are four characters up to Linux 5.10, five
later, none with `irq-info` off and in what `trace-cmd report` printed up to version 2. TIME is SECONDS.FRACTION, or a
plain number for clocks that do not count nanoseconds. COMM may hold spaces, slashes, colons, hyphens and brackets. So a
line is anchored at its first ` [digits] ` with a PID before and a time after it. Other printings of the same:

- `perf script` writes `COMM PID [CPU] TIME: kvm:EVENT: ARGUMENTS`, or PID/TID;
- `trace-cmd report --ts-diff` puts `(+N)` before EVENT;
- the latency format (the kernel's `latency-format`, `trace-cmd report -l`) is `COMM-PID CPUFLAGS TIME: EVENT:
  ARGUMENTS`, TIME in the kernel's printing with `us` and a mark.
"""

from typing import Any

import numpy as np

from bench.recordings import events as ev
from bench.recordings.machine.ascii import (
    CLOSE,
    CLOSE_BRACKET,
    COLON,
    DASH,
    DOT,
    HASH,
    NEWLINE,
    OPEN,
    OPEN_BRACKET,
    SLASH,
    SPACE,
    ZERO,
    at_word,
    is_digit,
    word,
)
from bench.recordings.machine.thread_table import find_thread
from bench.recordings.readers.fields import next_number, position_after
from bench.recordings.readers.ftrace_args import arguments, concerns_vgic
from kvmarm.jit import U64, jit, jit_inlined

_NAME = 17
_LOST, _CPU, _CPUS, _VERSION, _MICROSECONDS = word("CPU:"), word("CPU "), word("cpus"), word("version"), word("us")


@jit_inlined
def _stamp(data: Any, at: Any, end: Any) -> Any:
    """Read `[FLAGS] TIME:` at data[at:end]; return (position after the colon, time in ns), -1 if it is none."""
    for _ in range(2):
        while at < end and data[at] <= SPACE:
            at += 1
        position = at
        seconds = np.int64(0)
        while position < end and is_digit(data[position]):
            seconds = seconds * 10 + (np.int64(data[position]) - ZERO)
            position += 1
        if position > at and position < end:
            time = seconds
            if data[position] == DOT:
                position += 1
                time = seconds * 1000000000
                scale = np.int64(100000000)
                while position < end and is_digit(data[position]):
                    time += (np.int64(data[position]) - ZERO) * scale
                    scale //= 10
                    position += 1
            elif position + 2 < end and at_word(data, position, end, _MICROSECONDS):
                time = seconds * 1000
                position += 2
                if data[position] != COLON:
                    position += 1
            if position < end and data[position] == COLON:
                return position + 1, time
        while at < end and data[at] > SPACE:
            at += 1
    return -1, np.int64(0)


@jit_inlined
def _thread_of(data: Any, begin: Any, before: Any) -> Any:
    """Read `COMM-PID [(TGID)]`, `COMM PID` or `COMM PID/TID` that ends before `before`.

    Returns (PID, -1 if it is none, thread group, -1 if not given, end of the name).
    """
    nothing = np.int64(-1)
    position = before - 1
    tgid = nothing
    while position > begin and data[position] <= SPACE:
        position -= 1
    if data[position] == CLOSE:
        stop = position
        while position > begin and data[position] != OPEN:
            position -= 1
        number, found = next_number(data, position, stop)
        if found >= 0:
            tgid = np.int64(number)
        position -= 1
        while position > begin and data[position] <= SPACE:
            position -= 1
    last = position
    while position > begin and is_digit(data[position]):
        position -= 1
    if position == last or last - position > 10:
        return nothing, nothing, position
    pid = np.int64(0)
    for digit in range(position + 1, last + 1):
        pid = pid * 10 + (np.int64(data[digit]) - ZERO)
    if data[position] == SLASH:
        last = position
        position -= 1
        while position > begin and is_digit(data[position]):
            position -= 1
        if position + 1 == last or data[position] > SPACE:
            return nothing, nothing, position
        tgid = np.int64(0)
        for digit in range(position + 1, last):
            tgid = tgid * 10 + (np.int64(data[digit]) - ZERO)
    elif data[position] != DASH and data[position] > SPACE:
        return nothing, nothing, position
    while position > begin and data[position] <= SPACE:
        position -= 1
    return pid, tgid, position if data[position] == DASH else position + 1


@jit
def _latency_format(data: Any, begin: Any, end: Any) -> Any:
    """Read a line of the latency format; return as `_anchor` does."""
    nothing = np.int64(-1)
    for dash in range(begin + 1, end - 4):
        if data[dash] != DASH or not is_digit(data[dash + 1]):
            continue
        at = dash + 1
        while at < end and is_digit(data[at]):
            at += 1
        cpu = at
        while cpu < end and data[cpu] <= SPACE:
            cpu += 1
        flags = cpu
        while flags < end and is_digit(data[flags]):
            flags += 1
        if cpu == at or flags == cpu or flags >= end or data[flags] <= SPACE:
            continue
        while flags < end and data[flags] > SPACE and data[flags] != COLON:
            flags += 1
        if flags >= end or data[flags] > SPACE:
            continue
        after, time = _stamp(data, flags, end)
        if after >= 0:
            pid, tgid, name_end = _thread_of(data, begin, at)
            return pid, tgid, name_end, after, time
    return nothing, nothing, begin, -1, nothing


@jit_inlined
def _anchor(data: Any, begin: Any, first: Any, last: Any, end: Any) -> Any:
    """Find ` [CPU] [FLAGS] TIME:` that starts in data[first:last], after a PID.

    Returns PID, thread group, end of the name, position after the time (-1: there is none) and time.
    """
    nothing = np.int64(-1)
    for bracket in range(first, last):
        if data[bracket] != OPEN_BRACKET or data[bracket - 1] > SPACE:
            continue
        closing = bracket + 1
        while closing < end and is_digit(data[closing]):
            closing += 1
        if closing > bracket + 1 and closing < end and data[closing] == CLOSE_BRACKET:
            after, time = _stamp(data, closing + 1, end)
            if after >= 0:
                pid, tgid, name_end = _thread_of(data, begin, bracket)
                return pid, tgid, name_end, after, time
    return nothing, nothing, begin, -1, nothing


@jit_inlined
def _of_no_concern(data: Any, begin: Any, end: Any) -> Any:
    """Return whether a line is plainly an event that concerns no VGIC: most are, and need no closer look."""
    bracket = min(begin + _NAME, end)
    while bracket < end and data[bracket] != OPEN_BRACKET:
        bracket += 1
    at = bracket
    while at < end and data[at] != COLON:
        at += 1
    if at + 2 >= end or data[at + 1] != SPACE or not is_digit(data[at - 1]):
        return False
    at += 2
    while at < end and data[at] == SPACE:
        at += 1
    name = U64(0)
    while at < end and data[at] != COLON and data[at] > SPACE:
        name = name * U64(31) + U64(data[at])
        at += 1
    return at + 1 < end and data[at] == COLON and data[at + 1] == SPACE and not concerns_vgic(name)


@jit_inlined
def _line(data: Any, begin: Any, end: Any, threads: Any, counts: Any, out: Any, done: Any) -> Any:
    """Scan the line data[begin:end]; return how many EVENT records it became."""
    if _of_no_concern(data, begin, end):
        counts.other += 1
        return 0
    # The name is padded to 16 characters, unless somebody has taken the blanks away.
    pid, tgid, name_end, at, time = _anchor(data, begin, min(begin + _NAME, end), end, end)
    if at < 0:
        pid, tgid, name_end, at, time = _anchor(data, begin, begin + 1, min(begin + _NAME, end), end)
    if at < 0:
        pid, tgid, name_end, at, time = _latency_format(data, begin, end)
        if at < 0:
            return _marker(data, begin, end, counts, out, done)
    if pid < 0 or time < 0:
        counts.unknown += 1
        return 0
    while at < end and data[at] <= SPACE:
        at += 1
    if at < end and data[at] == OPEN:
        while at < end and data[at] > SPACE:
            at += 1
        while at < end and data[at] <= SPACE:
            at += 1
    name = U64(0)
    while at < end and data[at] != COLON and data[at] > SPACE:
        name = name * U64(31) + U64(data[at])
        at += 1
        if at + 1 < end and data[at] == COLON and data[at + 1] > SPACE:
            # What was read is the event's system: kvm:kvm_entry.
            name = U64(0)
            at += 1
    if at >= end or data[at] != COLON:
        # Another tracer's line (a function), or one that is cut off.
        if at < end:
            counts.other += 1
        else:
            counts.unknown += 1
        return 0
    if not concerns_vgic(name):
        counts.other += 1
        return 0
    first = begin
    while first < name_end and data[first] <= SPACE:
        first += 1
    index = find_thread(threads, counts, pid, tgid, data, first, name_end)
    if index < 0:
        counts.malformed += 1
        return 0
    at += 1
    while at < end and data[at] <= SPACE:
        at += 1
    event = out[done]
    event.time = time
    event.kind = 0
    event.thread = np.int32(index)
    event.vcpu = np.int32(-1)
    event.n = 0
    event.a = U64(0)
    event.b = U64(0)
    event.c = U64(0)
    event.d = U64(0)
    further = arguments(data, at, end, name, event, out, done, threads[index])
    if further == -1:
        counts.other += 1
        return 0
    if further == -3:
        counts.foreign += 1
    if further < 0:
        counts.malformed += 1
        return 0
    counts.events += 1
    return 1 + further


@jit
def _marker(data: Any, begin: Any, end: Any, counts: Any, out: Any, done: Any) -> Any:
    """A line of no thread: a note that events were lost, the recorder's heading, or nothing we know."""
    first = begin
    while first < end and data[first] <= SPACE:
        first += 1
    if first >= end:
        counts.comments += 1
        return 0
    # `CPU:1 [LOST 12 EVENTS]` (kernel), `CPU:1 [12 EVENTS DROPPED]` (trace-cmd).
    if end - first > len(_LOST) and at_word(data, first, end, _LOST):
        opening = position_after(data, first, end, OPEN_BRACKET)
        if opening > 0:
            number, _ = next_number(data, opening, end)
            counts.lost_markers += 1
            counts.lost_events += np.int64(number)
            event = out[done]
            event.time = 0
            event.kind = ev.LOST
            event.thread = np.int32(-1)
            event.vcpu = np.int32(-1)
            event.n = 0
            event.a = number
            event.b = U64(0)
            event.c = U64(0)
            event.d = U64(0)
            return 1
    # `cpus=2`, `version = 7`, `CPU 1 is empty` head what trace-cmd prints.
    if at_word(data, first, end, _CPUS) or at_word(data, first, end, _VERSION) or at_word(data, first, end, _CPU):
        counts.comments += 1
        return 0
    counts.unknown += 1
    return 0


@jit
def _newline(data: Any, words: Any, position: Any) -> Any:
    """Return the position of the next newline at or after `position`, the size of `data` when there is none.

    words: `data` as uint64[:] (its last bytes left out), so that eight bytes are looked at a time.
    """
    size = data.shape[0]
    while position < size and position & 7 != 0:
        if data[position] == NEWLINE:
            return position
        position += 1
    index = position >> 3
    while index < words.shape[0]:
        # A byte of `other` is zero where there is a newline; borrows make the test exact for the lowest such byte only.
        other = words[index] ^ U64(0x0A0A0A0A0A0A0A0A)
        if (other - U64(0x0101010101010101)) & ~other & U64(0x8080808080808080) != U64(0):
            break
        index += 1
    position = max(position, index << 3)
    while position < size and data[position] != NEWLINE:
        position += 1
    return position


@jit
def scan(data: Any, words: Any, position: Any, final: Any, threads: Any, counts: Any, out: Any) -> Any:
    """Scan whole lines of `data` (uint8[:]) from `position`.

    words: the same bytes as uint64[:], without those beyond a multiple of eight. threads: THREAD[:] (a power of two
    long); counts: a record of COUNTS, added to; out: EVENT[:], filled from 0.
    `final`: the last line counts even without its newline. Returns (position after the last line scanned, events); it
    stops early when `out` is nearly full.
    """
    size = data.shape[0]
    done = 0
    room = out.shape[0] - 8
    while position < size and done < room:
        end = _newline(data, words, position)
        if end >= size and not final:
            break
        if end > position:
            counts.lines += 1
            if data[position] == HASH:
                counts.comments += 1
            else:
                done += _line(data, position, end, threads, counts, out, done)
        position = end + 1
    return min(position, size), done
