# SPDX-License-Identifier: GPL-2.0-only
"""The whole life of an interrupt: phases add up, pairings meet in the list registers, effects are what they say."""

import json
from typing import Any

import numpy as np
import pytest

from bench.meters.events import Stage
from bench.studies.life import PHASES, SCENARIOS, effects, life_rows, play
from kvmarm.config import VmConfig
from kvmarm.design import get_design
from kvmarm.platforms import load_platform
from tests.cli import assert_refused, vgic_bench

CONFIG = VmConfig(2, 2, 64, 4)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return life_rows(gics=(2,), platforms=("xgene",), irqs=64, vcpus=2)


def _scenario(name: str) -> Any:
    return next(scenario for scenario in SCENARIOS if scenario.name == name)


@pytest.mark.parametrize("design", ["old", "new"])
def test_what_a_design_leaves_in_the_list_registers(design: str) -> None:
    stage = Stage(get_design(design), CONFIG, 0)
    found = {scenario.name: play(stage, scenario) for scenario in SCENARIOS}
    assert {name: (played.live, played.lr_kind) for name, played in found.items()} == {
        "edge": (1, "completed_by_guest"),
        "level": (1, "eoi_maint+completed"),
        "timer": (1, "completed_by_guest"),
        "sgi": (1, "completed_by_guest"),
        "kicked": (1, "completed_by_guest"),
        "idle": (0, "pending"),
    }
    again = play(stage, _scenario("level"))
    assert all(np.array_equal(again.counts[phase], found["level"].counts[phase]) for phase in again.counts)


def test_every_pairing_has_every_phase(rows: list[dict[str, Any]]) -> None:
    pairings = {(row["design"], row["switch"]) for row in rows}
    assert pairings == {(design, switch) for design in ("old", "new") for switch in ("asm", "c", "c-vhe")}
    assert len(rows) == len(pairings) * len(SCENARIOS) * len(PHASES)
    for row in rows:
        assert row["cycles"] >= 0
        if row["scenario"] == "idle" and row["phase"] in ("inject", "guest"):
            assert row["cycles"] == row["events"] == 0


def test_the_switch_is_the_same_whatever_the_design(rows: list[dict[str, Any]]) -> None:
    for switch in ("asm", "c", "c-vhe"):
        entries = {
            row["cycles"]
            for row in rows
            if (row["switch"], row["phase"]) == (switch, "enter") and row["scenario"] == "edge"
        }
        assert len(entries) == 1
    for design in ("old", "new"):
        flushes = {
            row["events"] for row in rows if (row["design"], row["phase"], row["scenario"]) == (design, "flush", "edge")
        }
        assert len(flushes) == 1


def test_a_kick_costs_a_second_exit(rows: list[dict[str, Any]]) -> None:
    def cycles(scenario: str, phase: str) -> float:
        chosen = [
            r for r in rows if (r["design"], r["switch"], r["scenario"], r["phase"]) == ("old", "asm", scenario, phase)
        ]
        return sum(row["cycles"] for row in chosen)

    assert cycles("kicked", "exit") == pytest.approx(2 * cycles("edge", "exit"))
    platform = load_platform("xgene")
    assert cycles("kicked", "host") - cycles("edge", "host") == pytest.approx(
        platform.term("run_loop") + platform.term("host_ipi")
    )


def test_effects_add_up(rows: list[dict[str, Any]]) -> None:
    for effect in effects(rows):
        totals = effect["totals"]
        both = totals["new+c"] - totals["old+asm"]
        assert effect["design_effect"] + effect["switch_effect"] == pytest.approx(both)
        assert effect["switch_effect"] < 0
        assert effect["vhe_effect"] < 0
    assert {effect["scenario"] for effect in effects(rows)} == {scenario.name for scenario in SCENARIOS}


def test_interaction_is_found_where_there_is_one() -> None:
    totals = {("old", "asm"): 10.0, ("old", "c"): 7.0, ("new", "asm"): 8.0, ("new", "c"): 1.0}
    made_up = [
        {"design": d, "switch": s, "scenario": "x", "gic": 2, "platform": "p", "phase": "enter", "cycles": value}
        for (d, s), value in totals.items()
    ]
    (effect,) = effects(made_up)
    assert (effect["design_effect"], effect["switch_effect"], effect["interaction"]) == (-4.0, -5.0, -2.0)
    assert effect["vhe_effect"] is None


def test_without_a_platform_for_the_gic_there_are_no_cycles() -> None:
    found = life_rows(designs=("old",), gics=(3,), platforms=("xgene",), irqs=64, vcpus=2)
    assert {row["platform"] for row in found} == {""}
    assert all(np.isnan(row["cycles"]) for row in found)


def test_life_command() -> None:
    done = vgic_bench("life", "--platform", "xgene", "--scenario", "edge", "--vcpus", 2, "--irqs", 64, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {row["scenario"] for row in found["rows"]} == {"edge"}
    assert {row["gic"] for row in found["rows"]} == {2}
    assert list(found["effects"][0]["totals"]) == ["old+asm", "old+c", "new+asm", "new+c"]
    shown = vgic_bench("life", "--platform", "xgene", "--scenario", "edge", "--phases", "--vcpus", 2, "--irqs", 64)
    assert "new+c-vhe" in shown.stdout
    assert all(len(line.rstrip()) <= 80 for line in shown.stdout.splitlines())
    assert_refused(vgic_bench("life", "--scenario", "birth"), "'birth'", "edge, level")
    assert_refused(vgic_bench("life", "--platform", "vax"), "unknown platform 'vax'")
