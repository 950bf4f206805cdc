# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark suite runs under pytest-benchmark, and what it writes is a run as any other."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.results.exchange import load
from bench.results.schema import KEY
from kvmarm import design
from kvmarm.jit import JIT_ENABLED

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(not JIT_ENABLED, reason="times are those of compiled code")
def test_the_suite_writes_what_compare_and_gate_read(tmp_path: Path) -> None:
    pytest.importorskip("pytest_benchmark")
    output = tmp_path / "now.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "bench", "--benchmark-only"]
    chosen = "(test_transition and flush_empty and gicv2) or (test_round_trip and idle and 2)"
    done = subprocess.run(
        [*command, "-k", chosen, f"--benchmark-json={output}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(output.read_text())
    assert document["machine_info"]["environment"]["hostname_hash"]
    for benchmark in document["benchmarks"]:
        assert set(benchmark["extra_info"]["key"]) == set(KEY)
        assert all(0 < time < 1e-3 for time in benchmark["stats"]["data"])
    results = load(output)
    found = set(results.table("samples")["design"])
    assert found == {*design.BUILT_IN, "asm", "c", "c-vhe"}
    events = results.table("events")
    assert (events[events["design"] == "new"]["event"] == "call_flush").any()
