# SPDX-License-Identifier: GPL-2.0-only
"""What a run is made of: parts that are measured one after the other and kept or lost as wholes.

Rules inside:
- A part's rows come into the run when it is done. Of the time meter, each process is a separate whole.
- An interruption ends the measuring; a part that fails (status 5) does not keep the others from being measured.
- What is missing then is said by name. With nothing measured at all, the interruption or the failure is all there is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from bench.results.schema import frame
from bench.results.times import with_times
from bench.system.exit_status import MEASUREMENT_FAILED
from kvmarm.errors import UsageError

TIME = "time"

Rows = dict[str, list[dict[str, Any]]]
"""Table -> rows."""


@dataclass
class Measured:
    """What was measured. `missing`: part -> why it is not there, "" when it was interrupted or never begun.

    `rows`: of finished parts. `unexpected`: one line per point whose states were not the expected ones.
    """

    rows: Rows = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False

    def add(self, rows: Rows) -> None:
        """Take the rows of something that is done."""
        for name, more in rows.items():
            self.rows.setdefault(name, []).extend(more)

    @property
    def failures(self) -> list[str]:
        """Why parts failed, a line each."""
        return [why for why in self.missing.values() if why]

    def timed_processes(self) -> int:
        """Return how many processes of the time meter are there."""
        return len({row["process"] for row in self.rows.get("samples", ())})

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables that have rows, the transitions with their times."""
        tables = {name: frame(name, rows) for name, rows in self.rows.items() if rows}
        if "samples" in tables and "transitions" in tables:
            table = tables["transitions"]
            # Samples are the VGICs'; a world switch's time comes with its row.
            timed = table["family"].isin(tables["samples"]["family"])
            parts = [with_times(table[timed], tables["samples"]), table[~timed]]
            tables["transitions"] = pd.concat([part for part in parts if len(part)], ignore_index=True)
        return tables


Part = tuple[str, Callable[[Measured], None]]
"""A part's name and what measures it and adds its rows."""


def measure_parts(parts: Sequence[Part]) -> Measured:
    """Measure the parts in order; return what there is of them.

    Raises KeyboardInterrupt, or UsageError with status 5, when nothing could be measured; other UsageErrors always.
    """
    measured = Measured()
    over: set[str] = set()
    try:
        for name, measure in parts:
            try:
                measure(measured)
            except UsageError as error:
                if error.exit_status != MEASUREMENT_FAILED:
                    raise
                measured.missing[name] = str(error)
            except MemoryError:
                measured.missing[name] = f"{name}: out of memory"
            over.add(name)
    except KeyboardInterrupt:
        if not any(measured.rows.values()):
            raise
        measured.interrupted = True
        measured.missing |= {name: "" for name, _ in parts if name not in over}
    if measured.failures and not any(measured.rows.values()):
        raise UsageError(measured.failures[0], MEASUREMENT_FAILED)
    return measured
