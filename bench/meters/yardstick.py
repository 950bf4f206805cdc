# SPDX-License-Identifier: GPL-2.0-only
"""The unit to compare times across machines in: an uncontended lock pair by atomic exchange.

In C when a C compiler is there (yardstick.c), else by the models' own jitted lock, whose two halves are calls. A run's
results say which one it was.
"""

import ctypes
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from kvmarm.jit import jit, spin_lock, spin_unlock

_PAIRS = 20_000
_ROUNDS = 25
_LOCK = np.dtype([("lock", np.int32), ("unused", np.int32)])


@jit
def _lock_pairs(record: Any, pairs: Any) -> None:
    for _ in range(pairs):
        spin_lock(record)
        spin_unlock(record)


def _in_c() -> Callable[[int], int] | None:
    """Return the loop in C, built and loaded now; None where there is no compiler, or no room for what it makes.

    It is not kept: a damaged library would take the process down, and building it takes a tenth of a second.
    """
    compiler = shutil.which(os.environ.get("CC", "") or "cc") or shutil.which("gcc") or shutil.which("clang")
    source = Path(__file__).with_name("yardstick.c")
    if compiler is None or not source.is_file():
        return None
    try:
        with tempfile.TemporaryDirectory(prefix="vgic-bench-") as folder:
            built = Path(folder) / "yardstick.so"
            command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(built), str(source)]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
            function = ctypes.CDLL(str(built)).lock_pairs_ns
    except (OSError, subprocess.SubprocessError):
        return None
    function.restype = ctypes.c_int64
    function.argtypes = [ctypes.c_int64]
    return function


def lock_pair_ns() -> tuple[float, str]:
    """Return (ns a lock pair, "C" or "jitted"): the median of rounds too short to be often interrupted."""
    function = _in_c()
    if function is not None:
        return median(function(_PAIRS) for _ in range(_ROUNDS)) / _PAIRS, "C"
    record = np.zeros(1, _LOCK).view(np.recarray)[0]
    _lock_pairs(record, 1)
    rounds = []
    for _ in range(_ROUNDS):
        start = time.perf_counter_ns()
        _lock_pairs(record, _PAIRS)
        rounds.append(time.perf_counter_ns() - start)
    return median(rounds) / _PAIRS, "jitted"
