# SPDX-License-Identifier: GPL-2.0-only
"""Whole runs as text: results, lock sequences, and results by field."""

from collections.abc import Iterator

from bench.engine.runner import TraceRun
from kvmarm.config import VmConfig
from kvmarm.design import Design
from kvmarm.trace import Trace
from kvmarm.trace_read import parse_trace


def run_to_text(trace: Trace, design: Design) -> str:
    """Return the whole result text of a trace on a design; for tests and small traces."""
    parts: list[bytes] = []
    TraceRun(trace, design).run(write_result=parts.append)
    return b"".join(parts).decode()


def run_to_locks(trace: Trace, design: Design) -> str:
    """Return the whole lock-sequence text of a trace on a design; for tests and small traces."""
    parts: list[bytes] = []
    TraceRun(trace, design, count=True).run(write_locks=parts.append)
    return b"".join(parts).decode()


def results_of(config: VmConfig, lines: list[str], design: Design) -> Iterator[dict[str, str]]:
    """Yield a dict (field -> text, `kicks` included) an operation for trace lines; for tests and explanations."""

    trace = parse_trace("\n".join([f"config {config}", *lines]).encode(), name="lines")
    for line in run_to_text(trace, design).splitlines():
        number, *fields = line.split()
        yield {"n": number, **dict(field.split("=", 1) for field in fields)}
