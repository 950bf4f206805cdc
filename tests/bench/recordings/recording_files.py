# SPDX-License-Identifier: GPL-2.0-only
"""Recordings for tests: real ones, and variations made of them."""

import lzma
import re
import struct
import zlib
from pathlib import Path

import pyarrow

from bench.recordings.recording import Recording
from kvmarm.trace import format_op

FOLDER = Path(__file__).parents[2] / "data" / "recordings"


def path(name: str) -> str:
    """Return the path of a recording (compressed with xz)."""
    return str(FOLDER / f"{name}.xz")


def text(name: str) -> str:
    """Return the text of a recording."""
    return lzma.decompress((FOLDER / f"{name}.xz").read_bytes()).decode()


def lines_of(recording: Recording) -> list[str]:
    """Return the converted trace's lines."""
    found = [f"config {recording.config}"]
    for chunk in recording.chunks():
        found += [format_op(op) for op in chunk.ops]
    return found


def as_report(ftrace: str) -> str:
    """Return ftrace text as `trace-cmd report` prints it: without flags and heading, the event names padded."""
    body = [line for line in ftrace.splitlines() if not line.startswith("#")]
    line_form = re.compile(r"^(.*\[\d+\]) \S+ +([\d.]+: \w+:)")
    return "\n".join(["cpus=2", *(line_form.sub(lambda m: f"{m[1]}   {m[2]:<33}", line) for line in body)]) + "\n"


_FORMATS = {
    "kvm_entry": [("unsigned long", "vcpu_pc", 8, 0)],
    "kvm_exit": [("int", "ret", 4, 1), ("unsigned int", "esr_ec", 4, 0), ("unsigned long", "vcpu_pc", 8, 0)],
    "vgic_update_irq_pending": [("unsigned long", "vcpu_id", 8, 0), ("__u32", "irq", 4, 0), ("bool", "level", 1, 0)],
    "kvm_mmio": [("u32", "type", 4, 0), ("u32", "len", 4, 0), ("u64", "gpa", 8, 0), ("u64", "val", 8, 0)],
    "kvm_sys_access": [
        ("unsigned long", "vcpu_pc", 8, 0),
        ("bool", "is_write", 1, 0),
        ("u8", "Op0", 1, 0),
        ("u8", "Op1", 1, 0),
        ("u8", "CRn", 1, 0),
        ("u8", "CRm", 1, 0),
        ("u8", "Op2", 1, 0),
    ],
    "kvm_wfx_arm64": [("unsigned long", "vcpu_pc", 8, 0), ("bool", "is_wfe", 1, 0)],
    "kvm_get_timer_map": [("unsigned long", "vcpu_id", 8, 0), ("int", "direct_vtimer", 4, 1)],
}


def _layout(name: str) -> list[tuple[str, str, int, int, int]]:
    offset, found = 8, []
    for kind, field, size, signed in _FORMATS[name]:
        offset = (offset + size - 1) // size * size
        found.append((kind, field, offset, size, signed))
        offset += size
    return found


def _format_text(name: str, number: int) -> str:
    lines = [f"name: {name}", f"ID: {number}", "format:"]
    for kind, field, offset, size, signed in [
        ("unsigned short", "common_type", 0, 2, 0),
        ("int", "common_pid", 4, 4, 1),
        *_layout(name),
    ]:
        lines.append(f"\tfield:{kind} {field};\toffset:{offset};\tsize:{size};\tsigned:{signed};")
    return "\n".join(lines) + "\n"


def _values(name: str, arguments: str) -> list[int] | None:
    numbers = [int(word, 0) for word in re.findall(r"0x[0-9a-f]+|\d+", arguments)]
    if name == "kvm_mmio":
        kind = {"u": 0, "r": 1, "w": 2}[arguments[5]]
        return [kind, *numbers[-3:]]
    if name == "kvm_sys_access":
        register = re.search(r"\((\d+),(\d+),(\d+),(\d+),(\d+)\)", arguments)
        return [0, 1, *(int(part) for part in register.groups())] if register else None
    if name == "kvm_wfx_arm64":
        return [0, int("wfe" in arguments)]
    if name in ("kvm_entry", "kvm_exit"):
        return [0] * len(_FORMATS[name])
    return numbers[: len(_FORMATS[name])]


def _recorded(ftrace: str) -> tuple[dict[str, int], dict[int, str], dict[int, list[tuple[int, bytes]]]]:
    """Return the type of each event, the threads' names and each CPU's records (time in ns, data) of ftrace text."""
    numbers = {name: 100 + index for index, name in enumerate(_FORMATS)}
    threads: dict[int, str] = {}
    buffers: dict[int, list[tuple[int, bytes]]] = {}
    form = re.compile(r"^ *(.*)-(\d+) +\[(\d+)\] \S+ +(\d+)\.(\d+): (\w+): (.*)$")
    for line in ftrace.splitlines():
        match = form.match(line)
        if match is None or match[6] not in _FORMATS:
            continue
        name, values = match[6], _values(match[6], match[7])
        if values is None:
            continue
        threads[int(match[2])] = match[1]
        record = bytearray(_layout(name)[-1][2] + _layout(name)[-1][3])
        struct.pack_into("<HBBi", record, 0, numbers[name], 0, 0, int(match[2]))
        for (_, _, offset, size, _), value in zip(_layout(name), values, strict=True):
            record[offset : offset + size] = value.to_bytes(size, "little")
        record += bytes(-len(record) % 4)
        time = int(match[4]) * 10**9 + int(match[5]) * 1000
        buffers.setdefault(int(match[3]), []).append((time, bytes(record)))
    return numbers, threads, buffers


def _event_formats(numbers: dict[str, int]) -> bytes:
    data = struct.pack("<I", 1) + b"kvm\0" + struct.pack("<I", len(_FORMATS))
    for name, number in numbers.items():
        described = _format_text(name, number).encode()
        data += struct.pack("<Q", len(described)) + described
    return data


def _thread_names(threads: dict[int, str]) -> bytes:
    listed = "".join(f"{pid} {name}\n" for pid, name in threads.items()).encode()
    return struct.pack("<Q", len(listed)) + listed


def as_trace_dat(ftrace: str, page_size: int = 4096) -> bytes:
    """Return ftrace text as a trace.dat of version 6, one CPU buffer for each CPU of the recording."""
    numbers, threads, buffers = _recorded(ftrace)
    data = b"\x17\x08\x44tracing6\0" + struct.pack("<BBI", 0, 8, page_size)
    for name in (b"header_page\0", b"header_event\0"):
        data += name + struct.pack("<Q", 1) + b"\n"
    data += struct.pack("<I", 0) + _event_formats(numbers)
    data += struct.pack("<II", 0, 0)
    data += _thread_names(threads) + struct.pack("<I", len(buffers)) + b"flyrecord\0"
    offset = len(data) + 16 * len(buffers)
    offset += -offset % page_size
    heads, bodies = b"", b""
    for cpu in sorted(buffers):
        pages = _pages(buffers[cpu], page_size)
        heads += struct.pack("<QQ", offset + len(bodies), len(pages))
        bodies += pages
    return (data + heads).ljust(offset, b"\0") + bodies


def as_trace_dat_7(ftrace: str, compression: str = "none", page_size: int = 4096) -> bytes:
    """Return ftrace text as a trace.dat of version 7. compression: none, zlib or zstd."""
    numbers, threads, buffers = _recorded(ftrace)
    data = b"\x17\x08\x44tracing7\0" + struct.pack("<BBI", 0, 8, page_size)
    data += compression.encode() + b"\0" + b"1.0\0" + bytes(8)
    options_at = len(data) - 8

    def chunk(plain: bytes) -> bytes:
        packed = zlib.compress(plain) if compression == "zlib" else pyarrow.Codec("zstd").compress(plain, asbytes=True)
        return struct.pack("<II", len(packed), len(plain)) + packed

    def section(number: int, content: bytes) -> int:
        nonlocal data
        at = len(data)
        content = content if compression == "none" else chunk(content)
        data += struct.pack("<HHIQ", number, int(compression != "none"), 0, len(content)) + content
        return at

    options = [(18, struct.pack("<Q", section(18, _event_formats(numbers))))]
    options.append((21, struct.pack("<Q", section(21, _thread_names(threads)))))
    described = struct.pack("<Q", 0) + b"\0local\0" + struct.pack("<II", page_size, len(buffers))
    for cpu in sorted(buffers):
        pages = _pages(buffers[cpu], page_size)
        if compression != "none":
            # Three pages a chunk.
            parts = [chunk(pages[start : start + 3 * page_size]) for start in range(0, len(pages), 3 * page_size)]
            pages = struct.pack("<I", len(parts)) + b"".join(parts)
        described += struct.pack("<IQQ", cpu, len(data), len(pages))
        data += pages
    options.append((3, described))
    options.append((0, struct.pack("<Q", 0)))
    packed = b"".join(struct.pack("<HI", number, len(content)) + content for number, content in options)
    at = section(0, packed)
    return data[:options_at] + struct.pack("<Q", at) + data[options_at + 8 :]


def _pages(records: list[tuple[int, bytes]], page_size: int) -> bytes:
    pages, page, start, last = b"", b"", -1, 0
    for time, record in records:
        words = len(record) // 4
        delta = time - last if start >= 0 else 0
        extend = struct.pack("<II", 30 | (delta & 0x7FFFFFF) << 5, delta >> 27) if delta >> 27 else b""
        head = 0 if extend else delta
        entry = extend + struct.pack("<I", words | head << 5) + record
        if start < 0 or len(page) + len(entry) > page_size - 16:
            if start >= 0:
                pages += (struct.pack("<QQ", start, len(page)) + page).ljust(page_size, b"\0")
            start, page, entry = time, b"", struct.pack("<I", words) + record
        page += entry
        last = time
    return pages + (struct.pack("<QQ", max(start, 0), len(page)) + page).ljust(page_size, b"\0")
