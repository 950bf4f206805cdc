# SPDX-License-Identifier: GPL-2.0-only
"""Read whole traces: text or file in, a `kvmarm.trace.Trace` out.

Compiled code scans the text (kvmarm.trace_scan). A line that it refuses is parsed again by kvmarm.trace.parse_line, to
say what is wrong with it. With JIT off, parse_line parses every line.
"""

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from kvmarm.config import VmConfig
from kvmarm.errors import UsageError
from kvmarm.inputs import MOST_READ, read_packed
from kvmarm.jit import JIT_ENABLED
from kvmarm.trace import MOST_LINES, OP, LineError, Trace, parse_config, parse_line, trace_name
from kvmarm.trace_scan import scan


def read_text(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a trace file, decompressed when it is packed. Raises UsageError, as for a huge one."""
    return gather([read_packed(path)], os.fspath(path))


def gather(chunks: Iterable[bytes], where: str) -> bytes:
    """Return the whole text of a trace. Raises UsageError when it is more than a trace may have."""
    parts: list[bytes] = []
    size = lines = 0
    for chunk in chunks:
        size += len(chunk)
        lines += chunk.count(b"\n")
        if size > MOST_READ or lines > MOST_LINES:
            raise UsageError(f"{where}: expected a trace of at most {MOST_LINES:,} lines and {MOST_READ >> 20} MiB")
        parts.append(chunk)
    return b"".join(parts)


def read_trace(path: str | os.PathLike[str]) -> Trace:
    """Read a trace file (plain or .xz). Raises UsageError naming file, line, field and what was expected."""
    target = Path(path)
    return parse_trace(read_text(target), name=trace_name(target), source=str(target))


def parse_trace(data: bytes, name: str = "trace", source: str = "") -> Trace:
    """Return the trace that `data` (text in the trace format) describes. Raises UsageError naming line and field."""
    source = source or name
    first_end, line_number, config = _find_config(data, source)
    if JIT_ENABLED:
        ops, bad_position, bad_line = scan(data, first_end, line_number, config)
        if bad_position < 0:
            return Trace(name, config, ops, source)
        _explain(data, bad_position, bad_line, config, ops["kind"], source)
        raise AssertionError(f"{source}:{bad_line}: the scanner refuses a line that the parser takes")
    rows: list[tuple[int, ...]] = []
    kinds: list[int] = []
    for number, raw in enumerate(io.BytesIO(data[first_end:]), line_number + 1):
        try:
            fields = parse_line(raw.decode("ascii", "replace"), config, kinds)
        except LineError as error:
            raise UsageError(f"{source}:{number}: {error}") from error
        if fields is not None:
            kinds.append(fields[0])
            rows.append((*fields, number))
    return Trace(name, config, np.array(rows, OP), source)


def _find_config(data: bytes, source: str) -> tuple[int, int, VmConfig]:
    position = 0
    number = 0
    while position < len(data):
        end = data.find(b"\n", position)
        end = len(data) if end < 0 else end + 1
        number += 1
        text = data[position:end].decode("ascii", "replace")
        if text.split("#", 1)[0].strip():
            try:
                return end, number, parse_config(text)
            except LineError as error:
                raise UsageError(f"{source}:{number}: {error}") from error
        position = end
    raise UsageError(f"{source}: empty, expected `config gic=2|3 vcpus=N irqs=M lrs=L` first")


def _explain(data: bytes, position: int, line: int, config: VmConfig, kinds: Any, source: str) -> None:
    end = data.find(b"\n", position)
    text = data[position : len(data) if end < 0 else end].decode("ascii", "replace")
    try:
        parse_line(text, config, kinds)
    except LineError as error:
        raise UsageError(f"{source}:{line}: {error}") from error
