# SPDX-License-Identifier: GPL-2.0-only
"""The command line answers before anything heavy is loaded."""

import subprocess
import sys

from tests.cli import ROOT, assert_refused, vgic_bench
from vgic_bench.main import COMMANDS

HEAVY = ("numba", "numpy", "pandas", "pyarrow", "matplotlib", "scipy", "joblib", "distributed")


def test_help_loads_nothing_heavy() -> None:
    script = "import sys; from vgic_bench.main import build_app; build_app(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded.intersection(HEAVY)


def test_constants_and_the_trace_format_load_no_compiler() -> None:
    modules = "kvmarm.gic, kvmarm.trace, kvmarm.registers, kvmarm.el2.architecture, kvmarm.config"
    script = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"numba", "llvmlite", "pandas", "kvmarm.jit"}.intersection(done.stdout.split())


def test_running_compiled_code_loads_no_linear_algebra() -> None:
    script = (
        "import sys; from kvmarm.jit import U64, population_count; assert population_count(U64(5)) == 2; "
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "scipy.linalg" not in done.stdout.split()
    assert "kvmarm.jit" in done.stdout.split()


def test_help_names_every_command() -> None:
    done = vgic_bench("--help")
    assert done.returncode == 0
    listed = {line.split()[0] for line in done.stdout.splitlines() if line.strip()}
    assert {entry.name for entry in COMMANDS} <= listed


def test_wrong_words_get_one_line() -> None:
    for words, part in (
        (("run", "--frob"), "No such option: --frob"),
        (("frob",), "No such command 'frob'"),
        (("trace", "run"), "Missing argument"),
        (("run", "--irqs", "many"), "--irqs"),
    ):
        assert_refused(vgic_bench(*words), part, "--help`")
