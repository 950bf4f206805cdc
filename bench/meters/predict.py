# SPDX-License-Identifier: GPL-2.0-only
"""Predicted instructions of the real code for a list of points: a CSV in, the same with figures out.

The grid has columns design, gic, irqs, vcpus, pending, transition, and lrs where it is not 4; other columns are kept.
A table of points of LPIs (bench.meters.lpi_points) is the other form.
The output adds `instructions` and one column per event. Each point is a measurement of the event meter; those of one
design and configuration share a VM.
"""

import io
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.catalogue.catalogue import Transition, load_catalogue, select
from bench.meters import lpi_points, weights
from bench.meters.events import Stage
from kvmarm.config import VmConfig
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.events import EVENT_COUNT, event_names
from kvmarm.files import atomic_write
from kvmarm.inputs import SUFFIXES, packing, read_bytes, unpack

COLUMNS = ("design", "gic", "irqs", "vcpus", "pending", "transition")
DEFAULT_LRS = 4
MOST_DIGITS = 9
MOST_CSV = 16 << 20
"""Bytes of a table, unpacked: 16 MiB."""
MOST_COLUMNS = 1000


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Return a CSV table as text. Its bytes are read and unpacked here: pandas would open any URL, and go by names."""
    where = f"{os.fspath(path)}: not a CSV table"
    data = read_bytes(path, MOST_CSV)
    suffix = Path(path).suffix
    if suffix in SUFFIXES and packing(data) != SUFFIXES[suffix]:
        raise UsageError(f"{where}: no {SUFFIXES[suffix]} file as its name says")
    data = unpack(data, where, MOST_CSV)
    if data[:MOST_CSV].split(b"\n", 1)[0].count(b",") > MOST_COLUMNS:
        raise UsageError(f"{where}: line 1: more than {MOST_COLUMNS} columns")
    try:
        return pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{where}: {error}") from error


def read_grid(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a grid, or a table of points of LPIs. Raises UsageError naming file, line and column."""
    grid = read_table(path)
    if lpi_points.is_lpi_table(grid.columns) and "transition" not in grid.columns:
        return lpi_points.checked(grid, path)
    missing = [name for name in COLUMNS if name not in grid.columns]
    if missing:
        raise UsageError(f"{path}: line 1: column {missing[0]} is missing, expected {','.join(COLUMNS)}")
    if "lrs" not in grid.columns:
        grid["lrs"] = str(DEFAULT_LRS)
    for column in ("gic", "irqs", "vcpus", "pending", "lrs"):
        for row, text in enumerate(grid[column]):
            if not text.strip().isdecimal() or len(text) > MOST_DIGITS:
                raise UsageError(f"{path}: line {row + 2}: {column} {text[:40]!r}: expected a whole number of a VM")
        grid[column] = grid[column].astype("int64")
    return grid


def designs_of(grid: pd.DataFrame, source: str) -> list[str]:
    """Return the names of the designs in a grid. Raises UsageError naming the line of one that there is not."""
    first = grid["design"].drop_duplicates()
    names = []
    for row, name in first.items():
        try:
            names.append(get_design(str(name)).name)
        except UsageError as error:
            raise UsageError(f"{source}: line {int(str(row)) + 2}: design {name!r}: {error}") from None
    return names


def _transition(catalogue: Mapping[str, Transition], name: str, where: str) -> Transition:
    if name not in catalogue:
        try:
            select(catalogue, [name.replace("*", "?")])
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
        raise UsageError(f"{where}: transition {name!r}: expected the name of one transition")
    return catalogue[name]


def count_grid(
    grid: pd.DataFrame, source: str, progress: Callable[[int, int], None] = lambda done, total: None
) -> np.ndarray:
    """Return the events (int64[rows, EVENT_COUNT]) of every point of a grid. Raises UsageError naming the line."""
    if lpi_points.is_lpi_table(grid.columns) and "transition" not in grid.columns:
        return lpi_points.count_points(grid, source, progress)
    catalogue = load_catalogue()
    counts = np.zeros((len(grid), EVENT_COUNT), np.int64)
    done = 0
    places = ["design", "gic", "irqs", "vcpus", "lrs", "pending"]
    for place, rows in grid.groupby(places, sort=False):
        design, gic, irqs, vcpus, lrs, pending = (str(value) for value in place)
        first_line = f"{source}: line {rows.index[0] + 2}"
        try:
            stage = Stage(get_design(str(design)), VmConfig(int(gic), int(vcpus), int(irqs), int(lrs)), int(pending))
        except UsageError as error:
            raise UsageError(f"{first_line}: {error}") from None
        for index, name in zip(rows.index, rows["transition"], strict=True):
            transition = _transition(catalogue, name, f"{source}: line {index + 2}")
            counted = stage.count(transition)
            if counted is None:
                raise UsageError(
                    f"{source}: line {index + 2}: transition {name} does not apply to {stage.config} pending={pending}"
                )
            counts[index] = counted
        done += len(rows)
        progress(done, len(grid))
    return counts


def predict(grid: pd.DataFrame, counts: np.ndarray) -> pd.DataFrame:
    """Return the grid with `instructions` and a column per event added. Raises UsageError without weights."""
    result = grid.copy()
    figures = np.full(len(grid), math.nan)
    for name in grid["design"].unique():
        vector = weights.weights_of(get_design(name))
        if vector is None:
            raise UsageError(f"design {name!r} has no fitted weights (vgic-bench fit makes them)")
        if lpi_points.is_lpi_table(grid.columns) and not weights.covers_lpis(get_design(name)):
            raise UsageError(f"design {name!r} has no fitted weights of LPIs (vgic-bench fit makes them)")
        rows = (grid["design"] == name).to_numpy()
        figures[rows] = counts[rows] @ vector
    result["instructions"] = figures.round(1)
    return pd.concat([result, pd.DataFrame(counts, columns=list(event_names()), index=grid.index)], axis=1)


def write_csv(table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table as CSV, whole or not at all."""
    with atomic_write(Path(path), "w", encoding="utf-8", newline="") as file:
        table.to_csv(file, index=False, lineterminator="\n")


def run(grid_path: str, output: str, progress: Callable[[int, int], None] = lambda done, total: None) -> pd.DataFrame:
    """Predict every point of a grid file and write the result; return it."""
    grid: Any = read_grid(grid_path)
    table = predict(grid, count_grid(grid, grid_path, progress))
    write_csv(table, output)
    return table
