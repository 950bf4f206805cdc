# SPDX-License-Identifier: GPL-2.0-only
"""The schema of results: tables, columns, dtypes, the version number and its upgrades."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from kvmarm.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
KEY = ("design", "family", "gic", "irqs", "vcpus", "lrs", "pending", "live", "transition")
"""What identifies one measured transition. `design` and `family` ("vgic" or "switch") and `transition` are text,
the others int64."""

TEXT, INTEGER, NUMBER, TRUTH = "str", "int64", "float64", "bool"

_KEY_TYPES = {name: TEXT if name in ("design", "family", "transition") else INTEGER for name in KEY}

TABLES: dict[str, dict[str, str]] = {
    "transitions": _KEY_TYPES
    | {
        "group": TEXT,
        "before": TEXT,
        "operation": TEXT,
        "after": TEXT,
        "expected": TEXT,
        "ok": TRUTH,
        "instructions": NUMBER,
        "time_ns": NUMBER,
        "time_low": NUMBER,
        "time_high": NUMBER,
        "samples": INTEGER,
        "events": INTEGER,
    },
    "events": _KEY_TYPES | {"event": TEXT, "count": INTEGER},
    "cycles": _KEY_TYPES | {"platform": TEXT, "term": TEXT, "cycles": NUMBER, "certainty": TEXT},
    "samples": _KEY_TYPES | {"process": INTEGER, "position": INTEGER, "loops": INTEGER, "ns": NUMBER},
    "workloads": {
        "workload": TEXT,
        "source": TEXT,
        "gic": INTEGER,
        "vcpus": INTEGER,
        "design": TEXT,
        "kind": TEXT,
        "operations": INTEGER,
        "instructions": NUMBER,
        "time_ns": NUMBER,
        "mmio_share": NUMBER,
    },
    "workload_events": {"workload": TEXT, "design": TEXT, "kind": TEXT, "event": TEXT, "count": INTEGER},
    "life": {
        "design": TEXT,
        "switch": TEXT,
        "gic": INTEGER,
        "scenario": TEXT,
        "platform": TEXT,
        "phase": TEXT,
        "instructions": NUMBER,
        "cycles": NUMBER,
        "events": INTEGER,
    },
    "contention": {
        "body": TEXT,
        "design": TEXT,
        "source": TEXT,
        "gic": INTEGER,
        "vcpus": INTEGER,
        "guest_us": NUMBER,
        "scaling": NUMBER,
        "low": NUMBER,
        "high": NUMBER,
        "ceiling": NUMBER,
        "alone_ns": NUMBER,
        "together_ns": NUMBER,
        "rate": NUMBER,
        "limit": TEXT,
    },
    "contention_waits": {
        "body": TEXT,
        "design": TEXT,
        "lock": TEXT,
        "share": NUMBER,
        "ns": NUMBER,
        "waits": NUMBER,
    },
    "contention_latency": {
        "body": TEXT,
        "design": TEXT,
        "place": INTEGER,
        "operation": TEXT,
        "p50": NUMBER,
        "p90": NUMBER,
        "p99": NUMBER,
        "p999": NUMBER,
        "max": NUMBER,
    },
    "switch": {
        "implementation": TEXT,
        "gic": INTEGER,
        "configuration": TEXT,
        "phase": TEXT,
        "register_group": TEXT,
        "class": TEXT,
        "count": INTEGER,
    },
}
"""Table -> column -> dtype; "str" columns are object or string columns of text."""

UPGRADES: dict[int, Callable[[dict[str, Any], dict[str, pd.DataFrame]], None]] = {}
"""Schema n -> a function that turns (meta, tables) of schema n into those of n + 1 in place."""


def check_columns(columns: Iterable[str], name: str, where: str) -> None:
    """Raise UsageError when a table of the schema lacks one of its columns; tables of other names pass."""
    present = set(columns)
    missing = [column for column in TABLES.get(name, {}) if column not in present]
    if missing:
        raise UsageError(f"{where}: lacks column {', '.join(missing)}; expected {', '.join(TABLES[name])}")


def typed(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the table with the dtypes of the schema, so that every folder has the same ones.

    Raises UsageError when a value does not fit (a missing one in an integer column, for example).
    """
    columns = {column: dtype for column, dtype in TABLES.get(name, {}).items() if dtype != TEXT}
    try:
        return frame.astype(columns)
    except (TypeError, ValueError) as error:
        raise UsageError(f"table {name}: {error}") from error


def frame(name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Make a table of the schema from rows; a number or text that a row leaves out is NaN or "", a count 0.

    Raises UsageError when `name` is not a table of the schema.
    """
    columns = TABLES.get(name)
    if columns is None:
        raise UsageError(f"{name}: no such table; expected one of {', '.join(sorted(TABLES))}")
    import pandas as pd

    blanks: dict[str, Any] = {TEXT: "", INTEGER: 0, NUMBER: float("nan"), TRUTH: False}
    others = list(dict.fromkeys(column for row in rows for column in row if column not in columns))
    data: dict[str, Any] = {
        column: pd.Series([row.get(column, blanks[dtype]) for row in rows], dtype=dtype)
        for column, dtype in columns.items()
    }
    for column in others:
        data[column] = [row.get(column) for row in rows]
    return pd.DataFrame(data)
