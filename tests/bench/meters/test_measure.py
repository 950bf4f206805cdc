# SPDX-License-Identifier: GPL-2.0-only
"""The exact meter on both designs: the catalogue's states hold, and counts depend on nothing but the point."""

import random
from pathlib import Path

import numpy as np
import pytest

from bench.catalogue.catalogue import load_catalogue, select
from bench.meters.events import Stage, differences, measure_all, point_key
from kvmarm.config import VmConfig
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.jit import JIT_ENABLED
from tests.bench.catalogue.test_catalogue import TEN_LINES

DESIGNS = ("old", "new")
PLACES = [
    (VmConfig(2, 4, 256, 4), 0),
    (VmConfig(3, 4, 256, 4), 0),
    (VmConfig(2, 2, 1024, 2), 64),
    (VmConfig(3, 2, 64, 1), 3),
    (VmConfig(3, 40, 512, 16), 20),
]
if not JIT_ENABLED:
    PLACES = PLACES[:1]


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize(("config", "pending"), PLACES, ids=str)
def test_every_transition_goes_from_and_to_the_states_the_catalogue_says(
    design: str, config: VmConfig, pending: int
) -> None:
    transitions = [entry for entry in load_catalogue().values() if not entry.lpis]
    if not JIT_ENABLED:
        transitions = transitions[::7]
    points = measure_all(get_design(design), config, pending, transitions)
    assert len(points) > len(transitions) * 0.7
    assert differences(points) == []


@pytest.mark.parametrize("design", DESIGNS)
def test_counts_are_the_same_in_any_order_and_beside_any_other_work(design: str) -> None:
    config = VmConfig(2, 4, 256, 4)
    transitions = select(load_catalogue(), ["overflow,migration,kick,sync_*_active"])
    first = {p.transition.name: p.counts for p in measure_all(get_design(design), config, 3, transitions)}
    shuffled = transitions[:]
    random.Random(5).shuffle(shuffled)
    again = {p.transition.name: p.counts for p in measure_all(get_design(design), config, 3, shuffled)}
    assert first.keys() == again.keys()
    for name, counts in first.items():
        assert np.array_equal(counts, again[name]), name


def test_counts_know_what_happened() -> None:
    catalogue = load_catalogue()
    for design in DESIGNS:
        stage = Stage(get_design(design), VmConfig(2, 4, 256, 4), 0)
        kicked = stage.measure(catalogue["kick_other"])
        assert kicked is not None and kicked.kicks == (3,) and kicked.events["kick"] == 1
        flush = stage.measure(catalogue["flush_spi_edge_pending"])
        assert flush is not None and flush.events["lr_write"] >= 1 and flush.events["call_flush"] == 1
        again = stage.count(catalogue["flush_spi_edge_pending"])
        assert again is not None and np.array_equal(flush.counts, again)


def test_a_transition_that_does_not_apply_gives_nothing() -> None:
    catalogue = load_catalogue()
    stage = Stage(get_design("new"), VmConfig(3, 1, 64, 1), 2)
    assert stage.measure(catalogue["flush_empty"]) is None
    assert stage.count(catalogue["migrate_sync"]) is None


def test_a_wrong_expectation_is_found_and_an_illegal_line_named(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(TEN_LINES.replace('after = "pending"', 'after = "active"'))
    config = VmConfig(2, 2, 64, 4)
    points = measure_all(get_design("new"), config, 0, select(load_catalogue([own]), ["mine"]))
    assert [line.split(": ", 1)[1] for line in differences(points)] == [
        "pending -> pending, expected pending -> active"
    ]
    own.write_text(TEN_LINES.replace('operation = "set ISENABLER 34"', 'operation = "ack 0"'))
    with pytest.raises(UsageError, match="reroute_pending: operation 4: the vCPU is out of the guest"):
        measure_all(get_design("new"), config, 0, select(load_catalogue([own]), ["mine"]))


def test_the_key_of_a_point() -> None:
    key = point_key("old", VmConfig(3, 20, 64, 4), 5, "flush_p")
    assert list(key.values()) == ["old", "vgic", 3, 64, 20, 4, 5, 0, "flush_p"]
