# SPDX-License-Identifier: GPL-2.0-only
"""The container of trace.dat, versions 6 and 7: event formats, thread names, and each CPU's ring buffer pages.

Source: trace-cmd.dat.v6(5) and trace-cmd.dat.v7(5). Sections and per-CPU data of version 7 may be compressed with zstd
or zlib, in chunks. Only little-endian 64-bit recordings are read (every KVM/Arm host).
"""

import os
import re
import struct
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from bench.recordings.readers.detect import TRACE_DAT_MAGIC
from bench.recordings.readers.source import CHUNK
from bench.recordings.spool import explained, temporary_file
from kvmarm.errors import UsageError

OPTION_DONE, OPTION_BUFFER = 0, 3
SECTION_EVENTS, SECTION_CMDLINES = 18, 21
_COMPRESSED = 1
_MOST_CHUNK = 1 << 25
"""Bytes of a section, or of a compressed piece of a CPU's pages, when it is unpacked: 32 MiB."""
_MOST_SECTION = 1 << 26
"""Bytes of a part that is read whole: 64 MiB."""
_MOST_COPIED = 1 << 33
"""Bytes of a packed or piped recording, which is unpacked into a temporary file: 8 GiB."""
_MOST_PIECE, _ALL_PIECES = 1 << 20, 1 << 23
"""Bytes of ring buffer pages that are decoded at a time: of one CPU, of all CPUs together."""
_LEAST_PAGE, _MOST_PAGE = 1 << 10, 1 << 20
"""Bytes of a ring buffer page: the kernel's own, up to 64 KiB, or larger where its sub-buffers were made so."""


@dataclass
class EventFormat:
    """One event's layout. `fields`: name -> (offset, size, signed)."""

    name: str
    fields: dict[str, tuple[int, int, bool]]


@dataclass
class Container:
    """A trace.dat's content. `formats`: common_type -> format; `threads`: PID -> name; `cpus`: (CPU, offset, size)."""

    file: IO[bytes]
    name: str
    page_size: int
    compression: str = "none"
    formats: dict[int, EventFormat] = field(default_factory=dict)
    threads: dict[int, bytes] = field(default_factory=dict)
    cpus: list[tuple[int, int, int]] = field(default_factory=list)

    def pages(self, offset: int, size: int) -> Iterator[bytes]:
        """Yield the ring buffer pages of one CPU, a whole number of pages at a time.

        As many as memory allows when every CPU's are held at once.
        """
        self._seek(offset)
        position = offset
        piece = max(min(_MOST_PIECE, _ALL_PIECES // max(1, len(self.cpus))) // self.page_size, 1) * self.page_size
        if self.compression == "none":
            while size > 0:
                data = self.file.read(min(size, piece))
                if not data:
                    raise UsageError(f"{self.name}: CPU data is cut off: the file is incomplete")
                size -= len(data)
                yield data
                self.file.seek(position := position + len(data))
            return
        if size == 0:
            return
        (chunks,) = self._unpack("<I")
        parts: list[bytes] = []
        for number in range(chunks):
            parts.append(self._chunk())
            if number == chunks - 1 or sum(map(len, parts)) >= piece:
                position = self.file.tell()
                yield b"".join(parts)
                parts = []
                self.file.seek(position)

    def _seek(self, offset: int) -> None:
        end = self.file.seek(0, os.SEEK_END)
        if offset > end:
            raise UsageError(f"{self.name}: damaged or incomplete trace.dat: it refers to byte {offset} of {end}")
        self.file.seek(offset)

    def _read(self, size: int) -> bytes:
        if size > CHUNK:
            if size > _MOST_SECTION:
                raise UsageError(
                    f"{self.name}: damaged trace.dat: a part of {size} bytes, expected {_MOST_SECTION} at most"
                )
            # A damaged length must not take memory for what the file does not have.
            here = self.file.tell()
            end = self.file.seek(0, os.SEEK_END)
            self.file.seek(here)
            if size > end - here:
                raise UsageError(f"{self.name}: not a complete trace.dat: it ends at byte {end}")
        data = self.file.read(size)
        if len(data) != size:
            raise UsageError(f"{self.name}: not a complete trace.dat: it ends at byte {self.file.tell()}")
        return data

    def _unpack(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(layout, self._read(struct.calcsize(layout)))

    def _string(self) -> str:
        data = b""
        while not data.endswith(b"\0"):
            data += self._read(1)
            if len(data) > 256:
                raise UsageError(f"{self.name}: not a trace.dat: a name of more than 256 bytes")
        return data[:-1].decode("ascii", "replace")

    def _chunk(self) -> bytes:
        compressed, plain = self._unpack("<II")
        if max(plain, compressed) > _MOST_CHUNK:
            size = max(plain, compressed)
            raise UsageError(f"{self.name}: damaged trace.dat: a chunk of {size} bytes, expected {_MOST_CHUNK} at most")
        data = self._read(compressed)
        try:
            if self.compression == "zstd":
                import pyarrow

                return pyarrow.Codec("zstd").decompress(data, plain, asbytes=True)
            # No more than it says, for a kilobyte can expand to a megabyte.
            unpacked = zlib.decompressobj().decompress(data, plain + 1)
        except (OSError, ValueError, zlib.error) as error:
            raise UsageError(f"{self.name}: damaged {self.compression} data: {error}") from error
        if len(unpacked) != plain:
            raise UsageError(f"{self.name}: damaged {self.compression} data: not the {plain} bytes that it says")
        return unpacked


def open_container(chunks: Iterator[bytes], path: str, name: str) -> Container:
    """Read the headers of a trace.dat. It must be seekable: one that is compressed or piped goes to a temporary file.

    Raises UsageError for a damaged or unsupported file.
    """
    first = next(chunks)
    file: IO[bytes]
    if path != "-" and os.path.isfile(path) and _starts_plain(path):
        file = open(path, "rb")  # noqa: SIM115 - lives as long as the container
    else:
        file = temporary_file()
        with explained():
            file.write(first)
        copied = len(first)
        for chunk in chunks:
            copied += len(chunk)
            if copied > _MOST_COPIED:
                raise UsageError(f"{name}: larger than {_MOST_COPIED >> 30} GiB when unpacked, expected at most that")
            with explained():
                file.write(chunk)
        with explained():
            file.seek(0)
    container = Container(file, name, 4096)
    file.seek(len(TRACE_DAT_MAGIC))
    version = container._string()
    endian, long_size, container.page_size = container._unpack("<BBI")
    if endian != 0 or long_size != 8:
        raise UsageError(f"{name}: trace.dat of a big-endian or 32-bit host, expected little-endian 64-bit")
    _check_page_size(container)
    if version == "6":
        _read_version_6(container)
    elif version == "7":
        _read_version_7(container)
    else:
        raise UsageError(f"{name}: trace.dat version {version!r}, expected 6 or 7")
    if not container.cpus:
        raise UsageError(f"{name}: trace.dat without CPU data")
    return container


def _check_page_size(container: Container) -> None:
    if not _LEAST_PAGE <= container.page_size <= _MOST_PAGE:
        expected = f"expected {_LEAST_PAGE} to {_MOST_PAGE}"
        raise UsageError(f"{container.name}: damaged trace.dat: pages of {container.page_size} bytes, {expected}")


def _starts_plain(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(len(TRACE_DAT_MAGIC)) == TRACE_DAT_MAGIC


def _read_version_6(container: Container) -> None:
    for _ in range(2):  # header_page, header_event
        container._string()
        container._read(container._unpack("<Q")[0])
    for _ in range(container._unpack("<I")[0]):  # ftrace's own formats
        container._read(container._unpack("<Q")[0])
    _read_events(container)
    for layout in ("<I", "<I"):  # kallsyms, printk formats
        container._read(container._unpack(layout)[0])
    _read_threads(container)
    (cpus,) = container._unpack("<I")
    kind = container._read(10)
    if kind.startswith(b"options"):
        while (option := container._unpack("<H")[0]) != OPTION_DONE:
            container._read(container._unpack("<I")[0])
        del option
        kind = container._read(10)
    if not kind.startswith(b"flyrecord"):
        raise UsageError(f"{container.name}: trace.dat holds no ring buffers ({kind.rstrip(chr(0).encode())!r})")
    for cpu in range(cpus):
        offset, size = container._unpack("<QQ")
        container.cpus.append((cpu, offset, size))


def _read_version_7(container: Container) -> None:
    container.compression = container._string()
    container._string()
    if container.compression not in ("none", "zstd", "zlib"):
        raise UsageError(f"{container.name}: trace.dat compressed with {container.compression!r}, expected zstd, zlib")
    (offset,) = container._unpack("<Q")
    sections: dict[int, int] = {}
    buffers: list[bytes] = []
    seen: set[int] = set()
    while offset and offset not in seen:
        seen.add(offset)
        options = _section(container, offset)
        offset = 0
        position = 0
        while position + 6 <= len(options):
            option, size = struct.unpack_from("<HI", options, position)
            data = options[position + 6 : position + 6 + size]
            position += 6 + size
            if option == OPTION_DONE:
                offset = struct.unpack_from("<Q", data)[0] if len(data) >= 8 else 0
                break
            if option == OPTION_BUFFER:
                buffers.append(data)
            elif len(data) == 8:
                sections.setdefault(option, struct.unpack("<Q", data)[0])
    for section, reader in ((SECTION_EVENTS, _read_events), (SECTION_CMDLINES, _read_threads)):
        if section in sections:
            reader(_inside(container, _section(container, sections[section])))
    for data in buffers:
        _read_buffer_option(container, data)


def _inside(container: Container, data: bytes) -> Container:
    """Return a view of the container that reads from `data`, a section's content."""
    file = tempfile.SpooledTemporaryFile(max_size=1 << 26)  # noqa: SIM115 - lives as long as the view
    file.write(data)
    file.seek(0)
    return Container(file, container.name, container.page_size, "none", container.formats, container.threads)


def _section(container: Container, offset: int) -> bytes:
    container._seek(offset)
    _, flags, _, size = container._unpack("<HHIQ")
    if flags & _COMPRESSED:
        return container._chunk()
    return container._read(size)


def _read_buffer_option(container: Container, data: bytes) -> None:
    # Offset of the buffer's section, its name, its clock, page size, CPUs.
    try:
        name_end = data.index(b"\0", 8)
        clock_end = data.index(b"\0", name_end + 1)
        container.page_size, cpus = struct.unpack_from("<II", data, clock_end + 1)
        for index in range(cpus):
            container.cpus.append(struct.unpack_from("<IQQ", data, clock_end + 9 + 20 * index))
    except (ValueError, struct.error) as error:
        raise UsageError(f"{container.name}: damaged trace.dat: the description of a ring buffer is cut off") from error
    _check_page_size(container)


_FIELD = re.compile(r"field:([^;]*);\s*offset:([0-9]{1,6});\s*size:([0-9]{1,6});(?:\s*signed:(\d);)?")
_MEMBER = re.compile(r"(\w+)(?:\[\d*\w*\])?$")


def parse_format(text: str) -> tuple[int, EventFormat] | None:
    """Return (common_type, format) of one event's `format` file, None when it is not one."""
    name = re.search(r"^name: (\S+)", text, re.MULTILINE)
    number = re.search(r"^ID: ([0-9]{1,9})\b", text, re.MULTILINE)
    if name is None or number is None:
        return None
    fields = {}
    for declaration, offset, size, signed in _FIELD.findall(text):
        member = _MEMBER.search(declaration.strip())
        if member is not None:
            fields[member.group(1)] = (int(offset), int(size), signed == "1")
    return int(number.group(1)), EventFormat(name.group(1), fields)


def _read_events(container: Container) -> None:
    (systems,) = container._unpack("<I")
    for _ in range(systems):
        container._string()
        (events,) = container._unpack("<I")
        for _ in range(events):
            text = container._read(container._unpack("<Q")[0]).decode("utf-8", "replace")
            parsed = parse_format(text)
            if parsed is not None:
                container.formats[parsed[0]] = parsed[1]


def _read_threads(container: Container) -> None:
    for line in container._read(container._unpack("<Q")[0]).split(b"\n"):
        pid, _, name = line.strip().partition(b" ")
        if pid.isdigit() and len(pid) <= 10:
            container.threads[int(pid)] = name.strip()
