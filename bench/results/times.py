# SPDX-License-Identifier: GPL-2.0-only
"""Times of transitions out of their samples."""

import pandas as pd

from bench.results import statistics
from bench.results.schema import KEY


def with_times(transitions: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Return `transitions` with time columns from samples: median over the processes' medians, its 95 % interval."""
    rows = []
    for key, group in samples.groupby(list(KEY), sort=False):
        _, medians, _ = statistics.unit_medians(group["process"].to_numpy(), group["ns"].to_numpy())
        middle, low, high = statistics.median_interval(medians)
        rows.append((*key, middle, low, high, len(group)))
    columns = ["time_ns", "time_low", "time_high", "samples"]
    times = pd.DataFrame(rows, columns=[*KEY, *columns])
    merged = transitions.drop(columns=columns).merge(times, how="left", on=list(KEY))
    merged["samples"] = merged["samples"].fillna(0).astype("int64")
    return merged[list(transitions.columns)]
