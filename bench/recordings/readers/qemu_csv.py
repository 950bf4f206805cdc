# SPDX-License-Identifier: GPL-2.0-only
"""Reader of QEMU GIC event CSVs: seq,cpu,kind,offset,size,value,intid,level,t_us, one event per line, in order."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from bench.recordings import events as ev
from bench.recordings.events import EVENT
from bench.recordings.readers.source import with_last
from kvmarm.config import MAX_VCPUS
from kvmarm.errors import UsageError

COLUMNS = ("cpu", "kind", "offset", "size", "value", "intid", "level", "t_us")
"""The columns that are read, in any order; others (seq) may be between them."""
_BOM = b"\xef\xbb\xbf"

_GUEST = {
    "iar": ev.Q_ACK,
    "eoi": ev.Q_EOI,
    "dir": ev.Q_DIR,
    "pmr": ev.Q_PMR,
    "sgi1r": ev.Q_SGI1R,
    "icc_bpr1_write": ev.Q_BPR,
    "icc_ctlr_write": ev.Q_ICC_CONTROL,
    "icc_igrpen1_write": ev.Q_GROUP1,
}
GICC_CTLR, GICC_BPR = 0x0, 0x8
REDISTRIBUTOR_SHIFT = 17


def is_heading(line: bytes) -> bool:
    """Return whether a file's first line is the heading of an event CSV, were it an incomplete one."""
    names = _names(line)
    return "kind" in names and len(set(names) & set(COLUMNS)) >= 3


def _names(line: bytes) -> list[str]:
    return [name.strip().strip('"') for name in line.removeprefix(_BOM).decode("ascii", "replace").split(",")]


def _number(text: str) -> int:
    """Return a number of 64 bits that is not negative. Raises ValueError."""
    number = int(text, 16) if text[:2] in ("0x", "0X") else int(text)
    if not 0 <= number < 1 << 64:
        raise ValueError(text)
    return number


def _frame(kind: str, offset: int) -> tuple[int, int, int]:
    """Return (event kind, region, offset in the frame) of a dist_… or redist_… row."""
    event = ev.FRAME_READ if kind.endswith("read") else ev.FRAME_WRITE
    if kind.startswith("dist"):
        return event, ev.NO_REGION, offset
    return event, offset >> REDISTRIBUTOR_SHIFT, offset & ((1 << REDISTRIBUTOR_SHIFT) - 1)


def _row(fields: list[str]) -> tuple[int, ...] | str:
    """Return the fields of EVENT for one row, or the name of the kind when nothing is made of it."""
    cpu, kind, offset, size, value, intid, level, time_us = fields
    vcpu = int(cpu) if cpu else -1
    if not -1 <= vcpu < MAX_VCPUS:
        raise ValueError(cpu)
    nanoseconds = int(float(time_us or 0) * 1000)
    if abs(nanoseconds) >> 62:
        raise ValueError(time_us)
    if kind == "line":
        if level not in ("0", "1"):
            raise ValueError(level)
        return nanoseconds, ev.Q_LINE, -1, vcpu, 0, _number(intid), int(level), 0, 0
    if kind in ("dist_read", "dist_write", "redist_read", "redist_write"):
        event, region, inside = _frame(kind, _number(offset))
        width = _number(size)
        if region >= MAX_VCPUS or width > 8:
            raise ValueError(offset)
        # QEMU logs narrow registers sign-extended; a register is as wide as the access.
        number = _number(value) & ((1 << 8 * width) - 1)
        return nanoseconds, event, -1, vcpu, region, inside, width, number, 0
    if kind in _GUEST:
        return nanoseconds, _GUEST[kind], -1, vcpu, 0, _number(value), 0, 0, 0
    if kind == "cpu_write" and _number(offset) in (GICC_CTLR, GICC_BPR):
        event = ev.Q_CONTROL if _number(offset) == GICC_CTLR else ev.Q_BPR
        return nanoseconds, event, -1, vcpu, 0, _number(value), 0, 0, 0
    return kind


def read(chunks: Iterator[bytes], name: str, counts: Counter[str], not_converted: Counter[str]) -> Iterator[np.ndarray]:
    """Yield arrays of EVENT. `counts`: lines, events, comments, unknown; `not_converted`: rows by kind.

    Raises UsageError for a heading that lacks a column.
    """
    rest = b""
    columns: list[int] = []
    for chunk, last in with_last(chunks):
        lines = (rest + chunk).split(b"\n")
        rest = b"" if last else lines.pop()
        if not columns and lines:
            counts["lines"] += 1
            counts["comments"] += 1
            columns = _columns(lines.pop(0), name)
        rows: list[tuple[int, ...]] = []
        _rows(lines, columns, counts, not_converted, rows)
        yield np.array(rows, EVENT)


def _columns(heading: bytes, name: str) -> list[int]:
    """Return where COLUMNS are in the rows under `heading`."""
    names = _names(heading)
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise UsageError(f"{name}:1: heading of a QEMU event CSV without {missing[0]!r}, expected {','.join(COLUMNS)}")
    return [names.index(column) for column in COLUMNS]


def _rows(
    lines: list[bytes],
    columns: list[int],
    counts: Counter[str],
    not_converted: Counter[str],
    rows: list[tuple[int, ...]],
) -> None:
    for raw in lines:
        line = raw.strip()
        if not line:
            continue
        counts["lines"] += 1
        fields = [text.strip() for text in line.decode("ascii", "replace").split(",")]
        try:
            row = _row([fields[column] for column in columns])
        except (ValueError, IndexError, OverflowError):
            counts["unknown"] += 1
            continue
        if isinstance(row, str):
            not_converted[row] += 1
        else:
            counts["events"] += 1
            rows.append(row)
