# SPDX-License-Identifier: GPL-2.0-only
"""Undamaged files of every kind, small ones: what the mutators start from."""

import gzip
import json
import lzma
from functools import cache
from importlib.resources import files
from pathlib import Path

from bench.results import exchange
from bench.results.store import Results
from bench.workloads.random_traces import TraceMaker
from tests.bench.recordings import recording_files
from tests.bench.results import sample_results

CATALOGUE = """\
[[transition]]
name = "my_x"
group = "mine"
title = "An edge SPI"
set_up = ["set ISENABLER 40", "byte IPRIORITYR 40 0xa0"]
operation = "inject 0 40 1"
watch = 40
before = "inactive"
after = "pending"

[[transition]]
name = "my_y"
group = "mine"
title = "The same, differently"
operation = "sgi 0 3 {last}"
watch = "3@{last}"
before = {old = "inactive", new = "inactive", default = "inactive"}
after = "pending"
vcpus = 2
"""
BUDGET = """\
[time]
minimum_effect = 0.03
inconclusive_share = 0.1

[[allow]]
transition = "inject_*"
design = "new"
event = "lock"
change = "+1"
reason = "one more"
"""
GRID = """\
design,gic,irqs,vcpus,pending,transition,lrs,note
old,2,64,1,0,flush_empty,4,a
new,3,96,2,1,flush_p,4,"b, c"
"""
COSTS = """\
design,gic,irqs,vcpus,pending,transition,instructions
old,2,64,1,0,flush_empty,120
old,2,64,1,1,flush_p,300
new,2,64,1,0,flush_empty,60
"""
CONFIGURATIONS = """\
{"id": "a", "implementation": "asm44", "vhe": "0", "gic": "v2", "nr_lr": "4", "live_lrs": "1"}
{"implementation": "c48", "vhe": "0", "gic": "v3", "nr_lr": "4", "live_lrs": "2", "fp_used": "1", "phase": "exit"}
"""


@cache
def trace(seed: int) -> bytes:
    """Return a random trace."""
    return TraceMaker(seed, 40).text().encode()


@cache
def recordings() -> dict[str, bytes]:
    """Return name -> content of recordings, one of each form."""
    ftrace = "\n".join(recording_files.text("kprobes-kut-gicv3-ipi-2vcpu.ftrace.txt").splitlines()[:120]) + "\n"
    plain = "\n".join(recording_files.text("kut-gicv3-active-2vcpu.ftrace.txt").splitlines()[:120]) + "\n"
    found = {"r.ftrace.txt": ftrace.encode(), "r.report.txt": recording_files.as_report(plain).encode()}
    for name in ("kut-gicv2-ipi.csv", "kut-gicv2-ipi.qtrace"):
        lines = recording_files.text(name).splitlines()[:120]
        found[name] = ("\n".join(lines) + "\n").encode()
    return found


@cache
def trace_dats() -> dict[str, bytes]:
    """Return name -> content of trace.dat files of both versions."""
    plain = "\n".join(recording_files.text("kut-gicv3-active-2vcpu.ftrace.txt").splitlines()[:120]) + "\n"
    return {
        "six.dat": recording_files.as_trace_dat(plain),
        "seven.dat": recording_files.as_trace_dat_7(plain),
        "zlib.dat": recording_files.as_trace_dat_7(plain, "zlib"),
        "zstd.dat": recording_files.as_trace_dat_7(plain, "zstd"),
    }


def results(folder: Path) -> Results:
    """Save a run as a results folder and return it."""
    run = sample_results.results(seed=1, processes=3, tool={"commit": "abc", "version": "1"}, meters=["events", "time"])
    run.save(folder)
    return run


@cache
def documents(scratch: Path) -> dict[str, bytes]:
    """Return name -> content of a run in each JSON form; `scratch`: an empty folder to write in."""
    run = sample_results.results(seed=2, processes=3)
    exchange.write_counts(run, scratch / "counts.json")
    exchange.write_pytest_benchmark(run, scratch / "pytest-benchmark.json")
    exchange.write_pyperf(run, scratch / "pyperf.json")
    found = {path.name: path.read_bytes() for path in sorted(scratch.glob("*.json"))}
    found["others.json"] = json.dumps(OTHERS).encode()
    return found


OTHERS = {
    "machine_info": {"node": "ci-a", "machine": "x86_64", "cpu": {"brand_raw": "Example CPU", "count": 4}},
    "datetime": "2026-02-03T03:00:00",
    "benchmarks": [
        {
            "fullname": f"tests/test_perf.py::test_{name}",
            "extra_info": {"key": "sha256", "size": 64, "processes": 4},
            "stats": {"data": [1e-06, 1.1e-06, 1.05e-06], "median": 1.05e-06, "iterations": 10},
        }
        for name in ("hash", "copy")
    ],
}


@cache
def platform() -> bytes:
    """Return a price list."""
    return (files("kvmarm.platforms") / "neoverse-n1.toml").read_bytes()


PACKERS = {".gz": gzip.compress, ".xz": lzma.compress}
