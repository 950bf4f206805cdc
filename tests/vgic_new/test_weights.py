# SPDX-License-Identifier: GPL-2.0-only
"""The redesign's events, weighted, against instructions counted in the real code."""

from importlib.resources import files

import numpy as np
import pytest

from bench.meters.fit import event_matrix, geometric_mean_error, increments, prior_of, read_costs, solve, with_errors
from bench.meters.weights import document_of, weights_of
from kvmarm.events import LPI_EVENTS, event_names
from kvmarm.jit import JIT_ENABLED
from tests.vgic_new.snippets import DESIGN

needs_speed = pytest.mark.skipif(not JIT_ENABLED, reason="a VM of 1,024 INTIDs takes seconds a point without JIT")
COSTS = str(files("bench") / "data" / "kernel-cost.csv")


@needs_speed
def test_predicts_the_counted_instructions() -> None:
    rows = read_costs(COSTS, "new").iloc[::5].reset_index(drop=True)
    assert rows["transition"].nunique() == 34
    weights = weights_of(DESIGN)
    assert weights is not None
    table = with_errors(rows, event_matrix(DESIGN, rows), weights)
    assert geometric_mean_error(table) < 0.005
    assert table["error"].abs().max() < 0.02


@needs_speed
def test_small_machines_predict_large_ones() -> None:
    rows = read_costs(COSTS, "new").iloc[::2].reset_index(drop=True)
    events = event_matrix(DESIGN, rows)
    small = (rows["pending"] < 64) & (rows["irqs"] == 64)
    seen = rows[small].reset_index(drop=True)
    chosen = events[small.to_numpy()]
    weights = solve(chosen, seen["instructions"].to_numpy(), prior_of(DESIGN), increments(seen, chosen))
    table = with_errors(rows, events, weights)[~small.to_numpy()]
    assert geometric_mean_error(table) < 0.01
    assert table["error"].abs().max() < 0.05


def test_weights_are_what_such_code_takes() -> None:
    weights, prior = weights_of(DESIGN), prior_of(DESIGN)
    assert weights is not None
    assert prior is not None
    assert np.all(weights >= 0)
    for name, weight, guess in zip(event_names(), weights, prior, strict=True):
        if guess:
            assert abs(weight - guess) <= max(8, 0.7 * guess), f"{name}: {weight}, {guess} expected from its code"
        elif name not in LPI_EVENTS:
            assert weight == 0, name


def test_weights_of_lpis_are_what_the_real_lists_take() -> None:
    weights = document_of(DESIGN)["weights"]
    assert {name for name in LPI_EVENTS if name in weights} >= {"call_msi", "lpi_step", "itte_step", "device_step"}
    for name in ("lpi_step", "itte_step", "device_step"):
        assert weights[name] == pytest.approx(5, abs=1), f"{name}: five instructions per entry ahead"
