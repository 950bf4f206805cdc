# SPDX-License-Identifier: GPL-2.0-only
"""Many traces through one design in one process, results to files: the work of `vgic-bench trace run`."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from bench.engine.runner import TraceRun
from kvmarm.design import Design
from kvmarm.errors import UsageError
from kvmarm.events import event_names
from kvmarm.files import atomic_write
from kvmarm.trace import KIND_NAMES, Trace, trace_name
from kvmarm.trace_read import read_trace


@dataclass(frozen=True)
class FileOutcome:
    """What became of one trace: its name, the operations run, the BUG_ON that ended it (or None), files written."""

    name: str
    operations: int
    bug: str | None
    written: tuple[Path, ...]


def check_names(paths: Iterable[Path]) -> None:
    """Raise UsageError when two traces would write the same result file."""
    seen: dict[str, Path] = {}
    for path in paths:
        name = trace_name(path)
        if name in seen:
            raise UsageError(f"{path}: its result would overwrite that of {seen[name]}, expected different file names")
        seen[name] = path


def counts_table(run: TraceRun, operations: int) -> Any:
    """Return a DataFrame with one row per operation: op (int, from 1), kind (str), then one int column per event."""
    import pandas as pd

    assert run.counts is not None
    kinds = np.array(KIND_NAMES, object)[run.trace.ops["kind"][:operations]]
    table = pd.DataFrame(run.counts[:operations], columns=list(event_names()))
    table.insert(0, "op", np.arange(1, operations + 1))
    table.insert(1, "kind", kinds)
    return table


def run_file(path: Path, design: Design, output: Path, counts: bool = False, locks: bool = False) -> FileOutcome:
    """Run one trace file; write NAME.result, and NAME.counts.parquet and NAME.locks when asked, into `output`.

    Files appear complete or not at all. Raises UsageError for a bad trace or an unwritable folder.
    """
    trace: Trace = read_trace(path)
    run = TraceRun(trace, design, count=counts or locks)
    written = [output / f"{trace.name}.result"]
    with contextlib.ExitStack() as stack:
        result_file: IO[bytes] = stack.enter_context(atomic_write(written[0]))
        lock_file: IO[bytes] | None = None
        if locks:
            written.append(output / f"{trace.name}.locks")
            lock_file = stack.enter_context(atomic_write(written[-1]))
        outcome = run.run(write_result=result_file.write, write_locks=lock_file.write if lock_file else None)
        if counts:
            written.append(output / f"{trace.name}.counts.parquet")
            with atomic_write(written[-1]) as counts_file:
                counts_table(run, outcome.operations).to_parquet(counts_file, index=False)
    return FileOutcome(trace.name, outcome.operations, outcome.bug, tuple(written))
