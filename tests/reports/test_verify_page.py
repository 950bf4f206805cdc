# SPDX-License-Identifier: GPL-2.0-only
"""The page of a verification: each class with its shortest trace in lanes, and one line for what is none."""

from pathlib import Path

import pytest

from bench.verify.configurations import small_set
from bench.verify.results import write_traces
from bench.verify.run import Task, Verified, explore
from kvmarm.errors import UsageError
from reports.verify_page import GUEST, LIST_REGISTERS, moments, write_page


def verification(folder: Path) -> None:
    one = next(one for one in small_set() if one.name == "GICv2, 1 vCPU, SGI")
    write_traces(
        [Verified(name, [explore(name, one, Task((one,)), lambda text: None)]) for name in ("old", "new")], folder
    )


def test_a_page_shows_each_class_with_its_time_line(tmp_path: Path) -> None:
    verification(tmp_path)
    page = write_page(tmp_path, tmp_path / "page.html").read_text()
    for words in (
        "host killed",
        "wrong" if "wrong SGI" in page else "lost",
        "Required: ",
        LIST_REGISTERS,
        "exhaustive",
    ):
        assert words in page
    assert "<script src" not in page
    assert write_page(tmp_path, tmp_path / "again.html").read_text() == page


def test_a_time_line_has_what_the_guest_read_and_the_list_registers_held(tmp_path: Path) -> None:
    verification(tmp_path)
    traces = [path.read_text() for path in sorted(tmp_path.glob("*taken-without-cause*.trace"))]
    assert traces
    shown = list(moments(traces[0]))
    assert any(moment.lane == GUEST and moment.observed.startswith("reads ") for moment in shown)
    assert any(moment.registers.startswith("0x") for moment in shown)
    assert not any(moment.operation.startswith("pmr") for moment in shown)


def test_a_folder_without_a_verification_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "verify.json").write_text("[]")
    with pytest.raises(UsageError, match="not a result of vgic-bench verify"):
        write_page(tmp_path, tmp_path / "page.html")
