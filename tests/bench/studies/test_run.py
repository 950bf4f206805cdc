# SPDX-License-Identifier: GPL-2.0-only
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.meters.compile import missing
from bench.meters.yardstick import lock_pair_ns
from bench.results.environment import environment, tool
from bench.results.schema import KEY
from bench.results.store import Results
from bench.studies.options import Options, resolve
from bench.studies.run import execute
from bench.studies.summary import because, group_rows, transition_rows, workload_rows
from kvmarm.errors import UsageError
from kvmarm.jit import JIT_ENABLED
from tests.bench.catalogue.test_catalogue import TEN_LINES
from vgic_bench.main import build_app

SMALL = Options(irqs=64, vcpus=2, meters=("events",), parts=("transitions",), transitions=("flush_p,overflow_flush",))


def test_a_run_holds_every_point_with_its_events() -> None:
    outcome = execute(resolve(SMALL))
    assert outcome.unexpected == []
    table = outcome.results.table("transitions")
    assert len(table) == 2 * 2 * 2 and table["ok"].all()
    assert table["time_ns"].isna().all()
    assert set(table[table["transition"] == "overflow_flush"]["pending"]) == {5}
    events = outcome.results.table("events")
    assert not events.duplicated([*KEY, "event"]).any()
    assert (events["count"] > 0).all()
    meta = outcome.results.meta
    assert meta["complete"] and meta["kind"] == "run" and meta["configuration"]["irqs"] == 64
    assert [design["name"] for design in meta["designs"]] == ["old", "new"]


def test_world_switches_and_lives_are_in_the_same_tables() -> None:
    options = Options(
        irqs=64, gics=(2,), meters=("events", "cycles"), parts=("switch", "life"), platforms=("cortex-a15",)
    )
    try:
        resolve(options)
    except UsageError:
        options.platforms = None
    results = execute(resolve(options)).results
    table = results.table("transitions")
    assert set(table["family"]) == {"switch"} and table["ok"].all()
    assert results.has("cycles") and results.has("switch") and results.has("life")
    unit, rows = transition_rows(results, 2, None, "switch")
    assert unit == "instructions" and rows[0].figures[0] > 0


@pytest.mark.skipif(not JIT_ENABLED, reason="recorded boots take long without JIT")
def test_recorded_boots_run_on_both_designs() -> None:
    results = execute(resolve(Options(gics=(2,), meters=("events",), parts=("workloads",), quick=True))).results
    table = results.table("workloads")
    assert set(table["design"]) == {"old", "new"}
    kinds = table[table["kind"] != "total"].groupby(["workload", "design"])["operations"].sum()
    totals = table[table["kind"] == "total"].set_index(["workload", "design"])["operations"]
    assert (kinds == totals.reindex(kinds.index)).all()
    assert ((table["mmio_share"] > 0) & (table["mmio_share"] < 1)).all()
    _, rows = workload_rows(results)
    assert len(rows) == table["workload"].nunique()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"vcpus": 9}, "vcpus=9: expected 1..8 with GICv2"),
        ({"irqs": 65}, "irqs=65: expected a multiple of 32"),
        ({"designs": ("odl",)}, "did you mean 'old'"),
        ({"meters": ("event",)}, "meter 'event': expected one of"),
        ({"parts": ("lives",)}, "part 'lives': expected one of"),
        ({"transitions": ("flush_emty",)}, "did you mean 'flush_empty'"),
        ({"processes": 0}, "processes=0"),
        ({"pending": 5000}, "none of the transitions applies"),
        ({"platforms": ("no-such",)}, "no-such"),
        ({"platforms": ()}, "--platforms: expected at least one"),
        ({"transitions": (",",)}, "--transitions: expected at least one"),
    ],
)
def test_bad_options_are_refused_before_anything_is_done(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(Options(**options))
    assert says in str(caught.value)


def test_what_makes_the_difference() -> None:
    first = {"lock": 20.0, "word_and": 900.0}
    second = {"lock": 40.0, "list_step": 10.0}
    assert because(first, second) == "word_and 900->0"
    assert because(first, first) == "the same steps"
    empty: dict[str, float] = {}
    assert because(empty, empty) == "no work in either"


def test_the_command_writes_a_folder_and_says_where(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(TEN_LINES)
    folder = tmp_path / "out"
    arguments = ["run", "--gic", "3", "--irqs", "64", "--catalogue", str(own), "-t", "mine,flush", "--meters", "events"]
    result = CliRunner().invoke(build_app(), [*arguments, "--no-html", "-o", str(folder)])
    assert result.exit_code == 0, result.output
    assert "reroute_pending" in result.stdout and f"results: {folder}" in result.stdout
    loaded = Results.load(folder)
    assert "reroute_pending" in set(loaded.table("transitions")["transition"])
    assert group_rows(loaded, 3)
    again = CliRunner().invoke(build_app(), [*arguments, "--no-html", "-o", str(folder)])
    assert isinstance(again.exception, UsageError) and "already exists" in str(again.exception)


def test_an_unexpected_state_is_said_and_is_status_5(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(TEN_LINES.replace('after = "pending"', 'after = "active"'))
    folder = tmp_path / "out"
    arguments = [
        "run",
        "--gic",
        "2",
        "--catalogue",
        str(own),
        "-t",
        "mine",
        "--meters",
        "events",
        "--json",
        "--no-html",
    ]
    result = CliRunner().invoke(build_app(), [*arguments, "-o", str(folder)])
    assert result.exit_code == 5
    document = json.loads(result.stdout)
    assert len(document["unexpected"]) == 2 and document["folder"] == str(folder)
    assert [row["ok"] for row in document["transitions"]] == [False, False]
    assert document["transitions"][0]["event_counts"]["call_mmio_write"] == 1


def test_the_environment_is_what_comparisons_ask_for() -> None:
    facts = environment()
    assert {"python", "numpy", "numba", "machine", "cores", "hostname_hash", "load_1m"} <= set(facts)
    assert set(tool()) == {"version", "commit", "source_hash"}
    json.dumps([facts, tool()])


@pytest.mark.skipif(not JIT_ENABLED, reason="a lock of the interpreter")
def test_the_yardstick_is_the_same_in_c_and_jitted(monkeypatch: pytest.MonkeyPatch) -> None:
    import bench.meters.yardstick as module

    first, kind = lock_pair_ns()
    monkeypatch.setattr(module, "_in_c", lambda: None)
    second, other = lock_pair_ns()
    assert other == "jitted" and kind in ("C", "jitted")
    assert 0.1 < first / second < 10


@pytest.mark.skipif(not JIT_ENABLED, reason="nothing is compiled")
def test_a_design_of_this_process_alone_is_not_sought_by_another() -> None:
    assert missing(["only-here"], ["counting"]) == []
