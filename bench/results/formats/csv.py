# SPDX-License-Identifier: GPL-2.0-only
"""Tables of results as CSV files."""

import csv
import os
from pathlib import Path

from bench.results.store import Results
from kvmarm.files import atomic_write


def write_csv(results: Results, path: str | os.PathLike[str], table: str | None = None) -> list[Path]:
    """Write one table as a CSV file at `path`, or every table into the folder `path`; return the files' paths."""
    folder = Path(path)
    jobs = [(table, folder)] if table else [(name, folder / f"{name}.csv") for name in sorted(results.tables)]
    for name, file in jobs:
        frame_ = results.table(name)
        with atomic_write(file, "w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(frame_.columns)
            for row in frame_.itertuples(index=False, name=None):
                writer.writerow(["" if value != value else value for value in row])
    return [file for _, file in jobs]
