# SPDX-License-Identifier: GPL-2.0-only
"""Run the command line as a user does, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def vgic_bench(
    *arguments: object, stdin: bytes = b"", timeout: float = 300, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `vgic-bench` with the arguments; return the finished process with text output."""
    done = subprocess.run(
        [sys.executable, "-m", "vgic_bench", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", **environment},
        input=stdin,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def assert_refused(done: subprocess.CompletedProcess[str], *parts: str, status: int = 2) -> None:
    """Assert that a command ended with `status` and one clear line that holds every part."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("vgic-bench: compiling")]
    assert done.returncode == status, done
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("vgic-bench: error: "), lines[0]
    for part in parts:
        assert part in lines[0], lines[0]
