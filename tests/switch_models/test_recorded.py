# SPDX-License-Identifier: GPL-2.0-only
"""Both world switches against executed runs of the real code: the order of everything, the count of every class."""

from typing import Any

import pytest

from bench.switches.listing import Request, step_lists
from kvmarm.el2.configuration import parse_configuration
from tests.switch_models.recorded import runs, sequence, values


@pytest.fixture(scope="module")
def results() -> dict[tuple[str, str], dict[str, Any]]:
    """Everything the models execute for the recorded configurations, by id and phase."""
    distinct = {run["id"]: values(run) for run in runs()}
    requests = [Request(parse_configuration(each, name)) for name, each in distinct.items()]
    return {(result["id"], result["phase"]): result for result in step_lists(requests)}


@pytest.mark.parametrize("implementation", ["asm44", "c48", "c48-vhe"])
def test_every_recorded_phase(implementation: str, results: dict[tuple[str, str], dict[str, Any]]) -> None:
    chosen = [run for run in runs() if run["implementation"] == implementation]
    assert len(chosen) > 300
    for run in chosen:
        result = results[run["id"], run["phase"]]
        name = f"{run['id']} {run['phase']}"
        assert result["implementation"] == implementation, name
        assert result["sequence"] == sequence(run), name
        assert result["counts"] == run["counts"], name
        assert result["total"] == run["total"], name


def test_no_phase_is_missing_or_invented(results: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert set(results) == {(run["id"], run["phase"]) for run in runs()}
