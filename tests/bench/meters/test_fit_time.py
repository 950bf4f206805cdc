# SPDX-License-Identifier: GPL-2.0-only
"""Comparing the models' times with the real code's: what is said of made-up times that are known."""

from pathlib import Path

import pandas as pd
import pytest

from bench.meters.fit_time import POINT, TABLES, compare, read_times
from kvmarm.errors import UsageError

DATA = Path(__file__).parents[3] / "bench" / "data"


def _table(**ns: list[float]) -> pd.DataFrame:
    rows = []
    for design, values in ns.items():
        for number, value in enumerate(values):
            point = dict(zip(POINT, (2, 64, 1, 4, 0, f"step_{number}"), strict=True))
            rows.append({"design": design, **point, "ns": value})
    return pd.DataFrame(rows)


def test_a_model_as_fast_as_the_real_code_is_off_by_nothing() -> None:
    real = _table(old=[10, 100, 50], new=[20, 20, 50])
    found = compare([(real, 2.5), (real, 7.5)], real, ("old", "new"), 2.6)
    assert (found.points, found.opposite, found.sure) == (3, 0, 2)
    assert found.deviation == found.bias == pytest.approx(1)
    assert found.rank == pytest.approx(1)
    assert found.factors == pytest.approx({"old": 1, "new": 1})
    assert found.reference_lock_pair_ns == 2.5


def test_a_legacy_model_that_does_half_the_work_is_told() -> None:
    real = _table(old=[10, 100, 50], new=[20, 20, 50])
    model = _table(old=[5, 10, 25], new=[20, 20, 50])
    found = compare([(real, 2.5)], model, ("old", "new"), 5.0)
    assert found.deviation == found.bias == pytest.approx((2 * 10 * 2) ** (1 / 3))
    assert (found.opposite, found.sure) == (1, 2)
    by_name = {row.transition: row for row in found.transitions}
    assert by_name["step_1"].opposite == 1 and by_name["step_1"].real == pytest.approx(0.2)
    assert by_name["step_0"].factors == pytest.approx({"old": 0.5, "new": 1})


def test_a_direction_counts_where_all_machines_agree() -> None:
    one, other = _table(old=[10, 10], new=[20, 20]), _table(old=[10, 10], new=[20, 12])
    found = compare([(one, 2.5), (other, 7.5)], one, ("old", "new"), 7.0)
    assert found.sure == 1
    assert found.reference_lock_pair_ns == 7.5


def test_the_packaged_tables_share_points() -> None:
    tables = [read_times(DATA / name) for name in TABLES]
    assert [len(table) for table in tables] == [1336, 668]
    common = tables[0].merge(tables[1], on=["design", *POINT])
    assert len(common) == 668 and (common["ns_x"] > common["ns_y"]).mean() > 0.5


def test_the_real_ratio_differs_between_the_machines_as_documented() -> None:
    tables = [read_times(DATA / name) for name in TABLES]
    between = compare([(tables[0], 7.5)], tables[1], ("old", "new"), 2.5)
    documented = (DATA.parents[1] / "docs" / "method.md").read_text()
    assert f"differs by {between.deviation:.2f} times" in documented


def test_bad_tables(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    path.write_text("design,gic,irqs,vcpus,pending,transition,ns\nold,2,64,1,0,inject_ppi,soon\n")
    with pytest.raises(UsageError, match=r"times.csv: line 2: ns 'soon': expected a number"):
        read_times(path)
    path.write_text("design,gic,irqs,vcpus,pending,transition\nold,2,64,1,0,inject_ppi\n")
    with pytest.raises(UsageError, match=r"line 1: column ns is missing"):
        read_times(path)
    with pytest.raises(UsageError, match="no points"):
        compare([(_table(old=[1]), 2.5)], _table(new=[1]), ("old", "new"), 2.5)
