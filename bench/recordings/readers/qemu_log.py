# SPDX-License-Identifier: GPL-2.0-only
"""Reader of QEMU's own trace log of its emulated GICs (`-trace 'gic*' -trace 'memory_region_ops_*'`).

A guest's accesses are taken from memory_region_ops_read and _write, which name the CPU; the GIC's own events of the
same access are skipped. Lines are `PID@SECONDS:EVENT ARGUMENTS`, the prefix may be missing.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from bench.recordings import events as ev
from bench.recordings.events import EVENT
from bench.recordings.readers.qemu_csv import GICC_BPR, GICC_CTLR
from kvmarm.config import MAX_VCPUS

_LINE = re.compile(rb"(?:\d+@(\d{1,12})\.(\d{1,18}):)?(\w+) (.*)")
_NUMBER = re.compile(rb"\b(0x[0-9a-fA-F]+|\d+)\b")
_MEMORY = re.compile(rb"cpu (-?\d+) .*addr (0x[0-9a-f]+) value (0x[0-9a-f]+) size (\d+) name '(\w+)(?:\[(\d+)\])?'")
_REDIST_BASE = 0x080A0000
GICC_PMR, GICC_IAR, GICC_EOIR, GICC_DIR = 0x4, 0xC, 0x10, 0x1000

# What a GICC store becomes, by offset.
_GICC_WRITES = {
    GICC_CTLR: ev.Q_CONTROL,
    GICC_BPR: ev.Q_BPR,
    GICC_PMR: ev.Q_PMR,
    GICC_EOIR: ev.Q_EOI,
    GICC_DIR: ev.Q_DIR,
}
_ICC = {
    b"gicv3_icc_iar1_read": ev.Q_ACK,
    b"gicv3_icc_eoir_write": ev.Q_EOI,
    b"gicv3_icc_dir_write": ev.Q_DIR,
    b"gicv3_icc_pmr_write": ev.Q_PMR,
    b"gicv3_icc_ctlr_write": ev.Q_ICC_CONTROL,
}
# The GIC's own account of what memory_region_ops_ events or another event say already, and what follows from them.
_REDUNDANT = (
    b"gic_dist_", b"gic_cpu_", b"gic_ack", b"gic_enable", b"gic_disable", b"gic_update", b"gicv3_dist_",
    b"gicv3_redist_", b"gicv3_cpuif_",
)  # fmt: skip

Row = tuple[int, int, int, int, int, int, int, int, int]


def _numbers(arguments: bytes) -> list[int]:
    return [int(text, 0) for text in _NUMBER.findall(arguments)]


def _memory(name: bytes, arguments: bytes, time: int) -> Row | str | None:
    match = _MEMORY.match(arguments)
    if match is None:
        return None
    cpu, address, value, size = (int(text, 0) for text in match.groups()[:4])
    if size > 8 or value >> 64:
        return None
    frame, region = match.group(5), int(match.group(6) or 0)
    write = name.endswith(b"write")
    value &= (1 << 8 * size) - 1
    kind = ev.FRAME_WRITE if write else ev.FRAME_READ
    if frame in (b"gic_dist", b"gicv3_dist"):
        return time, kind, -1, cpu, ev.NO_REGION, address & 0xFFFF, size, value, 0
    if frame == b"gicv3_redist_region" and region == 0:
        offset = address - _REDIST_BASE
        return time, kind, -1, cpu, offset >> 17, offset & 0x1FFFF, size, value, 0
    if frame == b"gic_cpu":
        offset = address & 0xFFFF
        if not write and offset == GICC_IAR:
            return time, ev.Q_ACK, -1, cpu, 0, value, 0, 0, 0
        if write and offset in _GICC_WRITES:
            return time, _GICC_WRITES[offset], -1, cpu, 0, value, 0, 0, 0
        return "cpu_write" if write else "cpu_read"
    if frame == b"gicv2m":
        return "v2m_write" if write else "v2m_read"
    return frame.decode("ascii", "replace")


def _line_change(name: bytes, arguments: bytes, time: int) -> Row | None:
    numbers = _numbers(arguments)
    if name == b"gic_set_irq":
        # irq N level L cpumask M target T: a private line's mask is its CPU.
        intid, level, mask = numbers[:3]
        cpu = mask.bit_length() - 1 if intid < 32 else -1
    elif name == b"gicv3_redist_set_irq":
        cpu, intid, level = numbers[:3]
    else:
        cpu, (intid, level) = -1, numbers[:2]
    if level > 1:
        return None
    return time, ev.Q_LINE, -1, cpu, 0, intid, level, 0, 0


def _sgi(name: bytes, arguments: bytes, time: int) -> Row | None:
    # CPU i/f C generating SGI I IRM M target affinity A.B.C.xx targetlist L; a zero affinity prints as 0x0xx.
    match = re.search(
        rb"i/f (0x[0-9a-f]+) generating SGI (\d+) IRM (\d) target affinity 0x([0-9a-f]*)xx targetlist (0x[0-9a-f]+)",
        arguments,
    )
    if match is None:
        return None
    affinity = int(match.group(4) or b"0", 16)
    value = int(match.group(5), 16) | int(match.group(2)) << 24 | int(match.group(3)) << 40
    value |= (affinity & 0xFF) << 16 | (affinity >> 8 & 0xFF) << 32 | (affinity >> 16 & 0xFF) << 48
    return time, ev.Q_SGI1R, -1, int(match.group(1), 16), 0, value, 0, 0, 0


def _icc(name: bytes, arguments: bytes, time: int) -> Row | str | None:
    numbers = _numbers(arguments[arguments.find(b" cpu ") :])
    if len(numbers) < 2:
        return None
    cpu, value = numbers[:2]
    if name == b"gicv3_icc_igrpen_write":
        return (time, ev.Q_GROUP1, -1, cpu, 0, value, 0, 0, 0) if b"IGRPEN1" in arguments else "icc_igrpen0_write"
    if name == b"gicv3_icc_bpr_write":
        return (time, ev.Q_BPR, -1, cpu, 0, value, 0, 0, 0) if b"BPR1" in arguments else "icc_bpr0_write"
    if name in _ICC:
        return time, _ICC[name], -1, cpu, 0, value, 0, 0, 0
    if name == b"gicv3_icc_ap_write":
        group = b"icc_ap1r0" if b"AP1R0" in arguments else b"icc_ap0r0"
        return group.decode() + "_write"
    return name.removeprefix(b"gicv3_").decode("ascii", "replace")


_Handler = Callable[[bytes, bytes, int], Row | str | None]


def _handler(name: bytes) -> _Handler | None:
    if name in (b"memory_region_ops_read", b"memory_region_ops_write"):
        return _memory
    if name in (b"gic_set_irq", b"gicv3_redist_set_irq", b"gicv3_dist_set_irq"):
        return _line_change
    if name == b"gicv3_icc_generate_sgi":
        return _sgi
    if name.startswith(b"gicv3_icc_"):
        return _icc
    return None


def read(chunks: Iterator[bytes], name: str, counts: Counter[str], not_converted: Counter[str]) -> Iterator[np.ndarray]:
    """Yield arrays of EVENT. `counts`: lines, events, other, unknown; `not_converted`: accesses by kind."""
    rest = b""
    start = -1
    for chunk in chunks:
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        rows, start = _rows(lines, start, counts, not_converted)
        yield np.array(rows, EVENT)
    rows, _ = _rows([rest], start, counts, not_converted)
    yield np.array(rows, EVENT)


def _possible(row: Row) -> bool:
    """Return whether the numbers of a row fit EVENT and are a machine's."""
    time, _, _, vcpu, region, *values = row
    machine = -1 <= vcpu < MAX_VCPUS and ev.NO_REGION <= region < MAX_VCPUS
    return machine and abs(time) >> 62 == 0 and all(0 <= value < 1 << 64 for value in values)


def _rows(lines: list[bytes], start: int, counts: Counter[str], not_converted: Counter[str]) -> tuple[list[Row], int]:
    rows: list[Row] = []
    for line in lines:
        if not line:
            continue
        counts["lines"] += 1
        if b":gicv3_cpuif_" in line:
            counts["other"] += 1
            continue
        match = _LINE.match(line)
        if match is None:
            counts["unknown"] += 1
            continue
        seconds, fraction, name, arguments = match.groups()
        time = int(seconds or 0) * 10**9 + int((fraction or b"0").ljust(9, b"0")[:9])
        if start < 0:
            start = time
        handler = _handler(name)
        if handler is None:
            if name.startswith(_REDUNDANT):
                counts["other"] += 1
            elif name in (b"gicv3_its_read", b"gicv3_its_write"):
                not_converted[name[6:].decode()] += 1
            elif name.startswith((b"gic", b"memory_region")):
                counts["other"] += 1
            else:
                counts["unknown"] += 1
            continue
        try:
            row = handler(name, arguments, time - start)
        except (ValueError, IndexError):
            row = None
        if isinstance(row, str):
            not_converted[row] += 1
        elif row is None or not _possible(row):
            counts["unknown"] += 1
        else:
            counts["events"] += 1
            rows.append(row)
    return rows, start
