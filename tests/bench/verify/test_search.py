# SPDX-License-Identifier: GPL-2.0-only
"""The search: exact numbers of states, closed, the same again, no false alarm, and reports that replay."""

import functools
from pathlib import Path

import pytest

from bench.engine.runner import TraceRun
from bench.verify.classes import class_name, is_advice, signature_text
from bench.verify.configurations import Configuration, chosen, small_set
from bench.verify.report import make_report
from bench.verify.run import Explored, Task, Verified, explore
from bench.verify.search import Limits, Outcome, Search
from bench.verify.trace import verify_trace
from kvmarm.design import Design, get_design, register
from kvmarm.jit import JIT_ENABLED
from kvmarm.trace_read import parse_trace
from tests import ideal_design, null_design

needs_jit = pytest.mark.skipif(not JIT_ENABLED, reason="thousands of states: hours as plain Python")
STATES = {
    "GICv2, 1 vCPU, SPI edge": (3212, 902),
    "GICv2, 1 vCPU, SPI level": (3212, 902),
    "GICv2, 1 vCPU, PPI": (1545, 502),
    "GICv2, 1 vCPU, forwarded SPI edge": (71, 75),
    "GICv2, 1 vCPU, forwarded SPI level": (318, 355),
    "GICv2, 1 vCPU, forwarded PPI": (364, 422),
    "GICv2, 1 vCPU, two edge SPIs": (672, 682),
    "GICv2, 1 vCPU, two level SPIs, 2 LRs": (1609, 3635),
    "GICv2, 1 vCPU, three edge SPIs, 2 LRs": (31729, 48778),
    "GICv2, 1 vCPU, SGI": (59, 36),
    "GICv2, 1 vCPU, SPI level, EOImode 1": (266, 203),
    "GICv2, 1 vCPU, SPI and SGI": (238, 232),
    "GICv2, 1 vCPU, SPI and PPI": (591, 777),
    "GICv2, 1 vCPU, SPI level, hostile": (7280, 5469),
    "GICv2, 2 vCPUs, SPI edge": (64362, 10867),
    "GICv2, 2 vCPUs, SPI level": (15002, 4527),
    "GICv2, 2 vCPUs, SPI level, trigger": (4485, 1242),
    "GICv2, 2 vCPUs, SPI edge, nowhere": (21791, 3608),
    "GICv2, 2 vCPUs, SPI level, nowhere": (3435, 1796),
    "GICv2, 2 vCPUs, SGI": (3546, 717),
    "GICv2, 2 vCPUs, SGI, 2 LRs": (2703, 740),
    "GICv3, 1 vCPU, SPI edge": (3212, 902),
    "GICv3, 1 vCPU, SPI level": (3212, 902),
    "GICv3, 1 vCPU, PPI": (1545, 502),
    "GICv3, 1 vCPU, forwarded SPI edge": (71, 75),
    "GICv3, 1 vCPU, forwarded SPI level": (318, 355),
    "GICv3, 1 vCPU, forwarded PPI": (364, 422),
    "GICv3, 1 vCPU, two edge SPIs": (672, 682),
    "GICv3, 1 vCPU, two level SPIs, 2 LRs": (1609, 3635),
    "GICv3, 1 vCPU, three edge SPIs, 2 LRs": (31729, 48778),
    "GICv3, 1 vCPU, SGI": (31, 31),
    "GICv3, 1 vCPU, SPI level, EOImode 1": (266, 203),
    "GICv3, 1 vCPU, SPI and SGI": (238, 232),
    "GICv3, 1 vCPU, SPI and PPI": (591, 777),
    "GICv3, 1 vCPU, SPI level, hostile": (7280, 5469),
    "GICv3, 2 vCPUs, SPI edge": (64362, 10867),
    "GICv3, 2 vCPUs, SPI level": (15002, 4527),
    "GICv3, 2 vCPUs, SPI level, trigger": (4485, 1242),
    "GICv3, 2 vCPUs, SPI edge, nowhere": (21078, 3758),
    "GICv3, 2 vCPUs, SPI level, nowhere": (2945, 1800),
    "GICv3, 2 vCPUs, SGI": (312, 219),
    "GICv3, 2 vCPUs, SGI, 2 LRs": (222, 189),
}
"""Configuration -> states of old and of new. They are exact for an encoding of the state, and change with it."""
LEAST_CLASSES = 10
SIGNATURES = {"old": (55, 85), "new": (45, 55)}
"""Fewest and most signatures of violations over the small set."""


def configuration(name: str) -> Configuration:
    return next(one for one in small_set() if one.name == name)


def search(design: Design, name: str) -> Outcome:
    return Search(design, configuration(name), Limits()).run()


def violations(outcome: Outcome) -> list[str]:
    return [class_name(int(found["code"])) for found in outcome.found if not is_advice(int(found["code"]))]


@functools.cache
def whole_set(design: str) -> Verified:
    """Return what the small set gives on a design, each signature's shortest report replayed."""
    verified, known = Verified(design), {}
    for one in small_set():
        verified.explored.append(explore(design, one, Task((one,)), lambda text: None, known))
    return verified


def test_the_small_set_has_21_configurations_for_each_gic() -> None:
    names = [one.name for one in small_set()]
    assert names == list(STATES)
    assert sum(one.vm.gic == 3 for one in small_set()) == 21


@needs_jit
@pytest.mark.parametrize(("place", "design"), list(enumerate(("old", "new"))))
def test_the_small_set_closes_with_its_exact_numbers_of_states(place: int, design: str) -> None:
    verified = whole_set(design)
    assert verified.closed
    counted = {explored.configuration.name: explored.states for explored in verified.explored}
    assert counted == {name: states[place] for name, states in STATES.items()}


@needs_jit
@pytest.mark.parametrize("design", ["old", "new"])
def test_both_designs_contradict_in_many_ways(design: str) -> None:
    reports = whole_set(design).signatures()
    fewest, most = SIGNATURES[design]
    assert fewest <= len(reports) <= most
    registers = {"ISPENDR contradicts", "ISACTIVER contradicts", "ISENABLER contradicts"}
    classes = {"register" if class_name(one.code) in registers else class_name(one.code) for one in reports}
    assert len(classes) >= LEAST_CLASSES
    assert min(one.depth for one in reports) >= 2
    assert max(one.depth for one in reports) <= 11


@needs_jit
def test_every_lawful_configuration_of_one_vcpu_with_an_spi_shows_something() -> None:
    for design in ("old", "new"):
        for explored in whole_set(design).explored:
            name = explored.configuration.name
            if "1 vCPU" in name and "SPI" in name and "hostile" not in name:
                assert explored.violations, f"{design}: {name}"


@needs_jit
@pytest.mark.parametrize("design", ["old", "new"])
def test_reports_are_traces_that_show_their_signature(design: str, tmp_path: Path) -> None:
    for report in whole_set(design).signatures()[::4]:
        assert report.trace[0].startswith(f"# {class_name(report.code)}: ")
        assert report.trace[-1].startswith("# required: ")
        trace = parse_trace("\n".join(report.trace).encode())
        outcome = TraceRun(trace, get_design(design)).run()
        assert (outcome.bug is not None) == (class_name(report.code) == "host killed")
        if not report.configuration.hostile:
            finding = verify_trace(trace, get_design(design))
            assert finding.code is not None
            assert signature_text(finding.code) == signature_text(report.code)


@needs_jit
def test_the_same_search_finds_the_same_again() -> None:
    first, second = (search(get_design("new"), "GICv2, 1 vCPU, SPI level") for _ in range(2))
    assert (first.found == second.found).all()
    assert (first.states == second.states).all()


@needs_jit
@pytest.mark.parametrize("name", list(STATES))
def test_an_ideal_design_contradicts_nothing(name: str) -> None:
    outcome = search(register(ideal_design.DESIGN), name)
    assert outcome.closed
    assert violations(outcome) == []


@needs_jit
@pytest.mark.parametrize("name", [one.name for one in small_set() if not one.hostile])
def test_a_design_that_delivers_nothing_loses_everything(name: str) -> None:
    # It counts injections without end, so there are ever more states.
    outcome = Search(register(null_design.DESIGN), configuration(name), Limits(depth=4)).run()
    found = violations(outcome)
    assert "lost" in found or "stranded" in found


@pytest.mark.parametrize(("design", "states"), [("old", 59), ("new", 36)])
def test_plain_python_finds_and_replays_the_same(design: str, states: int) -> None:
    name = "GICv2, 1 vCPU, SGI"
    implementation = get_design(design)
    outcome = search(implementation, name)
    assert len(outcome.states) == states
    for found in outcome.found:
        path = outcome.path(int(found["parent"]), int(found["step"]))
        report = make_report(implementation, configuration(name), found, path)
        assert len(path) == found["depth"]
        assert report.trace[-1].startswith("# required: ")


def test_a_limit_of_depth_leaves_a_search_open() -> None:
    one = configuration("GICv2, 1 vCPU, SPI edge")
    outcome = Search(get_design("new"), one, Limits(depth=3)).run()
    assert not outcome.closed
    assert max(int(found["depth"]) for found in outcome.found) <= 3


def test_an_interrupted_search_reports_what_it_found() -> None:
    one = configuration("GICv2, 1 vCPU, SPI edge")

    def interrupt(text: str) -> None:
        if int(text.split()[0]) > 300:
            raise KeyboardInterrupt

    explored: Explored = explore("new", one, Task((one,)), interrupt)
    assert explored.interrupted
    assert not explored.closed
    assert explored.violations
    assert all(report.trace for report in explored.reports)


def test_a_configuration_can_be_written_by_hand() -> None:
    one = chosen("gic=3 vcpus=2 lrs=2 irqs=spi-edge,ppi groups=line,route")[0]
    assert (one.vm.gic, one.vm.vcpus, one.vm.lrs) == (3, 2, 2)
    assert [irq.intid for irq in one.irqs] == [33, 20]
