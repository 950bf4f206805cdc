# SPDX-License-Identifier: GPL-2.0-only
"""Reading what users bring: bounded in size and depth, and one line about whatever is wrong with it.

Every file that is read whole comes through here. A file name is never more than that: nothing opens a connection, and
what a file is packed with is known by its first bytes. What is unpacked is limited, for a kilobyte can unpack to a
gigabyte.
"""

import bz2
import io
import json
import lzma
import os
import re
import sys
import tomllib
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kvmarm.errors import UsageError

MOST_READ = 64 << 20
"""Bytes of a file that is read whole, unpacked: 64 MiB."""
MOST_TOML = 2 << 20
MOST_ELEMENTS = 5_000_000
"""Elements of a JSON document: values and containers."""
MOST_DEPTH = 64
"""Arrays and tables within each other, in JSON and TOML."""
_PIECE, _SHORT = 1 << 20, 1 << 14

_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count:,} bytes"


def read_bytes(path: str | os.PathLike[str], most: int = MOST_READ) -> bytes:
    """Return what a file holds, a device or pipe too. Raises UsageError when it cannot be read or is larger."""
    try:
        with open(path, "rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise UsageError(f"{os.fspath(path)}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL in the name
        raise UsageError(f"{os.fspath(path)}: cannot be read: {error}") from error
    if len(data) > most:
        raise UsageError(f"{os.fspath(path)}: larger than {_size(most)}, expected at most that")
    return data


def check_readable(path: str | os.PathLike[str]) -> None:
    """Raise UsageError when a file cannot be opened: before work on those before it."""
    try:
        if not os.path.isdir(path) and not os.access(path, os.R_OK):
            with open(path, "rb"):
                return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{os.fspath(path)}: cannot be read: {reason}") from error


def read_text(path: str | os.PathLike[str], most: int = MOST_READ) -> str:
    """Return the UTF-8 text of a file. Raises UsageError, as for text in another encoding."""
    return decode(read_bytes(path, most), os.fspath(path))


def read_standard_input(most: int = MOST_READ) -> str:
    """Return the UTF-8 text of standard input. Raises UsageError, as for more than `most` bytes."""
    name = "standard input"
    try:
        data = sys.stdin.buffer.read(most + 1)
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror or error}") from error
    if len(data) > most:
        raise UsageError(f"{name}: larger than {_size(most)}, expected at most that")
    return decode(data, name)


def decode(data: bytes, where: str) -> str:
    """Return UTF-8 text. Raises UsageError for any other encoding."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{where}: not UTF-8 text: byte {error.start} is {data[error.start]:#04x}") from error


def _check_shape(document: Any, where: str, strings: bool) -> None:
    """Raise UsageError for a document that is nested too deeply, or holds text that no file can (`strings`)."""
    level = [document]
    depth = 0
    while level:
        if depth > MOST_DEPTH:
            raise UsageError(f"{where}: nested more than {MOST_DEPTH} deep, expected less")
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += value.values()
                if strings:
                    below += value.keys()
            elif isinstance(value, list):
                below += value
            elif strings and isinstance(value, str) and not value.isascii():
                try:
                    value.encode()
                except UnicodeEncodeError:
                    raise UsageError(f"{where}: text {value!r}: half of a character, expected Unicode text") from None
        level = below
        depth += 1


def parse_json(text: str, where: str, expected: str = "") -> Any:
    """Return the value of a JSON text. Raises UsageError with `where` first and `expected` last."""
    expected = f"; expected {expected}" if expected else ""
    if text.count(",") + text.count("[") + text.count("{") > MOST_ELEMENTS:
        raise UsageError(f"{where}: more than {MOST_ELEMENTS:,} elements, expected less")
    try:
        document = json.loads(text)
    except RecursionError:
        raise UsageError(f"{where}: not valid JSON (nested more than {MOST_DEPTH} deep){expected}") from None
    except ValueError as error:
        raise UsageError(f"{where}: not valid JSON ({_reason(error)}){expected}") from error
    _check_shape(document, f"{where}: not valid JSON", _HALF.search(text) is not None)
    return document


def json_of(data: bytes, where: str, expected: str = "") -> Any:
    """Return the value of a JSON file, given its bytes. Raises UsageError as `parse_json` does."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        after = f"; expected {expected}" if expected else ""
        raise UsageError(f"{where}: not valid JSON (not text){after}") from None
    return parse_json(text, where, expected)


def read_json(path: str | os.PathLike[str], expected: str = "") -> Any:
    """Return the value of a JSON file. Raises UsageError."""
    return json_of(read_bytes(path), os.fspath(path), expected)


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Return the table of a TOML text. Raises UsageError with `where` first."""
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise UsageError(f"{where}: nested more than {MOST_DEPTH} deep, expected less") from None
    except ValueError as error:
        raise UsageError(f"{where}: not TOML: {_reason(error)}") from error
    _check_shape(document, where, False)
    _check_integers(document, where)
    return document


def _check_integers(value: Any, where: str) -> None:
    """Raise UsageError for an integer of more than 64 bits, which TOML does not have."""
    if isinstance(value, dict):
        for name, member in value.items():
            _check_integers(member, f"{where}: {name}")
    elif isinstance(value, list):
        for member in value:
            _check_integers(member, where)
    elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise UsageError(f"{where}: an integer of {value.bit_length()} bits, expected at most 64")


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the table of a TOML file. Raises UsageError."""
    return parse_toml(read_text(path, MOST_TOML), os.fspath(path))


def _reason(error: Exception) -> str:
    text = str(error)
    return "an integer of more than 4,300 digits" if text.startswith("Exceeds the limit") else text


# --- what is packed ---------------------------------------------------------------------------------------------------

_MAGIC: dict[str, tuple[bytes, str]] = {
    "gzip": (b"\x1f\x8b", ".gz"),
    "xz": (b"\xfd7zXZ\x00", ".xz"),
    "bzip2": (b"BZh", ".bz2"),
    "zip": (b"PK\x03\x04", ".zip"),
    "zstd": (b"\x28\xb5\x2f\xfd", ".zst"),
}
"""Packing -> how such a file starts, and how it is named."""

SUFFIXES = {suffix: kind for kind, (_, suffix) in _MAGIC.items()}
"""End of a name -> what the file is packed with by it."""

_OPEN: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(31),
    "xz": lambda: lzma.LZMADecompressor(memlimit=1 << 28),
    "bzip2": bz2.BZ2Decompressor,
}


def packing(data: bytes) -> str | None:
    """Return what data is packed with, by its first bytes: a key of _MAGIC, None for data that is not packed."""
    return next((kind for kind, (magic, _) in _MAGIC.items() if data.startswith(magic)), None)


def unpack(data: bytes, where: str, most: int = MOST_READ) -> bytes:
    """Return data unpacked when it is packed, as it is otherwise.

    Raises UsageError when it is damaged, cut off or would be larger than `most` bytes.
    """
    kind = packing(data)
    if kind is None:
        return data
    try:
        if kind == "zip":
            result = _from_zip(data, where, most)
        elif kind == "zstd":
            result = _from_zstd(data, most)
        else:
            result = _from_stream(data, _OPEN[kind], most)
    except (OSError, EOFError, ValueError, RuntimeError, lzma.LZMAError, zlib.error, zipfile.BadZipFile) as error:
        raise UsageError(f"{where}: not a complete {kind} file: {error}") from error
    except _TooLarge:
        raise UsageError(f"{where}: larger than {_size(most)} when unpacked, expected at most that") from None
    return result


class _TooLarge(Exception):
    """There is more than may be unpacked; it is not put together first."""


def _from_stream(data: bytes, create: Callable[[], Any], most: int) -> bytes:
    parts: list[bytes] = []
    held = 0
    stream = create()
    # In small pieces: what follows the end of one member is copied for the next.
    for start in range(0, len(data), _SHORT):
        piece = data[start : start + _SHORT]
        asked = False
        while held <= most and (piece or not asked):
            if stream.eof:
                if not piece.strip(b"\0"):
                    break
                stream = create()
            part = stream.decompress(piece, most + 1 - held)
            parts.append(part)
            held += len(part)
            # zlib gives back what it did not look at; the others keep it, and are asked on with nothing new.
            piece = stream.unused_data if stream.eof else getattr(stream, "unconsumed_tail", b"")
            asked = not part
    if held > most:
        raise _TooLarge
    if not stream.eof:
        raise EOFError("its end is missing")
    return b"".join(parts)


def _from_zstd(data: bytes, most: int) -> bytes:
    import pyarrow

    with pyarrow.CompressedInputStream(pyarrow.BufferReader(data), "zstd") as stream:
        parts, held = [], 0
        while held <= most and (part := stream.read(_PIECE)):
            parts.append(part)
            held += len(part)
    if held > most:
        raise _TooLarge
    return b"".join(parts)


def _from_zip(data: bytes, where: str, most: int) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) != 1:
            raise UsageError(f"{where}: a zip archive of {len(members)} files, expected one")
        with archive.open(members[0]) as file:
            data = file.read(most + 1)
    if len(data) > most:
        raise _TooLarge
    return data


def read_packed(path: str | os.PathLike[str], most: int = MOST_READ) -> bytes:
    """Return what a file holds, unpacked. Raises UsageError; a name such as `x.gz` promises what it holds."""
    where = os.fspath(path)
    data = read_bytes(path, most)
    promised = SUFFIXES.get(Path(where).suffix)
    if promised is not None and packing(data) != promised:
        raise UsageError(f"{where}: not a {promised} file, as its name says; expected one, or another name")
    return unpack(data, where, most)
