# SPDX-License-Identifier: GPL-2.0-only
"""Results that two runs save, that a killed process left, that go to places which stay."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.results.folders import check_new_folder
from bench.results.store import Results
from bench.system.interruption import deferred
from kvmarm import files
from kvmarm.errors import UsageError
from tests.bench.results.sample_results import results
from tests.cli import ROOT


def dead_process() -> int:
    """Return the number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_the_second_of_two_runs_is_kept_beside_the_first(tmp_path: Path) -> None:
    places = [results(command=[name]).save_new(tmp_path / "run") for name in ("a", "b", "c")]
    assert [place.name for place in places] == ["run", "run-2", "run-3"]
    assert [Results.load(place).meta["command"] for place in places] == [["a"], ["b"], ["c"]]
    assert sorted(os.listdir(tmp_path)) == ["run", "run-2", "run-3"]


def test_the_folder_that_one_is_in_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    check_new_folder(".")
    results().save_new(".")
    assert Results.load(".").has("events") and os.listdir(tmp_path) == ["here"]
    with pytest.raises(UsageError, match="already exists"):
        check_new_folder(".")


def test_what_a_killed_process_left_is_removed_and_put_back(tmp_path: Path) -> None:
    results().save(tmp_path / "earlier")
    mark = f"{dead_process()}-{files._here()}-abc"
    aside = tmp_path / f".earlier.{mark}.old"
    aside.mkdir()
    (tmp_path / "earlier").rename(aside / "earlier")
    (tmp_path / f".new.{mark}.part").mkdir()
    (tmp_path / f".x.csv.{mark}.part").touch()
    ours = tmp_path / f"{files.own_prefix('busy')}x.part"
    ours.mkdir()
    files._cleared.clear()  # as in a process of its own
    results().save(tmp_path / "new")
    assert sorted(os.listdir(tmp_path)) == sorted([ours.name, "earlier", "new"])
    assert Results.load(tmp_path / "earlier").has("events")


def test_an_output_that_is_an_input_is_refused(tmp_path: Path) -> None:
    run = results().save(tmp_path / "run")
    for output in (run, run / "meta.json", run / "x.csv", tmp_path / "run" / ".." / "run"):
        with pytest.raises(UsageError, match="an input, expected another output"):
            files.check_not_input(output, run)
    files.check_not_input(tmp_path / "run-2", run, None, tmp_path / "missing")


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with deferred():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(("debug", "lines"), [("", 1), ("1", 5)])
def test_an_unexpected_error_is_a_status_of_its_own(debug: str, lines: int) -> None:
    code = (
        "import sys; sys.argv = ['vgic-bench', 'results', 'list']\n"
        "import vgic_bench.commands.results as r, vgic_bench.main as m\n"
        "def fail(*a): raise KeyError('\\x1b[1m')\n"
        "r.find_runs = fail\n"
        "m.main()\n"
    )
    environment = {**os.environ, "VGIC_BENCH_DEBUG": debug}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 70 and b"\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) >= lines if debug else done.stderr.count(b"\n") == lines


def test_a_reader_that_goes_away_is_no_verdict() -> None:
    line = f"{sys.executable} -m vgic_bench switch show | head -c 1 >/dev/null; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() in ("141", "0") and done.stderr == ""
