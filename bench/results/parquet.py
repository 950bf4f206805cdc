# SPDX-License-Identifier: GPL-2.0-only
"""One table of results as a Parquet file, read and checked against the schema.

pandas is loaded by `read_frame` only: a reader of Arrow tables never waits for it.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.results.check import check_filled, check_names, check_types, is_plain
from bench.results.schema import TABLES, check_columns
from kvmarm.errors import UsageError
from kvmarm.inputs import read_bytes
from kvmarm.text import shown

if TYPE_CHECKING:
    import pandas as pd


MOST_CELLS = 40_000_000
"""Values of one table: rows times columns."""
MOST_UNPACKED = 256 << 20
"""Bytes of one table when its pages are unpacked: 256 MiB."""


def parquet_source(file: Path) -> Path | io.BytesIO:
    """Return what pyarrow is given to read a file: its contents when its name is not UTF-8, which pyarrow needs."""
    try:
        str(file).encode()
    except UnicodeEncodeError:
        return io.BytesIO(read_bytes(file))
    return file


@contextlib.contextmanager
def _opened(file: Path, words: list[str] | None = None) -> Iterator[Any]:
    """Give the `ParquetFile` of a table that is not too large; raises UsageError, as for what it cannot be read for.

    words: columns read as dictionaries.
    """
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(parquet_source(file), read_dictionary=words, page_checksum_verification=True) as opened:
            about = opened.metadata
            unpacked = sum(about.row_group(number).total_byte_size for number in range(about.num_row_groups))
            if about.num_rows * max(1, about.num_columns) > MOST_CELLS or unpacked > MOST_UNPACKED:
                size = f"{about.num_rows:,} rows of {about.num_columns:,} columns, {unpacked:,} bytes unpacked"
                raise UsageError(f"{file}: {size}; expected at most {MOST_CELLS:,} values and {MOST_UNPACKED:,} bytes")
            yield opened
    except (UsageError, KeyboardInterrupt):
        raise
    except Exception as error:  # pyarrow raises several kinds, all of which mean the same to a user
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"{file}: not a readable Parquet file, perhaps truncated ({reason})") from error


def read_frame(file: Path) -> pd.DataFrame:
    """Read one table; raises UsageError when the file is damaged or a column does not fit the schema.

    A column of a type that results do not have (lists, objects, dates, …) is read as text.
    """
    columns = TABLES.get(file.stem, {})
    with _opened(file) as opened:
        schema = opened.schema_arrow
        table = opened.read(use_threads=False)
        check_names(table.column_names, file)
        if len(table):
            check_types(schema, columns, file)
            check_filled((name for name in columns if name in schema.names and has_gaps(table[name])), columns, file)
        frame: pd.DataFrame = as_text(table).to_pandas()
    return frame


def has_gaps(column: Any) -> bool:
    """Return whether a column of a `pyarrow.Table` lacks a value, or has one that is no number."""
    import pyarrow
    from pyarrow import compute

    if column.null_count:
        return True
    return pyarrow.types.is_floating(column.type) and bool(compute.any(compute.is_nan(column)).as_py())


def as_text(table: Any) -> Any:
    """Return a `pyarrow.Table` without what pandas stored about it, odd columns as text."""
    import pyarrow

    plain = table.replace_schema_metadata(None)
    for number, field in enumerate(table.schema):
        if not is_plain(field.type):
            cells = ["" if value is None else shown(value) for value in table.column(number).to_pylist()]
            plain = plain.set_column(number, field.name, pyarrow.array(cells, pyarrow.string()))
    return plain


def read_arrow(file: Path) -> Any:
    """Read one table as a `pyarrow.Table`, text as dictionary columns; raises UsageError as `read_frame` does."""
    import pyarrow

    with _opened(file) as plain:
        kinds = plain.schema_arrow
    words = [field.name for field in kinds if field.type in (pyarrow.string(), pyarrow.large_string())]
    with _opened(file, words) as encoded:
        table = encoded.read(use_threads=False)
    columns = TABLES.get(file.stem, {})
    check_names(table.column_names, file)
    check_columns(table.column_names, file.stem, str(file))
    if len(table):
        check_types(table.schema, columns, file)
        check_filled((name for name in columns if table[name].null_count), columns, file)
    return as_text(table)
