# SPDX-License-Identifier: GPL-2.0-only
"""A stored run as text: one line of it for a list, its metadata and tables on one screen, a table's rows."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from bench.results.meta import unfinished
from bench.results.store import Results
from kvmarm.errors import UsageError
from vgic_bench.console import print_table, say


def describe_folder(folder: Path) -> dict[str, Any]:
    """Return what a list says about a results folder; `error` says why it can't be read, and is None otherwise."""
    row: dict[str, Any] = {"name": folder.name, "error": None}
    try:
        run = Results.load(folder, ["transitions", "events", "workloads"])
    except UsageError as error:
        return row | {"error": str(error)}
    meta = run.meta
    return row | {
        "kind": meta.get("kind", ""),
        "started": str(meta.get("started") or "").replace("+00:00", "").replace("T", " "),
        "complete": not unfinished(meta),
        "state": unfinished(meta),
        "transitions": len(run.table("transitions")),
        "meters": ", ".join(meta.get("meters") or []),
        "commit": str((meta.get("tool") or {}).get("commit") or "")[:10],
    }


def show_run(run: Results, as_json: bool) -> None:
    """Print the metadata and the size of every table."""
    sizes = {name: len(table) for name, table in sorted(run.tables.items())}
    if as_json:
        print(json.dumps({"name": run.name, "meta": as_plain(run.meta), "tables": sizes}, indent=1))
        return
    state = unfinished(run.meta)
    say(f"{run.name}: {run.meta.get('kind', 'results')}, schema {run.meta['schema']}" + (f"; {state}" if state else ""))
    known = ("schema", "kind", "complete", "interrupted", "missing")
    rows = [(name, _short(value)) for name, value in run.meta.items() if name not in known and value not in (None, "")]
    print_table(("of the run", "~"), rows, most=8)
    print_table(("table", ">rows"), [(name, f"{size:,}") for name, size in sizes.items()], most=9)
    if run.has("transitions"):
        wrong = run.table("transitions").query("not ok")
        if len(wrong):
            say(f"{len(wrong)} transitions did not end in the expected state: {', '.join(wrong['transition'][:5])}")


def show_table(run: Results, name: str, most: int, as_json: bool) -> None:
    """Print the first `most` rows (0: all) of one table, without columns that are the same throughout.

    Raises UsageError when the run has no such table.
    """
    if name not in run.tables:
        held = ", ".join(sorted(run.tables)) or "none"
        raise UsageError(f"{run.name}: has no table {name!r}; its tables: {held}")
    table = run.tables[name]
    part = table.head(most) if most else table
    if as_json:
        print(part.to_json(orient="records"))
        return
    constant = [column for column in table.columns if len(table) > 1 and table[column].nunique(dropna=False) == 1]
    for column in constant:
        say(f"{column}: {_cell(table[column].iloc[0])}")
    rest = [column for column in table.columns if column not in constant]
    marks = [f">{column}" if pd.api.types.is_numeric_dtype(table[column]) else str(column) for column in rest]
    print_table(marks, [[_cell(value) for value in row] for row in part[rest].itertuples(index=False, name=None)])
    if len(part) < len(table):
        say(f"… and {len(table) - len(part):,} rows more (--rows 0 shows all)")


def as_plain(meta: dict[str, Any]) -> Any:
    """Return the metadata as JSON would give it back."""
    return json.loads(json.dumps(meta, default=str))


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(item)}" for name, item in value.items() if item not in (None, ""))
    if isinstance(value, list):
        return ", ".join(_short(item) for item in value)
    return str(value)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.6g}"
    return str(value)
