# SPDX-License-Identifier: GPL-2.0-only
"""Outcomes of replays as a results folder."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.replay.outcome import Outcome
from bench.replay.sides import Cost, Side
from bench.results import environment
from bench.results.meta import new_meta, utc_now
from bench.results.schema import frame
from bench.results.store import Results
from kvmarm.design import get_design


def results_tables(outcomes: Sequence[Outcome]) -> dict[str, list[dict[str, Any]]]:
    """Return rows of the results tables `workloads` and `workload_events` for the outcomes."""
    rows: list[dict[str, Any]] = []
    event_rows: list[dict[str, Any]] = []
    for outcome in outcomes:
        workload = Path(outcome.recording).name
        for design, side in outcome.designs.items():
            named: list[tuple[str, Cost | Side]] = [*side.kinds.items(), ("total", side)]
            for kind, row in named:
                rows.append(
                    {
                        "workload": workload,
                        "source": outcome.kind,
                        "gic": outcome.config["gic"],
                        "vcpus": outcome.config["vcpus"],
                        "design": design,
                        "kind": kind,
                        "operations": row.operations,
                        "instructions": math.nan if row.instructions is None else row.instructions,
                        "time_ns": math.nan if kind != "total" or side.time_ns is None else side.time_ns,
                        "mmio_share": side.mmio_share,
                    }
                )
                event_rows += [
                    {"workload": workload, "design": design, "kind": kind, "event": name, "count": count}
                    for name, count in row.events.items()
                ]
    return {"workloads": rows, "workload_events": event_rows}


def save_results(outcomes: Sequence[Outcome], folder: Path, designs: Sequence[str]) -> Path:
    """Keep outcomes as a results folder of kind `replay`. Raises UsageError when it cannot be written."""
    tables = {name: frame(name, rows) for name, rows in results_tables(outcomes).items()}
    chosen = [get_design(name) for name in designs]
    meta = new_meta(
        "replay",
        tool=environment.tool(),
        environment=environment.environment(),
        command=environment.command(),
        designs=[{"name": design.name, "title": design.title, "source": design.source} for design in chosen],
        replays=[outcome.as_dict() for outcome in outcomes],
    )
    meta |= {"complete": True, "finished": utc_now()}
    return Results(meta, tables).save_new(folder)
