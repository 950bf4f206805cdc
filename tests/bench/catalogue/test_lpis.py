# SPDX-License-Identifier: GPL-2.0-only
"""Transitions of LPIs: the scene they start from, the lines they are written in, the states they go to."""

import numpy as np
import pytest

from bench.catalogue.catalogue import load_catalogue
from bench.catalogue.language import compile_lines, trace_lines
from bench.catalogue.lpis import LpiScene, describe_command
from bench.meters.events import HAS_NONE, Stage, differences, measure_all
from kvmarm.config import RAM_BASE, VmConfig
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.jit import JIT_ENABLED
from kvmarm.trace import GMEM_W, LineError

CONFIG = VmConfig(3, 2, 64, 4, 1)
OF_LPIS = [entry for entry in load_catalogue().values() if entry.lpis]
CAUSES = (
    "msi", "int", "inv_disabled", "invall", "mapti_again", "mapc", "movi", "movall", "discard", "clear", "mapd_unmap",
    "enable_lpis", "eoi", "overflow",
)  # fmt: skip


@pytest.mark.parametrize(("config", "pending"), [(CONFIG, 0), (VmConfig(3, 4, 256, 4, 1), 3)], ids=str)
def test_every_transition_goes_from_and_to_the_states_the_catalogue_says(config: VmConfig, pending: int) -> None:
    chosen = OF_LPIS if JIT_ENABLED else OF_LPIS[:: 1 + 2 * pending]
    points = measure_all(get_design("new"), config, pending, chosen)
    none = [entry for entry in chosen if entry.standing == "none"] if pending else []
    assert len(points) >= len(chosen) - len(none) - 2  # two need 64 LPIs
    assert differences(points) == []


def test_the_column_is_complete() -> None:
    names = {entry.name for entry in OF_LPIS}
    for cause in CAUSES:
        states = [
            state for state in ("inactive", "pending", "active", "active_pending") if f"{cause}_lpi_{state}" in names
        ]
        assert len(states) == (2 if cause == "eoi" else 4), cause


def test_a_design_without_lpis_has_none() -> None:
    points = measure_all(get_design("old"), CONFIG, 0, OF_LPIS)
    assert points and all(point.before == point.after == HAS_NONE and point.ok for point in points)
    assert measure_all(get_design("old"), VmConfig(3, 2, 64, 4), 0, OF_LPIS) == []


def test_a_scene_spreads_its_lpis_over_its_devices() -> None:
    scene = LpiScene(10, 4, "last")
    assert [scene.place(index) for index in range(10)] == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (3, 0), (3, 1),
    ]  # fmt: skip
    assert scene.names() == {
        "lpi": 8201, "device": 3, "event": 1, "last_event": 1, "new_event": 2, "new_lpi": 8202, "lpis": 10,
    }  # fmt: skip
    assert LpiScene(16, 1, "middle").index == 8


@pytest.mark.parametrize(
    ("scene", "says"),
    [
        ((0, 1, "first"), "lpis=0: expected 1..4096"),
        ((4097, 1, "first"), "expected 1..4096"),
        ((4, 5, "first"), "devices=5: expected 1..4 with lpis=4"),
        ((300, 257, "first"), "expected 1..256"),
        ((4, 1, "front"), "position=front: expected one of first, middle, last"),
    ],
)
def test_a_scene_that_cannot_be_is_refused(scene: tuple[int, int, str], says: str) -> None:
    with pytest.raises(UsageError) as error:
        LpiScene(*scene)
    assert says in str(error.value)


def test_look_ups_cost_what_is_ahead_in_the_lists() -> None:
    entry = load_catalogue()["lpi_msi"]
    counts = {}
    for scene in (LpiScene(16, 1, "first"), LpiScene(16, 1, "last"), LpiScene(16, 4, "last")):
        counted = Stage(get_design("new"), CONFIG, 0, scene).measure(entry.at(scene))
        assert counted is not None
        counts[str(scene)] = counted.events.get("itte_step", 0), counted.events["device_step"]
    assert list(counts.values()) == [(0, 1), (15, 1), (3, 4)]


def test_a_stage_puts_guest_memory_back() -> None:
    catalogue = load_catalogue()
    stage = Stage(get_design("new"), CONFIG, 0)
    before = stage.count(catalogue["inv_enabled_lpi_pending"])
    stage.measure(catalogue["inv_disabled_lpi_pending"])
    again = stage.count(catalogue["inv_enabled_lpi_pending"])
    assert before is not None and np.array_equal(before, again)
    after = stage.measure(catalogue["invall_lpi_pending"])
    assert after is not None and after.ok, "the LPI is enabled again, as its property says"


def test_commands_are_queued_one_after_the_other() -> None:
    lines = trace_lines(["its INT 0 3", "msis 2", "its SYNC 0"], CONFIG)
    writes = [int(line.split()[-1], 0) for line in lines if line.startswith("mmio_w")]
    assert writes[1] - writes[0] == 32
    ops = compile_lines(["property 8193 0x55"], CONFIG, "here")
    assert ops["kind"].tolist() == [GMEM_W] and ops["a"][0] == RAM_BASE and int(ops["value"][0]) >> 8 & 0xFF == 0x55


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("its", "expected a command"),
        ("its MAPX 1", "unknown command, expected one of MOVI"),
        ("its INV 1", "its INV: 1 arguments, expected 2 (DEVICE EVENT)"),
        ("its INV 1 x", "EVENT 'x': expected a number"),
        ("property 8000 1", "LPI 8000: expected 8192 or more"),
        ("msis 17", "there are 16 LPIs"),
        ("msis", "0 arguments, expected 1"),
    ],
)
def test_a_bad_line_is_told(line: str, says: str) -> None:
    with pytest.raises(LineError) as error:
        trace_lines([line], CONFIG)
    assert says in str(error.value)
    with pytest.raises(LineError, match="its=1"):
        trace_lines([line], VmConfig(3, 2, 64, 4))


def test_commands_in_words() -> None:
    assert describe_command((0x0A | 8 << 32, 1 | 8193 << 32, 3, 0)) == "MAPTI device 8, event 1, LPI 8193, collection 3"
    assert describe_command((0x08 | 8 << 32, 0, 0, 0)) == "MAPD (unmap) device 8"
    assert describe_command((0xFF, 0, 0, 0)) == "unknown command 0xff"
