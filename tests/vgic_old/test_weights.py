# SPDX-License-Identifier: GPL-2.0-only
"""The legacy design's events, weighted, against instructions counted in the real code."""

from importlib.resources import files

import numpy as np
import pytest

from bench.meters.fit import event_matrix, geometric_mean_error, read_costs, with_errors
from bench.meters.weights import weights_of
from kvmarm.design import get_design
from kvmarm.jit import JIT_ENABLED

DESIGN = get_design("old")


@pytest.mark.skipif(not JIT_ENABLED, reason="setting up a VM of 1,024 INTIDs takes seconds a point without JIT")
def test_predicts_the_counted_instructions() -> None:
    rows = read_costs(str(files("bench") / "data" / "kernel-cost.csv"), "old")
    # Every seventh point: all transitions, both GICs, every size.
    rows = rows.iloc[::7].reset_index(drop=True)
    assert rows["transition"].nunique() > 30
    weights = weights_of(DESIGN)
    assert weights is not None
    table = with_errors(rows, event_matrix(DESIGN, rows), weights)
    assert geometric_mean_error(table) < 0.02
    assert table["error"].abs().max() < 0.06


def test_weights_are_no_artefact() -> None:
    weights = weights_of(DESIGN)
    assert weights is not None
    assert np.all(weights >= 0)
    assert weights.max() < 200, "no step of the original is that long"
