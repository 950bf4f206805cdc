# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench trace`: files byte for byte, clear refusals, nothing half-written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from bench.workloads.random_traces import TraceMaker
from kvmarm.events import event_names
from tests.cli import ROOT, assert_refused, vgic_bench
from tests.vectors import expected_locks, expected_result, trace_text, vector_names

CONFIG = "config gic=2 vcpus=2 irqs=96 lrs=4\n"


@pytest.fixture
def traces(tmp_path: Path) -> list[Path]:
    paths = []
    for archive, name in [vector_names()[0], vector_names()[70]]:
        path = tmp_path / f"{name}.trace"
        path.write_bytes(trace_text(archive, name))
        paths.append(path)
    return paths


@pytest.mark.parametrize("jit", ["0", "1"])
def test_run_writes_result_locks_and_counts(tmp_path: Path, traces: list[Path], jit: str) -> None:
    out = tmp_path / "out" / "deep"
    done = vgic_bench(
        "trace", "run", *traces, "--design", "old", "-o", out, "--counts", "--locks", "--json",
        NUMBA_DISABLE_JIT="1" if jit == "0" else "0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    for (archive, name), path, one in zip([vector_names()[0], vector_names()[70]], traces, told, strict=True):
        result = expected_result(archive, name, "old")
        assert (out / f"{path.stem}.result").read_text() == result
        assert (out / f"{path.stem}.locks").read_text() == expected_locks(name, "old")
        counts = pd.read_parquet(out / f"{path.stem}.counts.parquet")
        assert list(counts.columns) == ["op", "kind", *event_names()]
        assert len(counts) == len(result.splitlines()) == one["operations"]
        assert int(counts["lock"].sum()) == (out / f"{path.stem}.locks").read_text().count("+")
    assert sorted(os.listdir(out)) == sorted(Path(file).name for one in told for file in one["files"])


def test_a_host_that_dies_is_a_result(tmp_path: Path) -> None:
    (tmp_path / "dies.trace").write_bytes(trace_text("hostbug", "hostbug-old-00"))
    done = vgic_bench("trace", "run", tmp_path / "dies.trace", "--design", "old", "-o", tmp_path)
    assert done.returncode == 3
    assert "the host dies at operation" in done.stderr
    assert "BUG_ON at vgic.c:1329" in done.stderr
    assert (tmp_path / "dies.result").read_text() == expected_result("hostbug", "hostbug-old-00", "old")


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ("ack 0\n", ("t.trace:2", "ack", "vCPU 0 is out of the guest, expected it in the guest")),
        ("flush 0\nflush 0\n", ("t.trace:3", "flush", "vCPU 0 is in the guest, expected it out of the guest")),
        ("sync 1\n", ("t.trace:2", "sync: vCPU 1 is out of the guest")),
        ("flush 0\nmap 0 40 100\n", ("t.trace:3", "map: vCPU 0 is in the guest")),
        ("map 0 40 100\nflush 0\nunmap 0 40\n", ("t.trace:4", "unmap: vCPU 0 is in the guest")),
        ("flush\x0b0\n", ("t.trace:2", "unknown operation")),
        ("flush 0\x1c\n", ("t.trace:2", "VCPU")),
        ("flush 0\nmmio_r 0 d 0 4\n", ("t.trace:3", "mmio_r: vCPU 0 is in the guest")),
        ("flush 2\n", ("t.trace:2", "VCPU 2: expected 0..1")),
        ("mmio_r 0 r0 0 4\n", ("t.trace:2", "unknown register frame")),
        ("mmio_r 0 d 0 3\n", ("t.trace:2", "SIZE 3")),
    ],
)
def test_refusals_leave_nothing_behind(tmp_path: Path, body: str, parts: tuple[str, ...]) -> None:
    (tmp_path / "t.trace").write_text(CONFIG + body)
    out = tmp_path / "out"
    out.mkdir()
    (out / "t.result").write_text("an earlier result\n")
    assert_refused(vgic_bench("trace", "run", tmp_path / "t.trace", "--design", "new", "-o", out, "--locks"), *parts)
    assert os.listdir(out) == ["t.result"]
    assert (out / "t.result").read_text() == "an earlier result\n"


def test_refusals_of_files_folders_and_names(tmp_path: Path, traces: list[Path]) -> None:
    assert_refused(vgic_bench("trace", "run", tmp_path / "no.trace", "--design", "old", "-o", tmp_path), "no.trace")
    assert_refused(
        vgic_bench("trace", "run", traces[0], "--design", "neww", "-o", tmp_path), "'neww', did you mean 'new'?"
    )
    (tmp_path / "file").write_text("")
    assert_refused(
        vgic_bench("trace", "run", traces[0], "--design", "old", "-o", tmp_path / "file"), "cannot be written"
    )
    twin = tmp_path / "twin" / traces[0].name
    twin.parent.mkdir()
    twin.write_bytes(traces[0].read_bytes())
    assert_refused(vgic_bench("trace", "run", traces[0], twin, "--design", "old", "-o", tmp_path), "would overwrite")


def test_an_interrupted_run_keeps_what_was_done(tmp_path: Path) -> None:
    paths = []
    for seed in range(60):
        path = tmp_path / f"random-{seed:02}.trace"
        path.write_text(TraceMaker(seed, operations=20_000).text() if seed == 0 else TraceMaker(seed).text())
        paths.append(path)
    out = tmp_path / "out"
    arguments = [
        sys.executable,
        "-m",
        "vgic_bench",
        "trace",
        "run",
        *map(str, paths),
        "--design",
        "old",
        "-o",
        str(out),
    ]
    process = subprocess.Popen(
        arguments, cwd=ROOT, stderr=subprocess.PIPE, env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, text=True
    )
    deadline = time.monotonic() + 120
    while not (out.is_dir() and any(out.glob(".*.part"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == "vgic-bench: interrupted"
    assert not [name for name in os.listdir(out) if name.endswith(".part")]


def test_explain_puts_both_designs_side_by_side(tmp_path: Path) -> None:
    text = "config gic=2 vcpus=2 irqs=96 lrs=4\nmmio_w 0 d 0x0 4 1\nmmio_w 0 d 0x104 4 1\ninject 0 32 1\nflush 0\n"
    (tmp_path / "t.trace").write_text(text)
    done = vgic_bench("trace", "explain", tmp_path / "t.trace", "--op", "4")
    assert done.returncode == 0, done.stderr
    assert "flush 0" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    steps = [
        json.loads(line) for line in vgic_bench("trace", "explain", tmp_path / "t.trace", "--json").stdout.splitlines()
    ]
    assert [step["number"] for step in steps] == [1, 2, 3, 4]
    last = {part["design"]: part for part in steps[-1]["designs"]}
    assert set(last) == {"old", "new"}
    for part in last.values():
        assert part["loaded"] and part["loaded"][0].startswith("LR0: INTID 32 pending"), part
        assert part["locks"] and part["counts"]
    assert_refused(vgic_bench("trace", "explain", tmp_path / "t.trace", "--op", "5"), "--op 5: expected 1..4")
