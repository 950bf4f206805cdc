# SPDX-License-Identifier: GPL-2.0-only
"""What `check` looks for is found where it is, and only there; a new design is one, and passes for its reason."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.studies import design_check
from bench.studies.design_check import Finding, check_interface, failing, known_of, lock_faults
from bench.studies.new_design import TEMPLATES, new_design
from kvmarm.config import VmConfig
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from vgic_bench.show.check import write_junit


@pytest.mark.parametrize(
    ("locks", "fault"),
    [
        ("+ap0,+irq33,-irq33,-ap0", ""),
        ("+ap0,+ap1,+irq0:5,-irq0:5,-ap1,-ap0", ""),
        ("+irq33,+irq34,-irq34,-irq33", ""),
        ("", ""),
        ("+ap0", "held at its end"),
        ("-ap0", "was not taken"),
        ("+irq33,+irq33,-irq33,-irq33", "taken twice"),
        ("+ap1,+ap0,-ap0,-ap1", "the lower vCPU's is to be first"),
    ],
)
def test_lock_faults_are_found(locks: str, fault: str) -> None:
    found = list(lock_faults([f"1 op=sync locks={locks}"], {}))
    assert all(fault in text for text in found) and bool(found) == bool(fault)


def test_two_kinds_in_both_orders_are_noticed() -> None:
    orders: dict[tuple[str, str], str] = {}
    assert not list(
        lock_faults(["1 op=a locks=+ap0,+irq33,-irq33,-ap0", "2 op=b locks=+irq1:2,+ap1,-ap1,-irq1:2"], orders)
    )
    assert {("ap", "irq"), ("irq", "ap")} <= set(orders)


def test_a_missing_operation_and_a_wrong_parameter_are_found() -> None:
    whole = get_design("new")
    assert failing(check_interface(whole)) == []
    functions = dict(whole.functions)
    del functions["flush"]
    functions["sync"] = functions["inject"]
    wrong = {finding.name: finding.text for finding in failing(check_interface(replace(whole, functions=functions)))}
    assert set(wrong) == {"flush", "sync"} and "expected vm, vcpu, observer" in wrong["sync"]


def test_a_scaffold_is_a_design_that_knows_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = new_design("scaffolded", tmp_path)
    assert len(written) == len(TEMPLATES) and not any("NAME" in path.read_text() for path in written)
    monkeypatch.syspath_prepend(str(tmp_path / "scaffolded"))
    design = importlib.import_module("scaffolded").DESIGN
    monkeypatch.delitem(sys.modules, "scaffolded")
    assert failing(check_interface(design)) == []
    assert [(entry.check, entry.names) for entry in known_of(design)] == [("catalogue", ("*",))]
    assert int(design.create(VmConfig(2, 1, 64, 4)).injected) == 0
    (tmp_path / "taken").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        new_design("taken", tmp_path)


@pytest.mark.parametrize("name", ["old", "json", "Mine", "my-design", "1st", "class", ""])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        new_design(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_known_fails_nothing_and_is_skipped(tmp_path: Path) -> None:
    known = [design_check.Known("catalogue", ("flush_*",), "not yet")]
    found = [
        design_check._with_reason(Finding("catalogue", name, ok, "text"), known)
        for name, ok in (("flush_p gicv2", False), ("sync_idle gicv2", False), ("flush_empty gicv2", True))
    ]
    assert [finding.name for finding in failing(found)] == ["sync_idle gicv2"]
    write_junit(found, tmp_path / "check.xml")
    suite = ElementTree.parse(tmp_path / "check.xml").getroot()[0]
    assert {name: suite.get(name) for name in ("tests", "failures", "skipped")} == {
        "tests": "3",
        "failures": "1",
        "skipped": "1",
    }
    assert json.dumps([case[0].tag for case in suite if len(case)]) == '["skipped", "failure"]'
