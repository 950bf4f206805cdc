# SPDX-License-Identifier: GPL-2.0-only
"""A world switch of someone else's, found by entry point, runs wherever the built-in ones do."""

import importlib.metadata
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bench.switches.listing import compare_groups, run
from kvmarm.el2 import switch
from kvmarm.errors import UsageError
from switch_asm_model import SWITCH as ASM
from tests.switch_models.recorded import configuration

MINE = replace(ASM, name="mine", implementation="mine1", title="the assembly under another name")


class _Entry:
    def __init__(self, name: str, found: Any) -> None:
        self.name, self.value, self._found = name, f"elsewhere:{name}", found

    def load(self) -> Any:
        return self._found


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    entries = [_Entry("mine", MINE), _Entry("broken", object())]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: entries if "switches" in group else [])
    caches = (switch.switch_names, switch.get_switch)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.usefixtures("foreign")
def test_it_is_found_and_run() -> None:
    assert switch.switch_names() == ("asm", "c", "broken", "mine")
    assert switch.get_switch("mine") is MINE
    with pytest.raises(UsageError, match=r"switch 'broken': entry point elsewhere:broken is not a"):
        switch.get_switch("broken")


def test_it_is_compared_with_the_others(foreign: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch, "switch_names", lambda: ("asm", "c", "mine"))
    monkeypatch.setattr("bench.switches.listing.switch_names", switch.switch_names)
    options = configuration(implementation="mine1", live_lrs=2)
    assert run(options)["exit"].counts() == run(configuration(live_lrs=2))["exit"].counts()
    total = compare_groups(configuration(live_lrs=1))[-1]
    assert total["mine"]["instructions"] == total["asm"]["instructions"] == 470
    with pytest.raises(UsageError, match="has no VHE"):
        run(configuration(implementation="mine1-vhe", vhe=1))
