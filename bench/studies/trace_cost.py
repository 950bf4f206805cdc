# SPDX-License-Identifier: GPL-2.0-only
"""What traces cost on each design by kind of operation: predicted instructions of the real code, and events.

A row per trace, design and kind of operation, and one of kind `total`: operations, instructions, one column per event.
"""

import os
from collections.abc import Iterable, Sequence

import pandas as pd

from bench.meters import weights
from bench.meters.predict import write_csv
from bench.results.meta import printable
from bench.studies.workloads import by_kind, count_trace
from kvmarm.built_in import DEFAULT_DESIGNS
from kvmarm.design import get_design
from kvmarm.events import event_names
from kvmarm.trace import Trace
from kvmarm.trace_read import read_trace

COLUMNS = ("trace", "design", "kind", "operations", "instructions")


def cost_of(trace: Trace, designs: Sequence[str]) -> pd.DataFrame:
    """Return the cost of one trace on designs. Raises UsageError when an operation is illegal."""
    rows = []
    for name in designs:
        design = get_design(name)
        vector = weights.weights_of(design)
        for kind, operations, sums in by_kind(trace, count_trace(trace, design)):
            figure = round(float(weights.instructions(sums, vector)), 1)
            events = dict(zip(event_names(), (int(n) for n in sums), strict=True))
            rows.append(
                dict(zip(COLUMNS, (printable(trace.name), name, kind, operations, figure), strict=True)) | events
            )
    return pd.DataFrame(rows, columns=[*COLUMNS, *event_names()])


def write_trace_costs(
    paths: Iterable[str | os.PathLike[str]], output: str | os.PathLike[str], designs: Sequence[str] = DEFAULT_DESIGNS
) -> pd.DataFrame:
    """Write the cost of traces (files, plain or .xz) to a CSV file and return the table.

    Raises UsageError for a trace that cannot be read or run; nothing is written then.
    """
    table = pd.concat([cost_of(read_trace(path), designs) for path in paths], ignore_index=True)
    write_csv(table, output)
    return table
