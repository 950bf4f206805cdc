# SPDX-License-Identifier: GPL-2.0-only
"""Today's events, weighted, against instructions counted in the real code; and the ratio to the redesign's."""

from importlib.resources import files

import numpy as np
import pytest

from bench.meters.fit import POINT, event_matrix, geometric_mean_error, prior_of, read_costs, with_errors
from bench.meters.weights import weights_of
from kvmarm.design import get_design
from kvmarm.events import event_names
from kvmarm.jit import JIT_ENABLED

DESIGN = get_design("now")
COSTS = str(files("bench") / "data" / "kernel-cost-now.csv")
RECOUNT = str(files("bench") / "data" / "kernel-cost-new-recount.csv")


@pytest.mark.skipif(not JIT_ENABLED, reason="a VM of 1,024 INTIDs takes seconds a point without JIT")
def test_predicts_the_counted_instructions() -> None:
    rows = read_costs(COSTS, "now").iloc[::5].reset_index(drop=True)
    assert rows["transition"].nunique() == 34
    weights = weights_of(DESIGN)
    assert weights is not None
    table = with_errors(rows, event_matrix(DESIGN, rows), weights)
    assert geometric_mean_error(table) < 0.025
    assert table["error"].abs().max() < 0.08


@pytest.mark.skipif(not JIT_ENABLED, reason="a VM of 1,024 INTIDs takes seconds a point without JIT")
def test_the_ratio_to_the_redesign_has_the_sign_of_the_real_one() -> None:
    rows = read_costs(COSTS, "now")
    points = [*POINT, "lrs"]
    again = read_costs(RECOUNT, "new-recount")
    real = rows["instructions"] / rows[points].merge(again, on=points, how="left")["instructions"]
    figures = []
    for design in (DESIGN, get_design("new")):
        weights = weights_of(design)
        assert weights is not None
        figures.append(event_matrix(design, rows) @ weights)
    ratio = figures[0] / figures[1]
    differ = (real - 1).abs() > 0.05
    assert differ.sum() > 400
    wrong = rows[differ & ((real - 1) * (ratio - 1) < 0)]
    assert wrong.empty, wrong[[*POINT, "instructions"]].to_string()
    assert float(np.exp(np.abs(np.log(ratio / real)).mean())) < 1.025


def test_weights_are_what_such_code_takes() -> None:
    weights, prior = weights_of(DESIGN), prior_of(DESIGN)
    assert weights is not None
    assert prior is not None
    assert np.all(weights >= 0)
    for name, weight, guess in zip(event_names(), weights, prior, strict=True):
        if guess:
            assert abs(weight - guess) <= max(48, 0.8 * guess), f"{name}: {weight}, {guess} expected from its code"
        else:
            assert weight == 0, name
