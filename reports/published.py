# SPDX-License-Identifier: GPL-2.0-only
"""Figures published by others, read from published.toml with their sources."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One register group: cycles to save and restore it, and how sure each figure is ("read", "cited", "recalled")."""

    group: str
    save: float
    restore: float
    save_certainty: str
    restore_certainty: str


@dataclass(frozen=True)
class PublishedTable:
    """A published table: what it is called, where it is printed, on which machine it was measured."""

    key: str
    title: str
    source: str
    machine: str
    unit: str
    note: str
    rows: tuple[Row, ...]


@cache
def published(key: str) -> PublishedTable:
    """Return the published table called `key`. Raises KeyError when there is none."""
    with (Path(__file__).parent / "published.toml").open("rb") as file:
        tables = tomllib.load(file)["table"]
    for table in tables:
        if table["key"] == key:
            rows = tuple(
                Row(
                    row["group"],
                    row["save"],
                    row["restore"],
                    row.get("save_certainty", row["certainty"]),
                    row["certainty"],
                )
                for row in table["row"]
            )
            return PublishedTable(
                key, table["title"], table["source"], table["machine"], table["unit"], table["note"], rows
            )
    raise KeyError(key)
