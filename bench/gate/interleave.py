# SPDX-License-Identifier: GPL-2.0-only
"""Two things measured side by side, so that what the machine does in that time happens to both.

Rules inside:
- Turn k measures both sides at the same time, each in a fresh process. Timing processes stay on one core, the same for
  all (bench.meters.time_worker); there the two take turns of a few milliseconds. So a neighbour on the core's other
  thread, a change of clock rate or a stolen core slows both alike. Measured one after the other, on a busy machine such
  things made two processes of the same code differ by a factor of two; side by side, by a percent.
- The side that starts first changes from turn to turn (A B, B A), so that being first favours neither.
- The parts of one side become one run: every process's samples under its turn's number, and the exact counts once,
  after a check that all processes counted the same. Counts that differ between two runs of the same code are a
  fault of the measurement, and nothing is judged then.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pandas as pd

from bench.results.meta import utc_now
from bench.results.schema import KEY
from bench.results.store import Results
from bench.results.times import with_times
from bench.system.exit_status import MEASUREMENT_FAILED
from kvmarm.errors import UsageError

Measure = Callable[[int, int], Results]
"""(side 0 or 1, turn) -> what one fresh process measured."""


def interleave(
    measure: Measure, count: int, progress: Callable[[Sequence[int]], Iterable[int]] = iter
) -> tuple[Results, Results]:
    """Measure both sides in `count` turns and return their two runs, which `compare` then pairs.

    `progress`: given the turns' numbers, yields them, and may show how far it is. Raises UsageError with status 5 when
    one side's processes disagree about a count, and what `measure` raises.
    """
    parts: tuple[list[Results], list[Results]] = ([], [])
    with ThreadPoolExecutor(2) as pool:
        for turn in progress(range(count)):
            first = turn % 2
            started = {side: pool.submit(measure, side, turn) for side in (first, 1 - first)}
            for side in (0, 1):
                parts[side].append(started[side].result())
    session = uuid.uuid4().hex
    baseline, candidate = (merge(own, session) for own in parts)
    return baseline, candidate


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
