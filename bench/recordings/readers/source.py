# SPDX-License-Identifier: GPL-2.0-only
"""Opening a recording: a path or standard input, plain or compressed, as chunks of bytes.

The compression is recognised by the file's first bytes, never by its name. Whole chunks only are held, so memory does
not grow with the recording.
"""

import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

from kvmarm.errors import UsageError

CHUNK = 4 << 20
"""Bytes of one decompressed chunk, about 40,000 lines of ftrace."""
_READ = 1 << 20

_GZIP, _XZ, _ZSTD = b"\x1f\x8b", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"
BZIP2 = b"BZh"


class Source:
    """A recording's bytes. `name` is for messages; iterate with `chunks()`, once.

    `progress(done, total)` is called with compressed bytes read and the file's size (0 when not known).
    """

    def __init__(self, path: str, progress: Callable[[int, int], None] | None = None) -> None:
        """Open `path` (`-`: standard input). Raises UsageError when it cannot be read."""
        self.path = path
        self.name = "standard input" if path == "-" else path
        self._progress = progress
        self._done = 0
        self.total = 0
        self._file: IO[bytes]
        try:
            if path == "-":
                self._file = sys.stdin.buffer
            else:
                if os.path.isdir(path):
                    raise UsageError(f"{path}: is a folder, expected a recording")
                self._file = open(path, "rb")  # noqa: SIM115 - closed by close()
                self.total = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error

    def close(self) -> None:
        """Close the file."""
        if self.path != "-":
            self._file.close()

    def _raw(self) -> Iterator[bytes]:
        while True:
            try:
                data = self._file.read(_READ)
            except OSError as error:
                raise UsageError(f"{self.name}: cannot be read: {error.strerror or error}") from error
            if not data:
                return
            self._done += len(data)
            if self._progress is not None:
                self._progress(self._done, self.total)
            yield data

    def chunks(self) -> Iterator[bytes]:
        """Yield the decompressed content. Raises UsageError for damaged or cut-off compressed data."""
        raw = self._raw()
        first = next(raw, b"")
        if not first:
            raise UsageError(f"{self.name}: empty, expected a recording")
        if first.startswith(BZIP2):
            raise UsageError(f"{self.name}: bzip2 is not supported, expected plain, .gz, .xz or .zst")

        def parts() -> Iterator[bytes]:
            yield first
            yield from raw

        if first.startswith(_GZIP):
            yield from self._decompress(parts(), lambda: zlib.decompressobj(31), "gzip")
        elif first.startswith(_XZ):
            yield from self._decompress(parts(), lzma.LZMADecompressor, "xz")
        elif first.startswith(_ZSTD):
            yield from self._zstd(parts())
        else:
            yield from parts()

    def _decompress(self, parts: Iterator[bytes], create: Callable[[], Any], kind: str) -> Iterator[bytes]:
        """Decompress members one after another, in pieces of bounded size."""
        decompressor = create()
        pending = b""
        try:
            for part in parts:
                pending += part
                while pending:
                    if decompressor.eof:
                        if not pending.strip(b"\0"):
                            pending = b""
                            break
                        decompressor = create()
                    data = decompressor.decompress(pending, CHUNK)
                    if kind == "gzip":
                        pending = decompressor.unconsumed_tail or decompressor.unused_data
                    else:
                        # An LZMADecompressor keeps its input; b"" asks for more output of it.
                        pending = decompressor.unused_data
                        if data:
                            yield data
                        while not decompressor.needs_input and not decompressor.eof:
                            data = decompressor.decompress(b"", CHUNK)
                            if data:
                                yield data
                            pending = decompressor.unused_data
                        continue
                    if data:
                        yield data
            if not decompressor.eof:
                raise UsageError(f"{self.name}: the {kind} data is cut off: the file is incomplete")
        except (zlib.error, lzma.LZMAError, EOFError) as error:
            raise UsageError(f"{self.name}: damaged {kind} data: {error}") from error

    def _zstd(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        import pyarrow

        stream = _PartStream(parts)
        try:
            with pyarrow.CompressedInputStream(pyarrow.PythonFile(stream, mode="r"), "zstd") as decompressed:
                while data := decompressed.read(CHUNK):
                    yield data
        except (OSError, pyarrow.ArrowException) as error:
            raise UsageError(f"{self.name}: damaged or cut-off zstd data: {error}") from error


def with_last(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield each chunk and whether it is the last one."""
    held = next(chunks, b"")
    for chunk in chunks:
        yield held, False
        held = chunk
    yield held, True


class _PartStream:
    """An iterator of bytes as the file object that pyarrow wants."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._rest = b""
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._rest) < size:
            part = next(self._parts, b"")
            if not part:
                break
            self._rest += part
        if size < 0:
            size = len(self._rest)
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def writable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True
