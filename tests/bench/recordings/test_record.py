# SPDX-License-Identifier: GPL-2.0-only
"""The recorder: a script that a POSIX shell takes, with everything a replay reads in it."""

import shutil
import subprocess
import sys
from typing import Any

import pytest

from bench.recordings.readers.ftrace_args import NAME_LR_ENTRY, NAME_LR_EXIT, NAME_MSI, NAME_SGI1R, name_hash
from bench.recordings.record_script import EVENTS, probes, script
from kvmarm.errors import UsageError


def test_the_shell_takes_it(tmp_path) -> None:
    file = tmp_path / "record.sh"
    choices: list[dict[str, Any]] = [{}, {"with_probes": False}, {"list_registers": 16, "output": "it's here"}]
    for options in choices:
        file.write_text(script(**options))
        subprocess.run([shutil.which("sh") or "sh", "-n", str(file)], check=True)


def test_it_enables_what_the_reader_knows() -> None:
    text = script()
    for event in EVENTS:
        assert event in text
    names = {name_hash(probe.name) for probe in probes(4)}
    assert names == {NAME_LR_ENTRY, NAME_LR_EXIT, NAME_MSI, NAME_SGI1R}
    assert "lr3=" in text and "lr4=" not in text
    for probe in probes(2):
        assert (probe.adds and "vcpu" in probe.btf) or probe.name == "vgic_msi"


def test_it_refuses_to_run_where_it_cannot(tmp_path) -> None:
    file = tmp_path / "record.sh"
    file.write_text(script(output=str(tmp_path / "out")).replace("/sys/kernel", str(tmp_path / "none")))
    done = subprocess.run([shutil.which("sh") or "sh", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "no tracefs" in done.stderr


def test_bad_options() -> None:
    refused: list[dict[str, Any]] = [{"list_registers": 0}, {"list_registers": 17}, {"buffer_kb": 1}]
    for bad in refused:
        with pytest.raises(UsageError, match="expected"):
            script(**bad)


def test_command() -> None:
    command = [sys.executable, "-m", "vgic_bench", "record"]
    done = subprocess.run([*command, "--print-script", "--lrs", "2"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout == script(list_registers=2)
    bare = subprocess.run(command, capture_output=True, text=True, check=False)
    assert bare.returncode == 2 and "--print-script" in bare.stderr
