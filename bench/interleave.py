# SPDX-License-Identifier: GPL-2.0-only
"""Two things measured turn by turn, so that what the machine does meanwhile happens to both.

Rules inside:
- Turn k measures both sides once, each in a fresh process: A then B, in the next turn B then A (ABBA), so that a
  drift within a turn favours neither side over two turns.
- The parts of one side become one run: every process's samples under its turn's number, and the exact counts once,
  after a check that all processes counted the same. Counts that differ between two runs of the same code are a
  fault of the measurement, and nothing is judged then.
"""

import uuid
from collections.abc import Callable, Iterable

import pandas as pd

from bench import statistics
from bench.gate import MEASUREMENT_FAILED
from bench.results import KEY, Results, utc_now
from kvmarm.errors import UsageError

Measure = Callable[[int, int], Results]
"""(side 0 or 1, turn) -> what one fresh process measured."""


def turns(count: int) -> list[tuple[int, int]]:
    """Return the (side, turn) pairs in the order to measure them: 0 1, 1 0, 0 1, …"""
    return [(side, turn) for turn in range(count) for side in ((0, 1) if turn % 2 == 0 else (1, 0))]


def interleave(
    measure: Measure, count: int, order: Callable[[list[tuple[int, int]]], Iterable[tuple[int, int]]] = iter
) -> tuple[Results, Results]:
    """Measure both sides `count` times in turns and return their two runs, which `compare` then pairs.

    `order`: shown the list of (side, turn), yields it, and may show progress. Raises UsageError with status 5 when
    one side's processes disagree about a count.
    """
    parts: tuple[list[Results], list[Results]] = ([], [])
    for side, turn in order(turns(count)):
        parts[side].append(measure(side, turn))
    session = uuid.uuid4().hex
    first, second = (merge(own, session) for own in parts)
    return first, second


def merge(parts: list[Results], session: str) -> Results:
    """Make one run of what several processes measured of the same code; part n becomes process n.

    Raises UsageError with status 5 when the parts' exact counts differ.
    """
    counts = [_counts(part) for part in parts]
    for number, other in enumerate(counts):
        if other != counts[0]:
            differing = sorted({entry[: len(KEY)] for entry in counts[0] ^ other})
            names = ", ".join(sorted({f"{entry[0]} {entry[-1]}" for entry in differing})[:3])
            raise UsageError(
                f"processes 0 and {number} of the same code counted differently: {names}", MEASUREMENT_FAILED
            )
    tables = {name: table for name, table in parts[0].tables.items() if name != "samples"}
    samples = [part.table("samples").assign(process=number) for number, part in enumerate(parts) if part.has("samples")]
    if samples:
        tables["samples"] = pd.concat(samples, ignore_index=True)
        if "transitions" in tables:
            tables["transitions"] = with_times(tables["transitions"], tables["samples"])
    meta = parts[0].meta | {
        "complete": all(part.meta.get("complete") is not False for part in parts),
        "finished": utc_now(),
        "pairing": {"session": session, "processes": len(parts)},
    }
    return Results(meta, tables)


def _counts(part: Results) -> set[tuple[object, ...]]:
    table = part.table("events")
    return set(table[table["count"] != 0][[*KEY, "event", "count"]].itertuples(index=False, name=None))


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
