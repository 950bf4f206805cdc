# SPDX-License-Identifier: GPL-2.0-only
"""A run that is ended before its end, by its user or by a failure: what was done is kept, what is not is said."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.results.store import Results
from bench.studies import run as module
from bench.studies.options import PARTS, Options, resolve
from bench.studies.parts import Measured, measure_parts
from bench.studies.run import execute
from bench.system.interruption import deferred
from kvmarm.errors import UsageError
from tests.cli import ROOT
from vgic_bench.main import build_app

OPTIONS = Options(gics=(2,), irqs=64, vcpus=2, meters=("events",), transitions=("flush_p",), parts=PARTS)
KEY = {"design": "old", "family": "vgic", "gic": 2, "irqs": 64, "vcpus": 2, "lrs": 4, "pending": 0, "live": 0}


def raising(error: BaseException) -> Any:
    def stand_in(*_: Any, **__: Any) -> Any:
        raise error

    return stand_in


def test_an_interruption_keeps_the_parts_that_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "measure_workloads", raising(KeyboardInterrupt()))
    outcome = execute(resolve(OPTIONS), folder=tmp_path / "out")
    assert outcome.interrupted and outcome.failures == []
    kept = Results.load(tmp_path / "out")
    assert kept.meta["interrupted"] is True and kept.meta["complete"] is False
    assert kept.meta["missing"] == ["workloads", "life"]
    assert kept.meta["notes"][-1:] == ["this run was interrupted; it lacks: workloads, life"]
    assert kept.has("transitions") and kept.has("events") and not kept.has("workloads") and not kept.has("life")


def test_a_part_that_fails_keeps_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "measure_workloads", raising(UsageError("workload w: BUG_ON", 5)))
    outcome = execute(resolve(OPTIONS), folder=tmp_path / "out")
    assert not outcome.interrupted and outcome.failures == ["workload w: BUG_ON"]
    kept = Results.load(tmp_path / "out")
    assert kept.meta["missing"] == ["workloads"] and kept.meta["interrupted"] is False
    assert kept.meta["notes"][-2:] == ["a part of this run failed; it lacks: workloads", "workload w: BUG_ON"]
    assert kept.has("life")


def test_with_nothing_done_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (KeyboardInterrupt("stop"), UsageError("it failed", 5), UsageError("a bad file", 2)):
        monkeypatch.setattr(module, "measure_all", raising(error))
        options = Options(**(vars(OPTIONS) | {"parts": ("transitions",)}))
        with pytest.raises(type(error), match=str(error)):
            execute(resolve(options), folder=tmp_path / "out")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), UsageError("a timing process ended", 5)])
def test_timing_processes_that_ended_are_kept(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = KEY | {"transition": "flush_p", "position": 0, "loops": 1}

    def two_processes(*_: Any) -> Any:
        yield [sample | {"process": 0, "ns": 10.0}]
        yield [sample | {"process": 1, "ns": 30.0}]
        raise error

    monkeypatch.setattr(module, "time_processes", two_processes)
    monkeypatch.setattr(module, "JIT_ENABLED", True)
    monkeypatch.setattr(module.warm, "ensure_compiled", lambda *_: 0.0)
    monkeypatch.setattr(module.yardstick, "lock_pair_ns", lambda: (3.0, "C"))
    options = Options(**(vars(OPTIONS) | {"parts": ("transitions", "life"), "meters": ("events", "time")}))
    outcome = execute(replace(resolve(options), timed=True))
    meta = outcome.results.meta
    assert meta["notes"][0].split("lacks: ")[1].startswith("time (2 of 6 processes are there)")
    assert outcome.interrupted is isinstance(error, KeyboardInterrupt)
    assert meta["missing"] == (["time", "life", "lock pair"] if outcome.interrupted else ["time"])
    assert "time" in meta["meters"]
    table = outcome.results.table("transitions").set_index("design")
    assert table["time_ns"]["old"] == 20 and table["samples"].tolist() == [2, 0]


def test_what_is_not_begun_is_missing_too() -> None:
    def add(measured: Measured) -> None:
        measured.add({"life": [{"design": "old"}]})

    stop = raising(KeyboardInterrupt())
    found = measure_parts([("a", add), ("b", raising(MemoryError())), ("c", stop), ("d", add)])
    assert found.missing == {"b": "b: out of memory", "c": "", "d": ""}
    assert found.failures == ["b: out of memory"] and len(found.rows["life"]) == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_command_says_where_in_one_line_and_is_status_130(how: signal.Signals, tmp_path: Path) -> None:
    program = (
        "import sys, time\n"
        "from bench.studies import run\n"
        "from vgic_bench.main import main\n"
        "def endless(*_):\n    print('begun', flush=True)\n    time.sleep(60)\n"
        "run.measure_workloads = endless\n"
        "sys.argv = sys.argv[1:]\n"
        "main()\n"
    )
    arguments = ["vgic-bench", "run", "--gic", "2", "--meters", "events", "--parts", "switch,workloads", "--json", "-o"]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments, str(tmp_path / "out")],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    for _ in range(3):  # impatience changes nothing
        process.send_signal(how)
        time.sleep(0.2)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and output == ""
    assert errors == f"vgic-bench: interrupted: results without workloads: {tmp_path / 'out'}\n"
    assert Results.load(tmp_path / "out").has("transitions")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_interrupted_while_the_page_is_written_the_run_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vgic_bench.report_page.write_report_page", raising(KeyboardInterrupt()))
    folder = tmp_path / "out"
    done = CliRunner().invoke(build_app(), ["run", "--parts", "switch", "--meters", "events", "-o", str(folder)])
    assert str(done.exception) == f"results: {folder}" and Results.load(folder).meta["complete"] is True


def test_what_must_not_be_cut_short_is_not() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), deferred():
        signal.raise_signal(signal.SIGINT)
        done.append("all of it")
    assert done == ["all of it"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler
