# SPDX-License-Identifier: GPL-2.0-only
"""Results that somebody, or some disk, has changed: one line says what is wrong, whoever reads them."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.results import exchange
from bench.results.store import Results, load_columns
from kvmarm.errors import UsageError
from tests.bench.results.sample_results import results


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return results(seed=1, processes=2).save(tmp_path / "run")


READERS = [Results.load, load_columns, exchange.load]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("environment", 5, "an object, found '5'"),
        ("environment", [1], "an object"),
        ("notes", "text", "an array of text"),
        ("meters", [1], "an array of text"),
        ("designs", {}, "an array"),
        ("complete", "yes", "true or false"),
        ("started", 12, "text"),
    ],
)
def test_a_field_of_another_kind(reader: Any, field: str, value: object, expected: str, stored: Path) -> None:
    file = stored / "meta.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {field: None}))
    reader(stored)
    file.write_text(json.dumps(json.loads(file.read_text()) | {field: value}))
    with pytest.raises(UsageError, match=f"meta.json: field {field}: expected {expected}"):
        reader(stored)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("table", "column", "value", "says"),
    [
        ("events", "gic", "two", "column gic: expected whole numbers, found"),
        ("events", "count", 1.5, "column count: expected whole numbers, found double"),
        ("transitions", "ok", 1, "column ok: expected truth values, found"),
        ("transitions", "time_ns", "soon", "column time_ns: expected numbers, found"),
        ("samples", "design", 4, "column design: expected text, found int64"),
        ("events", "transition", None, "column transition: expected"),
    ],
)
def test_a_column_of_another_type(reader: Any, table: str, column: str, value: object, says: str, stored: Path) -> None:
    frame = Results.load(stored).table(table)
    frame[column] = value
    frame.to_parquet(stored / f"{table}.parquet")
    with pytest.raises(UsageError, match=rf"{table}.parquet: {says}"):
        reader(stored)


@pytest.mark.parametrize("reader", READERS)
def test_an_empty_value_is_for_figures_only(reader: Any, stored: Path) -> None:
    frame = Results.load(stored).table("transitions")
    frame["time_ns"] = None
    frame.astype({"time_ns": float}).to_parquet(stored / "transitions.parquet")
    reader(stored)
    frame.loc[1, "before"] = None
    frame.astype({"time_ns": float}).to_parquet(stored / "transitions.parquet")
    with pytest.raises(UsageError, match="column before: expected a value in every row"):
        reader(stored)


def test_json_deeper_than_any_of_ours(stored: Path, tmp_path: Path) -> None:
    for file in (stored / "meta.json", tmp_path / "deep.json"):
        file.write_text("[" * 200_000)
        with pytest.raises(UsageError, match="not valid JSON"):
            exchange.load(file.parent if file.name == "meta.json" else file)


def test_times_that_are_no_numbers(stored: Path, tmp_path: Path) -> None:
    run = Results.load(stored)
    run.tables["samples"].loc[:3, "ns"] = [float("nan"), float("inf"), float("-inf"), float("nan")]
    exchange.write_pytest_benchmark(run, tmp_path / "out.json")
    document = json.loads((tmp_path / "out.json").read_text())
    assert sum(one["stats"]["rounds"] for one in document["benchmarks"]) == len(run.tables["samples"]) - 4
    document["benchmarks"][0]["stats"]["data"][0] = float("nan")
    (tmp_path / "out.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match="benchmark 0: field stats: a time that is not a number"):
        exchange.load(tmp_path / "out.json")
