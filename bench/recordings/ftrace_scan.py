# SPDX-License-Identifier: GPL-2.0-only
"""The scanner of KVM's ftrace text: bytes to EVENT records in jitted code.

One line is `COMM-PID [(TGID)] [CPU] [FLAGS] SECONDS.FRACTION: EVENT: ARGUMENTS`. FLAGS are four characters up to
Linux 5.10, five later, none in what `trace-cmd report` prints. COMM may hold spaces, slashes, colons and hyphens, so a
line is anchored at its first ` [digits] `, the CPU. Event names are compared by hash while they are scanned.

Threads are kept in an open-addressed table (THREAD[:], by PID), which learns the vCPU of each from its name, from the
probes, or from the timer map event that precedes its first entry.
"""

from typing import Any

import numpy as np

from bench.recordings import events as ev
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
        ("clashes", np.int32),
    ]
)
"""One thread. `pid` -1: free. vCPU numbers (-1: not known): `named` from its name, `probed` from a probe, `mapped` from
the timer map before its first kvm_entry; `timer_map`: of the latest such event. `first`, `last`: ns of its entries."""
THREADS = 1 << 14

# Counters of a scan.
C_LINES, C_EVENTS, C_OTHER, C_COMMENTS, C_UNKNOWN, C_LOST_MARKERS, C_LOST, C_MALFORMED, C_TIMER_VCPUS, C_PROBES, C_THREADS = (
    range(11)
)  # fmt: skip
COUNTERS = 16

_MASK = 0xFFFFFFFFFFFFFFFF


def _hash(name: str) -> np.uint64:
    value = 0
    for byte in name.encode():
        value = (value * 31 + byte) & _MASK
    return np.uint64(value)


_ENTRY = _hash("kvm_entry")
_EXIT = _hash("kvm_exit")
_LINE = _hash("vgic_update_irq_pending")
_MMIO = _hash("kvm_mmio")
_SYS = _hash("kvm_sys_access")
_WFX = _hash("kvm_wfx_arm64")
_TIMER_MAP = _hash("kvm_get_timer_map")
_LR_ENTRY = _hash("vgic_lr_entry")
_LR_EXIT = _hash("vgic_lr_exit")
_SGI1R = _hash("vgic_sgi1r")
_MSI = _hash("vgic_msi")

_NEWLINE, _SPACE, _TAB, _HASH, _OPEN, _CLOSE, _COLON, _DOT, _DASH = 10, 32, 9, 35, 91, 93, 58, 46, 45


@jit
def _is_digit(character: Any) -> Any:
    return 48 <= character <= 57


@jit
def _number(data: Any, position: Any, end: Any) -> Any:
    """Return (value, position after it) of the next decimal or 0x-hex number at or after `position`.

    The position is -1 when there is none before `end`.
    """
    while position < end and not _is_digit(data[position]):
        position += 1
    if position >= end:
        return U64(0), -1
    value = U64(0)
    if data[position] == 48 and position + 1 < end and data[position + 1] == 120:
        position += 2
        while position < end:
            character = np.int64(data[position])
            if _is_digit(character):
                digit = character - 48
            elif 97 <= (character | 32) <= 102:
                digit = (character | 32) - 87
            else:
                break
            value = (value << U64(4)) | U64(digit)
            position += 1
        return value, position
    while position < end and _is_digit(data[position]):
        value = value * U64(10) + U64(np.int64(data[position]) - 48)
        position += 1
    return value, position


@jit
def _after(data: Any, position: Any, end: Any, character: Any) -> Any:
    """Return the position after the next `character`, -1 when there is none before `end`."""
    while position < end:
        if data[position] == character:
            return position + 1
        position += 1
    return -1


@jit
def vcpu_of_name(data: Any, start: Any, end: Any) -> Any:
    """Return the vCPU number that a thread's name data[start:end] states, -1 when none.

    `vcpu` in any case and a number after at most two separators (kvm-vcpu-3, fc_vcpu 3, vcpu3), or `CPU 3/KVM`.
    """
    for at in range(start, end - 3):
        letters = (
            (data[at] | 32) == 118
            and (data[at + 1] | 32) == 99
            and (data[at + 2] | 32) == 112
            and (data[at + 3] | 32) == 117
        )
        libvirt = (
            at == start and data[at] == 67 and data[at + 1] == 80 and data[at + 2] == 85 and data[at + 3] == _SPACE
        )
        if not letters and not libvirt:
            continue
        position = at + 4
        skipped = 0
        while position < end and skipped < 2 and not _is_digit(data[position]):
            position += 1
            skipped += 1
        if position >= end or not _is_digit(data[position]):
            continue
        number = 0
        while position < end and _is_digit(data[position]):
            number = number * 10 + (np.int64(data[position]) - 48)
            position += 1
        if libvirt and (position >= end or data[position] != 47):
            continue
        if number < 512:
            return number
    return -1


@jit
def _thread(threads: Any, counters: Any, pid: Any, tgid: Any, data: Any, start: Any, end: Any) -> Any:
    """Return the table index of `pid`, added with its name data[start:end] when new; -1 when the table is full."""
    mask = threads.shape[0] - 1
    index = (pid * 40503) & mask
    for _ in range(threads.shape[0]):
        known = threads[index].pid
        if known == pid:
            return index
        if known < 0:
            if counters[C_THREADS] > threads.shape[0] * 3 // 4:
                return -1
            counters[C_THREADS] += 1
            threads[index].pid = pid
            threads[index].tgid = tgid
            threads[index].named = vcpu_of_name(data, start, end)
            if end - start >= 4:
                threads[index].qemu = (
                    data[start] == 113 and data[start + 1] == 101 and data[start + 2] == 109 and data[start + 3] == 117
                ) or (data[start] == 67 and data[start + 3] == _SPACE)
            return index
        index = (index + 1) & mask
    return -1


@jit
def _list_registers(data: Any, position: Any, end: Any, event: Any, out: Any, done: Any) -> Any:
    """Read the `key=value` fields of an LR probe into `event` and LRS records; return the records used after it."""
    records = 0
    count = 0
    while True:
        equals = _after(data, position, end, 61)
        if equals < 0:
            break
        value, after = _number(data, equals, end)
        if after < 0:
            break
        # The key ends before the equals sign: its last letters tell it.
        last = data[equals - 2]
        before = data[equals - 3] if equals >= 3 else 0
        if _is_digit(last):
            slot = count & 3
            if slot == 0:
                records += 1
                chunk = out[done + records]
                chunk.time = event.time
                chunk.kind = ev.LRS
                chunk.thread = event.thread
                chunk.vcpu = event.vcpu
                chunk.n = 0
                chunk.a = U64(0)
                chunk.b = U64(0)
                chunk.c = U64(0)
                chunk.d = U64(0)
            chunk = out[done + records]
            chunk.n = slot + 1
            if slot == 0:
                chunk.a = value
            elif slot == 1:
                chunk.b = value
            elif slot == 2:
                chunk.c = value
            else:
                chunk.d = value
            count += 1
            if count == 16:
                break
        elif last == 117:  # vcpu
            event.vcpu = np.int32(value)
        elif last == 100:  # used
            event.a = value
        elif last == 114 and before == 99 and data[equals - 4] == 104:  # hcr
            event.b = value
        elif last == 114:  # vmcr
            event.c = value
        position = after
    event.n = count
    return records


@jit
def _key_value(data: Any, position: Any, end: Any, first: Any, second: Any) -> Any:
    """Return (value, found) of the field whose key starts with the letters `first`, `second`."""
    while True:
        equals = _after(data, position, end, 61)
        if equals < 0:
            return U64(0), False
        key = equals - 2
        while key > position and data[key] != _SPACE:
            key -= 1
        if data[key] == _SPACE:
            key += 1
        if data[key] == first and data[key + 1] == second:
            value, after = _number(data, equals, end)
            return value, after >= 0
        position = equals


@jit
def _system_register(data: Any, position: Any, end: Any) -> Any:
    """Return op2 of an access to ICC_SGI1R, ASGI1R or SGI0R (5, 6, 7), 0 of any other register, -1 if unreadable."""
    start = _after(data, position, end, 40)
    if start < 0:
        start = position
        for _ in range(3):
            # [FAILED TO PARSE] vcpu_pc= is_write= name= Op0= …: the register follows the third equals sign.
            start = _after(data, start, end, 61)
            if start < 0:
                return -1
    wanted = (3, 0, 12, 11)
    for index in range(5):
        if data[position] == _OPEN and index < 5:
            start = _after(data, start, end, 61)
            if start < 0:
                return -1
        number, start = _number(data, start, end)
        if start < 0:
            return -1
        if index == 4:
            return np.int64(number) if 5 <= np.int64(number) <= 7 else 0
        if np.int64(number) != wanted[index]:
            return 0
    return 0


@jit
def _arguments(data: Any, position: Any, end: Any, name: Any, event: Any, out: Any, done: Any, thread: Any) -> Any:
    """Fill `event` (= out[done]) from the arguments data[position:end] of an event called `name`.

    Return the number of further records used, -1 when it is no event for us, -2 when its arguments are not understood.
    """
    if name == _ENTRY:
        event.kind = ev.ENTRY
        if thread.entries == 0:
            thread.first = event.time
            thread.mapped = thread.timer_map
        thread.entries += 1
        thread.last = event.time
        return 0
    if name == _EXIT:
        event.kind = ev.EXIT
        return 0
    if name == _LINE or name == _TIMER_MAP:
        vcpu, at = _number(data, position, end)
        if at < 0 or vcpu >= U64(512):
            return -2
        if name == _TIMER_MAP:
            thread.timer_map = np.int32(vcpu)
            return -1
        event.kind = ev.LINE
        event.vcpu = np.int32(vcpu)
        event.a, at = _number(data, at, end)
        if at < 0:
            return -2
        event.b, at = _number(data, at, end)
        return 0 if at >= 0 and event.b <= U64(1) else -2
    if name == _MMIO:
        if end - position < 12:
            return -2
        letter = data[position + 5]
        if letter == 117:  # unsatisfied-read: the read with its value follows
            return -1
        if letter == 119:
            event.kind = ev.GPA_WRITE
        elif letter == 114:
            event.kind = ev.GPA_READ
        else:
            return -2
        event.b, at = _number(data, position, end)
        if at >= 0:
            event.a, at = _number(data, at, end)
        if at >= 0:
            event.c, at = _number(data, at, end)
        return 0 if at >= 0 else -2
    if name == _SYS:
        register = _system_register(data, position, end)
        if register <= 0:
            return -1 if register == 0 else -2
        event.kind = ev.SGI_TRAP if register == 5 else ev.OTHER_SGI
        return 0
    if name == _WFX:
        # `guest executed wfi at:`; trace-cmd's plugin-less printing leaves `wf>c<`.
        at = position
        while at + 2 < end and not (data[at] == 119 and data[at + 1] == 102):
            at += 1
        if at + 2 < end and data[at + 2] == 101:
            return -1
        event.kind = ev.WFI
        return 0
    if name == _LR_ENTRY or name == _LR_EXIT:
        event.kind = ev.LR_ENTRY if name == _LR_ENTRY else ev.LR_EXIT
        records = _list_registers(data, position, end, event, out, done)
        if event.vcpu < 0:
            return -2
        thread.probed = event.vcpu
        return records
    if name == _SGI1R:
        event.kind = ev.SGI_VALUE
        vcpu, found = _key_value(data, position, end, 118, 99)
        if found and vcpu < U64(512):
            event.vcpu = np.int32(vcpu)
        event.a, found = _key_value(data, position, end, 118, 97)
        return 0 if found else -2
    if name == _MSI:
        event.kind = ev.MSI
        return 0
    return -1


@jit
def _line(data: Any, begin: Any, end: Any, threads: Any, counters: Any, out: Any, done: Any) -> Any:
    """Scan the line data[begin:end]; return how many EVENT records it became."""
    # The CPU: ` [digits] `.
    bracket = begin
    closing = -1
    while bracket < end:
        if data[bracket] == _OPEN:
            at = bracket + 1
            while at < end and _is_digit(data[at]):
                at += 1
            if at > bracket + 1 and at < end and data[at] == _CLOSE:
                closing = at
                break
        bracket += 1
    if closing < 0:
        return _marker(data, begin, end, counters, out, done)
    # Flags (when there are any) and the time stamp, the first token that ends in a colon.
    at = closing + 1
    seconds = np.int64(-1)
    fraction = np.int64(0)
    for _ in range(3):
        while at < end and data[at] <= _SPACE:
            at += 1
        start = at
        while at < end and data[at] > _SPACE and data[at] != _COLON:
            at += 1
        if at >= end:
            break
        if data[at] != _COLON:
            continue
        position = start
        seconds = np.int64(0)
        while position < at and _is_digit(data[position]):
            seconds = seconds * 10 + (np.int64(data[position]) - 48)
            position += 1
        if position == start:
            seconds = np.int64(-1)
        if position < at and data[position] == _DOT:
            position += 1
            scale = np.int64(100000000)
            while position < at and _is_digit(data[position]):
                fraction += (np.int64(data[position]) - 48) * scale
                scale //= 10
                position += 1
        if position != at:
            seconds = np.int64(-1)
        break
    if seconds < 0:
        counters[C_UNKNOWN] += 1
        return 0
    at += 1
    while at < end and data[at] <= _SPACE:
        at += 1
    name = U64(0)
    while at < end and data[at] != _COLON:
        name = name * U64(31) + U64(data[at])
        at += 1
    if at >= end:
        counters[C_UNKNOWN] += 1
        return 0
    if not (
        name == _ENTRY or name == _EXIT or name == _LINE or name == _MMIO or name == _SYS or name == _WFX
        or name == _TIMER_MAP or name == _LR_ENTRY or name == _LR_EXIT or name == _SGI1R or name == _MSI
    ):  # fmt: skip
        counters[C_OTHER] += 1
        return 0
    # PID, before an optional (TGID).
    position = bracket - 1
    tgid = np.int64(-1)
    while position > begin and data[position] <= _SPACE:
        position -= 1
    if data[position] == 41:
        stop = position
        while position > begin and data[position] != 40:
            position -= 1
        number, found = _number(data, position, stop)
        if found >= 0:
            tgid = np.int64(number)
        position -= 1
        while position > begin and data[position] <= _SPACE:
            position -= 1
    last = position
    while position > begin and _is_digit(data[position]):
        position -= 1
    if position == last or data[position] != _DASH:
        counters[C_UNKNOWN] += 1
        return 0
    pid = np.int64(0)
    for digit in range(position + 1, last + 1):
        pid = pid * 10 + (np.int64(data[digit]) - 48)
    first = begin
    while first < position and data[first] <= _SPACE:
        first += 1
    index = _thread(threads, counters, pid, tgid, data, first, position)
    if index < 0:
        counters[C_MALFORMED] += 1
        return 0
    at += 1
    while at < end and data[at] <= _SPACE:
        at += 1
    event = out[done]
    event.time = seconds * 1000000000 + fraction
    event.kind = 0
    event.thread = np.int32(index)
    event.vcpu = np.int32(-1)
    event.n = 0
    event.a = U64(0)
    event.b = U64(0)
    event.c = U64(0)
    event.d = U64(0)
    further = _arguments(data, at, end, name, event, out, done, threads[index])
    if further == -1:
        counters[C_OTHER] += 1
        return 0
    if further < 0:
        counters[C_MALFORMED] += 1
        return 0
    counters[C_EVENTS] += 1
    return 1 + further


@jit
def _marker(data: Any, begin: Any, end: Any, counters: Any, out: Any, done: Any) -> Any:
    """A line without a CPU field: a note that events were lost, the recorder's heading, or nothing we know."""
    first = begin
    while first < end and data[first] <= _SPACE:
        first += 1
    if first >= end:
        counters[C_COMMENTS] += 1
        return 0
    # `CPU:1 [LOST 12 EVENTS]` (kernel), `CPU:1 [12 EVENTS DROPPED]` (trace-cmd).
    if (
        end - first > 4
        and data[first] == 67
        and data[first + 1] == 80
        and data[first + 2] == 85
        and data[first + 3] == 58
    ):
        opening = _after(data, first, end, _OPEN)
        if opening > 0:
            number, _ = _number(data, opening, end)
            counters[C_LOST_MARKERS] += 1
            counters[C_LOST] += np.int64(number)
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
    if end - first > 4 and (
        (data[first] == 99 and data[first + 1] == 112 and data[first + 2] == 117 and data[first + 3] == 115)
        or (data[first] == 118 and data[first + 1] == 101 and data[first + 2] == 114 and data[first + 3] == 115)
        or (data[first] == 67 and data[first + 1] == 80 and data[first + 2] == 85 and data[first + 3] == _SPACE)
    ):
        counters[C_COMMENTS] += 1
        return 0
    counters[C_UNKNOWN] += 1
    return 0


@jit
def scan(data: Any, position: Any, final: Any, threads: Any, counters: Any, out: Any) -> Any:
    """Scan whole lines of `data` (uint8[:]) from `position`.

    threads: THREAD[:] (a power of two long); counters: int64[COUNTERS], added to; out: EVENT[:], filled from 0. `final`:
    the last line counts even without its newline. Returns (position after the last line scanned, events); it stops
    early when `out` is nearly full.
    """
    size = data.shape[0]
    done = 0
    room = out.shape[0] - 8
    while position < size and done < room:
        end = position
        while end < size and data[end] != _NEWLINE:
            end += 1
        if end >= size and not final:
            break
        if end > position:
            counters[C_LINES] += 1
            if data[position] == _HASH:
                counters[C_COMMENTS] += 1
            else:
                done += _line(data, position, end, threads, counters, out, done)
        position = end + 1
    return min(position, size), done
