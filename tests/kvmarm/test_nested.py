# SPDX-License-Identifier: GPL-2.0-only
"""A jitted function that jitted code calls is compiled as a part of its caller, and leaves no file of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kvmarm import nested
from kvmarm.jit import JIT_ENABLED
from tests.kvmarm.nested_functions import set_lock

pytestmark = pytest.mark.skipif(not (JIT_ENABLED and nested.AVAILABLE), reason="nothing is compiled in parts")

PROGRAM = """
import sys
from pathlib import Path
from kvmarm import nested
if len(sys.argv) > 1:
    # A numba without what is needed: plain dispatchers.
    nested.dispatcher = lambda function, options, complete: complete(function)
from kvmarm.jit import U64, find_first_bit, jit, noinline, population_count
from tests.kvmarm.nested_functions import caller, inner, outer

assert caller(U64(0b1100)) == 2 + 2 + 100
parts = [f for f in (inner, outer, find_first_bit, population_count) if len(sys.argv) == 1]
assert not any(part._complete for part in parts), "a part was compiled by itself"
assert outer(U64(0b100)) == 2 + 1
from kvmarm.code_cache import cache_root
for file in sorted(cache_root().rglob("*.nbc")):
    print(file.name.split("-")[0])
"""


def _run(cache: Path, *arguments: str) -> list[str]:
    environment = os.environ | {"VGIC_BENCH_CACHE": str(cache)}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], env=environment, cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_only_what_python_calls_has_a_file(tmp_path: Path) -> None:
    assert _run(tmp_path) == ["nested_functions.caller", "nested_functions.outer"]
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.nbc")}
    assert _run(tmp_path) == ["nested_functions.caller", "nested_functions.outer"]
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.nbc")} == before, "compiled again"


def test_records_of_python_are_handed_over_as_arrays_of_one() -> None:
    record = np.zeros(1, np.dtype([("lock", np.int32), ("x", np.int64)])).view(np.recarray)[0]
    part = np.zeros(3, record.dtype).view(np.recarray)[1]
    for one in (record, part):
        set_lock(one, np.int64(7))
        assert one.lock == 7
    assert set(set_lock._complete) == {(True, False), (False, False)}


def test_works_without_numbas_inner_names(tmp_path: Path) -> None:
    assert len(_run(tmp_path, "plain")) > 2
