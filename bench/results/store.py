# SPDX-License-Identifier: GPL-2.0-only
"""The results of one run: a folder with `meta.json` and one Parquet file a table.

Rules inside:
- A folder is written whole under another name and then renamed: it is there complete or it is not there.
- A table that a run did not produce is absent; readers ask `results.table(name)`, which gives an empty frame then.
- The schema has a number. An older folder is brought up to date while it is read, one step a schema version; a
  newer one is refused, because guessing at unknown columns would be worse than saying so.
- Columns named in `TABLES` must be there; a table may have more of them (they are kept), and so may the folder have
  more tables.
- pandas is loaded by what returns its frames only: a reader of `load_columns` never waits for it.
"""

from __future__ import annotations

import errno
import functools
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.results.folders import any_entry
from bench.results.meta import load_meta, plain_json, printable
from bench.results.parquet import read_arrow, read_frame
from bench.results.schema import SCHEMA, TABLES, UPGRADES, check_columns, typed
from kvmarm.errors import UsageError
from kvmarm.files import clear_leftovers, own_prefix

if TYPE_CHECKING:
    import pandas as pd


class Taken(Exception):
    """Something is there by now."""


@dataclass
class Results:
    """One run. `meta`: what JSON can hold (see `new_meta`). `tables`: name -> frame, columns as in `TABLES`."""

    meta: dict[str, Any]
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    folder: Path | None = None

    def table(self, name: str) -> pd.DataFrame:
        """Return the table; an empty one with the right columns when this run has none of that name."""
        if name in self.tables:
            return self.tables[name]
        columns = TABLES.get(name)
        if columns is None:
            raise UsageError(f"{name}: no such table; expected one of {', '.join(sorted(TABLES))}")
        import pandas as pd

        return pd.DataFrame({column: pd.Series(dtype=dtype) for column, dtype in columns.items()})

    def has(self, name: str) -> bool:
        """Tell whether the run produced at least one row of the table."""
        return name in self.tables and len(self.tables[name]) > 0

    @property
    def name(self) -> str:
        """The folder's name as text (bytes that are not UTF-8 marked), or the kind of the run when it is not stored."""
        return printable(self.folder.name) if self.folder else str(self.meta.get("kind", "results"))

    def save(self, folder: str | os.PathLike[str], replace: bool = False) -> Path:
        """Write everything to `folder` and return its path; it appears complete or not at all.

        Raises UsageError when `folder` exists (unless it is empty, or `replace` and a results folder), or cannot be
        written, or a table lacks a column.
        """
        target = Path(folder)
        there = target.exists() and any_entry(target)
        if there and not (replace and (target / "meta.json").is_file()):
            raise UsageError(f"{target}: already exists; expected a new results folder")
        try:
            return self._save(target, lambda made: _replace(made, target) if there else _place(made, target))
        except Taken:
            raise UsageError(f"{target}: already exists; expected a new results folder") from None

    def save_new(self, folder: str | os.PathLike[str]) -> Path:
        """Write everything to `folder`, or beside it where other results are by now; return where it is.

        Nothing measured is lost to a run that was given the same folder and ended first. Raises UsageError as `save`.
        """
        target = Path(folder)
        for number in itertools.count(2):
            try:
                return self._save(target, functools.partial(_place, target=target))
            except Taken:
                target = Path(folder).with_name(f"{Path(folder).name}-{number}")
        raise AssertionError("unreachable")

    def _save(self, target: Path, put: Callable[[Path], None]) -> Path:
        """Write everything beside `target` and have it put there by `put`."""
        for name, frame in self.tables.items():
            check_columns(map(str, frame.columns), name, f"table {name}")
        beside = None
        try:
            beside = _room_beside(target)
            for name, frame in self.tables.items():
                with open(beside / f"{name}.parquet", "wb") as file:
                    typed(frame, name).to_parquet(file, index=False, write_page_checksum=True)
            text = json.dumps(self.meta | {"schema": SCHEMA}, indent=1, sort_keys=True, default=plain_json)
            (beside / "meta.json").write_text(text + "\n", encoding="utf-8")
            umask = os.umask(0)
            os.umask(umask)
            beside.chmod(0o777 & ~umask)
            put(beside)
        except OSError as error:
            raise UsageError(f"{target}: cannot be written: {error.strerror or error}") from error
        finally:
            if beside is not None and beside.exists():
                shutil.rmtree(beside, ignore_errors=True)
        self.folder = target
        return target

    @classmethod
    def load(cls, folder: str | os.PathLike[str], tables: Iterable[str] | None = None) -> Results:
        """Read a results folder, all tables or only those named.

        Raises UsageError when it is not a results folder, has another schema that can't be upgraded, or a file in
        it is damaged or lacks a column; the message names the file and what was expected.
        """
        path = Path(folder)
        meta = load_meta(path)
        wanted = None if tables is None else set(tables)
        frames = {}
        for file in sorted(path.glob("*.parquet")):
            if wanted is None or file.stem in wanted:
                frames[file.stem] = read_frame(file)
        for version in range(int(meta["schema"]), SCHEMA):
            UPGRADES[version](meta, frames)
            meta["schema"] = version + 1
        for name, frame in frames.items():
            check_columns(map(str, frame.columns), name, str(path / f"{name}.parquet"))
        return cls(meta, frames, path)


def _room_beside(target: Path) -> Path:
    """Return a new folder on the way to `target`: beside it, or in it where only that can be written."""
    # Whatever it is called, `.` included.
    place = Path(os.path.abspath(target))
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        clear_leftovers(place.parent)
        return Path(tempfile.mkdtemp(prefix=own_prefix(place.name), suffix=".part", dir=place.parent))
    except OSError:
        if not place.is_dir():
            raise
        return Path(tempfile.mkdtemp(prefix=own_prefix(place.name), suffix=".part", dir=place))


def _place(made: Path, target: Path) -> None:
    """Put a folder where nothing is, or an empty folder. Raises Taken when something else is there."""
    if target.exists() and (not target.is_dir() or any(entry != made.name for entry in os.listdir(target))):
        raise Taken(str(target))
    try:
        made.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR) and made.parent != target:
            raise Taken(str(target)) from None
        if not target.is_dir():
            raise
        # A mount point, the folder that a shell is in: it stays, and is filled; what makes it results comes last.
        for path in sorted(made.iterdir(), key=lambda path: path.name == "meta.json"):
            shutil.move(path, target / path.name)


def _replace(made: Path, target: Path) -> None:
    """Put a folder in the place of results; they are kept aside until it is there."""
    earlier = Path(tempfile.mkdtemp(prefix=own_prefix(target.name), suffix=".old", dir=target.parent))
    target.rename(earlier / target.name)
    made.rename(target)
    shutil.rmtree(earlier)


def load_columns(folder: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (meta, name -> `pyarrow.Table`) of a results folder, with text as dictionary columns; without pandas.

    Raises UsageError as `Results.load` does.
    """
    path = Path(folder)
    meta = load_meta(path)
    if meta["schema"] != SCHEMA:
        import pyarrow

        # Upgrades are written for frames.
        results = Results.load(path)
        return results.meta, {name: pyarrow.Table.from_pandas(frame) for name, frame in results.tables.items()}
    return meta, {file.stem: read_arrow(file) for file in sorted(path.glob("*.parquet"))}
