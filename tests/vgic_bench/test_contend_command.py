# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench contend` from outside: its JSON, its folder, its errors."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from bench.results.store import Results
from bench.system.processes import module_command
from kvmarm.jit import JIT_ENABLED


def _contend(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        module_command("vgic_bench", "contend", *arguments),
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=300,
        check=False,
    )


def _object(*arguments: str, **environment: str) -> Any:
    done = _contend(*arguments, "--json", **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not JIT_ENABLED, reason="threads run compiled code")
def test_threads_are_measured_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "contend"
    found = _object("--bodies", "own_spi,inject_again", "--seconds", "0.05", "-o", str(folder))
    assert found["threads"] >= 2
    assert list(found["bodies"]) == ["own_spi", "inject_again"]
    for designs in found["bodies"].values():
        assert list(designs) == ["old", "new"]
        for row in designs.values():
            assert 0 < row["low"] <= row["scaling"] <= row["high"]
    kept = Results.load(folder)
    table = kept.table("contention")
    assert kept.meta["kind"] == "contend" and kept.meta["complete"]
    assert set(table["body"]) == {"own_spi", "inject_again"} and (table["source"] == "threads").all()
    assert kept.has("contention_latency")


@pytest.mark.skipif(not JIT_ENABLED, reason="the simulation runs compiled")
def test_the_model_has_a_rate_for_each_number_of_vcpus(tmp_path: Path) -> None:
    found = _object("--model", "--bodies", "own_spi,msi", "--vcpus", "1,2,4", "-o", str(tmp_path / "model"))
    assert found["vcpus"] == [1, 2, 4]
    assert list(found["bodies"]["own_spi"]) == ["old", "new"] and list(found["bodies"]["msi"]) == ["new"]
    assert len(found["bodies"]["own_spi"]["old"]["rate"]) == 3
    assert found["bodies"]["own_spi"]["old"]["limit"] == "dist"
    assert len(Results.load(tmp_path / "model").table("contention")) == 9


def test_without_jit_the_degradation_is_stated() -> None:
    done = _contend("--bodies", "own_spi", "--json", NUMBA_DISABLE_JIT="1")
    assert done.returncode == 0, done.stderr
    assert "JIT is off: threads cannot run at once" in done.stderr
    found = json.loads(done.stdout)
    assert found["bodies"]["own_spi"]["old"] == {"scaling": None, "low": None, "high": None}
    assert found["notes"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--bodies", "fly"], "--bodies: unknown body 'fly'"),
        (["--threads", "0"], "--threads 0: expected 1..512"),
        (["--gic", "2", "--threads", "9"], "--threads 9: expected at most 8 with GICv2"),
        (["--guest-time", "-1"], "--guest-time -1: expected"),
        (["--seconds", "0"], "--seconds 0: expected"),
        (["--designs", "old", "--bodies", "msi"], "body msi: none of the designs old has LPIs"),
        (["--designs", "older"], "unknown design 'older'"),
        (["--model", "--vcpus", "0"], "--vcpus: expected numbers from 1 to 512"),
        (["--model", "--lock", "mutex"], "--lock 'mutex': expected"),
    ],
)
def test_bad_options_are_one_line(arguments: list[str], text: str) -> None:
    done = _contend(*arguments)
    assert done.returncode == 2
    assert text in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.skipif(not JIT_ENABLED, reason="threads run compiled code")
def test_ctrl_c_ends_it_and_its_process() -> None:
    process = subprocess.Popen(
        module_command("vgic_bench", "contend", "--bodies", "own_spi", "--seconds", "60", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(4)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors
    with pytest.raises(ProcessLookupError):
        for _ in range(50):
            os.killpg(process.pid, 0)
            time.sleep(0.1)
