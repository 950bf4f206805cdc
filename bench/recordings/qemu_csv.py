# SPDX-License-Identifier: GPL-2.0-only
"""Reader of QEMU GIC event CSVs: seq,cpu,kind,offset,size,value,intid,level,t_us, one event a line, in order."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from bench.recordings import events as ev
from bench.recordings.events import EVENT
from kvmarm.errors import UsageError

HEADER = b"seq,cpu,kind,offset,size,value,intid,level,t_us"

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


def _number(text: str) -> int:
    return int(text, 16) if text[:2] in ("0x", "0X") else int(text)


def _frame(kind: str, offset: int) -> tuple[int, int, int]:
    """Return (event kind, region, offset in the frame) of a dist_… or redist_… row."""
    event = ev.FRAME_READ if kind.endswith("read") else ev.FRAME_WRITE
    if kind.startswith("dist"):
        return event, ev.NO_REGION, offset
    return event, offset >> REDISTRIBUTOR_SHIFT, offset & ((1 << REDISTRIBUTOR_SHIFT) - 1)


def _row(fields: list[str]) -> tuple[int, ...] | str:
    """Return the fields of EVENT for one row, or the name of the kind when nothing is made of it."""
    _, cpu, kind, offset, size, value, intid, level, time_us = fields
    vcpu = _number(cpu) if cpu else -1
    nanoseconds = int(float(time_us) * 1000) if time_us else 0
    if kind == "line":
        return nanoseconds, ev.Q_LINE, -1, vcpu, 0, _number(intid), _number(level), 0, 0
    if kind in ("dist_read", "dist_write", "redist_read", "redist_write"):
        event, region, inside = _frame(kind, _number(offset))
        # QEMU logs narrow registers sign-extended; a register is as wide as the access.
        number = _number(value) & ((1 << 8 * _number(size)) - 1)
        return nanoseconds, event, -1, vcpu, region, inside, _number(size), number, 0
    if kind in _GUEST:
        return nanoseconds, _GUEST[kind], -1, vcpu, 0, _number(value), 0, 0, 0
    if kind == "cpu_write" and _number(offset) in (GICC_CTLR, GICC_BPR):
        event = ev.Q_CONTROL if _number(offset) == GICC_CTLR else ev.Q_BPR
        return nanoseconds, event, -1, vcpu, 0, _number(value), 0, 0, 0
    return kind


def read(chunks: Iterator[bytes], name: str, counts: Counter[str], not_converted: Counter[str]) -> Iterator[np.ndarray]:
    """Yield arrays of EVENT. `counts`: lines, events, unknown; `not_converted`: rows by kind. Raises UsageError."""
    rest = b""
    number = 0
    for chunk in chunks:
        rows: list[tuple[int, ...]] = []
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        number = _rows(lines, number, name, counts, not_converted, rows)
        yield np.array(rows, EVENT)
    rows = []
    _rows([rest], number, name, counts, not_converted, rows)
    yield np.array(rows, EVENT)


def _rows(
    lines: list[bytes],
    number: int,
    name: str,
    counts: Counter[str],
    not_converted: Counter[str],
    rows: list[tuple[int, ...]],
) -> int:
    for raw in lines:
        number += 1
        line = raw.strip()
        if not line:
            continue
        counts["lines"] += 1
        if number == 1:
            if line != HEADER:
                raise UsageError(f"{name}:1: not the heading of a QEMU event CSV, expected {HEADER.decode()}")
            continue
        fields = line.decode("ascii", "replace").split(",")
        if len(fields) != 9:
            counts["unknown"] += 1
            continue
        try:
            row = _row(fields)
        except ValueError:
            counts["unknown"] += 1
            continue
        if isinstance(row, str):
            not_converted[row] += 1
        else:
            counts["events"] += 1
            rows.append(row)
    return number
