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

import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.results.check import check_filled, check_meta, check_types
from kvmarm.errors import UsageError
from kvmarm.files import check_file, check_folder

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

        Raises UsageError when `folder` exists (unless `replace` and it is a results folder), or cannot be written,
        or a table lacks a column.
        """
        target = Path(folder)
        if target.exists() and not (replace and (not any_entry(target) or (target / "meta.json").is_file())):
            raise UsageError(f"{target}: already exists; expected a new results folder")
        for name, frame in self.tables.items():
            check_columns(map(str, frame.columns), name, f"table {name}")
        beside = None
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
            for name, frame in self.tables.items():
                with open(beside / f"{name}.parquet", "wb") as file:
                    typed(frame, name).to_parquet(file, index=False)
            text = json.dumps(self.meta | {"schema": SCHEMA}, indent=1, sort_keys=True, default=_plain)
            (beside / "meta.json").write_text(text + "\n", encoding="utf-8")
            umask = os.umask(0)
            os.umask(umask)
            beside.chmod(0o777 & ~umask)
            if target.exists():
                earlier = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
                target.rename(earlier / target.name)
                beside.rename(target)
                shutil.rmtree(earlier)
            else:
                beside.rename(target)
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
                frames[file.stem] = _read_parquet(file)
        for version in range(int(meta["schema"]), SCHEMA):
            UPGRADES[version](meta, frames)
            meta["schema"] = version + 1
        for name, frame in frames.items():
            check_columns(map(str, frame.columns), name, str(path / f"{name}.parquet"))
        return cls(meta, frames, path)


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
    try:
        meta = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: not a results folder: it has no meta.json") from None
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: not valid JSON ({error}); the results are damaged") from error
    if not isinstance(meta, dict):
        raise UsageError(f"{file}: expected a JSON object, found {type(meta).__name__}")
    schema = meta.get("schema")
    readable = [version for version in (*UPGRADES, SCHEMA) if all(step in UPGRADES for step in range(version, SCHEMA))]
    if not isinstance(schema, int) or isinstance(schema, bool) or schema not in readable:
        expected = " or ".join(str(version) for version in sorted(readable))
        raise UsageError(f"{file}: results schema is {schema!r}, expected {expected}")
    check_meta(meta, file)
    return meta


def parquet_source(file: Path) -> Path | io.BytesIO:
    """Return what pyarrow is given to read a file: its contents when its name is not UTF-8, which pyarrow needs."""
    try:
        str(file).encode()
    except UnicodeEncodeError:
        return io.BytesIO(file.read_bytes())
    return file


def _read_parquet(file: Path) -> pd.DataFrame:
    import pandas as pd
    from pyarrow.parquet import ParquetFile

    columns = TABLES.get(file.stem, {})
    try:
        with ParquetFile(parquet_source(file)) as plain:
            schema = plain.schema_arrow
        frame = pd.read_parquet(parquet_source(file))
    except Exception as error:  # pyarrow raises several kinds, all of which mean the same to a user
        raise _unreadable(file, error) from error
    if len(frame):
        check_types(schema, columns, file)
        check_filled((name for name in columns if name in frame and frame[name].hasnans), columns, file)
    return frame


def _unreadable(file: Path, error: Exception) -> UsageError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return UsageError(f"{file}: not a readable Parquet file, perhaps truncated ({reason})")


def load_columns(folder: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (meta, name -> `pyarrow.Table`) of a results folder, with text as dictionary columns; without pandas.

    Raises UsageError as `Results.load` does.
    """
    import pyarrow
    from pyarrow.parquet import ParquetFile

    path = Path(folder)
    meta = load_meta(path)
    if meta["schema"] != SCHEMA:
        # Upgrades are written for frames.
        results = Results.load(path)
        return results.meta, {name: pyarrow.Table.from_pandas(frame) for name, frame in results.tables.items()}
    tables = {}
    for file in sorted(path.glob("*.parquet")):
        try:
            with ParquetFile(parquet_source(file)) as plain:
                kinds = plain.schema_arrow
                words = [field.name for field in kinds if field.type in (pyarrow.string(), pyarrow.large_string())]
                with ParquetFile(parquet_source(file), metadata=plain.metadata, read_dictionary=words) as encoded:
                    tables[file.stem] = encoded.read(use_threads=False)
        except Exception as error:  # see _read_parquet
            raise _unreadable(file, error) from error
        table, columns = tables[file.stem], TABLES.get(file.stem, {})
        check_columns(table.column_names, file.stem, str(file))
        if len(table):
            check_types(table.schema, columns, file)
            check_filled((name for name in columns if table[name].null_count), columns, file)
    return meta, tables


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


def new_folder(kind: str, root: str | os.PathLike[str] = "results") -> Path:
    """Return a path for a new run's folder, `<root>/<UTC yyyymmdd-hhmmss>-<kind>`; it is not made yet."""
    stem = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{kind}"
    path = Path(root) / stem
    number = 2
    while path.exists():
        path = Path(root) / f"{stem}-{number}"
        number += 1
    return path


def check_new_folder(folder: str | os.PathLike[str]) -> None:
    """Raise UsageError when a run could not be saved there: say so before it is measured. Empty folders will do."""
    path = Path(folder)
    if path.exists() and any_entry(path):
        raise UsageError(f"{path}: already exists, expected a new results folder")
    # It is written beside and then renamed, as a file is.
    if path.exists():
        check_folder(path.parent)
    else:
        check_file(path)


def any_entry(folder: Path) -> bool:
    """Tell whether the path is something other than an empty folder."""
    return not folder.is_dir() or any(folder.iterdir())


def find_runs(root: str | os.PathLike[str] = "results") -> list[Path]:
    """Return the results folders directly under `root`, oldest first by the time they started, then by name.

    Folders that can't be read are left in (with no start time, so first): who loads them says what is wrong.
    Raises UsageError when `root` is not a folder.
    """
    path = Path(root)
    if not path.is_dir():
        raise UsageError(f"{path}: not a folder; expected one that holds results folders")
    folders = [file.parent for file in path.glob("*/meta.json") if not file.parent.name.startswith(".")]
    return sorted(folders, key=lambda folder: (_started(folder), folder.name))


def _started(folder: Path) -> str:
    try:
        return str(load_meta(folder).get("started") or "")
    except UsageError:
        return ""


def _plain(value: Any) -> Any:
    """Let NumPy scalars, arrays and paths into JSON as what they stand for."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} can't be stored in meta.json")
