# SPDX-License-Identifier: GPL-2.0-only
"""Points of LPIs and the ITS: how many LPIs of how many devices, which of them is concerned, and the operation.

A table has columns lpis, devices, position, op, and design where that is not `new`; other columns are kept. An `op` is
an operation of `its-cost.csv`, which is a transition `lpi_OP` of the catalogue, or a transition of LPIs by its name.
Points are counted in a VM of 2 vCPUs and 4 list registers: the real code's were.
"""

import os
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from bench.catalogue.catalogue import Transition, load_catalogue
from bench.catalogue.lpis import LpiScene
from bench.meters.events import Stage
from kvmarm.config import VmConfig
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.events import EVENT_COUNT

COLUMNS = ("lpis", "devices", "position", "op")
CONFIG = VmConfig(gic=3, vcpus=2, irqs=64, lrs=4, its=1)
DEFAULT_DESIGN = "new"
_PREFIX = "lpi_"
_OTHER_NAMES = {"SYNC_cmd(empty)": "lpi_SYNC"}


def is_lpi_table(columns: pd.Index) -> bool:
    """Return whether a table's columns are those of points of LPIs."""
    return set(COLUMNS) <= set(columns)


def checked(table: pd.DataFrame, path: str | os.PathLike[str]) -> pd.DataFrame:
    """Return a table of text with numbers in `lpis` and `devices` and with a design. Raises UsageError by line."""
    table = table.copy()
    if "design" not in table.columns:
        table["design"] = DEFAULT_DESIGN
    for column in ("lpis", "devices"):
        for row, text in enumerate(table[column]):
            if not text.strip().isdecimal() or len(text) > 9:
                raise UsageError(f"{path}: line {row + 2}: {column} {text[:40]!r}: expected a whole number")
        table[column] = table[column].astype("int64")
    catalogue = load_catalogue()
    for row, (name, op, lpis, devices, position) in enumerate(
        zip(*(table[column] for column in ("design", "op", "lpis", "devices", "position")), strict=True)
    ):
        where = f"{path}: line {row + 2}"
        try:
            design, scene = get_design(str(name)), LpiScene(int(lpis), int(devices), str(position))
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
        if not design.has_its:
            raise UsageError(f"{where}: design {name!r} has no LPIs and no ITS")
        transition = _transition(catalogue, str(op), where)
        if transition.lpis > scene.lpis:
            raise UsageError(f"{where}: op {op}: lpis={lpis}: expected {transition.lpis} or more")
    return table


def _transition(catalogue: Mapping[str, Transition], op: str, where: str) -> Transition:
    for name in (_OTHER_NAMES.get(op, _PREFIX + op), op):
        if name in catalogue and catalogue[name].lpis:
            return catalogue[name]
    known = [name.removeprefix(_PREFIX) for name, entry in catalogue.items() if name.startswith(_PREFIX) and entry.lpis]
    raise UsageError(f"{where}: op {op!r}: expected one of {', '.join(known)}, or a transition of LPIs")


def count_points(
    table: pd.DataFrame, source: str, progress: Callable[[int, int], None] = lambda done, total: None
) -> np.ndarray:
    """Return the events (int64[rows, EVENT_COUNT]) of every point of a checked table."""
    catalogue = load_catalogue()
    counts = np.zeros((len(table), EVENT_COUNT), np.int64)
    done = 0
    rows = table.reset_index(drop=True)
    for place, points in rows.groupby(["design", "lpis", "devices", "position"], sort=False):
        design, lpis, devices, position = (str(value) for value in place)
        scene = LpiScene(int(lpis), int(devices), position)
        stage = Stage(get_design(design), CONFIG, 0, scene)
        for index, op in zip(points.index, points["op"], strict=True):
            transition = _transition(catalogue, op, f"{source}: line {index + 2}")
            counted = stage.count(transition.at(scene))
            assert counted is not None
            counts[index] = counted
        done += len(points)
        progress(done, len(table))
    return counts
