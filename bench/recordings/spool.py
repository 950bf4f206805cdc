# SPDX-License-Identifier: GPL-2.0-only
"""Events between their reader and their placement: in a temporary file, so that memory stays flat.

Placement needs facts (vCPUs, GIC version, where the GIC is) that only the whole recording tells, and standard input
cannot be read twice. Events are about a tenth of the text they come from.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from typing import IO

import numpy as np

from bench.recordings import events as ev
from bench.recordings.events import EVENT
from bench.recordings.options import Options
from kvmarm.errors import UsageError

ROWS = 1 << 15
"""Events read back at a time."""


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn an OSError of a temporary file into a UsageError."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"temporary files cannot be written: {error.strerror or error}, expected TMPDIR to name a folder with room "
            "(half the size of the text)"
        ) from error


def temporary_file() -> IO[bytes]:
    """Return an open temporary file that vanishes when it is closed. Raises UsageError."""
    with explained():
        return tempfile.TemporaryFile(prefix="vgic-bench-")


class Spool:
    """A temporary file of EVENT records; written once, then read as often as wanted."""

    def __init__(self) -> None:
        self._file = temporary_file()
        self.rows = 0

    def append(self, events: np.ndarray) -> None:
        """Add an array of EVENT."""
        if len(events):
            with explained():
                self._file.write(np.ascontiguousarray(events).tobytes())
            self.rows += len(events)

    def read(self) -> Iterator[np.ndarray]:
        """Yield arrays of at most ROWS events."""
        with explained():
            self._file.seek(0)
        while data := self._file.read(ROWS * EVENT.itemsize):
            yield np.frombuffer(bytearray(data), EVENT)

    def close(self) -> None:
        """Delete the file."""
        # Where the disk is full, what is left to write cannot be written now either.
        with contextlib.suppress(OSError):
            self._file.close()


_SET_UP_KINDS = np.array(
    [ev.GPA_WRITE, ev.FRAME_WRITE, ev.Q_PMR, ev.Q_CONTROL, ev.Q_BPR, ev.Q_ICC_CONTROL, ev.Q_GROUP1], np.int32
)
_SGIR = 0xF00


def window(
    arrays: Iterator[np.ndarray], options: Options, first_time: int, distributor: int, whole: str
) -> Iterator[tuple[np.ndarray, bool]]:
    """Yield what a window keeps, each array with whether it is of the window itself.

    Of the events before it, what set the interrupt controller up is kept, and yielded first.

    That is register writes (SGIs excepted) and the last level of each line that was high when the window opens. Raises
    UsageError when no event is in the window, `whole` saying what the recording has.
    """
    if not options.windowed:
        for events in arrays:
            yield events, True
        return
    start = -1 if options.start is None else first_time + round(options.start * 1e9)
    stop = (1 << 62) if options.stop is None else first_time + round(options.stop * 1e9)
    first = options.first or 0
    last = (1 << 62) if options.count is None else first + options.count
    levels: dict[tuple[int, int], np.ndarray] = {}
    position = 0
    opened = False
    for events in arrays:
        counted = np.cumsum(events["kind"] != ev.LRS) - 1 + position
        position = int(counted[-1]) + 1 if len(counted) else position
        timed = events["kind"] != ev.LOST
        before = (timed & (events["time"] < start)) | (counted < first)
        after = (timed & (events["time"] > stop)) | (counted >= last)
        early = events[before]
        lines = (early["kind"] == ev.LINE) | (early["kind"] == ev.Q_LINE)
        for row in early[lines]:
            levels[int(row["vcpu"]), int(row["a"])] = row
        writes = early[np.isin(early["kind"], _SET_UP_KINDS)]
        sgi = (writes["kind"] == ev.GPA_WRITE) & (writes["a"] == np.uint64(max(distributor, 0) + _SGIR))
        sgi |= (writes["kind"] == ev.FRAME_WRITE) & (writes["n"] == ev.NO_REGION) & (writes["a"] == _SGIR)
        # Where the events are not in the order of time, some of before the window come after its start.
        yield writes[~sgi], opened
        inside = events[~before & ~after]
        if len(inside) and not opened:
            opened = True
            high = [row for row in levels.values() if row["b"]]
            if high:
                yield np.array(high, EVENT), False
        yield inside, opened
        if len(events) and bool(after[-1]):
            break
    if not opened:
        raise UsageError(f"no event is in the window: {whole}")
