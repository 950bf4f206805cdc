# SPDX-License-Identifier: GPL-2.0-only
"""The search: exact numbers of states, closed, the same again, no false alarm, and reports that replay."""

import pytest

from bench.verify.classes import class_name, is_advice
from bench.verify.configurations import Configuration, chosen, small_set
from bench.verify.report import make_report
from bench.verify.search import Limits, Outcome, Search
from kvmarm.design import Design, get_design, register
from kvmarm.jit import JIT_ENABLED
from tests import ideal_design, null_design

needs_jit = pytest.mark.skipif(not JIT_ENABLED, reason="thousands of states: hours as plain Python")
STATES = {
    ("old", "GICv2, 1 vCPU, SPI edge"): 1844,
    ("old", "GICv2, 1 vCPU, PPI"): 1545,
    ("old", "GICv2, 1 vCPU, two edge SPIs"): 672,
    ("new", "GICv2, 1 vCPU, SPI edge"): 902,
    ("new", "GICv2, 1 vCPU, PPI"): 502,
    ("new", "GICv2, 1 vCPU, two edge SPIs"): 682,
    ("new", "GICv3, 1 vCPU, forwarded PPI"): 422,
}
"""Measured: they are exact for an encoding of the state, and change with it."""


def configuration(name: str) -> Configuration:
    return next(one for one in small_set() if one.name == name)


def search(design: Design, name: str) -> Outcome:
    return Search(design, configuration(name), Limits()).run()


def violations(outcome: Outcome) -> list[str]:
    return [class_name(int(found["code"])) for found in outcome.found if not is_advice(int(found["code"]))]


def test_the_small_set_has_21_configurations_for_each_gic() -> None:
    names = [one.name for one in small_set()]
    assert len(names) == len(set(names)) == 42
    assert sum(one.vm.gic == 3 for one in small_set()) == 21


@needs_jit
@pytest.mark.parametrize(("design", "name"), STATES)
def test_a_search_closes_with_its_exact_number_of_states(design: str, name: str) -> None:
    outcome = search(get_design(design), name)
    assert outcome.closed
    assert len(outcome.states) == STATES[design, name]


@needs_jit
def test_the_same_search_finds_the_same_again() -> None:
    first, second = (search(get_design("new"), "GICv2, 1 vCPU, SPI level") for _ in range(2))
    assert (first.found == second.found).all()
    assert (first.states == second.states).all()


@needs_jit
@pytest.mark.slow
@pytest.mark.parametrize("name", [one.name for one in small_set()])
def test_an_ideal_design_contradicts_nothing(name: str) -> None:
    outcome = search(register(ideal_design.DESIGN), name)
    assert outcome.closed
    assert violations(outcome) == []


@needs_jit
@pytest.mark.parametrize(
    "name", [one.name for one in small_set() if one.vm.vcpus == 1 and not one.hostile and one.vm.gic == 2]
)
def test_a_design_that_delivers_nothing_loses_everything(name: str) -> None:
    found = violations(search(register(null_design.DESIGN), name))
    assert "lost" in found or "stranded" in found


@needs_jit
@pytest.mark.parametrize("design", ["old", "new"])
def test_every_report_replays(design: str) -> None:
    implementation = get_design(design)
    for name in ("GICv2, 1 vCPU, SGI", "GICv3, 1 vCPU, forwarded SPI level", "GICv2, 1 vCPU, SPI level, hostile"):
        outcome = search(implementation, name)
        assert len(outcome.found)
        for found in outcome.found:
            path = outcome.path(int(found["parent"]), int(found["step"]))
            report = make_report(implementation, configuration(name), found, path)
            assert len(path) == found["depth"]
            assert report.trace[-1].startswith("# required: ")


@needs_jit
def test_a_limit_of_depth_leaves_a_search_open() -> None:
    one = configuration("GICv2, 1 vCPU, SPI edge")
    outcome = Search(get_design("new"), one, Limits(depth=3)).run()
    assert not outcome.closed
    assert max(int(found["depth"]) for found in outcome.found) <= 3


def test_a_configuration_can_be_written_by_hand() -> None:
    one = chosen("gic=3 vcpus=2 lrs=2 irqs=spi-edge,ppi groups=line,route")[0]
    assert (one.vm.gic, one.vm.vcpus, one.vm.lrs) == (3, 2, 2)
    assert [irq.intid for irq in one.irqs] == [33, 20]
