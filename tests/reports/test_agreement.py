# SPDX-License-Identifier: GPL-2.0-only
"""Whether time and instructions point the same way: per row, and in all."""

from pathlib import Path

import pytest

from reports.agreement import OPPOSITE, SAME, UNKNOWN, agreement, mark, marks
from reports.data import Report
from reports.sections import transitions, verdict
from tests.reports import synthetic

NAN = float("nan")


@pytest.mark.parametrize(
    ("instructions", "time", "expected"),
    [
        (0.5, 0.6, SAME),
        (2.0, 1.5, SAME),
        (0.5, 1.5, OPPOSITE),
        (2.0, 0.9, OPPOSITE),
        (1.0, 1.5, SAME),
        (0.5, 1.01, SAME),
        (NAN, 1.5, UNKNOWN),
        (0.5, NAN, UNKNOWN),
    ],
)
def test_mark(instructions: float, time: float, expected: str) -> None:
    assert mark(instructions, time) == expected


def _report(folder: Path, turned: str = "") -> Report:
    """Return made-up results whose times are the instructions; of the transition `turned`, the designs' exchanged."""
    results = synthetic.results()
    table = results.tables["transitions"]
    table["time_ns"] = table["instructions"]
    for _, rows in table[table["transition"] == turned].groupby(["family", "gic"]):
        table.loc[rows.index, "time_ns"] = rows["time_ns"].to_numpy()[::-1]
    return Report(results.save(folder))


def test_all_rows_agree(tmp_path: Path) -> None:
    report = _report(tmp_path / "run")
    found = agreement(report)
    assert found is not None and found.known == len(report.measurements()) and found.opposite == 0
    assert set(marks(report)) == {SAME}
    assert "point the same way in all" in str(verdict.section(report, [], set()).body)


def test_a_row_that_does_not_is_marked_and_named(tmp_path: Path) -> None:
    report = _report(tmp_path / "run", "mmio_read_ISENABLER")
    found = agreement(report)
    assert found is not None and (found.opposite, found.transitions) == (2, ("mmio_read_ISENABLER",))
    shown = [key[-1] for key, own in zip(report.measurements(), marks(report), strict=True) if own == OPPOSITE]
    assert shown == ["mmio_read_ISENABLER"] * 2
    rows = [row for row in transitions.rows(report) if f"<td>{OPPOSITE}<" in row]
    assert len(rows) == 2 and all("mmio_read_ISENABLER" in row for row in rows)
    assert "of mmio_read_ISENABLER" in str(verdict.section(report, [], set()).body)


def test_sums_of_events_are_not_compared(tmp_path: Path) -> None:
    ratios = _report(tmp_path / "run").ratios("events")
    assert ratios and all(ratio != ratio for ratio in ratios)
