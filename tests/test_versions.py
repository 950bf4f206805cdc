# SPDX-License-Identifier: GPL-2.0-only
"""What the legs of the lowest and newest versions run: the constraints, and the help of each command."""

from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from tests.versions import constraints
from vgic_bench.main import build_app

COMMANDS: dict[str, Any] = typer.main.get_command(build_app()).commands  # type: ignore[attr-defined]  # a group
NAMES = [
    [name, *inner]
    for name, command in COMMANDS.items()
    for inner in [[], *([each] for each in getattr(command, "commands", ()))]
]


@pytest.mark.parametrize("names", NAMES, ids=" ".join)
def test_each_command_has_its_help(names: list[str]) -> None:
    result = CliRunner().invoke(build_app(), [*names, "--help"])
    assert result.exit_code == 0 and result.exception is None, result.output
    assert result.output.startswith("Usage: ") and "--help" in result.output


def test_the_lowest_versions_are_those_of_the_project_file() -> None:
    lowest, newest = constraints("lowest"), constraints("newest")
    assert len(lowest) == len(newest) > 10
    assert all("==" in line for line in lowest) and "typer==0.18" in lowest and "typer>=0.18" in newest
