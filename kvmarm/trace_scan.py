# SPDX-License-Identifier: GPL-2.0-only
"""The trace scanner: text to operations in jitted code, at tens of millions of lines per minute.

It accepts exactly what kvmarm.trace.parse_line accepts and says nothing of what it refuses but where: the plain parser
is then asked for the reason.
"""

from typing import Any

import numpy as np

from kvmarm.config import VmConfig
from kvmarm.gic import FIRST_RESERVED
from kvmarm.guest_memory import is_ram
from kvmarm.jit import U64, jit
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
    MAP,
    MMIO_R,
    MMIO_W,
    MSI,
    OP,
    PENDING,
    PHYS,
    PMR,
    SGI1R,
    SYNC,
    UNMAP,
)


def _packed(name: str) -> int:
    return int.from_bytes(name.encode(), "little")


# Operation names, at most 8 bytes, as little-endian integers.
_INJECT = np.uint64(_packed("inject"))
_MAP = np.uint64(_packed("map"))
_UNMAP = np.uint64(_packed("unmap"))
_INJECTM = np.uint64(_packed("injectm"))
_PHYS = np.uint64(_packed("phys"))
_MMIO_W = np.uint64(_packed("mmio_w"))
_MMIO_R = np.uint64(_packed("mmio_r"))
_SGI1R = np.uint64(_packed("sgi1r"))
_FLUSH = np.uint64(_packed("flush"))
_ACK = np.uint64(_packed("ack"))
_EOI = np.uint64(_packed("eoi"))
_DIR = np.uint64(_packed("dir"))
_PMR = np.uint64(_packed("pmr"))
_CTLR = np.uint64(_packed("ctlr"))
_BPR = np.uint64(_packed("bpr"))
_SYNC = np.uint64(_packed("sync"))
_PENDING = np.uint64(_packed("pending"))
_ISACTIVE = np.uint64(_packed("isactive"))
_GMEM_W = np.uint64(_packed("gmem_w"))
_GMEM_R = np.uint64(_packed("gmem_r"))
_MSI = np.uint64(_packed("msi"))

_SPACE, _TAB, _RETURN, _NEWLINE, _HASH, _AT = 32, 9, 13, 10, 35, 64
_MAX_TOKENS = 6


@jit
def _kind_of(name: Any) -> Any:
    # Most frequent first.
    if name == _ACK:
        return ACK
    if name == _EOI:
        return EOI
    if name == _FLUSH:
        return FLUSH
    if name == _SYNC:
        return SYNC
    if name == _INJECT:
        return INJECT
    if name == _MMIO_W:
        return MMIO_W
    if name == _MMIO_R:
        return MMIO_R
    if name == _INJECTM:
        return INJECTM
    if name == _PHYS:
        return PHYS
    if name == _SGI1R:
        return SGI1R
    if name == _PENDING:
        return PENDING
    if name == _DIR:
        return DIR
    if name == _PMR:
        return PMR
    if name == _CTLR:
        return CTLR
    if name == _BPR:
        return BPR
    if name == _ISACTIVE:
        return ISACTIVE
    if name == _MAP:
        return MAP
    if name == _UNMAP:
        return UNMAP
    if name == _GMEM_W:
        return GMEM_W
    if name == _MSI:
        return MSI
    if name == _GMEM_R:
        return GMEM_R
    return -1


@jit
def _number(data: Any, start: Any, end: Any) -> Any:
    """Return (1, value) for the decimal or 0x-hex number in data[start:end], (0, 0) when it is none."""
    value = U64(0)
    if end - start > 2 and data[start] == 48 and (data[start + 1] | 32) == 120:
        if end - start > 2 + 16:
            # Leading zeros are legal; more than 64 significant bits are not.
            while end - start > 2 + 16 and data[start + 2] == 48:
                start += 1
            if end - start > 2 + 16:
                return 0, U64(0)
        for position in range(start + 2, end):
            character = np.int64(data[position])
            if 48 <= character <= 57:
                digit = character - 48
            elif 97 <= character | 32 <= 102:
                digit = (character | 32) - 87
            else:
                return 0, U64(0)
            value = (value << U64(4)) | U64(digit)
        return 1, value
    if end <= start:
        return 0, U64(0)
    for position in range(start, end):
        character = np.int64(data[position])
        if character < 48 or character > 57:
            return 0, U64(0)
        unit = U64(character - 48)
        if value > U64(1844674407370955161) or (value == U64(1844674407370955161) and unit > U64(5)):
            return 0, U64(0)
        value = value * U64(10) + unit
    return 1, value


@jit
def _fill(data: Any, starts: Any, ends: Any, tokens: Any, op: Any, ops: Any, done: Any, limits: Any) -> Any:
    """Fill `op` from the tokens of one line; return whether the line is an operation. limits: see scan_into."""
    length = ends[0] - starts[0]
    if length > 8:
        return False
    name = U64(0)
    for position in range(length):
        name |= U64(data[starts[0] + position]) << U64(8 * position)
    kind = _kind_of(name)
    if kind < 0:
        return False
    op.kind = kind
    op.vcpu = 0
    op.a = 0
    op.b = 0
    op.c = 0
    op.value = U64(0)
    op.ref = 0
    gic = limits[0]
    vcpus = limits[1]
    irqs = limits[2]
    if kind == GMEM_W or kind == GMEM_R or kind == MSI:
        return _fill_its(data, starts, ends, tokens, op, ops, done, limits)
    if kind == PHYS:
        first = 1
    else:
        if tokens < 2:
            return False
        good, number = _number(data, starts[1], ends[1])
        if good == 0 or number >= U64(vcpus):
            return False
        op.vcpu = np.int64(number)
        first = 2
    if kind == FLUSH or kind == ACK or kind == SYNC or kind == PENDING:
        return tokens == 2
    if kind == EOI or kind == DIR or kind == SGI1R:
        if tokens != 3 or (kind == SGI1R and gic != 3):
            return False
        return _value(data, starts[2], ends[2], op, ops, done)
    if kind == MMIO_W or kind == MMIO_R:
        if tokens != (6 if kind == MMIO_W else 5):
            return False
        letter = data[starts[2]]
        width = ends[2] - starts[2]
        if letter == 100 and width == 1:
            op.a = -1
            frame = U64(0x1000 if gic == 2 else 0x10000)
        elif gic == 3 and letter == 105 and width == 1:
            op.a = -2
            frame = U64(0x20000)
        elif gic == 3 and letter == 114:
            good, number = _number(data, starts[2] + 1, ends[2])
            if good == 0 or number >= U64(vcpus):
                return False
            op.a = np.int64(number)
            frame = U64(0x20000)
        else:
            return False
        good, offset = _number(data, starts[3], ends[3])
        good_size, size = _number(data, starts[4], ends[4])
        if good == 0 or good_size == 0:
            return False
        if size != U64(1) and size != U64(2) and size != U64(4) and size != U64(8):
            return False
        if offset >= frame or (offset & (size - U64(1))) != U64(0):
            return False
        op.b = np.int64(offset)
        op.c = np.int64(size)
        if kind == MMIO_R:
            return True
        return _value(data, starts[5], ends[5], op, ops, done)
    if tokens <= first:
        return False
    good, number = _number(data, starts[first], ends[first])
    if good == 0:
        return False
    if kind == PMR or kind == CTLR or kind == BPR:
        op.a = np.int64(number & U64(0xFFFFFFFF))
        return tokens == 3
    if number < U64(16):
        return False
    if kind == INJECT:
        if number > U64(0xFFFFFFFF):
            return False
    elif kind == PHYS:
        if number >= U64(FIRST_RESERVED):
            return False
    elif number >= U64(min(irqs, FIRST_RESERVED)):
        return False
    op.a = np.int64(number)
    if kind == UNMAP or kind == ISACTIVE:
        return tokens == 3
    if tokens != first + 2:
        return False
    good, number = _number(data, starts[first + 1], ends[first + 1])
    if good == 0:
        return False
    if kind == MAP:
        if number < U64(16) or number >= U64(FIRST_RESERVED):
            return False
    elif number > U64(1):
        return False
    op.b = np.int64(number)
    return True


@jit
def _fill_its(data: Any, starts: Any, ends: Any, tokens: Any, op: Any, ops: Any, done: Any, limits: Any) -> Any:
    """Fill `op` from the tokens of a gmem_w, gmem_r or msi, its kind being there already; as `_fill`."""
    if tokens != (2 if op.kind == GMEM_R else 3):
        return False
    good, number = _number(data, starts[1], ends[1])
    if good == 0:
        return False
    op.a = np.int64(number)
    if op.kind == MSI:
        good, event = _number(data, starts[2], ends[2])
        op.b = np.int64(event)
        return good == 1 and number <= U64(0xFFFFFFFF) and event <= U64(0xFFFFFFFF)
    if limits[3] == 0 or (number & U64(7)) != U64(0) or not is_ram(number):
        return False
    return op.kind == GMEM_R or _value(data, starts[2], ends[2], op, ops, done)


@jit
def _value(data: Any, start: Any, end: Any, op: Any, ops: Any, done: Any) -> Any:
    if data[start] == _AT:
        good, number = _number(data, start + 1, end)
        if good == 0 or number < U64(1) or number > U64(done):
            return False
        kind = ops[np.int64(number) - 1].kind
        op.ref = np.int64(number)
        return kind == ACK or kind == MMIO_R
    good, number = _number(data, start, end)
    op.value = number
    return good == 1


@jit
def scan_into(data: Any, position: Any, line: Any, limits: Any, ops: Any) -> Any:
    """Scan lines of `data` (uint8[:]) from `position` into `ops` (OP[:]).

    limits: int64[4], gic, vcpus, irqs, its. Returns (operations, bad_position, bad_line): bad_position is -1 when every
    line is good, else where the first bad line starts; bad_line its number. `ops` must have room for every line.
    """
    starts = np.zeros(_MAX_TOKENS + 1, np.int64)
    ends = np.zeros(_MAX_TOKENS + 1, np.int64)
    size = data.shape[0]
    # Typed at once: a bare literal would have everything it is passed to compiled a second time.
    done = np.int64(0)
    while position < size:
        line += 1
        begin = position
        tokens = 0
        while position < size:
            character = data[position]
            if character == _SPACE or character == _TAB or character == _RETURN:
                position += 1
            elif character == _NEWLINE:
                break
            elif character == _HASH:
                while position < size and data[position] != _NEWLINE:
                    position += 1
                break
            else:
                start = position
                while position < size and data[position] > _SPACE and data[position] != _HASH:
                    position += 1
                if position == start:
                    # A control character that no separator is.
                    return done, begin, line
                if tokens <= _MAX_TOKENS:
                    starts[tokens] = start
                    ends[tokens] = position
                    tokens += 1
        position += 1
        if tokens == 0:
            continue
        if tokens > _MAX_TOKENS or not _fill(data, starts, ends, tokens, ops[done], ops, done, limits):
            return done, begin, line
        ops[done].line = line
        done += 1
    return done, -1, line


def scan(data: bytes, position: int, line: int, config: VmConfig) -> tuple[np.ndarray, int, int]:
    """Scan the text after the configuration line; return (operations, bad_position, bad_line) as `scan_into`."""
    buffer = np.frombuffer(data, np.uint8)
    rows = int(np.count_nonzero(buffer == _NEWLINE)) + 1
    ops = np.empty(rows, OP)
    limits = np.array([config.gic, config.vcpus, config.irqs, config.its], np.int64)
    done, bad_position, bad_line = scan_into(buffer, position, line, limits, ops)
    return ops[:done], int(bad_position), int(bad_line)
