# SPDX-License-Identifier: GPL-2.0-only
"""Processes of our own run our own code wherever they are started, and one that fails is one line with a status."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.meters import time_processes as timing_run
from bench.meters.predict import read_grid
from bench.system.processes import module_command
from kvmarm.errors import UsageError


def test_another_bench_in_the_current_folder_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    for name in ("bench/__init__.py", "bench/cli.py", "json.py", "kvmarm.py"):
        (tmp_path / name).write_text("raise SystemExit('not ours')\n")
    command = module_command("bench.workloads.pack", "no.recording", "name")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "not ours" not in done.stderr + done.stdout
    assert "no.recording: cannot be read" in done.stderr and done.returncode == 1


def test_an_interruption_ends_a_process_without_a_word() -> None:
    command = module_command("timeit", "-n1", "-r1", "import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGINT and done.stderr == ""


@pytest.mark.parametrize(
    ("code", "status"),
    [("raise SystemExit(7)", 7), ("print('{\"samples\": [')", "."), ("print('hello'); input()", ".")],
)
def test_a_timing_process_that_fails_is_told_in_one_line(
    code: str, status: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing_run, "module_command", lambda module: [sys.executable, "-c", code])
    job = {"catalogue": ["x" * 1_000_000]}
    with pytest.raises(UsageError, match=rf"ended with status {status}") as error:
        timing_run._one_process(job, lambda done: None)
    assert error.value.exit_status == timing_run.MEASUREMENT_FAILED


def test_a_number_too_large_for_any_vm_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "grid.csv"
    path.write_text(f"design,gic,irqs,vcpus,pending,transition\nold,2,{'9' * 30},4,0,flush_p\n")
    with pytest.raises(UsageError, match=r"line 2: irqs '9+': expected a whole number"):
        read_grid(path)


@pytest.mark.parametrize("name", ["grid.csv.xz", "grid.csv.gz", "grid.csv"])
def test_a_grid_that_is_cut_off_is_told_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes({"xz": b"\xfd7zXZ\x00", "gz": b"\x1f\x8b\x08\x00", "csv": b""}[name[-3:].lstrip(".")])
    with pytest.raises(UsageError, match=r"not a CSV table|cannot be read"):
        read_grid(path)
