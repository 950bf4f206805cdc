# SPDX-License-Identifier: GPL-2.0-only
"""Which tests are slow: in one table, so that `make check` takes under a minute and nothing else has to know."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SLOW = {
    "bench/benchmarks": "runs the benchmark suite",
    "bench/engine": "runs traces",
    "bench/gate/test_action.py": "runs the action's steps in a shell",
    "bench/gate/test_gate_run.py": "measures two revisions",
    "bench/gate/test_gate_selftest.py": "measures",
    "bench/meters": "measures",
    "bench/recordings": "reads recordings by compiled readers",
    "bench/replay": "replays recordings",
    "bench/results/test_exchange.py": "starts commands",
    "bench/results/test_results.py": "starts processes that are killed",
    "bench/studies": "measures",
    "bench/switches": "measures",
    "bench/system": "starts processes",
    "bench/verify": "explores",
    "bench/workloads": "runs workloads",
    "fuzz": "runs the whole command line",
    "kvmarm": "compiles",
    "reports": "draws pages",
    "switch_models": "runs every recorded switch",
    "test_its.py": "runs traces",
    "test_random_traces.py": "runs traces with and without JIT",
    "test_startup.py": "starts commands",
    "test_vectors.py": "runs every recorded trace",
    "vgic_bench/test_api.py": "starts interpreters",
    "vgic_bench/test_catalogue_commands.py": "starts commands",
    "vgic_bench/test_command_line.py": "starts commands",
    "vgic_bench/test_results_commands.py": "starts commands",
    "vgic_bench/test_switch_command.py": "starts commands",
    "vgic_bench/test_trace_command.py": "starts commands",
    "vgic_new": "runs traces",
    "vgic_now": "runs traces",
    "vgic_old": "runs traces",
}
"""File or folder of tests -> what takes its time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the table as slow."""
    for item in items:
        path = item.path.relative_to(ROOT / "tests") if item.path.is_relative_to(ROOT / "tests") else Path()
        if {str(path), *map(str, path.parents)} & set(SLOW):
            item.add_marker(pytest.mark.slow)
