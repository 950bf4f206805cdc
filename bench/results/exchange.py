# SPDX-License-Identifier: GPL-2.0-only
"""Results of any form, known by looking at them, never by name alone: every command that takes results takes any."""

import os
from pathlib import Path
from typing import Any

from bench.results.formats.counts import from_counts, write_counts
from bench.results.formats.csv import write_csv
from bench.results.formats.pyperf import from_pyperf, is_pyperf, write_pyperf
from bench.results.formats.pytest_benchmark import from_pytest_benchmark, write_pytest_benchmark
from bench.results.store import Results
from kvmarm.errors import UsageError
from kvmarm.inputs import json_of, read_packed

__all__ = ["FORMATS", "form_of", "load", "write_counts", "write_csv", "write_pyperf", "write_pytest_benchmark"]

FORMATS = ("csv", "counts", "pytest-benchmark", "pyperf")
EXPECTED = "a results folder, a counts file, pytest-benchmark or pyperf JSON"


def load(path: str | os.PathLike[str], tables: list[str] | None = None) -> Results:
    """Read a results folder, a counts file, a pytest-benchmark or pyperf file, or a folder of pytest-benchmark files.

    Raises UsageError with one line when the path is none of these or is damaged.
    """
    place = Path(path)
    if place.is_dir():
        files = sorted(place.rglob("*.json"))
        if (place / "meta.json").exists() or not files:
            return Results.load(place, tables)
        return from_pytest_benchmark([(file, _read(file)) for file in files], place)
    if not place.exists():
        return Results.load(place)
    data = _read(place)
    form = _form(data)
    if form == "counts":
        return from_counts(place, data)
    return from_pyperf(place, data) if form == "pyperf" else from_pytest_benchmark([(place, data)], place)


def form_of(path: str | os.PathLike[str]) -> str:
    """Return the form of stored results: "folder", "counts", "pytest-benchmark" or "pyperf". Raises UsageError."""
    return "folder" if Path(path).is_dir() else _form(_read(Path(path)))


def _form(data: Any) -> str:
    if isinstance(data, dict) and "format" in data:
        return "counts"
    return "pyperf" if is_pyperf(data) else "pytest-benchmark"


def _read(file: Path) -> Any:
    """Return what a JSON file holds. Raises UsageError, which names the program whose results we do not read."""
    packed = read_packed(file)
    if packed.lstrip().startswith(b"window.BENCHMARK_DATA"):
        raise _foreign(file, "github-action-benchmark")
    data = json_of(packed, str(file), EXPECTED)
    if program := _program_of(data):
        raise _foreign(file, program)
    return data


def _foreign(file: Path, program: str) -> UsageError:
    return UsageError(f"{file}: results of {program}, which are not read; expected {EXPECTED}")


def _program_of(data: Any) -> str | None:
    """Return the program that wrote a JSON document, when it is one whose results are not read."""
    if isinstance(data, list) and data and isinstance(data[0], dict) and {"name", "value"} <= set(data[0]):
        return "github-action-benchmark"
    held = set(data) if isinstance(data, dict) else set()
    if "entries" in held and held & {"lastUpdate", "repoUrl"}:
        return "github-action-benchmark"
    if held & {"result_columns", "graph_param_list", "env_name"} or {"results", "commit_hash"} <= held:
        return "asv"
    if "benchmarks" in held and isinstance(data["benchmarks"], list) and isinstance(data.get("context"), dict):
        return "Google Benchmark"
    results = data["results"] if "results" in held else None
    if isinstance(results, list) and results and isinstance(results[0], dict) and "command" in results[0]:
        return "hyperfine"
    return None
