# SPDX-License-Identifier: GPL-2.0-only
"""Fit a design's weights of LPIs and the ITS to instructions counted in the real code.

Rows are points of LPIs (bench.meters.lpi_points). What the other points give (bench.meters.fit) is kept: of an MSI the
queueing and the locks are known. Only the events that nothing but LPIs causes are solved for, by non-negative least
squares of the relative error. What occurs in no point (devices mapped, say) has the value of the design's prior.
"""

import os
from collections.abc import Mapping

import pandas as pd

from bench.meters import lpi_points
from bench.meters.fit import counted_rows, prior_of, with_errors
from bench.meters.predict import read_table
from bench.meters.weights import weight_vector
from kvmarm.design import get_design
from kvmarm.events import LPI_EVENTS, event_names


def is_lpi_costs(path: str | os.PathLike[str]) -> bool:
    """Return whether a cost table has points of LPIs. Raises UsageError when it cannot be read."""
    return lpi_points.is_lpi_table(read_table(path).columns)


def others_of(weights: Mapping[str, float]) -> dict[str, float]:
    """Return the weights of events that not only LPIs cause."""
    return {name: weight for name, weight in weights.items() if name not in LPI_EVENTS}


def fit_lpis(
    design_name: str, csv_path: str | os.PathLike[str], base: Mapping[str, float]
) -> tuple[dict[str, float], pd.DataFrame]:
    """Fit a design's weights of LPIs and the ITS to a table of counted points.

    base: weights of the other events. Returns (event name -> instructions, for the events of LPIs that the points
    contain; the rows with `predicted` and `error`). Raises UsageError for a bad table or one without the design.
    """
    from scipy.optimize import nnls

    rows = counted_rows(lpi_points.checked(read_table(csv_path), csv_path), csv_path, design_name)
    events = lpi_points.count_points(rows, str(csv_path))
    known = weight_vector(base)
    names = event_names()
    free = [i for i, name in enumerate(names) if name in LPI_EVENTS and events[:, i].any()]
    instructions = rows["instructions"].to_numpy(float)
    left = (instructions - events @ known) / instructions
    solution, _ = nnls(events[:, free] / instructions[:, None], left, maxiter=200 * max(len(free), 1))
    prior = prior_of(get_design(design_name))
    named = {
        name: float(prior[i]) for i, name in enumerate(names) if prior is not None and prior[i] and name in LPI_EVENTS
    }
    named |= {names[i]: round(float(weight), 3) for i, weight in zip(free, solution, strict=True)}
    return named, with_errors(rows, events, known + weight_vector(named))


def has_rows(csv_path: str | os.PathLike[str], design_name: str) -> bool:
    """Return whether a table of points of LPIs has any of a design."""
    table = read_table(csv_path)
    return design_name in set(table.get("design", pd.Series([lpi_points.DEFAULT_DESIGN])))


__all__ = ["fit_lpis", "has_rows", "is_lpi_costs", "others_of"]
