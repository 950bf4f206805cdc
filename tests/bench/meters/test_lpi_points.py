# SPDX-License-Identifier: GPL-2.0-only
"""Instructions of LPIs and the ITS: predicted as counted in the real code, and bad tables told by line."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.meters.fit import geometric_mean_error
from bench.meters.fit_lpis import fit_lpis, others_of
from bench.meters.predict import read_grid, run
from bench.meters.weights import covers_lpis, document_of
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.jit import JIT_ENABLED

COSTS = Path(str(files("bench") / "data" / "its-cost.csv"))


def _predicted(tmp_path: Path, table: pd.DataFrame) -> pd.DataFrame:
    grid = tmp_path / "grid.csv"
    table.rename(columns={"instructions": "counted"}).to_csv(grid, index=False)
    return run(str(grid), str(tmp_path / "out.csv"))


def test_points_are_predicted_as_the_real_code_was_counted(tmp_path: Path) -> None:
    table = pd.read_csv(COSTS)
    if not JIT_ENABLED:
        table = table[table["lpis"] <= 16]
    result = _predicted(tmp_path, table)
    ratio = result["instructions"] / result["counted"].astype(float)
    assert len(result) > 100 and float(np.exp(np.abs(np.log(ratio)).mean())) < 1.05
    assert ratio.between(1 / 1.15, 1.15).all(), result.loc[~ratio.between(1 / 1.15, 1.15), ["lpis", "op"]].to_string()
    assert (result["design"] == "new").all()


@pytest.mark.skipif(not JIT_ENABLED, reason="4,096 LPIs take minutes as plain Python")
def test_the_packaged_weights_are_the_fit_to_the_packaged_points() -> None:
    document = document_of(get_design("new"))
    named, table = fit_lpis("new", COSTS, others_of(document["weights"]))
    for name, weight in named.items():
        assert document["weights"][name] == pytest.approx(weight, abs=0.002), name
    assert round(geometric_mean_error(table), 4) == document["lpis"]["geometric_mean_error"] <= 0.05
    assert document["lpis"]["worst_error"] <= 0.15


def test_an_msi_costs_five_instructions_per_entry_ahead(tmp_path: Path) -> None:
    entries = 1000 if JIT_ENABLED else 16
    rows = [{"lpis": entries, "devices": 1, "position": place, "op": "msi"} for place in ("first", "last")]
    grid = tmp_path / "grid.csv"
    pd.DataFrame(rows).to_csv(grid, index=False)
    costs = run(str(grid), str(tmp_path / "out.csv"))["instructions"].to_numpy(float)
    assert abs(costs[1] - costs[0]) / (entries - 1) == pytest.approx(5, abs=0.3)


def test_weights_say_whether_they_cover_lpis() -> None:
    assert covers_lpis(get_design("new")) and not covers_lpis(get_design("old"))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("x,1,first,msi", "line 2: lpis 'x': expected a whole number"),
        ("1,2,first,msi", "line 2: devices=2: expected 1..1 with lpis=1"),
        ("1,1,front,msi", "line 2: position=front"),
        ("1,1,first,MSI", "line 2: op 'MSI': expected one of msi,"),
        ("4097,1,first,msi", "line 2: lpis=4097: expected 1..4096"),
        ("3,1,first,flush_4_lpis_4lrs", "line 2: op flush_4_lpis_4lrs: lpis=3: expected 4 or more"),
    ],
)
def test_a_bad_table_is_told_by_line(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "grid.csv"
    path.write_text(f"lpis,devices,position,op\n{line}\n")
    with pytest.raises(UsageError) as error:
        read_grid(str(path))
    assert says in str(error.value) and "grid.csv" in str(error.value)


def test_a_design_without_lpis_or_without_weights_for_them_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "grid.csv"
    path.write_text("lpis,devices,position,op,design\n1,1,first,msi,old\n")
    with pytest.raises(UsageError, match="line 2: design 'old' has no LPIs and no ITS"):
        read_grid(str(path))
