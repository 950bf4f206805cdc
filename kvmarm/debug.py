# SPDX-License-Identifier: GPL-2.0-only
"""What `VGIC_BENCH_DEBUG=1` adds to the models: bounds checks and a log of operations.

Debugging implies plain Python (kvmarm.jit.DEBUG): nothing here is compiled. NumPy refuses an index beyond the end of an
array; a checked record refuses a negative one as well, which NumPy counts from the end and compiled code takes as it
is. Lock assertions are `kvmarm.locks.assert_held`.

Each operation of the interface is logged when it returns: its name, its arguments, its result, the vCPUs it kicked. The
log is logger `vgic_bench.operations` of the standard library; its lines go to standard error, or are appended to the
file that `VGIC_BENCH_DEBUG_LOG` names.
"""

import functools
import inspect
import logging
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from kvmarm.errors import UsageError

LOG_VARIABLE = "VGIC_BENCH_DEBUG_LOG"


class CheckedArray(np.ndarray):
    """An array that refuses negative integers as indices: IndexError."""

    def __getitem__(self, index: Any) -> Any:
        _refuse_negative(index)
        return super().__getitem__(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        _refuse_negative(index)
        super().__setitem__(index, value)


def _refuse_negative(index: Any) -> None:
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, int | np.integer) and part < 0:
            raise IndexError(f"index {part} is out of bounds: expected 0 or more")


class CheckedRecord(np.record):  # type: ignore[misc]  # numpy's stubs call a base of it final; it is not
    """A record whose arrays, at any depth, are checked arrays."""

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if not isinstance(value, np.ndarray):
            return value
        if value.dtype.names is not None:
            value = value.view(np.dtype((CheckedRecord, value.dtype)))
        return value.view(CheckedArray)


def checked(record: Any) -> Any:
    """Return `record` (numpy.record) as a checked record on the same memory."""
    return record.view(np.dtype((CheckedRecord, record.dtype)))


@functools.cache
def operation_log() -> logging.Logger:
    """Return the log of operations, opened. Raises UsageError when its file cannot be written."""
    log = logging.getLogger("vgic_bench.operations")
    name = os.environ.get(LOG_VARIABLE)
    try:
        handler = logging.FileHandler(name) if name else logging.StreamHandler()
    except OSError as error:
        raise UsageError(f"{LOG_VARIABLE}: {name}: cannot be written: {error.strerror or error}") from error
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    return log


@functools.cache
def traced(operation: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, the implementation of an interface operation, with each call logged."""
    names = list(inspect.signature(function).parameters)
    shown = [index for index, name in enumerate(names) if name not in ("vm", "cpuif", "observer")]

    def call(*arguments: Any) -> Any:
        vm, observer = arguments[0], arguments[names.index("observer")]
        before = int(observer.kick_count) if observer is not None else 0
        result = function(*arguments)
        words = [operation, *(f"{names[index]}={_text(arguments[index])}" for index in shown)]
        if result is not None:
            words.append(f"-> {_text(result)}")
        if observer is not None and observer.kick_count > before:
            kicked = observer.kicks[before : int(observer.kick_count)]
            words.append("kicks=" + ",".join(str(int(vcpu)) for vcpu in kicked))
        if vm.bug:
            words.append(f"bug={int(vm.bug)}")
        operation_log().debug(" ".join(words))
        return result

    return call


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    return f"{int(value):#x}" if isinstance(value, np.uint64) else str(int(value))
