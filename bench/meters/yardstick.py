# SPDX-License-Identifier: GPL-2.0-only
"""The unit to compare times across machines in: an uncontended lock pair by atomic exchange.

In C when a C compiler is there (yardstick.c, built into the cache folder), else by the models' own jitted lock. Both
are the same two instructions; a run's results say which one it was.
"""

import ctypes
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from kvmarm.code_cache import cache_root
from kvmarm.jit import jit, spin_lock, spin_unlock

_PAIRS = 20_000
_ROUNDS = 25
_LOCK = np.dtype([("lock", np.int32), ("unused", np.int32)])


@jit
def _lock_pairs(record: Any, pairs: Any) -> None:
    for _ in range(pairs):
        spin_lock(record)
        spin_unlock(record)


def _build() -> Path | None:
    compiler = shutil.which(os.environ.get("CC", "") or "cc") or shutil.which("gcc") or shutil.which("clang")
    source = Path(__file__).with_name("yardstick.c")
    if compiler is None or not source.is_file():
        return None
    target = cache_root() / f"yardstick-{int(source.stat().st_mtime)}.so"
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            built = Path(folder) / "yardstick.so"
            command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(built), str(source)]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
            os.replace(built, target)
    except (OSError, subprocess.SubprocessError):
        return None
    return target


def lock_pair_ns() -> tuple[float, str]:
    """Return (ns a lock pair, "C" or "jitted"): the median of rounds too short to be often interrupted."""
    library = _build()
    if library is not None:
        try:
            function = ctypes.CDLL(str(library)).lock_pairs_ns
        except OSError:
            library = None
        else:
            function.restype = ctypes.c_int64
            function.argtypes = [ctypes.c_int64]
            return median(function(_PAIRS) for _ in range(_ROUNDS)) / _PAIRS, "C"
    record = np.zeros(1, _LOCK).view(np.recarray)[0]
    _lock_pairs(record, 1)
    rounds = []
    for _ in range(_ROUNDS):
        start = time.perf_counter_ns()
        _lock_pairs(record, _PAIRS)
        rounds.append(time.perf_counter_ns() - start)
    return median(rounds) / _PAIRS, "jitted"
