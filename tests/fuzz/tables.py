# SPDX-License-Identifier: GPL-2.0-only
"""Parquet tables, damaged as tables: columns of other types, missing or doubled ones, odd and too many values."""

import random
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from tests.fuzz.mutators import NASTY_WORDS


def _column(rng: random.Random, rows: int) -> Any:
    values: list[list[Any]] = [
        [None] * rows,
        [rng.choice((1, -1, 2**62, 0)) for _ in range(rows)],
        [rng.choice((0.5, float("nan"), float("inf"), -1e308, 5e-324)) for _ in range(rows)],
        [rng.choice(NASTY_WORDS) for _ in range(rows)],
        [rng.choice((True, False)) for _ in range(rows)],
        [[1, 2] for _ in range(rows)],
        [{"a": "\x1b[1m", "b": None} for _ in range(rows)],
        [b"\xff\x00" for _ in range(rows)],
        [rng.choice((None, 3)) for _ in range(rows)],
    ]
    chosen = rng.choice(values)
    column = pyarrow.array(chosen)
    way = rng.randrange(6)
    if way == 0 and pyarrow.types.is_integer(column.type):
        return column.cast(rng.choice((pyarrow.timestamp("ns"), pyarrow.date64(), pyarrow.duration("s"))))
    if way == 1 and pyarrow.types.is_string(column.type):
        return column.dictionary_encode()
    return column


def damage(rng: random.Random, file: Path) -> None:
    """Change, drop, double, empty or reorder columns or rows of a table."""
    table = parquet.read_table(file)
    for _ in range(rng.choice((1, 1, 2))):
        way = rng.randrange(7)
        number = rng.randrange(table.num_columns) if table.num_columns else 0
        if way == 0 and table.num_columns:
            table = table.remove_column(number)
        elif way == 1:
            table = table.slice(0, rng.choice((0, 1)))
        elif way == 2 and table.num_columns:
            table = table.append_column(table.column_names[number], table.column(number))
        elif way == 3:
            table = pyarrow.concat_tables([table, table])
        elif way == 4:
            name = rng.choice(("", "__index_level_0__", "\x1b[1m", "x", "count", "ns"))
            table = table.append_column(name, _column(rng, len(table)))
        elif table.num_columns:
            table = table.set_column(number, table.column_names[number], _column(rng, len(table)))
    if rng.random() < 0.5:
        table = table.replace_schema_metadata(None)
    parquet.write_table(table, file)


def add(rng: random.Random, file: Path) -> None:
    """Write a table of columns of any type."""
    names = rng.sample(("a", "b", "\x1b[31m", "", "c d", "é"), 3)
    parquet.write_table(pyarrow.table([_column(rng, 4) for _ in names], names=names), file)


def bomb(rng: random.Random, folder: Path) -> None:
    """Replace a table by one of a few kilobytes that unpacks to a gigabyte."""
    rows = rng.choice((50_000_000, 120_000_000))
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0], pyarrow.int32()), pyarrow.array(["x" * 100]))
    value = rng.choice((pyarrow.array([7]), column))
    schema = pyarrow.schema([("count", value.type)])
    with parquet.ParquetWriter(folder / "events.parquet", schema, compression="zstd") as writer:
        part = pyarrow.concat_arrays([value] * 1000) if not pyarrow.types.is_dictionary(value.type) else None
        for _ in range(rows // 10_000_000):
            if part is None:
                indices = pyarrow.array([0], pyarrow.int32()).take(pyarrow.array([0] * 1000))
                big = pyarrow.chunked_array([pyarrow.DictionaryArray.from_arrays(indices, value.dictionary)] * 10_000)
            else:
                big = pyarrow.chunked_array([part] * 10_000)
            writer.write_table(pyarrow.table([big], schema=schema), row_group_size=1 << 30)
