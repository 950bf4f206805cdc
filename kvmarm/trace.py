# SPDX-License-Identifier: GPL-2.0-only
"""The trace format: what one run of one VM consists of, as text and as an array of operations.

A trace is a configuration and operations, numbered from 1 in file order. This module defines the format and parses
single lines; it loads no numba. `kvmarm.trace_read` reads whole traces, `kvmarm.trace_scan` is its compiled scanner.
`parse_line` is the plain twin of that scanner.

Blank lines and `#` comments have no number. Integers are decimal or 0x-hex. A VALUE `@K` is the value that
operation K, an earlier `ack` or `mmio_r`, returned.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kvmarm import gic as arch
from kvmarm.config import RAM_BASE, RAM_BYTES, VmConfig
from kvmarm.errors import UsageError

OP = np.dtype(
    [
        ("kind", np.int64),
        ("vcpu", np.int64),
        ("a", np.int64),
        ("b", np.int64),
        ("c", np.int64),
        ("value", np.uint64),
        ("ref", np.int64),
        ("line", np.int64),
    ]
)
"""One operation. `kind`: an index into KIND_NAMES; `a`, `b`, `c`: the arguments between VCPU and VALUE in the order of
SIGNATURES; `value`: VALUE, uint64; `ref`: K of `@K`, 0 when VALUE is a number; `line`: line number in its file."""

INJECT, MAP, UNMAP, INJECTM, PHYS, MMIO_W, MMIO_R, SGI1R, FLUSH = range(9)
ACK, EOI, DIR, PMR, CTLR, BPR, SYNC, PENDING, ISACTIVE = range(9, 18)
GMEM_W, GMEM_R, MSI = range(18, 21)

KIND_NAMES = (
    "inject", "map", "unmap", "injectm", "phys", "mmio_w", "mmio_r", "sgi1r", "flush",
    "ack", "eoi", "dir", "pmr", "ctlr", "bpr", "sync", "pending", "isactive",
    "gmem_w", "gmem_r", "msi",
)  # fmt: skip

# Arguments of each kind: v VCPU, i INTID, n VINTID, p PINTID, l LEVEL or ACTIVE, r REGION, o OFFSET, s SIZE,
# V VALUE (may be @K), m a number written to an interface register, A ADDR in guest memory, D DEVID, E EVENTID.
SIGNATURES = (
    "vil", "vnp", "vn", "vnl", "pl", "vrosV", "vros", "vV", "v", "v", "vV", "vV", "vm", "vm", "vm", "v", "v", "vn",
    "AV", "A", "DE",
)  # fmt: skip

GUEST_KINDS = frozenset((ACK, EOI, DIR, PMR, CTLR, BPR))
"""Legal only while the vCPU is in the guest."""

_MOST_DIGITS = 20
MOST_LINES = 4_000_000
"""Lines of a trace, which is held whole. A longer one is to be cut; `replay` reads a recording of any length."""

_SEPARATORS = re.compile(r"[ \t\r\n]+")

_FIELD_NAMES = {
    "v": "VCPU",
    "i": "INTID",
    "n": "VINTID",
    "p": "PINTID",
    "l": "LEVEL",
    "r": "REGION",
    "o": "OFFSET",
    "s": "SIZE",
    "V": "VALUE",
    "m": "V",
    "A": "ADDR",
    "D": "DEVID",
    "E": "EVENTID",
}


@dataclass(frozen=True)
class Trace:
    """A trace: its name, configuration and operations (array of dtype OP, operation N at index N - 1)."""

    name: str
    config: VmConfig
    ops: np.ndarray
    source: str = ""
    """File it came from, for messages."""


class LineError(ValueError):
    """A line that is not an operation: the message names the field and what was expected."""


def parse_number(field: str, token: str) -> int:
    """Return a decimal or 0x-hex integer of at most 64 bits. Raises LineError naming `field`."""
    digits, base = (token[2:], 16) if token[:2] in ("0x", "0X") else (token, 10)
    allowed = "0123456789abcdefABCDEF" if base == 16 else "0123456789"
    if not digits or any(character not in allowed for character in digits):
        raise LineError(f"{field} {token!r}: expected a decimal or 0x-hex number")
    # Python refuses to read decimal numbers of thousands of digits.
    number = int(digits, base) if len(digits.lstrip("0")) <= _MOST_DIGITS else 1 << 64
    if number >= 1 << 64:
        raise LineError(f"{field} {token!r}: expected a number of at most 64 bits")
    return number


def _in_range(field: str, number: int, low: int, high: int) -> int:
    if not low <= number <= high:
        raise LineError(f"{field} {number}: expected {low}..{high}")
    return number


def _region(config: VmConfig, token: str) -> int:
    if token == "d":
        return -1
    if token == "i" and config.gic == 3:
        return -2
    if token[:1] == "r" and config.gic == 3:
        return _in_range("REGION r", parse_number("REGION", token[1:]), 0, config.vcpus - 1)
    expected = "d" if config.gic == 2 else f"d or r0..r{config.vcpus - 1}"
    raise LineError(f"REGION {token!r}: unknown register frame, expected {expected}")


def _frame_size(config: VmConfig, region: int) -> int:
    if region == -1:
        return arch.DISTRIBUTOR_SIZE[config.gic]
    return arch.REDISTRIBUTOR_SIZE if region >= 0 else arch.ITS_SIZE


def _address(number: int) -> int:
    if number % 8:
        raise LineError(f"ADDR {number:#x}: expected a multiple of 8")
    if not RAM_BASE <= number < RAM_BASE + RAM_BYTES:
        last = RAM_BASE + RAM_BYTES - 8
        raise LineError(f"ADDR {number:#x}: outside guest memory, expected {RAM_BASE:#x}..{last:#x}")
    return number


def parse_line(text: str, config: VmConfig, earlier_kinds: Any) -> tuple[int, ...] | None:
    """Return the fields of OP but `line` for one line of text, None when it is blank or a comment.

    `earlier_kinds`: the kinds of the operations so far (a sequence), for `@K`. Raises LineError.
    """
    # Not at every control character that Python takes for a space: fields are separated by spaces and tabs.
    tokens = [token for token in _SEPARATORS.split(text.split("#", 1)[0]) if token]
    if not tokens:
        return None
    if tokens[0] not in KIND_NAMES:
        raise LineError(f"unknown operation {tokens[0]!r}, expected one of {', '.join(KIND_NAMES)}")
    kind = KIND_NAMES.index(tokens[0])
    signature = SIGNATURES[kind]
    if len(tokens) - 1 != len(signature):
        wanted = " ".join(_FIELD_NAMES[letter] for letter in signature)
        raise LineError(f"{tokens[0]}: {len(tokens) - 1} arguments, expected {len(signature)} ({wanted})")
    if kind == SGI1R and config.gic != 3:
        raise LineError("sgi1r: expected a GICv3 configuration")
    if kind in (GMEM_W, GMEM_R) and not config.its:
        raise LineError(f"{tokens[0]}: the VM has no guest memory, expected a configuration with its=1")
    vcpu = 0
    numbers: list[int] = []
    value = ref = 0
    for letter, token in zip(signature, tokens[1:], strict=True):
        field = "ACTIVE" if letter == "l" and kind == PHYS else _FIELD_NAMES[letter]
        if letter == "r":
            numbers.append(_region(config, token))
            continue
        if letter == "V" and token[:1] == "@":
            ref = parse_number(field, token[1:])
            if not 1 <= ref <= len(earlier_kinds) or earlier_kinds[ref - 1] not in (ACK, MMIO_R):
                raise LineError(f"{field} {token}: expected the number of an earlier ack or mmio_r")
            continue
        number = parse_number(field, token)
        if letter == "v":
            vcpu = _in_range(field, number, 0, config.vcpus - 1)
        elif letter == "V":
            value = number
        elif letter == "i":
            numbers.append(_in_range(field, number, 16, 0xFFFFFFFF))
        elif letter == "n":
            numbers.append(_in_range(field, number, 16, min(config.irqs, arch.FIRST_RESERVED) - 1))
        elif letter == "p":
            numbers.append(_in_range(field, number, 16, arch.FIRST_RESERVED - 1))
        elif letter == "l":
            numbers.append(_in_range(field, number, 0, 1))
        elif letter == "m":
            numbers.append(number & 0xFFFFFFFF)
        elif letter == "A":
            numbers.append(_address(number))
        elif letter in "DE":
            numbers.append(_in_range(field, number, 0, 0xFFFFFFFF))
        elif letter == "s":
            if number not in (1, 2, 4, 8):
                raise LineError(f"SIZE {number}: expected 1, 2, 4 or 8")
            region, offset = numbers
            if offset % number:
                raise LineError(f"OFFSET {offset:#x}: expected a multiple of SIZE {number}")
            if offset + number > _frame_size(config, region):
                raise LineError(
                    f"OFFSET {offset:#x}: expected one inside the frame of {_frame_size(config, region):#x}"
                )
            numbers.append(number)
        else:
            numbers.append(_in_range(field, number, 0, (1 << 62) - 1))
    numbers += [0] * (3 - len(numbers))
    return kind, vcpu, numbers[0], numbers[1], numbers[2], value, ref


def parse_config(text: str) -> VmConfig:
    """Return the configuration that the first line of a trace states. Raises LineError."""
    tokens = text.split("#", 1)[0].split()
    fields = ("gic", "vcpus", "irqs", "lrs")
    if not tokens or tokens[0] != "config":
        raise LineError("expected `config gic=2|3 vcpus=N irqs=M lrs=L` first")
    names = tuple(token.split("=", 1)[0] for token in tokens[1:])
    if names not in (fields, (*fields, "its")) or any("=" not in token for token in tokens[1:]):
        found = " ".join(names) or "none"
        raise LineError(f"config: fields {found}, expected gic=, vcpus=, irqs=, lrs= in this order (its= may follow)")
    numbers = [parse_number(field, token.split("=", 1)[1]) for field, token in zip(names, tokens[1:], strict=True)]
    try:
        config = VmConfig(*numbers)
    except UsageError as error:
        raise LineError(f"config: {error}") from error
    if config.vcpus > 255:
        raise LineError(f"config: vcpus={config.vcpus}: expected 1..255 in a trace")
    return config


def trace_name(path: Path) -> str:
    """Return the name of a trace: its file name without `.trace` and `.xz`."""
    name = path.name
    for suffix in (".xz", ".trace"):
        name = name.removesuffix(suffix)
    return name


def format_op(op: Any) -> str:
    """Return the trace line of one operation (a record of dtype OP)."""
    kind = int(op["kind"])
    plain = [int(op["a"]), int(op["b"]), int(op["c"])]
    words = [KIND_NAMES[kind]]
    for letter in SIGNATURES[kind]:
        if letter == "v":
            words.append(str(int(op["vcpu"])))
        elif letter == "V":
            words.append(f"@{int(op['ref'])}" if op["ref"] else f"{int(op['value']):#x}")
        else:
            number = plain.pop(0)
            if letter == "r":
                words.append("d" if number == -1 else "i" if number == -2 else f"r{number}")
            elif letter in "oA" or (letter == "m" and kind != BPR):
                words.append(f"{number:#x}")
            else:
                words.append(str(number))
    return " ".join(words)


def format_trace(config: VmConfig, ops: Iterable[Any]) -> Iterator[str]:
    """Yield the lines (without newline) of a trace file."""
    yield f"config {config}"
    for op in ops:
        yield format_op(op)
