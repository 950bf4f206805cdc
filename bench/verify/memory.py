# SPDX-License-Identifier: GPL-2.0-only
"""The memory of a search, and which of its words are the state.

The VM's record and the world (reference, hardware, the search's own) lie in one array of words. So a word of any of
them is a place in it. After them comes a copy of the first ones as they were at the root.

Which words are state is not written down for any design. A word that differs from its value at the root is state. So
are the other fields of the structure that it lies in, and the same places of each other vCPU. The search starts with
none, and looks after each stretch whether anything else in the records has changed: then the word is added and the
search starts again. What a design names as scratch is never state.
"""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.verify.machine import connect
from bench.verify.records import MAX_WORDS, REFERENCE, WORLD
from kvmarm.config import MAX_VCPUS, VmConfig
from kvmarm.cpuif import HARDWARE
from kvmarm.design import Design
from kvmarm.errors import UsageError
from kvmarm.jit import JIT_ENABLED, U64_0, jit

_FEW = 16
_SMALL = 64
"""Bytes up to which an array of a structure is taken as a whole."""


@jit
def _changes(memory: Any, size: Any, root: Any, ignored: Any, out: Any) -> Any:
    """Fill `out` (int64[:]) with places whose bits, but for `ignored` ones, differ from the root's; return how many."""
    count = 0
    for first in range(0, size, 64):
        end = min(first + 64, size)
        differs = U64_0
        for place in range(first, end):
            differs |= (memory[place] ^ memory[root + place]) & ~ignored[place]
        if differs == U64_0:
            continue
        for place in range(first, end):
            if (memory[place] ^ memory[root + place]) & ~ignored[place] != U64_0 and count < out.shape[0]:
                out[count] = place
                count += 1
    return count


def _base(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    return dtype.subdtype if dtype.subdtype is not None else (dtype, ())


def _around(dtype: np.dtype[Any], start: int, byte: int, vcpus: int) -> Iterator[tuple[int, int]]:
    """Yield (first byte, end) of what is state when the byte is: the structure around it, on each vCPU."""
    for name in dtype.names or ():
        field, offset = dtype.fields[name][:2]  # type: ignore[index]  # a record
        element, shape = _base(field)
        first = start + offset
        if not first <= byte < first + field.itemsize:
            if dtype.names and field.itemsize <= _SMALL and element.fields is None:
                yield first, first + field.itemsize
            continue
        if not shape:
            if element.fields is None:
                yield first, first + element.itemsize
            else:
                yield from _around(element, first, byte, vcpus)
            continue
        index = (byte - first) // element.itemsize
        places = range(vcpus) if shape[0] == MAX_VCPUS and index < vcpus else (index,)
        for place in places:
            moved = byte + (place - index) * element.itemsize
            if element.fields is not None:
                yield from _around(element, first + place * element.itemsize, moved, vcpus)
            else:
                yield from ((byte, byte + 1) for byte in _siblings(first, moved, field.itemsize, shape))


def _siblings(first: int, byte: int, size: int, shape: tuple[int, ...]) -> Iterator[int]:
    """Yield the same place in each row of an array of few rows at `first`, such as bitmaps side by side."""
    rows = shape[0] if len(shape) > 1 and shape[0] <= _FEW else 1
    row = size // rows
    yield from (first + (byte - first) % row + number * row for number in range(rows))


def _spans(dtype: np.dtype[Any], path: list[str], start: int = 0) -> Iterator[tuple[int, int]]:
    """Yield (first byte, end) of each place that `path` names, in every element of every array on the way.

    A number in the path is an index into the array before it. Raises UsageError for a field that there is not.
    """
    element, shape = _base(dtype)
    if not path:
        yield start, start + dtype.itemsize
    elif shape:
        size = dtype.itemsize // shape[0]
        inner = np.dtype((element, shape[1:])) if shape[1:] else element
        index, rest = (range(shape[0]), path) if not path[0].isdigit() else ([int(path[0])], path[1:])
        for place in index:
            yield from _spans(inner, rest, start + place * size)
    elif path[0] not in (element.fields or {}):
        raise UsageError(f"scratch field {path[0]!r}: the design's record has no such field")
    else:
        field, offset = element.fields[path[0]][:2]  # type: ignore[index]  # a record
        yield from _spans(field, path[1:], start + offset)


def _lock_spans(dtype: np.dtype[Any], start: int = 0) -> Iterator[tuple[int, int]]:
    """Yield (first byte, end) of each field called `lock`."""
    for name in dtype.names or ():
        field, offset = dtype.fields[name][:2]  # type: ignore[index]  # a record
        element, shape = _base(field)
        if name == "lock" and not shape:
            yield start + offset, start + offset + element.itemsize
        elif element.fields is not None:
            inner = list(_lock_spans(element))
            for index in range(int(np.prod(shape)) if shape and inner else len(inner) and 1):
                base = start + offset + index * element.itemsize
                yield from ((base + first, base + end) for first, end in inner)


@functools.cache
def _marks(dtype: np.dtype[Any], scratch: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return which bytes of a VM record are scratch, and which are locks (bool[:] each)."""
    marks = np.zeros((2, dtype.itemsize), bool)
    for path in scratch:
        for first, end in _spans(dtype, path.split(".")):
            marks[0, first:end] = True
    for first, end in _lock_spans(dtype):
        marks[1, first:end] = True
    return marks[0], marks[1]


class Memory:
    """One array that holds a design's VM and the search's world; `vm` and `world` are in it.

    words: the array, uint64. starts: where VM, reference and hardware begin. size: words of the records that hold
    state. state: the places that are state.
    """

    def __init__(self, design: Design, config: VmConfig) -> None:
        self.design = design
        self.config = config
        dtype = design.its_dtype if config.its else design.dtype
        assert dtype is not None
        self.dtype = dtype
        self._created = created = design.create(config)  # keeps the guest's memory
        length = -(-self.dtype.itemsize // 8)
        self.starts = [0, length, length + REFERENCE.itemsize // 8]
        self.size = self.starts[2] + HARDWARE.itemsize // 8
        self.root = length + -(-WORLD.itemsize // 8)
        self.words = np.zeros(self.root + self.size, np.uint64)
        own = self.words[:length].view(np.uint8)[: self.dtype.itemsize].view(self.dtype)
        own[0] = created
        self.vm = own.view(np.recarray)[0]
        self.world = self.words[length : self.root].view(np.uint8)[: WORLD.itemsize].view(WORLD).view(np.recarray)[0]
        self.world.hardware.cpu["lrs"][:] = config.lrs
        self.bridge: Any = None
        connect(self)
        search = self.world.search
        search.size, search.root = self.size, self.root
        self.state: set[int] = set()
        self._ignored = np.zeros(self.size, np.uint64)
        self._scratch = np.zeros(self.size * 8, bool)
        self._locks = np.zeros(self.size * 8, bool)
        self._mark()

    def _mark(self) -> None:
        """Mark what is scratch, and where locks are."""
        scratch, locks = _marks(self.dtype, self.design.scratch)
        self._scratch[: len(scratch)] = scratch
        self._locks[: len(locks)] = locks
        self._ignored.view(np.uint8)[self._scratch] = 0xFF

    def set_root(self) -> None:
        """Keep what the records hold now as the root of the search."""
        self.words[self.root :] = self.words[: self.size]

    def back_to_root(self) -> None:
        """Put the records back to what they held at the root."""
        self.words[: self.size] = self.words[self.root :]
        self.world.fatal = 0

    def changed(self) -> list[int]:
        """Return places, a thousand at most, that are not known as state and differ from the root."""
        if not JIT_ENABLED:
            differs = (self.words[: self.size] ^ self.words[self.root :]) & ~self._ignored
            return [int(place) for place in np.flatnonzero(differs)]
        out = np.zeros(1024, np.int64)
        count = _changes(self.words, np.int64(self.size), np.int64(self.root), self._ignored, out)
        return [int(place) for place in out[:count]]

    def add(self, places: list[int]) -> None:
        """Take the places, and what belongs to them, as state."""
        for place in places:
            if place not in self.state:
                self.state.update(self._closure(place))
        known = sorted(self.state)
        if len(known) > MAX_WORDS:
            raise AssertionError(f"{len(known)} words of state, expected {MAX_WORDS} at most")
        self._ignored[known] = ~U64_0
        world = self.world
        world.words = world.search.width = len(known)
        for index, place in enumerate(known):
            world.word[index].offset = place
        self._set_locks()

    def _closure(self, place: int) -> set[int]:
        """Return the places that are state when `place` is."""
        found = {place}
        dtypes = [self.dtype, REFERENCE, HARDWARE]
        for start, dtype, end in zip(self.starts, dtypes, [*self.starts[1:], self.size], strict=True):
            if not start <= place < end:
                continue
            differs = self.words[place] ^ self.words[self.root + place]
            bytes_changed = [byte for byte in range(8) if int(differs) >> (8 * byte) & 0xFF] or [0]
            for byte in bytes_changed:
                for first, last in _around(dtype, start * 8, place * 8 + byte, self.config.vcpus):
                    if last - first <= _SMALL:
                        found.update(range(first // 8, (last + 7) // 8))
        header = {name: dtypes[0].fields[name][1] // 8 for name in ("gic", "vcpus", "irqs", "lrs")}  # type: ignore[index]  # a record
        found -= set(header.values())
        return {place for place in found if not self._scratch[place * 8 : place * 8 + 8].all()}

    def _set_locks(self) -> None:
        """List the words of locks that are looked at after each operation: those of the state."""
        masks = np.where(self._locks, np.uint8(0xFF), np.uint8(0)).view(np.uint64)
        count = 0
        for place in sorted(self.state):
            if masks[place]:
                word = self.world.lock_word[count]
                word.offset, word.locks = place, masks[place]
                count += 1
        self.world.lock_words = count

    def locks_held(self) -> bool:
        """Return whether any lock of the whole VM record is held."""
        held: np.ndarray = self.words[: self.size].view(np.uint8)[self._locks]
        return bool(held.any())
