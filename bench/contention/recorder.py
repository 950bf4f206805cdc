# SPDX-License-Identifier: GPL-2.0-only
"""What an operation touches, in order: locks, memory, events, recorded from the model itself as plain Python.

`RecordedVm` takes the place of a VM record. It has the record's fields at any depth; each load and store of a number is
noted with its address (relative to the record's beginning). So is each lock operation, with the address of its word,
and between them the events counted so far. For this process JIT is off: compiled code would load and store by itself.
"""

from typing import Any

import numpy as np

from kvmarm.events import EVENT_COUNT

WORK, ACQUIRE, RELEASE, READ, WRITE = range(5)
"""Kinds of a step."""
MOST_RECORDED, SAMPLES = 32, 6


def recorded_threads(threads: int) -> int:
    """Return how many threads, the first ones, are recorded: all of a few.

    Of many two of each parity behind the first two, which may differ from all others.
    """
    return threads if threads <= MOST_RECORDED else SAMPLES


class Recorder:
    """Collects steps: (kind, address or instructions, lock's log entry or 0)."""

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = weights
        self.steps: list[tuple[int, float, int]] = []
        self._work = 0.0
        self._lock_word = 0
        self._words: dict[int, int] = {}
        self._seen: set[tuple[int, int]] = set()

    def event(self, event: int, number: float) -> None:
        """Note `number` events."""
        self._work += float(self.weights[event]) * float(number)

    def _note(self, kind: int, value: float, entry: int = 0) -> None:
        if self._work:
            self.steps.append((WORK, self._work, 0))
            self._work = 0.0
        self.steps.append((kind, value, entry))

    def access(self, kind: int, address: int) -> None:
        """Note a load or a store; a word that was touched the same way since the last lock operation is at hand."""
        if (kind, address) not in self._seen:
            self._seen.add((kind, address))
            self._note(kind, address)

    def lock_word(self, address: int) -> None:
        """Note which word the next lock operation is on."""
        self._lock_word = address

    def lock(self, entry: int) -> None:
        """Note a lock operation (a log entry of kvmarm.locks)."""
        self._seen.clear()
        if entry & 1:
            # A release is logged before its word is written.
            self._note(RELEASE, self._words[entry & ~1], entry)
        else:
            self._words[entry] = self._lock_word
            self._note(ACQUIRE, self._lock_word, entry)

    def take(self) -> list[tuple[int, float, int]]:
        """Return the steps so far and begin anew."""
        if self._work:
            self.steps.append((WORK, self._work, 0))
        steps, self.steps, self._work = self.steps, [], 0.0
        self._seen.clear()
        return steps


class _Counts:
    """Takes the place of the counts of an observer: what is added is noted."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __getitem__(self, event: int) -> int:
        return 0

    def __setitem__(self, event: int, number: float) -> None:
        self._recorder.event(int(event), number)


class _Log:
    """Takes the place of an observer's log of lock operations."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __setitem__(self, place: int, entry: int) -> None:
        self._recorder.lock(int(entry))


class RecordingObserver:
    """Takes the place of a record of kvmarm.events.OBSERVER."""

    dtype = np.dtype([("kick_count", np.int64), ("counts", np.int64, (EVENT_COUNT,))])

    def __init__(self, recorder: Recorder) -> None:
        self.counting = 1
        self.kick_count = 0
        self.kicks = [0] * 8192
        self.counts = _Counts(recorder)
        self.log = _Log(recorder)
        self.log_length = 0


class RecordedVm:
    """A record, or one inside of it, at an address: fields are read and written through the recorder."""

    __slots__ = ("_memory", "_place", "_recorder", "dtype")

    def __init__(self, memory: np.ndarray, dtype: np.dtype[Any], recorder: Recorder, place: int = 0) -> None:
        for name, value in (("_memory", memory), ("dtype", dtype), ("_recorder", recorder), ("_place", place)):
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        form, offset = self.dtype.fields[name][:2]
        place = self._place + offset
        if form.subdtype is not None:
            element, shape = form.subdtype
            return _RecordedArray(self._memory, element, shape, self._recorder, place)
        if form.names is not None:
            return RecordedVm(self._memory, form, self._recorder, place)
        if name == "lock":
            # Every lock is free or the caller's: one thread runs.
            self._recorder.lock_word(place)
        else:
            self._recorder.access(READ, place)
        return self._memory[place : place + form.itemsize].view(form)[0]

    def __setattr__(self, name: str, value: Any) -> None:
        form, offset = self.dtype.fields[name][:2]
        place = self._place + offset
        if name != "lock":
            self._recorder.access(WRITE, place)
        self._memory[place : place + form.itemsize].view(form)[0] = value


class _RecordedArray:
    """An array of a record: its elements are read and written through the recorder."""

    __slots__ = ("_element", "_memory", "_place", "_recorder", "_shape", "_strides", "dtype", "shape")

    def __init__(
        self, memory: np.ndarray, element: np.dtype[Any], shape: tuple[int, ...], recorder: Recorder, place: int
    ) -> None:
        self._memory = memory
        self._element = element
        self.dtype = element
        self.shape = self._shape = shape
        self._recorder = recorder
        self._place = place
        strides = [element.itemsize]
        for length in reversed(shape[1:]):
            strides.insert(0, strides[0] * length)
        self._strides = strides

    def _at(self, index: Any) -> int:
        parts = index if isinstance(index, tuple) else (index,)
        return self._place + sum(int(part) * stride for part, stride in zip(parts, self._strides, strict=False))

    def __getitem__(self, index: Any) -> Any:
        place = self._at(index)
        depth = len(index) if isinstance(index, tuple) else 1
        if depth < len(self._shape):
            return _RecordedArray(self._memory, self._element, self._shape[depth:], self._recorder, place)
        if self._element.names is not None:
            return RecordedVm(self._memory, self._element, self._recorder, place)
        self._recorder.access(READ, place)
        return self._memory[place : place + self._element.itemsize].view(self._element)[0]

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            for each in range(*index.indices(self._shape[0])):
                self[each] = value
            return
        place = self._at(index)
        self._recorder.access(WRITE, place)
        self._memory[place : place + self._element.itemsize].view(self._element)[0] = value
