# SPDX-License-Identifier: GPL-2.0-only
"""A converted recording as text in the trace format, in stretches."""

from collections.abc import Iterator
from pathlib import PurePath

from bench.recordings.apart import comments
from bench.recordings.recording import Progress, Recording
from kvmarm.trace import format_op


def header(recording: Recording) -> str:
    """Return the comment that a converted trace starts with: where it comes from, what was not converted."""
    name = PurePath(recording.name).name
    lost = ", ".join(f"{kind}:{count}" for kind, count in sorted(recording.not_converted.items()))
    return f"# from {name} ({recording.kind})" + (f"; not converted: {lost}" if lost else "")


def trailer(recording: Recording) -> bytes:
    """Return the comments that end a converted trace: which operations are run and not priced.

    To be called when `recording.chunks()` has come to its end.
    """
    epilogue = f"# the epilogue starts at operation {recording.epilogue}\n" if recording.epilogue else ""
    return f"{comments(recording.apart)}{epilogue}".encode()


def trace_text(recording: Recording, progress: Progress | None = None) -> Iterator[bytes]:
    """Yield the trace file of a recording, a stretch at a time."""
    yield f"{header(recording)}\nconfig {recording.config}\n".encode()
    for chunk in recording.chunks(progress):
        lines = [format_op(op) for op in chunk.ops]
        yield ("\n".join(lines) + "\n" if lines else "").encode()
    yield trailer(recording)
