# SPDX-License-Identifier: GPL-2.0-only
"""Random traces: the jitted run and the plain Python run of the same code agree, text, locks and counts.

Differences between the two are integer widths; a difference means that the jitted model is not the model one reads.
"""

import hashlib
import json
import os
import subprocess
import sys

import pytest

from bench.engine.runner import TraceRun
from bench.workloads.random_traces import TraceMaker
from kvmarm.config import VmConfig
from kvmarm.design import get_design
from kvmarm.jit import JIT_ENABLED
from kvmarm.trace import format_op, parse_line
from kvmarm.trace_read import parse_trace
from tests.vectors import DESIGNS

SEEDS = range(40)
SIZES = (
    VmConfig(gic=2, vcpus=8, irqs=1024, lrs=64),
    VmConfig(gic=3, vcpus=64, irqs=1024, lrs=16),
    VmConfig(gic=2, vcpus=1, irqs=64, lrs=1),
)


def _makers() -> list[TraceMaker]:
    makers = [TraceMaker(seed) for seed in SEEDS]
    return makers + [TraceMaker(1000 + number, config=config) for number, config in enumerate(SIZES)]


def digests() -> dict[str, str]:
    """Return a digest of result, locks and counts of every trace on every design."""
    found = {}
    for number, maker in enumerate(_makers()):
        trace = parse_trace(maker.text().encode(), name=f"random-{number}")
        for design in DESIGNS:
            parts: list[bytes] = []
            run = TraceRun(trace, get_design(design), count=True)
            outcome = run.run(write_result=parts.append, write_locks=parts.append)
            assert run.counts is not None
            digest = hashlib.sha256(b"".join(parts) + run.counts[: outcome.operations].tobytes())
            found[f"{design} {number} {trace.config}"] = f"{outcome.operations} {digest.hexdigest()[:16]}"
    return found


@pytest.mark.skipif(not JIT_ENABLED, reason="compares the jitted run with the plain one")
def test_jitted_and_plain_runs_agree() -> None:
    plain = subprocess.run(
        [sys.executable, "-m", "tests.test_random_traces"],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert plain.returncode == 0, plain.stderr
    assert digests() == json.loads(plain.stdout)


def test_random_traces_are_legal_and_varied() -> None:
    kinds: set[str] = set()
    for maker in _makers():
        trace = parse_trace(maker.text().encode())
        assert len(trace.ops) > 300
        kinds.update(line.split()[0] for line in maker.lines)
    assert len(kinds) == 18, f"operations that occur: {sorted(kinds)}"


def test_the_scanner_is_the_plain_parser() -> None:
    for maker in _makers()[:10]:
        trace = parse_trace(maker.text().encode())
        earlier: list[int] = []
        for op, line in zip(trace.ops, maker.lines[1:], strict=True):
            fields = parse_line(line, trace.config, earlier)
            assert fields is not None
            assert fields == tuple(int(field) for field in op)[:-1]
            earlier.append(fields[0])
            assert parse_line(format_op(op), trace.config, earlier[:-1]) == fields


if __name__ == "__main__":
    print(json.dumps(digests()))
