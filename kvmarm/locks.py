# SPDX-License-Identifier: GPL-2.0-only
"""Spin locks as the models take them: real atomic exchanges, counted and logged for an observer, watched by a watcher.

A lock's identity in an observer's log is an int32: kind << 20 | index << 1 | released. Kinds and their names follow
the lock-sequence file format: `dist`, `physmap` (legacy design), `apV`, `irqV:INTID`, `irqINTID`, `irqRSVD`, `lpi`
(redesign), `itscmd`, `its`, `config`, `itscache` (today's).
"""

from typing import Any

from kvmarm import events
from kvmarm.jit import DEBUG, JIT_ENABLED, STUB_OPTIONS, jit
from kvmarm.watch import drop, drop_mutex, take, take_mutex

DIST = 0
PHYSMAP = 1
AP_LIST = 2
IRQ_PRIVATE = 3
"""Index: vCPU * 32 + INTID."""
IRQ_SHARED = 4
"""Index: INTID."""
IRQ_RESERVED = 5
LPI_LIST = 6
ITS_COMMAND = 7
ITS = 8
CONFIG = 9
ITS_CACHE = 10


def log_lock(observer: Any, kind: Any, index: Any, released: Any) -> None:
    """Append a lock operation to the observer's log without taking a lock; nothing for one that does not count."""
    _log_if_counting(observer, kind, index, released)


@jit
def _log(observer: Any, kind: Any, index: Any, released: Any) -> None:
    if released == 0:
        observer.counts[events.LOCK] += 1
    observer.log[observer.log_length] = kind << 20 | index << 1 | released
    observer.log_length += 1


def _log_if_counting(observer: Any, kind: Any, index: Any, released: Any) -> None:
    if events.counting(observer):
        _log(observer, kind, index, released)


if JIT_ENABLED:
    from numba.extending import overload

    @overload(log_lock, strict=False, jit_options=STUB_OPTIONS)
    def _log_lock(observer: Any, kind: Any, index: Any, released: Any) -> Any:
        if events.counts_by_type(observer):
            return _log_if_counting
        return lambda observer, kind, index, released: None


@jit
def acquire(record: Any, kind: Any, index: Any, observer: Any) -> None:
    """Take the spin lock in the field `lock` of `record`; count and log it as (kind, index)."""
    take(record, kind, index, observer)
    log_lock(observer, kind, index, 0)


@jit
def release(record: Any, kind: Any, index: Any, observer: Any) -> None:
    """Release the spin lock in the field `lock` of `record`; log it as (kind, index)."""
    log_lock(observer, kind, index, 1)
    drop(record, kind, index, observer)


@jit
def acquire_mutex(record: Any, kind: Any, index: Any, observer: Any) -> None:
    """Take the mutex in the field `lock` of `record`; count and log it as (kind, index)."""
    take_mutex(record, kind, index, observer)
    events.count(observer, events.MUTEX, 1)
    log_lock(observer, kind, index, 0)


@jit
def release_mutex(record: Any, kind: Any, index: Any, observer: Any) -> None:
    """Release the mutex in the field `lock` of `record`; log it as (kind, index)."""
    log_lock(observer, kind, index, 1)
    drop_mutex(record, kind, index, observer)


if JIT_ENABLED:
    from numba import types
    from numba.extending import intrinsic

    @intrinsic
    def assert_held(typing_context: Any, record: Any) -> Any:
        """Do nothing: compiled code has no instruction of it."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return context.get_dummy_value()

        return types.void(record), codegen

else:

    def assert_held(record: Any) -> None:
        """Raise AssertionError, when debugging is on, if the spin lock in the field `lock` of `record` is free.

        A model calls it first in each function whose docstring says that a lock is held, as Linux does in a build with
        lock debugging. Plain Python is single-threaded, so that a lock that is taken is the caller's.
        """
        if DEBUG and record.lock != 1:
            raise AssertionError("the lock is not held")


_PLAIN = {
    DIST: "dist",
    PHYSMAP: "physmap",
    IRQ_RESERVED: "irqRSVD",
    LPI_LIST: "lpi",
    ITS_COMMAND: "itscmd",
    ITS: "its",
    CONFIG: "config",
    ITS_CACHE: "itscache",
}


CLASS_NAMES = {**_PLAIN, AP_LIST: "ap_list", IRQ_PRIVATE: "irq"}
"""What locks of a class (kvmarm.watch) are called."""


def lock_name(entry: int) -> str:
    """Return the name of a log entry's lock with `+` (acquired) or `-` (released) before it, as in a `.locks` file."""
    entry = int(entry)
    kind, index, released = entry >> 20, entry >> 1 & 0x7FFFF, entry & 1
    if kind in _PLAIN:
        name = _PLAIN[kind]
    elif kind == AP_LIST:
        name = f"ap{index}"
    elif kind == IRQ_PRIVATE:
        name = f"irq{index >> 5}:{index & 31}"
    else:
        name = f"irq{index}"
    return ("-" if released else "+") + name
