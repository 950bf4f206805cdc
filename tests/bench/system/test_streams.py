# SPDX-License-Identifier: GPL-2.0-only
"""Streams and names as they may come: full, closed, in another encoding. No traceback, and the right status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.results.store import Results, load_columns
from tests.bench.results.sample_results import results
from tests.cli import ROOT, vgic_bench

FULL = Path("/dev/full")


def shell(line: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line with $V for `vgic-bench`."""
    environment = {**os.environ, "V": f"{sys.executable} -m vgic_bench"}
    return subprocess.run(["sh", "-c", line], cwd=ROOT, env=environment, capture_output=True, check=False)


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
@pytest.mark.parametrize("command", ["--help", "transitions", "switch show"])
def test_output_that_is_full_is_one_line(command: str) -> None:
    done = shell(f"$V {command} > /dev/full")
    assert done.returncode == 2
    assert done.stderr.startswith(b"vgic-bench: error: ") and done.stderr.count(b"\n") == 1
    assert b"No space left" in done.stderr


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("$V transitions flush_p >&-", 0, b""),
        ("$V switch steps --configs - <&-", 2, b"vgic-bench: error: standard input: no configurations"),
        ("$V results show /none 2>&-", 2, b""),
    ],
)
def test_a_closed_stream_reads_and_writes_nothing(line: str, status: int, says: bytes) -> None:
    done = shell(line)
    assert done.returncode == status and done.stdout == b"" and done.stderr.startswith(says)
    assert done.stderr.count(b"\n") <= 1


def test_a_character_that_the_encoding_lacks_does_not_end_a_command() -> None:
    done = vgic_bench("explain", "flush_p", PYTHONIOENCODING="ascii", NUMBA_DISABLE_JIT="1")
    assert done.returncode == 0 and done.stderr == "" and "flush_p" in done.stdout


def test_a_folder_whose_name_is_not_utf8(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/run\xff"))
    try:
        results(seed=1, processes=2).save(folder)
    except OSError:
        pytest.skip("a file system of UTF-8 names only")
    assert Results.load(folder).has("samples") and load_columns(folder)[1]["events"].num_rows
    done = shell(f"$V results show {tmp_path}/run*")
    assert done.returncode == 0 and done.stdout.decode().startswith("run\N{REPLACEMENT CHARACTER}: run, schema 1")
    summary, junit = (f"{folder}.{kind}" for kind in ("md", "xml"))
    done = vgic_bench("gate", folder, folder, "--meters", "events", "--summary", summary, "--junit", junit)
    assert done.returncode == 0 and "run" in Path(summary).read_text() and Path(junit).read_text(), done.stderr
