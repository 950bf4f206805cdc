# SPDX-License-Identifier: GPL-2.0-only
"""One table of results as a Parquet file, read and checked against the schema.

pandas is loaded by `read_frame` only: a reader of Arrow tables never waits for it.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.results.check import check_filled, check_types
from bench.results.schema import TABLES, check_columns
from kvmarm.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


def parquet_source(file: Path) -> Path | io.BytesIO:
    """Return what pyarrow is given to read a file: its contents when its name is not UTF-8, which pyarrow needs."""
    try:
        str(file).encode()
    except UnicodeEncodeError:
        return io.BytesIO(file.read_bytes())
    return file


def read_frame(file: Path) -> pd.DataFrame:
    """Read one table; raises UsageError when the file is damaged or a column does not fit the schema."""
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


def read_arrow(file: Path) -> Any:
    """Read one table as a `pyarrow.Table`, text as dictionary columns; raises UsageError as `read_frame` does."""
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(parquet_source(file)) as plain:
            kinds = plain.schema_arrow
            words = [field.name for field in kinds if field.type in (pyarrow.string(), pyarrow.large_string())]
            with ParquetFile(parquet_source(file), metadata=plain.metadata, read_dictionary=words) as encoded:
                table = encoded.read(use_threads=False)
    except Exception as error:  # see read_frame
        raise _unreadable(file, error) from error
    columns = TABLES.get(file.stem, {})
    check_columns(table.column_names, file.stem, str(file))
    if len(table):
        check_types(table.schema, columns, file)
        check_filled((name for name in columns if table[name].null_count), columns, file)
    return table
