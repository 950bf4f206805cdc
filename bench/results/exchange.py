# SPDX-License-Identifier: GPL-2.0-only
"""Results of any form, known by looking at them, never by name alone: every command that takes results takes any."""

import os
from pathlib import Path

from bench.results.formats.common import read_json
from bench.results.formats.counts import from_counts, write_counts
from bench.results.formats.csv import write_csv
from bench.results.formats.pyperf import write_pyperf
from bench.results.formats.pytest_benchmark import from_pytest_benchmark, write_pytest_benchmark
from bench.results.store import Results

__all__ = ["FORMATS", "load", "write_counts", "write_csv", "write_pyperf", "write_pytest_benchmark"]

FORMATS = ("csv", "counts", "pytest-benchmark", "pyperf")


def load(path: str | os.PathLike[str], tables: list[str] | None = None) -> Results:
    """Read a results folder, a counts file, a pytest-benchmark JSON file, or a folder of the latter.

    Raises UsageError with one line when the path is none of these or is damaged.
    """
    place = Path(path)
    if place.is_dir():
        files = sorted(place.rglob("*.json"))
        if (place / "meta.json").exists() or not files:
            return Results.load(place, tables)
        return from_pytest_benchmark([(file, read_json(file)) for file in files], place)
    if not place.exists():
        return Results.load(place)
    data = read_json(place)
    if isinstance(data, dict) and "format" in data:
        return from_counts(place, data)
    return from_pytest_benchmark([(place, data)], place)
