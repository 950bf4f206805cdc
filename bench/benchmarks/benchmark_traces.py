# SPDX-License-Identifier: GPL-2.0-only
"""The trace runner on recorded boots, from the text to the result text, and the start of a process, as benchmarks."""

import lzma
import subprocess
import sys
from importlib.resources import files
from typing import Any

import pytest

from bench.engine.runner import TraceRun
from bench.workloads import catalogue
from kvmarm.design import BUILT_IN, get_design
from kvmarm.trace_read import parse_trace

BOOTS = [workload.name for workload in catalogue() if workload.category == "boot"]


@pytest.mark.parametrize("workload", BOOTS)
@pytest.mark.parametrize("design", BUILT_IN)
def test_run_trace(design: str, workload: str, benchmark: Any) -> None:
    text = lzma.decompress((files("bench.workloads") / f"{workload}.trace.xz").read_bytes())
    model = get_design(design)

    def run() -> int:
        written = 0

        def take(lines: bytes) -> None:
            nonlocal written
            written += len(lines)

        TraceRun(parse_trace(text, workload), model).run(write_result=take)
        return written

    trace = parse_trace(text, workload)
    benchmark.extra_info |= {"operations": len(trace.ops)}
    assert benchmark.pedantic(run, rounds=7, iterations=1, warmup_rounds=1) > 0


@pytest.mark.parametrize(
    "command",
    ["import vgic_bench.main; vgic_bench.main.build_app()", "import kvmarm.jit", "import bench.meters.time"],
    ids=["command line", "jit", "models"],
)
def test_start(command: str, benchmark: Any) -> None:
    benchmark.pedantic(
        lambda: subprocess.run([sys.executable, "-c", command], check=True), rounds=3, iterations=1, warmup_rounds=1
    )


@pytest.mark.parametrize("design", BUILT_IN)
def test_start_of_a_model(design: str, benchmark: Any) -> None:
    code = (
        "from kvmarm.config import VmConfig; from kvmarm.design import get_design; "
        "from bench.meters.events import Stage; "
        f"Stage(get_design({design!r}), VmConfig(2, 1, 64, 4), 0)"
    )
    benchmark.pedantic(
        lambda: subprocess.run([sys.executable, "-c", code], check=True), rounds=3, iterations=1, warmup_rounds=1
    )
