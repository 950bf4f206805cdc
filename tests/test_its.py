# SPDX-License-Identifier: GPL-2.0-only
"""LPIs and the ITS: the reference runs of the real code, and random traces with and without JIT.

With JIT off a spread of the reference runs: the same code as plain Python.
"""

import hashlib
import json
import os
import subprocess
import sys

import pytest

from bench.engine.runner import TraceRun
from kvmarm.config import MAX_LPIS, RAM_BASE, VmConfig
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.jit import JIT_ENABLED
from kvmarm.trace import LineError, format_op, parse_line
from kvmarm.trace_read import parse_trace
from tests.random_its_traces import ItsTraceMaker
from tests.vectors import archive, expected_locks, first_difference

DESIGNS = ("new",)
"""Those with an ITS."""
_FILES = archive("its")
_ALL = sorted(name.removesuffix(".trace") for name in _FILES if name.endswith(".trace"))
NAMES = _ALL if JIT_ENABLED else _ALL[::6]
_NOW = archive("now/its")
_ALL_NOW = sorted(name.removesuffix(".now.result") for name in _NOW)
NAMES_NOW = _ALL_NOW if JIT_ENABLED else _ALL_NOW[::6]
SEEDS = range(60)
SMALL = VmConfig(3, 1, 64, 4, 1)


def run(text: str, design: str = "new") -> str:
    """Return the results and locks of a trace's text."""
    parts: list[bytes] = []
    TraceRun(parse_trace(text.encode(), name="its"), get_design(design), count=True).run(parts.append, parts.append)
    return b"".join(parts).decode()


def test_nothing_is_missing() -> None:
    assert len(_ALL) == 34
    assert len(_ALL_NOW) == 17
    assert sum(f"{name}.{design}.locks" in _FILES for name in _ALL for design in DESIGNS) == 34


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("name", NAMES)
def test_results_and_locks_are_the_real_codes(name: str, design: str) -> None:
    trace = parse_trace(_FILES[f"{name}.trace"], name=name)
    plain: list[bytes] = []
    TraceRun(trace, get_design(design)).run(write_result=plain.append)
    assert not first_difference(b"".join(plain).decode(), _FILES[f"{name}.{design}.result"].decode())

    counted: list[bytes] = []
    locks: list[bytes] = []
    TraceRun(trace, get_design(design), count=True).run(write_result=counted.append, write_locks=locks.append)
    assert counted == plain, "counting changes what the design does"
    assert not first_difference(b"".join(locks).decode(), _FILES[f"{name}.{design}.locks"].decode())


@pytest.mark.parametrize("name", NAMES_NOW)
def test_results_and_locks_of_today_are_the_real_codes(name: str) -> None:
    trace = parse_trace(_FILES[f"{name}.trace"], name=name)
    results: list[bytes] = []
    locks: list[bytes] = []
    TraceRun(trace, get_design("now"), count=True).run(write_result=results.append, write_locks=locks.append)
    assert not first_difference(b"".join(results).decode(), _NOW[f"{name}.now.result"].decode())
    assert not first_difference(b"".join(locks).decode(), expected_locks(name, "now") or "none recorded")


def digests() -> dict[str, str]:
    """Return a digest of result, locks and counts of every random trace on every design with an ITS."""
    found = {}
    for seed in SEEDS:
        trace = parse_trace(ItsTraceMaker(seed).text().encode(), name=f"its-{seed}")
        for design in DESIGNS:
            parts: list[bytes] = []
            one = TraceRun(trace, get_design(design), count=True)
            outcome = one.run(write_result=parts.append, write_locks=parts.append)
            assert one.counts is not None
            digest = hashlib.sha256(b"".join(parts) + one.counts[: outcome.operations].tobytes())
            found[f"{design} {seed} {trace.config}"] = f"{outcome.operations} {digest.hexdigest()[:16]}"
    return found


@pytest.mark.skipif(not JIT_ENABLED, reason="compares the jitted run with the plain one")
def test_jitted_and_plain_runs_agree() -> None:
    plain = subprocess.run(
        [sys.executable, "-m", "tests.test_its"],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert plain.returncode == 0, plain.stderr
    assert digests() == json.loads(plain.stdout)


def test_random_traces_reach_what_they_are_for() -> None:
    seen: set[str] = set()
    for seed in list(SEEDS)[:30]:
        text = run(ItsTraceMaker(seed).text())
        for line in text.splitlines():
            name, _, rest = line.partition(" ")[2].partition(" ")
            seen.add(f"{name} {rest.split()[0]}" if name == "op=msi" and rest.startswith("rc=") else name)
    assert {"op=msi rc=1", "op=msi rc=0", "op=msi rc=-16", "op=gmem_r"} <= seen


def test_the_scanner_is_the_plain_parser() -> None:
    for seed in range(5):
        maker = ItsTraceMaker(seed)
        trace = parse_trace(maker.text().encode())
        earlier: list[int] = []
        for op, line in zip(trace.ops, maker.lines[1:], strict=True):
            fields = parse_line(line, trace.config, earlier)
            assert fields is not None and fields == tuple(int(field) for field in op)[:-1]
            earlier.append(fields[0])
            assert parse_line(format_op(op), trace.config, earlier[:-1]) == fields


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("gmem_w 0x40000004 1", "multiple of 8"),
        ("gmem_w 0x42000000 1", "outside guest memory"),
        ("gmem_r 0x3ffffff8", "outside guest memory"),
        ("msi 0x100000000 0", "DEVID 4294967296: expected 0..4294967295"),
        ("msi 1", "expected 2 (DEVID EVENTID)"),
    ],
)
def test_bad_lines_are_told(line: str, words: str) -> None:
    with pytest.raises(LineError) as plain:
        parse_line(line, SMALL, [])
    assert words in str(plain.value)
    with pytest.raises(UsageError) as scanned:
        parse_trace(f"config {SMALL}\n{line}\n".encode(), name="bad")
    assert words in str(scanned.value) and "bad:2" in str(scanned.value)


def test_guest_memory_needs_an_its() -> None:
    with pytest.raises(UsageError, match="its=1"):
        parse_trace(b"config gic=3 vcpus=1 irqs=64 lrs=4\ngmem_w 0x40000000 1\n")
    with pytest.raises(UsageError, match="its=1: expected 0 with GICv2"):
        parse_trace(b"config gic=2 vcpus=1 irqs=64 lrs=4 its=1\n")


@pytest.mark.parametrize("design", ["old", "new"])
@pytest.mark.parametrize("gic", [2, 3])
def test_an_msi_without_an_its_finds_no_device(design: str, gic: int) -> None:
    text = run(f"config gic={gic} vcpus=1 irqs=64 lrs=4\nmsi 1 2\n", design)
    assert text == "1 op=msi rc=-19 kicks=\n1 op=msi locks=\n"


def test_a_design_without_an_its_refuses_one() -> None:
    with pytest.raises(UsageError, match="has no LPIs and no ITS"):
        run("config gic=3 vcpus=1 irqs=64 lrs=4 its=1\n", "old")


def mapping(lpis: int) -> str:
    """Return a trace that maps as many LPIs as events of one device."""
    lines = [
        "config gic=3 vcpus=1 irqs=64 lrs=4 its=1",
        "mmio_w 0 d 0 4 2",
        f"mmio_w 0 r0 0x70 8 {RAM_BASE | 15:#x}",
        f"mmio_w 0 r0 0x78 8 {1 << 62 | RAM_BASE + 0x20000:#x}",
        "mmio_w 0 r0 0 4 1",
        f"mmio_w 0 i 0x100 8 {1 << 63 | RAM_BASE + 0x30000:#x}",
        f"mmio_w 0 i 0x108 8 {1 << 63 | RAM_BASE + 0x40000:#x}",
        f"mmio_w 0 i 0x80 8 {1 << 63 | RAM_BASE + 0x100000 | 0xFF:#x}",
        "mmio_w 0 i 0 4 1",
    ]
    commands = [(8, 0, 1 << 63), (9, 0, 1 << 63), *((10, event | 8192 + event << 32, 0) for event in range(lpis))]
    for number, words in enumerate(commands):
        lines += [f"gmem_w {RAM_BASE + 0x100000 + 32 * number + 8 * i:#x} {word:#x}" for i, word in enumerate(words)]
    return "\n".join([*lines, f"mmio_w 0 i 0x88 8 {32 * len(commands):#x}", f"msi 0 {lpis - 1}", ""])


@pytest.mark.skipif(not JIT_ENABLED, reason="4,096 look-ups of lists as plain Python")
def test_the_pool_holds_what_it_says_in_little_memory() -> None:
    trace = parse_trace(mapping(MAX_LPIS).encode())
    one = TraceRun(trace, get_design("new"))
    result: list[bytes] = []
    one.run(result.append)
    assert b"".join(result).splitlines()[-1].endswith(b"op=msi rc=1 kicks=")
    assert one.vm.lpi_list.count == MAX_LPIS
    assert one.vm.dtype.itemsize < 10_000_000
    with pytest.raises(
        UsageError, match=r"mmio_w: more than 4096 LPIs, for which the model of design 'new' has no room"
    ):
        run(mapping(MAX_LPIS + 1))


if __name__ == "__main__":
    print(json.dumps(digests()))
