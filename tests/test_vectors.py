# SPDX-License-Identifier: GPL-2.0-only
"""Every reference run, each design: results and lock sequences identical to the real code's, operation by operation.

With JIT off (NUMBA_DISABLE_JIT=1) a spread of them: the same code as plain Python takes a second or more a trace.
"""

import pytest

from bench.engine.runner import TraceRun
from kvmarm.design import get_design
from kvmarm.jit import JIT_ENABLED
from kvmarm.trace_read import parse_trace
from tests.vectors import (
    DESIGNS,
    expected_locks,
    expected_result,
    first_difference,
    names_since,
    trace_text,
    vector_names,
)

_ALL = vector_names()
_SPREAD = [(archive, name) for archive, name in _ALL if archive != "workloads"][::9]
NAMES = _ALL if JIT_ENABLED else _SPREAD
_SINCE = names_since()
NAMES_SINCE = _SINCE if JIT_ENABLED else _SINCE[::3]


def test_nothing_is_missing() -> None:
    per_archive: dict[str, int] = {}
    for archive, _ in _ALL:
        per_archive[archive] = per_archive.get(archive, 0) + 1
    assert per_archive == {"gicv2": 64, "gicv3": 64, "hostbug": 8, "workloads": 4}
    assert sum(expected_locks(name, design) is not None for _, name in _ALL for design in ("old", "new")) == 272
    assert all(expected_locks(name, "now") for _, name in _ALL)
    assert all(expected_locks(name, design) for _, name in _SINCE for design in ("new", "now"))
    assert len(_SINCE) == 19


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize(("archive", "name"), NAMES, ids=[name for _, name in NAMES])
def test_results_and_locks_are_the_real_codes(archive: str, name: str, design: str) -> None:
    trace = parse_trace(trace_text(archive, name), name=name)
    want_locks = expected_locks(name, design)

    plain: list[bytes] = []
    TraceRun(trace, get_design(design)).run(write_result=plain.append)
    assert not first_difference(b"".join(plain).decode(), expected_result(archive, name, design))

    counted: list[bytes] = []
    locks: list[bytes] = []
    TraceRun(trace, get_design(design), count=True).run(write_result=counted.append, write_locks=locks.append)
    assert counted == plain, "counting changes what the design does"
    if want_locks is not None:
        assert not first_difference(b"".join(locks).decode(), want_locks)


@pytest.mark.parametrize("design", ["new", "now"])
@pytest.mark.parametrize(("archive", "name"), NAMES_SINCE, ids=[name for _, name in NAMES_SINCE])
def test_what_only_the_redesign_and_today_do_is_the_real_codes_too(archive: str, name: str, design: str) -> None:
    test_results_and_locks_are_the_real_codes(archive, name, design)
