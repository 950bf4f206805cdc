# SPDX-License-Identifier: GPL-2.0-only
"""Metadata of results: `meta.json`, its reading and checking, and what a run lacks."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.results.check import check_meta
from bench.results.schema import SCHEMA, UPGRADES
from kvmarm.errors import UsageError
from kvmarm.inputs import read_json


def printable(name: str) -> str:
    """Return a name from the file system or the command line as text that any file can hold."""
    return os.fsencode(name).decode(errors="replace")


def load_meta(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read and check `meta.json` of a results folder; its schema is one that this version can read.

    Raises UsageError with one line when there is none, it isn't JSON, or the schema is unknown.
    """
    path = Path(folder)
    file = path / "meta.json"
    if not path.is_dir():
        missing = "is a file" if path.exists() else "does not exist"
        raise UsageError(f"{path}: {missing}; expected a results folder (with meta.json)")
    if not file.exists():
        raise UsageError(f"{path}: not a results folder: it has no meta.json")
    meta = read_json(file, "the metadata of results")
    if not isinstance(meta, dict):
        raise UsageError(f"{file}: expected a JSON object, found {type(meta).__name__}")
    schema = meta.get("schema")
    readable = [version for version in (*UPGRADES, SCHEMA) if all(step in UPGRADES for step in range(version, SCHEMA))]
    if not isinstance(schema, int) or isinstance(schema, bool) or schema not in readable:
        expected = " or ".join(str(version) for version in sorted(readable))
        raise UsageError(f"{file}: results schema is {schema!r}, expected {expected}")
    check_meta(meta, file)
    return meta


def new_meta(kind: str, **more: Any) -> dict[str, Any]:
    """Return the metadata every run starts from; the harness adds tool, environment, configuration, designs, …

    `kind`: "run", "sweep", "replay" or "benchmark". `complete` is set True by who finishes the run.
    """
    return {"schema": SCHEMA, "kind": kind, "complete": False, "started": utc_now(), "finished": None} | more


def unfinished(meta: dict[str, Any]) -> str:
    """Say what a run lacks by its metadata: "interrupted, it lacks workloads, life"; "" for a finished one."""
    if meta.get("complete") is not False:
        return ""
    lacks = f", it lacks {', '.join(meta['missing'])}" if meta.get("missing") else ""
    return ("interrupted" if meta.get("interrupted") else "unfinished") + lacks


def utc_now() -> str:
    """Return the time now as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def plain_json(value: Any) -> Any:
    """Let NumPy scalars, arrays and paths into JSON as the plain values that they are."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} can't be stored in meta.json")
