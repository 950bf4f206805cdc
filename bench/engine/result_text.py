# SPDX-License-Identifier: GPL-2.0-only
"""What an operation returns, and the result file's line for it.

`format_result` writes a line in jitted code; `format_result_plain` is its plain twin, used when JIT is off and for the
line of a BUG_ON.
"""

from typing import Any

import numpy as np

from kvmarm.config import MAX_KICKS, MAX_LRS
from kvmarm.jit import U64, U64_1, bit_length, jit
from kvmarm.trace import (
    ACK,
    FLUSH,
    GMEM_R,
    INJECT,
    INJECTM,
    ISACTIVE,
    KIND_NAMES,
    MAP,
    MMIO_R,
    MMIO_W,
    MSI,
    PENDING,
    SYNC,
    UNMAP,
)

RESULT = np.dtype(
    [
        ("kind", np.int64),
        ("rc", np.int64),
        ("handled", np.int64),
        ("value", np.uint64),
        ("hcr", np.uint64),
        ("misr", np.uint64),
        ("eisr", np.uint64),
        ("elrsr", np.uint64),
        ("lr", np.uint64, (MAX_LRS,)),
    ]
)
"""What one operation returned; only the fields of its kind are meaningful."""

MAX_LINE = 256 + MAX_LRS * 20 + MAX_KICKS * 4
"""Bytes that the longest result line can take."""

_FIRST_FIELD = {
    **dict.fromkeys((INJECT, INJECTM, MAP, UNMAP, MSI), "rc"),
    **dict.fromkeys((MMIO_W, MMIO_R), "handled"),
    **dict.fromkeys((ACK, PENDING, ISACTIVE, GMEM_R), "value"),
    FLUSH: "hcr",
    SYNC: "misr",
}
"""Kind -> the field that its line starts with; the others have the kicks only."""
_HEAD_TEXTS = [f" op={name} {_FIRST_FIELD.get(kind, 'kicks')}=".encode() for kind, name in enumerate(KIND_NAMES)]
_HEAD_WIDTH = max(map(len, _HEAD_TEXTS))
_HEADS = np.array([list(head.ljust(_HEAD_WIDTH)) for head in _HEAD_TEXTS], np.uint8)
_HEAD_LENGTHS = np.array([len(head) for head in _HEAD_TEXTS], np.int64)


def _literal(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8).copy()


_VALUE = _literal(" value=")
_EISR = _literal(" eisr=")
_ELRSR = _literal(" elrsr=")
_LRS = _literal(" lrs=")
_KICKS = _literal(" kicks=")


@jit
def _put(text: Any, used: Any, word: Any) -> Any:
    for index in range(word.shape[0]):
        text[used + index] = word[index]
    return used + word.shape[0]


@jit
def _put_decimal(text: Any, used: Any, number: Any) -> Any:
    if number < 0:
        text[used] = 45
        used += 1
        number = -number
    digits = 1
    power = 10
    while number >= power:
        digits += 1
        power *= 10
    for index in range(digits - 1, -1, -1):
        text[used + index] = 48 + number % 10
        number //= 10
    return used + digits


@jit
def _put_hex(text: Any, used: Any, number: Any) -> Any:
    text[used] = 48
    text[used + 1] = 120
    used += 2
    digits = (bit_length(number | U64_1) + 3) >> 2
    for index in range(digits - 1, -1, -1):
        digit = np.int64(number & U64(15))
        text[used + index] = 48 + digit if digit < 10 else 87 + digit
        number >>= U64(4)
    return used + digits


@jit
def _put_lrs(text: Any, used: Any, lr: Any, lrs: Any) -> Any:
    used = _put(text, used, _LRS)
    for index in range(lrs):
        if index > 0:
            text[used] = 44
            used += 1
        used = _put_hex(text, used, lr[index])
    return used


@jit
def format_result(number: Any, result: Any, lrs: Any, kicks: Any, kick_count: Any, text: Any, used: Any) -> Any:
    """Append the result line of operation `number` to `text` (uint8[:]) at `used`; return the new length.

    result: a record of RESULT. lrs: how many list registers to show. kicks: int32[:], the first kick_count are shown.
    """
    kind = result.kind
    used = _put_decimal(text, used, number)
    # All of the width is copied, which is faster than as much as there is; what follows writes over the rest.
    for index in range(_HEAD_WIDTH):
        text[used + index] = _HEADS[kind, index]
    used += _HEAD_LENGTHS[kind]
    has_fields = True
    if kind == INJECT or kind == INJECTM or kind == MAP or kind == UNMAP or kind == MSI:
        used = _put_decimal(text, used, result.rc)
    elif kind == MMIO_W:
        used = _put_decimal(text, used, result.handled)
    elif kind == MMIO_R:
        used = _put_decimal(text, used, result.handled)
        used = _put(text, used, _VALUE)
        used = _put_hex(text, used, result.value)
    elif kind == ACK or kind == PENDING or kind == ISACTIVE or kind == GMEM_R:
        used = _put_hex(text, used, result.value)
    elif kind == FLUSH:
        used = _put_hex(text, used, result.hcr)
        used = _put_lrs(text, used, result.lr, lrs)
    elif kind == SYNC:
        used = _put_hex(text, used, result.misr)
        used = _put(text, used, _EISR)
        used = _put_hex(text, used, result.eisr)
        used = _put(text, used, _ELRSR)
        used = _put_hex(text, used, result.elrsr)
        used = _put_lrs(text, used, result.lr, lrs)
    else:
        has_fields = False
    if has_fields:
        used = _put(text, used, _KICKS)
    for index in range(kick_count):
        if index > 0:
            text[used] = 44
            used += 1
        used = _put_decimal(text, used, np.int64(kicks[index]))
    text[used] = 10
    return used + 1


def result_fields(result: Any, lrs: int) -> list[tuple[str, str]]:
    """Return the (name, text) pairs of an operation's result in the order of the result file, kicks left out."""
    kind = int(result.kind)
    fields: list[tuple[str, str]] = []
    if kind in (INJECT, INJECTM, MAP, UNMAP, MSI):
        fields.append(("rc", str(int(result.rc))))
    if kind in (MMIO_W, MMIO_R):
        fields.append(("handled", str(int(result.handled))))
    if kind in (MMIO_R, ACK, PENDING, ISACTIVE, GMEM_R):
        fields.append(("value", f"{int(result.value):#x}"))
    if kind == FLUSH:
        fields.append(("hcr", f"{int(result.hcr):#x}"))
    if kind == SYNC:
        fields += [(name, f"{int(result[name]):#x}") for name in ("misr", "eisr", "elrsr")]
    if kind in (FLUSH, SYNC):
        fields.append(("lrs", ",".join(f"{int(lr):#x}" for lr in result.lr[:lrs])))
    return fields


def format_result_plain(number: int, result: Any, vm: Any, caller: Any, bug: str = "", with_fields: bool = True) -> str:
    """Return the result line of operation `number`, newline included.

    caller: the record of the operation's caller, which holds its kicks.
    bug: FILE:LINE of the BUG_ON that ended it. with_fields: whether the operation's fields were known by then.
    """
    fields = result_fields(result, int(vm.lrs)) if with_fields else []
    if bug:
        fields.append(("bug", bug))
    fields.append(("kicks", ",".join(str(int(vcpu)) for vcpu in caller.kicks[: caller.kick_count])))
    shown = " ".join(f"{name}={text}" for name, text in fields)
    return f"{number} op={KIND_NAMES[int(result.kind)]} {shown}\n"
