# SPDX-License-Identifier: GPL-2.0-only
"""What no command can work with is refused in one line: no design, one named twice, nothing to measure."""

from dataclasses import replace
from typing import Any

import pytest
import typer.main

from bench.engine.designs import named_designs
from bench.studies import options as run
from bench.studies import sweep
from kvmarm.errors import UsageError
from vgic_bench.main import build_app

PLAN = sweep.Plan(("old", "new"), (2,), (64,), (1,), (4,), (0,), ("flush_p",))


def test_designs_keep_their_order() -> None:
    assert named_designs("new, old,") == ["new", "old"]


@pytest.mark.parametrize(
    ("designs", "reason"), [("", "at least one"), (",", "at least one"), ("old,old", "twice"), ("odl", "did you mean")]
)
def test_a_list_of_designs_that_is_none_is_refused(designs: str, reason: str) -> None:
    names = [name for name in designs.split(",") if name]
    with pytest.raises(UsageError, match=reason):
        named_designs(designs)
    with pytest.raises(UsageError, match=reason):
        run.resolve(run.Options(designs=names))
    with pytest.raises(UsageError, match=reason):
        sweep.check(replace(PLAN, designs=tuple(names)))
    for command in ("workloads --costs", "replay x.ftrace", "trace explain x.trace", "trace cost x.trace -o /dev/null"):
        with pytest.raises(UsageError, match=reason):
            typer.main.get_command(build_app()).main([*command.split(), "--designs", designs], standalone_mode=False)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"meters": []}, "--meters: expected at least one"),
        ({"parts": []}, "--parts: expected at least one"),
        ({"pending": -1}, "pending=-1"),
    ],
)
def test_a_run_of_nothing_is_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        run.resolve(run.Options(**options))


def test_a_sweep_of_less_than_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="pending=-4"):
        sweep.check(replace(PLAN, pending=(0, -4)))
