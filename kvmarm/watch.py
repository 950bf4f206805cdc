# SPDX-License-Identifier: GPL-2.0-only
"""Watching locks under contention: who waits for which lock, for whom, how long, and in which order they are nested.

A thread that calls operations with a record of `WATCHER` takes every lock by compare-and-exchange. It leaves its
identity in the lock word, so that whoever waits knows for whom. Its record says at any moment which locks it holds and
which it waits for: another thread can read that while both hang. It costs time, so figures of rate are taken with a
record of kvmarm.events.CALLER, for which nothing of this is compiled.

Lock order: noted by class (a lock's kind; all kinds of irq lock are one class). `edges` has bit B of element A when a
lock of class B was taken with one of class A held. Two of one class with nothing else held are noted by their numbers,
`ascending` or `descending`; inside another lock their order is that lock's business.
"""

from typing import Any

import numpy as np

from kvmarm.counter import counter
from kvmarm.events import CALLER_FIELDS
from kvmarm.jit import JIT_ENABLED, STUB_OPTIONS, jit, spin_lock, spin_unlock
from kvmarm.layout import aligned_record, laid_out
from kvmarm.mutex import mutex_lock, mutex_unlock

MAX_THREADS = 1024
MAX_HELD = 64
MAX_LOCKS = 256
"""Different locks that a thread can have waited for; more of them are counted as the last one."""
CLASSES = 16
_IRQ_CLASS = 3
_IRQ_KINDS = (3, 4, 5)
NONE = -1

WATCHER = laid_out(
    [
        # Not behind the caller's: numba would take the record for one of that type.
        ("identity", np.int64),
        *CALLER_FIELDS,
        ("operation", np.int64),
        ("waiting", np.int64),
        ("holder", np.int64),
        ("held_count", np.int64),
        ("held", np.int64, (MAX_HELD,)),
        ("edges", np.int64, (CLASSES,)),
        ("edge_operation", np.int64, (CLASSES, CLASSES)),
        ("ascending", np.int64, (CLASSES,)),
        ("descending", np.int64, (CLASSES,)),
        ("taken", np.int64, (CLASSES,)),
        ("lock_count", np.int64),
        ("lock_id", np.int64, (MAX_LOCKS,)),
        ("lock_ticks", np.int64, (MAX_LOCKS,)),
        ("lock_waits", np.int64, (MAX_LOCKS,)),
        ("for_whom", np.int64, (MAX_THREADS,)),
    ]
)
"""What a thread brings along that watches locks. `identity`: its number. `operation`: what it is at, set by whoever
calls. `waiting`: the lock (kind << 20 | index << 1, as in kvmarm.locks) that it waits for, or NONE; `holder`: the
thread that has it. `held`: those it holds, outermost first. `taken`: locks taken by class. `lock_id`, `lock_ticks`,
`lock_waits`: each lock ever waited for, ticks and times; `for_whom`: ticks by the thread that held it."""


def new_watcher(identity: int) -> Any:
    """Return a fresh watcher (numpy.record of dtype WATCHER) for the thread of that number."""
    watcher = aligned_record(WATCHER)
    watcher.identity = identity
    watcher.waiting = watcher.holder = watcher.operation = NONE
    return watcher


@jit
def lock_class(kind: Any) -> Any:
    """Return the class (int64) of a lock of a kind."""
    if kind in _IRQ_KINDS:
        return _IRQ_CLASS
    return np.int64(kind)


@jit
def _note_order(watcher: Any, lock: Any) -> None:
    own = lock_class(lock >> 20)
    watcher.taken[own] += 1
    others = False
    for place in range(watcher.held_count):
        outer = lock_class(watcher.held[place] >> 20)
        if outer != own:
            others = True
            if watcher.edges[outer] >> own & 1 == 0:
                watcher.edges[outer] |= 1 << own
                watcher.edge_operation[outer, own] = watcher.operation
    if others or watcher.held_count == 0:
        return
    if watcher.held[watcher.held_count - 1] < lock:
        watcher.ascending[own] = 1 + watcher.operation
    else:
        watcher.descending[own] = 1 + watcher.operation


@jit
def _note_wait(watcher: Any, lock: Any, holder: Any, ticks: Any) -> None:
    place = 0
    while place < watcher.lock_count and watcher.lock_id[place] != lock:
        place += 1
    if place == watcher.lock_count:
        if place == MAX_LOCKS:
            place -= 1
        else:
            watcher.lock_count += 1
            watcher.lock_id[place] = lock
    watcher.lock_ticks[place] += ticks
    watcher.lock_waits[place] += 1
    if holder >= 0 and holder < MAX_THREADS:
        watcher.for_whom[holder] += ticks


@jit
def _hold(watcher: Any, lock: Any) -> None:
    if watcher.held_count < MAX_HELD:
        watcher.held[watcher.held_count] = lock
        watcher.held_count += 1


@jit
def _let_go(watcher: Any, lock: Any) -> None:
    place = watcher.held_count - 1
    while place >= 0 and watcher.held[place] != lock:
        place -= 1
    if place >= 0:
        for later in range(place, watcher.held_count - 1):
            watcher.held[later] = watcher.held[later + 1]
        watcher.held_count -= 1


@jit
def _charge(watcher: Any, lock: Any, holder: Any, start: Any) -> None:
    """Note that a wait for a lock of `holder`, which began at `start`, is over."""
    watcher.waiting = NONE
    watcher.holder = NONE
    _note_wait(watcher, lock, holder, counter() - start)


def take(record: Any, kind: Any, index: Any, observer: Any) -> None:
    """Take the spin lock in the field `lock` of `record`, watched if the observer is a watcher."""
    spin_lock(record)
    if watching(observer):
        lock = np.int64(kind) << 20 | np.int64(index) << 1
        _note_order(observer, lock)
        _hold(observer, lock)


def drop(record: Any, kind: Any, index: Any, observer: Any) -> None:
    """Release the spin lock in the field `lock` of `record`."""
    if watching(observer):
        _let_go(observer, np.int64(kind) << 20 | np.int64(index) << 1)
    spin_unlock(record)


def take_mutex(record: Any, kind: Any, index: Any, observer: Any) -> None:
    """Take the mutex in the field `lock` of `record`, watched if the observer is a watcher."""
    take(record, kind, index, observer)


def drop_mutex(record: Any, kind: Any, index: Any, observer: Any) -> None:
    """Release the mutex in the field `lock` of `record`."""
    drop(record, kind, index, observer)


def note_operation(observer: Any, number: Any) -> None:
    """Say which operation a watcher's thread is at; nothing for another record."""
    if watching(observer):
        observer.operation = number


def watching(observer: Any) -> bool:
    """Return whether a record is a watcher's."""
    return observer is not None and "held" in observer.dtype.names


if JIT_ENABLED:
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic, overload

    from kvmarm.jit import lock_pointer

    @intrinsic
    def _claim(typing_context: Any, record: Any, value: Any) -> Any:
        """Put `value` into the int32 field `lock` of a record if it is 0, atomically; return what it was."""
        if not isinstance(record, types.Record):
            return None

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = lock_pointer(builder, signature.args[0], arguments[0])
            free = ir.Constant(ir.IntType(32), 0)
            pair = builder.cmpxchg(pointer, free, arguments[1], "acquire", "monotonic")
            return builder.extract_value(pair, 0)

        return types.int32(record, types.int32), codegen

    @jit
    def _take_watched(record: Any, kind: Any, index: Any, observer: Any) -> None:
        lock = np.int64(kind) << 20 | np.int64(index) << 1
        own = np.int32(observer.identity + 1)
        _note_order(observer, lock)
        holder = np.int64(_claim(record, own))
        if holder != 0:
            first = holder - 1
            observer.holder = first
            observer.waiting = lock
            start = counter()
            while holder != 0:
                holder = np.int64(_claim(record, own))
            _charge(observer, lock, first, start)
        _hold(observer, lock)

    @jit
    def _drop_watched(record: Any, kind: Any, index: Any, observer: Any) -> None:
        _let_go(observer, np.int64(kind) << 20 | np.int64(index) << 1)
        spin_unlock(record)

    def _watches(observer: Any) -> bool:
        return isinstance(observer, types.Record) and "held" in observer.fields

    @overload(take, strict=False, jit_options=STUB_OPTIONS)
    def _take(record: Any, kind: Any, index: Any, observer: Any) -> Any:
        if _watches(observer):
            return lambda record, kind, index, observer: _take_watched(record, kind, index, observer)
        return lambda record, kind, index, observer: spin_lock(record)

    @overload(drop, strict=False, jit_options=STUB_OPTIONS)
    def _drop(record: Any, kind: Any, index: Any, observer: Any) -> Any:
        if _watches(observer):
            return lambda record, kind, index, observer: _drop_watched(record, kind, index, observer)
        return lambda record, kind, index, observer: spin_unlock(record)

    @overload(take_mutex, strict=False, jit_options=STUB_OPTIONS)
    def _take_mutex(record: Any, kind: Any, index: Any, observer: Any) -> Any:
        if _watches(observer):
            return lambda record, kind, index, observer: _take_watched(record, kind, index, observer)
        return lambda record, kind, index, observer: mutex_lock(record)

    @overload(drop_mutex, strict=False, jit_options=STUB_OPTIONS)
    def _drop_mutex(record: Any, kind: Any, index: Any, observer: Any) -> Any:
        if _watches(observer):
            return lambda record, kind, index, observer: _drop_watched(record, kind, index, observer)
        return lambda record, kind, index, observer: mutex_unlock(record)

    @overload(note_operation, strict=False, jit_options=STUB_OPTIONS)
    def _note_operation(observer: Any, number: Any) -> Any:
        if not _watches(observer):
            return lambda observer, number: None

        def note(observer: Any, number: Any) -> None:
            observer.operation = number

        return note
