# SPDX-License-Identifier: GPL-2.0-only
"""Real workloads through every design: the packaged traces, their cost by kind of operation and in all.

Events and instructions are sums over the operations of a kind; the row of kind `total` has the whole. Time is that of
the whole trace, uncounted, the least of several runs: it has the guest's side and the world switch's moves in it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from bench.engine.runner import TraceRun
from bench.meters import weights
from bench.workloads import Workload, catalogue, mix_of
from kvmarm.design import Design, get_design
from kvmarm.errors import UsageError
from kvmarm.events import event_names
from kvmarm.trace import KIND_NAMES, Trace

TOTAL = "total"
_TIMED_RUNS = 5


def count_trace(trace: Trace, design: Design) -> np.ndarray:
    """Return the events of each operation (int32[operations, EVENT_COUNT]) of a trace on a design.

    After a BUG_ON the remaining rows are zero. Raises UsageError when an operation is illegal.
    """
    run = TraceRun(trace, design, count=True)
    run.run()
    assert run.counts is not None
    return run.counts


def by_kind(trace: Trace, counts: np.ndarray) -> Iterator[tuple[str, int, np.ndarray]]:
    """Yield (kind, operations, int64[EVENT_COUNT]) for each kind of operation of a trace, then for `total`."""
    kinds = trace.ops["kind"]
    for kind, name in enumerate(KIND_NAMES):
        chosen = kinds == kind
        if chosen.any():
            yield name, int(chosen.sum()), counts[chosen].sum(axis=0, dtype=np.int64)
    yield TOTAL, len(trace.ops), counts.sum(axis=0, dtype=np.int64)


def time_trace(trace: Trace, design: Design) -> float:
    """Return the time (ns) of a whole trace on a design, uncounted, nothing written: the least of several runs."""
    least = float("inf")
    for _ in range(_TIMED_RUNS):
        run = TraceRun(trace, design)
        start = time.perf_counter_ns()
        run.run()
        least = min(least, time.perf_counter_ns() - start)
    return least


def _rows(
    workload: Workload, trace: Trace, design: Design, timed: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    names = event_names()
    vector = weights.weights_of(design)
    share = mix_of(trace.ops, trace.config.gic).mmio_share
    rows, event_rows = [], []
    for kind, operations, sums in by_kind(trace, count_trace(trace, design)):
        rows.append(
            {
                "workload": workload.name,
                "source": workload.recorded,
                "gic": trace.config.gic,
                "vcpus": trace.config.vcpus,
                "design": design.name,
                "kind": kind,
                "operations": operations,
                "instructions": float(weights.instructions(sums, vector)),
                "time_ns": time_trace(trace, design) if timed and kind == TOTAL else float("nan"),
                "mmio_share": share,
            }
        )
        event_rows += [
            {"workload": workload.name, "design": design.name, "kind": kind, "event": name, "count": int(count)}
            for name, count in zip(names, sums, strict=True)
            if count
        ]
    return rows, event_rows


def measure_workloads(
    designs: Iterable[str],
    gics: Sequence[int],
    timed: bool,
    boots_only: bool,
    progress: Callable[[str, int, int], None],
) -> dict[str, list[dict[str, Any]]]:
    """Return rows of the tables `workloads` and `workload_events` for the packaged workloads of these GIC versions.

    Those with LPIs run when every design has an ITS and weights of LPIs: what is compared ran the same. The same
    devices' MSIs as SPIs are another workload, which every design runs. Raises UsageError when a design dies in one
    (a BUG_ON in real work would make its figures mean nothing).
    """
    chosen = [w for w in catalogue() if w.gic in gics and (w.category == "boot" or not boots_only)]
    designs = list(designs)
    if not all(get_design(name).has_its and weights.covers_lpis(get_design(name)) for name in designs):
        chosen = [workload for workload in chosen if not workload.its]
    rows: list[dict[str, Any]] = []
    event_rows: list[dict[str, Any]] = []
    for number, workload in enumerate(chosen):
        progress("workloads", number, len(chosen))
        trace = workload.load()
        for name in designs:
            try:
                own, own_events = _rows(workload, trace, get_design(name), timed)
            except UsageError as error:
                raise UsageError(f"workload {workload.name} on design {name}: {error}", 5) from error
            rows += own
            event_rows += own_events
    progress("workloads", len(chosen), len(chosen))
    return {"workloads": rows, "workload_events": event_rows}
