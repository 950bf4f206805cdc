# SPDX-License-Identifier: GPL-2.0-only
"""Which tests are slow, or must run alone: in tables, so that nothing else has to know."""

import signal
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

ALONE = {
    "bench/benchmarks": "starts pytest-benchmark, which does not measure beside other workers",
    "bench/results/test_exchange.py": "starts pytest-benchmark",
}
"""File or folder of tests -> why `make test` runs it before the others, which share the cores."""

UNPROVEN = {
    "fuzz/test_fuzz.py": "has not been run to its end",
}
"""Tests that fail, or were never seen to pass, and why: left out, counted as deselected, until each is mended."""


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of the table ALONE."""
    config.addinivalue_line("markers", "alone: runs before the others, one test at a time")


@pytest.fixture(autouse=True)
def signals_are_heard() -> None:
    """Heed signals as at a terminal.

    What a script starts in the background ignores SIGINT, and so do its children. A command that ends in this process
    hears no signals any more.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of the tables; leave out the unproven ones."""
    left_out = [item for item in items if any(f"tests/{name}" in item.nodeid for name in UNPROVEN)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    for item in items:
        path = item.path.relative_to(ROOT / "tests") if item.path.is_relative_to(ROOT / "tests") else Path()
        places = {str(path), *map(str, path.parents)}
        if places & set(SLOW):
            item.add_marker(pytest.mark.slow)
        if places & set(ALONE):
            item.add_marker(pytest.mark.alone)
