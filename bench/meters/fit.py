# SPDX-License-Identifier: GPL-2.0-only
"""Fit a design's event weights to instructions counted in the real code.

Rows are points of the catalogue (bench.catalogue) with the instructions of the real code; a design's model yields the
events of each point's operation. Weights are the non-negative least-squares solution of the *relative* error: each row
is divided by its instructions, so that a cheap operation counts as much as an expensive one.

So are the increments from one point to the next along an axis of the grid (one more vCPU, 60 more pending
interrupts): a weight that only a long loop shows must be right for configurations far beyond the grid.

Weights of LPIs and the ITS are fitted apart, to other points: see bench.meters.fit_lpis.

The points cannot tell every step from every other: all may have been taken with the same number of list registers, say,
or never take a step that other work takes. There a prior decides, if the design's package has one: `prior.toml` says
what its steps should cost, from how such code compiles. It pulls too weakly to move what the points themselves fix.

A design may have been counted in another build than the design it is compared with. Then one table has that other
design counted again, and the weights are fitted half-way between the builds (`half_way`): the ratio of the two designs
is right to the square root of the difference, and so is the count itself.
"""

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from bench.meters.predict import count_grid, read_grid
from bench.meters.weights import WEIGHTS_FILE, weight_vector
from kvmarm.design import Design, get_design
from kvmarm.errors import UsageError
from kvmarm.events import event_names
from kvmarm.files import atomic_write

POINT = ("gic", "irqs", "vcpus", "pending", "transition")
COLUMNS = ("design", *POINT, "instructions")
PRIOR_FILE = "prior.toml"
AXES = ("irqs", "vcpus", "lrs", "pending")
LEAST_INSTRUCTIONS, MOST_INSTRUCTIONS = 0.001, 1e12
"""Instructions of one point; rows are divided by them."""
LEAST_INCREMENT = 0.05
"""Increments below this fraction of a point say more about one instruction here or there than about a loop."""
PRIOR_STRENGTH = 3e-3
"""A weight that is off its prior by a factor of 2 counts as much as one point that is off by this fraction."""


def read_costs(path: str | os.PathLike[str], design_name: str) -> pd.DataFrame:
    """Return the rows of a cost table (CSV with COLUMNS, `lrs` optional) for one design. Raises UsageError."""
    table = read_grid(path)
    if "instructions" not in table.columns:
        raise UsageError(f"{path}: line 1: column instructions is missing, expected {','.join(COLUMNS)}")
    return counted_rows(table, path, design_name)


def counted_rows(table: pd.DataFrame, path: str | os.PathLike[str], design_name: str) -> pd.DataFrame:
    """Return a design's rows of a table with `instructions` as numbers. Raises UsageError naming the line."""
    if "instructions" not in table.columns:
        raise UsageError(f"{path}: line 1: column instructions is missing")
    figures = pd.to_numeric(table["instructions"], errors="coerce")
    for row in np.flatnonzero(~figures.between(LEAST_INSTRUCTIONS, MOST_INSTRUCTIONS)):
        text = table["instructions"].iloc[row]
        expected = f"expected a number from {LEAST_INSTRUCTIONS} to {MOST_INSTRUCTIONS:.0e}"
        raise UsageError(f"{path}: line {row + 2}: instructions {text!r}: {expected}")
    rows = table.assign(instructions=figures)[table["design"] == design_name].reset_index(drop=True)
    if rows.empty:
        raise UsageError(f"{path}: no rows of design {design_name!r}")
    return rows


def event_matrix(design: Design, rows: pd.DataFrame) -> np.ndarray:
    """Return events (int64[rows, EVENT_COUNT]) that a design counts at the points in `rows`, in their order."""
    return count_grid(rows.assign(design=design.name).reset_index(drop=True), "costs")


def prior_of(design: Design) -> np.ndarray | None:
    """Return the prior weights (float64[EVENT_COUNT], 0 where it says nothing) of a design, None when it has none.

    Raises UsageError for a file that names an unknown event or is no TOML.
    """
    if design.package is None:
        return None
    path = files(design.package) / PRIOR_FILE
    if not path.is_file():
        return None
    try:
        named = tomllib.loads(path.read_text("utf-8"))["instructions"]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise UsageError(f"{path}: expected a TOML table [instructions]: {error}") from error
    return weight_vector(named, str(path))


def increments(rows: pd.DataFrame, events: np.ndarray) -> np.ndarray:
    """Return the relative events (float64[n, EVENT_COUNT]) of the increments between neighbouring points of a grid.

    Neighbours differ in one of AXES. Each row is the increment of the events over that of the instructions.
    """
    instructions = rows["instructions"].to_numpy(float)
    found = []
    for axis in AXES:
        others = ["gic", "transition", *(name for name in AXES if name != axis)]
        for _, line in rows.reset_index(drop=True).groupby(others, sort=False):
            order = line.sort_values(axis).index.to_numpy()
            for low, high in pairwise(order):
                step = instructions[high] - instructions[low]
                if abs(step) >= LEAST_INCREMENT * instructions[low]:
                    found.append((events[high] - events[low]) / step)
    return np.array(found).reshape(len(found), events.shape[1])


def solve(
    events: np.ndarray,
    instructions: Sequence[float] | np.ndarray,
    prior: np.ndarray | None = None,
    slopes: np.ndarray | None = None,
) -> np.ndarray:
    """Return non-negative weights (float64[EVENT_COUNT]) that minimise the relative error.

    prior: float64[EVENT_COUNT] or None. Without one, events never seen get 0. slopes: rows of `increments`, or None.
    """
    from scipy.optimize import nnls

    matrix = events / np.asarray(instructions, float)[:, None]
    if slopes is not None:
        matrix = np.vstack([matrix, slopes])
    wanted = np.ones(len(matrix))
    known = events.any(axis=0)
    if prior is not None:
        pull = np.diag(PRIOR_STRENGTH / np.maximum(prior, 1.0))
        matrix, wanted = np.vstack([matrix, pull]), np.concatenate([wanted, pull @ prior])
        known |= prior > 0
    chosen = np.flatnonzero(known)
    solution, _ = nnls(matrix[:, chosen], wanted, maxiter=200 * len(chosen))
    weights = np.zeros(events.shape[1])
    weights[chosen] = solution
    return weights


def with_errors(rows: pd.DataFrame, events: np.ndarray, weights: np.ndarray) -> pd.DataFrame:
    """Return the rows with `predicted` instructions and `error` (relative, signed)."""
    table = rows.copy()
    table["predicted"] = events @ weights
    table["error"] = table["predicted"] / table["instructions"] - 1
    return table


def geometric_mean_error(table: pd.DataFrame) -> float:
    """Return the geometric mean of max(predicted / counted, counted / predicted), minus 1."""
    return float(np.expm1(np.abs(np.log(table["predicted"] / table["instructions"])).mean()))


def half_way(
    rows: pd.DataFrame, counted: str | os.PathLike[str], recounted: str | os.PathLike[str], design_name: str
) -> np.ndarray:
    """Return what to multiply the instructions of `rows` by (float64[rows]) to get half-way to another build.

    counted, recounted: cost tables of one design at the points of `rows`, in the other build and in that of `rows`;
    `recounted` has no other design. Raises UsageError for a point that one of them lacks.
    """
    again = read_grid(recounted)
    places = [*POINT, "lrs"]
    pair = [read_costs(counted, design_name), counted_rows(again, recounted, str(again["design"].iloc[0]))]
    here, there = (rows[places].merge(table, on=places, how="left")["instructions"] for table in reversed(pair))
    missing = np.flatnonzero((here.isna() | there.isna()).to_numpy())
    if len(missing):
        point = " ".join(f"{name}={rows[name].iloc[missing[0]]}" for name in places)
        raise UsageError(f"{recounted}: no row with {point}, or {counted} has none of design {design_name!r}")
    return np.sqrt((there / here).to_numpy(float))


def fit(
    design_name: str,
    csv_path: str | os.PathLike[str],
    recounted: tuple[str | os.PathLike[str], str | os.PathLike[str], str] | None = None,
) -> tuple[dict[str, float], pd.DataFrame]:
    """Fit a design's weights to a cost table.

    recounted: None, or the tables of `half_way` (that of the other build, that of this one) and the design's name.
    Returns (event name -> instructions, for every event the points contain or the prior names; the rows with
    `predicted` and `error`).
    Raises UsageError for a bad table.
    """
    design = get_design(design_name)
    rows = read_costs(csv_path, design_name)
    events = event_matrix(design, rows)
    prior = prior_of(design)
    wanted = rows
    if recounted:
        wanted = rows.assign(instructions=rows["instructions"] * half_way(rows, *recounted))
    weights = solve(events, wanted["instructions"].to_numpy(), prior, increments(wanted, events))
    known = events.any(axis=0) | (weights > 0)
    named = {name: round(float(weights[i]), 3) for i, name in enumerate(event_names()) if known[i]}
    return named, with_errors(rows, events, weights)


def quality(table: pd.DataFrame, source: str) -> dict[str, Any]:
    """Return what weights were fitted on and how well they fit (table: rows with `predicted` and `error`)."""
    return {
        "source": source,
        "rows": len(table),
        "geometric_mean_error": round(geometric_mean_error(table), 4),
        "worst_error": round(float(table["error"].abs().max()), 4),
    }


def save_weights(path: str | os.PathLike[str], document: Mapping[str, Any]) -> None:
    """Write `weights.json`: `weights`, and what they were fitted on and how well they fit (`quality`)."""
    weights = {name: document["weights"][name] for name in event_names() if name in document["weights"]}
    with atomic_write(path, "w") as file:
        json.dump({"unit": "instructions, x86-64, gcc -O2", **document, "weights": weights}, file, indent=2)
        file.write("\n")


__all__ = [
    "WEIGHTS_FILE",
    "event_matrix",
    "fit",
    "geometric_mean_error",
    "quality",
    "read_costs",
    "save_weights",
    "solve",
]
