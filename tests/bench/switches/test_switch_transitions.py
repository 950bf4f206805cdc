# SPDX-License-Identifier: GPL-2.0-only
"""The world switch's own transitions and the results rows made of them."""

import pytest

from bench.catalogue.catalogue import load_catalogue
from bench.meters.events import Stage
from bench.results.schema import TABLES, frame
from bench.switches.tables import chosen_platforms, switch_rows, transition_tables, vgic_cycle_rows
from bench.switches.transitions import measure, switch_transitions
from kvmarm.config import VmConfig
from kvmarm.design import get_design

BY_NAME = {transition.name: transition for transition in switch_transitions()}


def test_names_are_distinct_and_phases_exist() -> None:
    assert len(BY_NAME) == len(switch_transitions()) > 15
    for transition in BY_NAME.values():
        assert set(transition.phases) <= set(transition.configuration(2, 4).phases)


@pytest.mark.parametrize("gic", [2, 3])
@pytest.mark.parametrize("name", BY_NAME)
def test_every_transition_runs_right(name: str, gic: int) -> None:
    results = measure(BY_NAME[name], gic)
    assert [result["switch"] for result in results] == ["asm", "c", "c-vhe"]
    assert all(result["ok"] and result["instructions"] == sum(result["counts"].values()) for result in results)


def test_parts_make_a_round_trip() -> None:
    for whole, entry, leave in zip(
        *(measure(BY_NAME[name], 2) for name in ("switch_round_trip_idle", "switch_entry", "switch_exit_hvc")),
        strict=True,
    ):
        assert whole["instructions"] == entry["instructions"] + leave["instructions"]


def test_more_live_than_list_registers_does_not_apply() -> None:
    assert measure(BY_NAME["switch_round_trip_live_4"], 2, lrs=2) == []


def test_time_and_cycles() -> None:
    (xgene,) = chosen_platforms(("xgene",))
    for result in measure(BY_NAME["switch_round_trip_live_1"], 2, platforms=(xgene,), timed=True):
        assert result["time_ns"] > 0
        assert result["cycles"]["xgene"]["sysreg_read"] == result["counts"]["sysreg_read"] * xgene.price("sysreg_read")
    assert measure(BY_NAME["switch_entry"], 2, timed=True)[0]["time_ns"] is None


def test_rows_fit_the_results_tables() -> None:
    tables = transition_tables((2,), platforms=chosen_platforms(None))
    tables["switch"] = switch_rows((2, 3))
    for name, rows in tables.items():
        assert rows
        assert set(TABLES[name]) <= set(rows[0]), name
        assert len(frame(name, rows)) == len(rows)
    asm = [row for row in tables["switch"] if (row["implementation"], row["gic"]) == ("asm", 2)]
    assert sum(row["count"] for row in asm) == 470
    assert sum(row["count"] for row in asm if row["class"] == "gich_read") == 11


def test_vgic_transitions_have_cycles_too() -> None:
    stage = Stage(get_design("old"), VmConfig(2, 1, 64, 4), 0)
    transition = load_catalogue()["inject_edge_spi"]
    point = stage.measure(transition)
    assert point is not None
    (xgene,) = chosen_platforms(("xgene",))
    rows = vgic_cycle_rows([point], [xgene])
    assert set(TABLES["cycles"]) <= set(rows[0])
    atomics = next(row for row in rows if row["term"] == "lock atomics")
    assert atomics["cycles"] == point.events["lock"] * xgene.price("lock")
    assert vgic_cycle_rows([point], chosen_platforms(("neoverse-n1",))) == []
