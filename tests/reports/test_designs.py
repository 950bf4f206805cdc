# SPDX-License-Identifier: GPL-2.0-only
"""Pages of runs with other designs than the usual pair, in another order, or more of them: no sentence is false."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.results.store import Results
from reports import claims
from reports.data import Report
from reports.document import build
from reports.numbers import ratio_text, shown
from reports.sections import borrowed
from reports.sections.events import counts_of
from tests.reports.parse import Page
from tests.reports.synthetic import results

TITLES = {"old": "legacy VGIC (Linux 4.4)", "new": "redesigned VGIC (Linux 4.8)", "mine": "My VGIC", "now": "Today"}


def with_designs(*names: str, weighted: bool = True) -> Results:
    """Return made-up results with these designs in this order; what is not `old` costs as `new`, times its place."""
    whole = results()
    tables: dict[str, Any] = {}
    for table, rows in whole.tables.items():
        if "design" not in rows.columns or "family" not in rows.columns:
            tables[table] = rows
            continue
        parts = [rows[rows["family"] != "vgic"]]
        for place, name in enumerate(names):
            source = name if name in ("old", "new") else "new"
            own = rows[(rows["family"] == "vgic") & (rows["design"] == source)].copy()
            own["design"] = name
            for column in ("instructions", "time_ns", "cycles"):
                if column in own.columns and name not in ("old", "new"):
                    own[column] = own[column] * (1 + place) if weighted or column == "time_ns" else np.nan
            parts.append(own)
        tables[table] = pd.concat(parts[1:] + parts[:1], ignore_index=True)
    meta = {**whole.meta, "designs": [{"name": name, "title": TITLES[name]} for name in names]}
    for name in ("workloads", "workload_events", "life"):
        tables.pop(name, None)
    return Results(meta, tables)


def page_of(made: Results, folder: Path) -> tuple[Report, str]:
    """Return the report of results and its page's text."""
    made.save(folder / "run")
    path = build(folder / "run", folder / "page.html")
    return Report(folder / "run"), re.sub(r"<[^>]+>", "", path.read_text().split("<main>")[1].split("<footer>")[0])


@pytest.mark.parametrize(
    "names", [("new", "old"), ("now", "old"), ("old", "mine"), ("old", "new", "now"), ("mine", "now", "old", "new")]
)
def test_ratios_names_and_claims_are_the_runs(tmp_path: Path, names: tuple[str, ...]) -> None:
    made = with_designs(*names)
    report, text = page_of(made, tmp_path)
    assert [design.name for design in report.designs()] == list(names)
    table = made.tables["transitions"]
    wide = table[table["family"] == "vgic"].pivot_table(
        index=["gic", "transition", "group"], columns="design", values="instructions", sort=False
    )
    stores = wide[wide.index.get_level_values("group") == claims.WRITES]
    others = wide[~wide.index.get_level_values("group").isin(["guest"])]
    others = others[~others.index.get_level_values("group").str.startswith("mmio")]
    for name in names[1:]:
        assert f"{name} ÷ {names[0]}" in text
        for rows in (stores, others):
            if len(rows):
                mean = math.exp(np.log(rows[name] / rows[names[0]]).mean())
                assert ratio_text(mean) in text, (name, mean)
    if {"old", "new"} <= set(names):
        assert "five claims" in text and len(claims.claims(report)) == 5
        assert [claim.verdict for claim in claims.claims(report)][:1] == [
            claim.verdict for claim in claims.claims(Report(with_designs("old", "new").save(tmp_path / "pair")))
        ][:1], "the verdict depends on the order, or on other designs"
    else:
        assert "claims" not in text and claims.claims(report) == []
        assert not re.search(r"\b[Rr]edesign\b|\b[Ll]egacy\b", text.replace(TITLES["old"], ""))
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


def test_all_designs_have_columns(tmp_path: Path) -> None:
    made = with_designs("old", "new", "now")
    made.save(tmp_path / "run")
    page = Page(build(tmp_path / "run", tmp_path / "page.html"))
    big = next(table for table in page.tables if table.identifier == "table-vgic")
    wanted = [f"{name}, instructions" for name in ("old", "new", "now")] + ["new ÷ old", "now ÷ old"]
    first = big.head.index("Agree") + 1
    assert big.head[first : first + 5] == wanted
    row = next(row for row in big.rows if row[0] == "flush_p")
    assert row[first + 3] and row[first + 4] and row[first + 3] != row[first + 4]


def test_a_design_without_weights_has_a_page(tmp_path: Path) -> None:
    made = with_designs("old", "mine", weighted=False)
    made.meta["designs"][1]["borrowed_weights"] = {"lock": [5, 17], "irq_lookup": [20, 30], "list_step": [2, 2]}
    report, text = page_of(made, tmp_path)
    assert [meter.key for meter in report.meters()]
    key, low, high = next(own for own in borrowed.intervals(report, "mine") if own[0][-1] == "flush_p")
    counts = {event: own["mine"] for event, own in counts_of(report)[key].items() if "mine" in own}
    assert low == 5 * counts.get("lock", 0) + 20 * counts.get("irq_lookup", 0) + 2 * counts.get("list_step", 0)
    assert high > low and f"{shown(low)} – {shown(high)}" in text and "no measurement" in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE) and "None" not in text


def test_an_unexpected_state_has_a_mark_and_no_ratio(tmp_path: Path) -> None:
    made = with_designs("old", "new")
    table = made.tables["transitions"]
    wrong = (table["design"] == "new") & (table["transition"] == "flush_p") & (table["family"] == "vgic")
    made = Results(made.meta, {**made.tables, "transitions": table.assign(ok=~wrong)})
    report, text = page_of(made, tmp_path)
    count = int(wrong.sum())
    assert f"{count} measurements ended in a state that is not the expected one ({count} of new)" in text
    place = [key[-1] for key in report.measurements()].index("flush_p")
    assert math.isnan(report.ratios("instructions")[place])
    page = Page(tmp_path / "page.html")
    big = next(table for table in page.tables if table.identifier == "table-vgic")
    row = next(row for row in big.rows if row[0] == "flush_p")
    old, new, ratio = row[big.head.index("Agree") + 1 :][:3]
    assert new.startswith("✘") and not old.startswith("✘") and ratio.strip("× ·") in ("–", "")
