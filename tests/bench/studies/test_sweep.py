# SPDX-License-Identifier: GPL-2.0-only
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.studies import sweep as module
from bench.studies.crossover import crossovers, summary, verdict_of
from bench.studies.sweep import Plan, check, sweep
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.state import vm_dtype

PLAN = Plan(
    designs=("old", "new"),
    gics=(2,),
    irqs=(64, 256),
    vcpus=(1, 4, 9),
    lrs=(4,),
    pending=(0, 4, 64),
    transitions=("inject_edge_spi", "flush_p", "mmio_write_ISENABLER"),
)


def test_what_no_vm_can_have_is_left_out() -> None:
    found, impossible = PLAN.combinations()
    # Nine vCPUs are too many for GICv2, and 64 INTIDs have no room for 64 standing interrupts.
    assert len(found) == 2 * 2 * 3 - 2
    assert impossible == 6 + 2
    with pytest.raises(UsageError, match="no VM can have any of the 1 combinations"):
        check(Plan(("old",), (2,), (64,), (9,), (4,), (0,), ("flush_p",)))
    with pytest.raises(UsageError, match="did you mean 'flush_p'"):
        check(Plan(("old",), (2,), (64,), (1,), (4,), (0,), ("flsh_p",)))


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ([0.9, 0.5], ("always", 1)),
        ([1.5, 1.2], ("never", -1)),
        ([1.5, 0.9, 0.4], ("from", 2)),
        ([0.5, 0.9, 1.4], ("until", 3)),
        ([1.0, 1.001], ("tie", -1)),
        ([0.5, 1.5, 0.5], ("mixed", -1)),
        ([1.0, 0.5], ("from", 2)),
    ],
)
def test_verdict_along_an_axis(ratios: list[float], expected: tuple[str, int]) -> None:
    assert verdict_of([1, 2, 3][: len(ratios)], ratios) == expected


def test_a_sweep_gives_every_point_once_and_its_crossovers(tmp_path: Path) -> None:
    results, folder, found = sweep(PLAN, tmp_path, jobs=1)
    assert found == 0
    table = results.table("transitions")
    assert len(table) == len(PLAN.combinations()[0]) * 2 * 3
    assert table["ok"].all()
    key = ["design", "gic", "irqs", "vcpus", "lrs", "pending", "transition"]
    assert not table.duplicated(key).any()
    sums = results.table("events").groupby(key)["count"].sum()
    assert (table.set_index(key)["events"].sort_index() == sums.reindex(table.set_index(key).index).sort_index()).all()
    crossover = results.tables["crossover"]
    enable = crossover[(crossover["transition"] == "mmio_write_ISENABLER") & (crossover["axis"] == "vcpus")]
    # The legacy design recomputes every vCPU's state at each register write; the redesign does not.
    assert (enable["last_ratio"] < enable["first_ratio"]).all()
    (printed,) = summary(crossover)
    assert printed[0] == "GICv2: where new costs less than old"
    assert printed[1] == ["transition", "vcpus", "irqs", "pending"]
    assert {len(row) for row in printed[2]} == {4} and len(printed[2]) == 3
    results.save(tmp_path / "saved")
    folder.remove()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["saved"]


def test_an_interrupted_sweep_goes_on_and_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_PLACES", 4)
    # Sources that someone edits while this test runs would make it another sweep, rightly.
    monkeypatch.setattr(module.environment, "tool", lambda: {"source_hash": "same"})
    whole, _, _ = sweep(PLAN, tmp_path / "whole", jobs=1)
    done: list[int] = []
    real = module._block_to_shard

    def interrupted(folder: str, number: int, *rest: Any) -> int:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(number)
        return real(folder, number, *rest)

    monkeypatch.setattr(module, "_block_to_shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep(PLAN, tmp_path / "parts", jobs=1)
    measured: list[int] = []

    def counting(folder: str, number: int, *rest: Any) -> int:
        measured.append(number)
        return real(folder, number, *rest)

    monkeypatch.setattr(module, "_block_to_shard", counting)
    resumed, _, found = sweep(PLAN, tmp_path / "parts", jobs=1)
    assert found == 3
    assert not set(measured) & set(done)
    pd.testing.assert_frame_equal(whole.table("transitions"), resumed.table("transitions"))
    pd.testing.assert_frame_equal(whole.table("events"), resumed.table("events"))


def test_another_plan_is_another_sweep(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text("# one")
    plans = [PLAN, Plan(**(vars(PLAN) | {"lrs": (2,)})), Plan(**(vars(PLAN) | {"catalogue": (str(own),)}))]
    identities = [plan.identity() for plan in plans]
    own.write_text("# two")
    identities.append(plans[-1].identity())
    assert len(set(identities)) == 4


def test_crossovers_need_two_designs_and_two_values() -> None:
    rows = [("old", 1, 100.0), ("new", 1, 150.0), ("old", 8, 800.0), ("new", 8, 150.0)]
    table = pd.DataFrame(rows, columns=["design", "vcpus", "instructions"])
    table = table.assign(gic=2, irqs=64, lrs=4, pending=0, live=0, transition="t", events=1, family="vgic")
    found = crossovers(table)
    assert found[["axis", "verdict", "from_value", "vcpus"]].to_numpy().tolist() == [["vcpus", "from", 8, -1]]
    assert crossovers(table[table["design"] == "old"]).empty


def test_live_list_registers_are_an_axis_of_the_world_switches(tmp_path: Path) -> None:
    plan = Plan(**(vars(PLAN) | {"irqs": (64,), "vcpus": (1,), "pending": (0,), "live": (0, 2, 4), "lrs": (4, 8)}))
    results, _, _ = sweep(plan, tmp_path, jobs=1)
    table = results.table("transitions")
    assert set(table[table["family"] == "switch"]["live"]) == {0, 2, 4}
    assert table[table["family"] == "switch"]["ok"].all()
    crossover = results.tables["crossover"]
    rows = crossover[(crossover["axis"] == "live") & (crossover["design"] == "c") & (crossover["against"] == "asm")]
    # All list registers always against the live ones only: the C switch loses as they fill up.
    assert (rows["first_ratio"] < rows["last_ratio"]).all() and len(rows) == 2


def test_none_and_more_than_any_sweep_could_measure_are_refused_at_once() -> None:
    with pytest.raises(UsageError, match="--transitions: expected at least one"):
        check(replace(PLAN, transitions=(",",)))
    many = tuple(range(1000))
    with pytest.raises(UsageError, match="6,000,000 combinations: expected no more"):
        check(replace(PLAN, gics=(2, 3), pending=many, irqs=many))


def test_live_list_registers_that_no_transition_has_are_refused() -> None:
    for live, lrs, says in (
        ((0, 99), (4,), "--live 99: expected 0 to 4"),
        ((3, 4), (2,), "--live 3: there are 2 list"),
    ):
        with pytest.raises(UsageError, match=says):
            check(replace(PLAN, live=live, lrs=lrs))
    check(replace(PLAN, live=(0, 4), lrs=(2,)))


def test_a_sweep_of_transitions_that_apply_nowhere_is_refused() -> None:
    # An interrupt needs another vCPU to migrate to.
    with pytest.raises(UsageError, match="none of the transitions applies"):
        check(replace(PLAN, vcpus=(1,), transitions=("migrate_sync",)))
    check(replace(PLAN, vcpus=(1, 2), transitions=("migrate_sync",)))


def test_other_code_of_a_foreign_design_is_another_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    first = PLAN.identity()
    assert PLAN.identity() == first
    changed = vm_dtype("old", [("more", np.int64)])
    monkeypatch.setattr(module, "get_design", lambda name: replace(get_design(name), dtype=changed))
    assert PLAN.identity() != first


def test_an_unreachable_scheduler_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(UsageError, match=r"scheduler tcp://127\.0\.0\.1:9: cannot be reached"):
        sweep(PLAN, tmp_path, scheduler="tcp://127.0.0.1:9")


def test_a_dask_cluster_gives_what_this_machine_gives(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    local, _, _ = sweep(PLAN, tmp_path / "local", jobs=1)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        remote, _, _ = sweep(PLAN, tmp_path / "remote", scheduler=cluster.scheduler_address)
    pd.testing.assert_frame_equal(local.table("transitions"), remote.table("transitions"))


def test_a_killed_worker_is_one_line_and_what_was_measured_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK_PLACES", 10)
    monkeypatch.setattr(module.environment, "tool", lambda: {"source_hash": "same"})
    real = module._block_to_shard

    def dying(folder: str, number: int, *rest: Any) -> int:
        import os
        import signal
        import time

        if number == 1:
            while not Path(folder, "shard-00000.parquet").exists():
                time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGKILL)
        return real(folder, number, *rest)

    monkeypatch.setattr(module, "_block_to_shard", dying)
    with pytest.raises(UsageError, match=r"ended before it had measured \(SIGKILL.*kept for a day") as error:
        sweep(PLAN, tmp_path, jobs=2)
    assert error.value.exit_status == 5
    monkeypatch.setattr(module, "_block_to_shard", real)
    _, _, found = sweep(PLAN, tmp_path, jobs=1)
    assert found == 1


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ModuleNotFoundError("No module named 'bench'"), r"ModuleNotFoundError: No module named 'bench'"),
        (UsageError("as it is"), "^as it is$"),
    ],
)
def test_what_fails_on_a_cluster_is_one_line(
    error: Exception, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")

    def failing(*_: Any) -> None:
        raise error

    monkeypatch.setattr(module, "measure_block", failing)
    with (
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster,
        pytest.raises(UsageError, match=says),
    ):
        sweep(PLAN, tmp_path, scheduler=cluster.scheduler_address)
