# SPDX-License-Identifier: GPL-2.0-only
"""`transitions`, `predict`, `fit` and `sweep` from the command line."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.results.store import Results
from kvmarm.design import BUILT_IN
from kvmarm.errors import UsageError
from tests.bench.catalogue.test_catalogue import TEN_LINES
from vgic_bench.main import build_app


def call(*arguments: object) -> Any:
    return CliRunner().invoke(build_app(), [str(argument) for argument in arguments])


def test_the_catalogue_is_listed_world_switches_included() -> None:
    result = call("transitions")
    assert result.exit_code == 0
    assert "flush_p" in result.stdout and "switch_round_trip_idle" in result.stdout
    assert all(line.split() for line in result.stdout.splitlines()), "a row is one line"
    assert "flush_p" not in call("transitions", "world switch").stdout


def test_one_in_full_with_its_reason() -> None:
    shown = call("transitions", "migrate_deliver", "--show", "--vcpus", 2).stdout
    assert "set up     mmio_w 1 d 0x820 1 0x2" in shown and "measured   flush 1" in shown
    assert "old: pending, new: pending in LR" in shown and "because the legacy design" in shown
    (entry,) = json.loads(call("transitions", "migrate_deliver", "--json").stdout)
    assert entry["trace"][-1] == "flush 3" and entry["why"]
    assert "phases     entry, fptrap, exit" in call("transitions", "switch_round_trip_fp", "--show").stdout


def test_states_are_checked_on_every_design(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(TEN_LINES)
    right = call("transitions", "--catalogue", own, "mine", "--check")
    assert right.exit_code == 0 and f"{len(BUILT_IN)} checked, 0 not as expected" in right.stdout
    own.write_text(TEN_LINES.replace('after = "pending"', 'after = "inactive"'))
    wrong = call("transitions", "--catalogue", own, "mine", "--check")
    assert wrong.exit_code == 1 and "pending -> pending, expected pending -> inactive" in wrong.stdout


def _costs(folder: Path, keep: int = 40) -> Path:
    lines = (files("bench") / "data" / "kernel-cost.csv").read_text().splitlines()
    path = folder / "costs.csv"
    path.write_text("\n".join(lines[: keep + 1]) + "\n")
    return path


def test_weights_are_fitted_to_counted_instructions(tmp_path: Path) -> None:
    result = call("fit", _costs(tmp_path), "--json", "-o", tmp_path / "weights")
    assert result.exit_code == 0, result.output
    documents = json.loads(result.stdout)
    for design in ("old", "new"):
        assert documents[design]["geometric_mean_error"] < 0.05
        written = json.loads((tmp_path / "weights" / f"{design}.weights.json").read_text())
        assert written["weights"] == documents[design]["weights"] and written["rows"] == 20


def test_a_wrong_cost_table_is_named(tmp_path: Path) -> None:
    path = _costs(tmp_path)
    text = path.read_text()
    path.write_text(text.replace(",flush_empty,", ",flush_empty,x", 1))
    result = call("fit", path)
    assert isinstance(result.exception, UsageError)
    assert f"{path}: line 2: instructions 'x" in str(result.exception)
    path.write_text("design,gic\nold,2\n")
    assert "column irqs is missing" in str(call("fit", path).exception)


def test_a_grid_is_predicted(tmp_path: Path) -> None:
    grid = tmp_path / "grid.csv"
    grid.write_text("design,gic,irqs,vcpus,pending,transition\nold,2,64,1,0,flush_empty\nnew,3,64,2,4,flush_p\n")
    result = call("predict", grid, "-o", tmp_path / "out.csv")
    assert result.exit_code == 0 and "2 points" in result.stdout
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3


def test_a_sweep_prints_where_the_redesign_wins(tmp_path: Path) -> None:
    arguments = ("sweep", "--gic", 2, "--irqs", "64,256", "--vcpus", "1,8", "--pending", 0, "-t", "mmio write")
    result = call(*arguments, "--jobs", 1, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "mmio_write_ISENABLER" in result.stdout and "0 not in the expected states" in result.stdout
    assert Results.load(tmp_path / "out").meta["kind"] == "sweep"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("transitions", "flsh_p"), "did you mean 'flush_p'"),
        (("predict", "absent.csv", "-o", "out.csv"), "absent.csv: cannot be read"),
        (("sweep", "--irqs", "64..x"), "--irqs '64..x': expected a number"),
        (("sweep", "--gic", "2", "--vcpus", "9"), "no VM can have any"),
        (("run", "--gic", "two"), "--gic two: expected 2 or 3"),
        (("fit", "absent.csv"), "absent.csv: cannot be read"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], says: str) -> None:
    result = call(*arguments)
    assert isinstance(result.exception, UsageError) and result.exception.exit_status == 2
    assert says in str(result.exception) and "\n" not in str(result.exception)
