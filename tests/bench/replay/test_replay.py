# SPDX-License-Identifier: GPL-2.0-only
"""Replays: figures that follow from the operations, checks against the recording, the command."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest

from bench.recordings.convert import open_recording
from bench.recordings.placement.common import EXPECTED
from bench.recordings.placement.driver import Chunk, nothing_expected
from bench.replay import checks as replay_checks
from bench.replay.break_even import break_even
from bench.replay.outcome import replay
from bench.replay.stretch import Run
from bench.replay.tally import TALLY
from bench.workloads import get
from kvmarm.config import VmConfig
from kvmarm.design import get_design
from kvmarm.trace import Trace
from kvmarm.trace_read import parse_trace
from tests.bench.recordings import recording_files as files
from tests.model_text import run_to_text

DESIGNS = ("old", "new")
PROBED = "kprobes-linux-ipi-gicv3-2vcpu.excerpt.ftrace.txt"


def _run(design: str, trace: Trace) -> Run:
    run = Run(get_design(design), trace.config, timed=False)
    run.feed(Chunk(trace.ops, 1, nothing_expected()), compare_loads=False)
    return run


@pytest.mark.parametrize("design", DESIGNS)
def test_counts_are_those_of_the_runner(design: str) -> None:
    trace = get("q-linux-boot-gicv2-2cpu").load()
    run = _run(design, trace)
    text = run_to_text(trace, get_design(design))
    values = re.findall(r"op=ack value=(\S+)", text)
    assert int(run.tally.counts.sum()) == len(trace.ops)
    assert int(run.tally.delivered) == sum(value != "0x3ff" for value in values)
    kicks = re.findall(r"kicks=(\S+)", text)
    assert int(run.tally.kicks) == sum(len(kick.split(",")) for kick in kicks)


def test_chunks_make_no_difference() -> None:
    trace = get("q-linux-boot-gicv3-4cpu").load()
    whole = _run("new", trace)
    parts = Run(get_design("new"), trace.config, timed=False)
    for start in range(0, len(trace.ops), 777):
        parts.feed(Chunk(trace.ops[start : start + 777], start + 1, nothing_expected()), compare_loads=False)
    for name in TALLY.names or ():
        assert np.array_equal(whole.tally[name], parts.tally[name]), name


def test_latency_is_counted_from_the_rise_to_the_acknowledgement() -> None:
    trace = parse_trace(
        b"config gic=2 vcpus=1 irqs=64 lrs=4\n"
        b"mmio_w 0 d 0x0 4 0x1\nmmio_w 0 d 0x104 4 0x1\nmmio_w 0 d 0x820 4 0x1\n"
        b"flush 0\npmr 0 0xf0\nctlr 0 0x1\nsync 0\n"
        b"inject 0 32 1\nflush 0\nack 0\neoi 0 @10\nsync 0\n"
    )
    run = _run("new", trace)
    assert int(run.tally.waits) == 1
    assert int(run.tally.waited_operations) == 2


def test_probed_list_registers_are_in_the_redesign() -> None:
    outcome = replay(files.path(PROBED))
    check = outcome.designs["new"].list_registers
    assert check["entries"] > 500
    assert check["equal"] / check["entries"] >= 0.99
    assert check["differences"] == sum(check["reasons"].values())
    assert "not explained" not in check["reasons"]


def test_loads_return_what_was_recorded_or_why_not() -> None:
    for name in ("linux-boot-gicv2-2cpu.csv", "linux-boot-gicv3-4cpu.csv"):
        outcome = replay(files.path(name))
        for design in DESIGNS:
            loads = outcome.designs[design].loads
            assert loads["loads"] == outcome.designs[design].kinds["mmio_r"].operations
            assert loads["unexplained"] == 0, loads["differences"]
    assert all(row["reason"] for row in loads["differences"])


def test_every_different_load_counts(tmp_path) -> None:
    # More than there is room for in the list of differences.
    rows = "".join(f"{number},0,dist_read,0x8,4,0x{number % 300:x},,,1\n" for number in range(1500))
    rows += "1,0,dist_read,0x100,4,0x1234ffff,,,1\n" * 700
    (tmp_path / "loads.csv").write_text(files.text("kut-gicv2-ipi.csv").rstrip("\n") + "\n" + rows)
    loads = replay(str(tmp_path / "loads.csv")).designs["new"].loads
    listed = sum(row["count"] for row in loads["differences"])
    assert len(loads["differences"]) < 300 and loads["unlisted"] > 0 and loads["unexplained"] >= 700
    assert loads["loads"] - loads["equal"] == listed + loads["unlisted"]


def test_a_swapped_interrupt_stays_explained_until_it_is_completed() -> None:
    trace = parse_trace(
        b"config gic=3 vcpus=1 irqs=64 lrs=4\nmmio_w 0 d 0x0 4 0x2\nmmio_w 0 r0 0x10100 4 0x2\n"
        b"flush 0\npmr 0 0xf0\nctlr 0 0x2\nsync 0\nsgi1r 0 0x1000001\n"
        b"flush 0\nack 0\neoi 0 @9\nsync 0\nflush 0\nsync 0\nflush 0\nsync 0\n"
    )
    expected = np.zeros(2, EXPECTED).view(np.recarray)
    # The real machine still holds SGI 1 at the two entries after the design's guest has completed it.
    expected.op, expected.n = (12, 14), 1
    expected.lr[:, 0] = 0x90A0000000000001
    run = Run(get_design("new"), trace.config, timed=False)
    run.feed(Chunk(trace.ops, 1, expected), compare_loads=False)
    check = replay_checks.entries(run)
    assert check is not None and check["entries"] == 2 and check["equal"] == 0
    assert list(check["reasons"].values()) == [2] and "not explained" not in check["reasons"]


def test_an_unexplained_load_is_said_to_be_one() -> None:
    _, category, _ = replay_checks.explain_load(2, -1, 0x104, "new", 1, 2)
    assert category == replay_checks.UNEXPLAINED
    _, category, _ = replay_checks.explain_load(2, -1, 0x420, "new", 0xFF, 0xF8)
    assert category == replay_checks.IMPLEMENTATION
    _, category, _ = replay_checks.explain_load(2, -1, 0x420, "new", 0xFF, 0x08)
    assert category == replay_checks.UNEXPLAINED


def test_converted_trace_replays_alike(tmp_path) -> None:
    target = tmp_path / "converted.trace"
    first = replay(files.path("kut-gicv2-ipi.csv"), output=target)
    again = replay(str(target))
    for design in DESIGNS:
        assert first.designs[design].kinds == again.designs[design].kinds
    assert again.kind == "vgic-bench trace"
    assert again.designs["old"].loads is None


@dataclass(frozen=True)
class _Costs:
    instructions: float | None
    mmio_instructions: float
    mmio: int = 10
    vgic_operations: int = 100


def _costs(mmio: float, rest: float) -> _Costs:
    return _Costs(10 * mmio + 90 * rest, 10 * mmio)


def test_break_even() -> None:
    even = break_even(_costs(100, 300), _costs(200, 100))
    assert even is not None and even.break_even is not None
    share = even.break_even
    # At that share of MMIO both cost the same.
    assert share * 100 + (1 - share) * 300 == pytest.approx(share * 200 + (1 - share) * 100)
    assert even.wins_above == "first" and even.share == 0.1
    never = break_even(_costs(300, 300), _costs(200, 100))
    assert never is not None and never.break_even is None and never.wins_always == "second"
    assert break_even(replace(_costs(1, 1), mmio=0), _costs(1, 1)) is None
    assert break_even(replace(_costs(1, 1), instructions=None), _costs(1, 1)) is None


def test_a_recording_is_measured_as_configured() -> None:
    with open_recording(files.path("kut-gicv2-ipi.csv")) as recording:
        assert recording.config == VmConfig(2, 8, 288, 4)


def _command(*arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "vgic_bench", *arguments], input=stdin, capture_output=True, check=False
    )


def test_command(tmp_path) -> None:
    done = _command("replay", files.path("kut-gicv2-ipi.csv"), "--results", str(tmp_path / "kept"))
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    assert "seen" in text and "inferred" in text and "total" in text
    assert any(" costs " in line for line in text.splitlines()[:4]), "the verdict comes first"
    from bench.results.store import Results

    kept = Results.load(tmp_path / "kept").table("workloads")
    assert set(kept["design"]) == set(DESIGNS) and "total" in set(kept["kind"])
    done = _command("replay", "--json", "-", stdin=files.text("kut-gicv2-ipi.csv").encode())
    outcome = json.loads(done.stdout)
    assert outcome["recording"] == "standard input"
    assert outcome["designs"]["new"]["operations"] == int(kept[kept["kind"] == "total"]["operations"].iloc[0])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["/nonexistent"], "No such file"),
        (["--designs", "neu", "-"], "unknown design"),
        (["--vmm", "xen", "-"], "--vmm"),
        (["--gic-base", "x", "-"], "--gic-base"),
    ],
)
def test_command_refuses_in_one_line(arguments: list[str], says: str) -> None:
    done = _command("replay", *arguments, stdin=b"")
    assert done.returncode == 2
    lines = [line for line in done.stderr.decode().splitlines() if "compiling" not in line]
    assert len(lines) == 1 and lines[0].startswith("vgic-bench: error: ") and says in lines[0]
