# SPDX-License-Identifier: GPL-2.0-only
"""The page of a results folder: its numbers are those of the results, and nothing in a results file can break it."""

import base64
import gzip
import hashlib
import io
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import reports
from bench.gate.compare import Row
from bench.results.schema import frame
from bench.results.store import Results
from kvmarm.errors import UsageError
from reports import claims
from reports.data import SCENARIO, Report
from reports.figures.states import edges
from reports.numbers import ratio_text, shown
from reports.sections import baseline
from tests.reports import synthetic
from tests.reports.parse import Page, Table, value


def _close(cell: str, expected: float) -> bool:
    """Whether a cell shows `expected`, rounded for reading."""
    if not math.isfinite(expected):
        return value(cell) is None
    return cell == shown(expected) and value(cell) == pytest.approx(expected, rel=0.006, abs=0.006)


def _big(page: Page) -> Table:
    return next(table for table in page.tables if table.identifier == "table-vgic")


def _check_transitions(folder: Path, page: Page) -> int:
    """Compare every row of the large table with the Parquet files; return how many cells were compared."""
    table = _big(page)
    transitions = pd.read_parquet(folder / "transitions.parquet")
    cost = {"instructions": "instructions", "time": "time_ns", "events": "events"}
    cells = 0
    assert len(table.rows) == len(transitions) // 2
    first = transitions[transitions["design"] == "old"].reset_index(drop=True)
    second = transitions[transitions["design"] == "new"].reset_index(drop=True)
    assert (first["transition"] == second["transition"]).all()
    cycles = pd.read_parquet(folder / "cycles.parquet") if (folder / "cycles.parquet").exists() else None
    for place, heading in enumerate(table.head):
        match = re.fullmatch(r"(old|new), (.*)", heading)
        if not match:
            continue
        half = first if match[1] == "old" else second
        if match[2].startswith("cycles, "):
            assert cycles is not None
            own = cycles[(cycles["platform"] == match[2].removeprefix("cycles, ")) & (cycles["design"] == match[1])]
            total = own.groupby([*SCENARIO, "transition"])["cycles"].sum()
            expected = [total[tuple(row)] for row in half[[*SCENARIO, "transition"]].itertuples(index=False)]
        else:
            expected = half[cost[match[2]]].tolist()
        for row, wanted in zip(table.rows, expected, strict=True):
            assert _close(row[place], wanted), (heading, row, wanted)
            cells += 1
    for place, heading in enumerate(table.head):
        if heading != "new ÷ old":
            continue
        name = table.head[place - 1].removeprefix("new, ")
        column = cost.get(name)
        if column is None:
            continue
        if column == "events":
            assert {row[place] for row in table.rows} == {"–"}, "sums of events are compared"
            continue
        for row, a, b in zip(table.rows, first[column], second[column], strict=True):
            assert row[place] == ratio_text(b / a if a else math.nan).removesuffix("×")
            cells += 1
    return cells


def test_every_cost_equals_the_results(run_folder: Path, run_page: Path) -> None:
    assert _check_transitions(run_folder, Page(run_page)) == 38 * (2 * 5 + 2)


def test_every_cost_of_a_sweep_equals_the_results(sweep_folder: Path, sweep: Page) -> None:
    assert _check_transitions(sweep_folder, sweep) > 15_000


def test_every_event_equals_the_results(run_folder: Path, run: Page) -> None:
    events = pd.read_parquet(run_folder / "events.parquet").set_index(["transition", "gic", "design", "event"])["count"]
    names = {f"e-{name.lower().replace('_', '-')}": name for name in events.index.get_level_values("transition")}
    seen = 0
    for table in run.tables:
        if table.section != "events":
            continue
        name, design = names[table.inside], table.head[0]
        for event, cell in table.rows:
            parts = cell.split(" | ") if " | " in cell else [cell, cell]
            for gic, part in zip((2, 3), parts, strict=True):
                assert int(part or 0) == events.get((name, gic, design, event), 0)
                seen += int(part or 0) > 0
    assert seen == len(events)


def test_workloads_life_and_switch_equal_the_results(run_folder: Path, run_page: Path) -> None:
    page = Page(run_page)
    workloads = pd.read_parquet(run_folder / "workloads.parquet")
    total = workloads[workloads["kind"] == "total"]
    table = next(table for table in page.tables if table.head[:1] == ["Workload"])
    for row in table.rows:
        own = total[total["workload"] == row[0]].set_index("design")
        assert _close(row[4], own["instructions"]["old"]) and _close(row[5], own["instructions"]["new"])
        assert row[6].startswith(ratio_text(own["instructions"]["new"] / own["instructions"]["old"]))
    life = pd.read_parquet(run_folder / "life.parquet")
    table = next(table for table in page.tables if table.head[:1] == ["Pairing"])
    assert len(table.rows) == len(life.groupby(["design", "switch", "gic", "scenario", "platform"]))
    for row in table.rows:
        design, switch = row[0].split(" + ")
        scenario, gic, platform = re.fullmatch(r"(.*), GICv(\d), (.*)", row[1]).groups()  # type: ignore[union-attr]  # no match fails the test
        own = life[
            (life["design"] == design)
            & (life["switch"] == switch)
            & (life["gic"] == int(gic))
            & (life["scenario"] == scenario)
            & (life["platform"] == platform)
        ]
        for phase, cell in zip(table.head[2:-1], row[2:-1], strict=True):
            assert _close(cell, own.loc[own["phase"] == phase, "cycles"].sum())
        assert _close(row[-1], own["cycles"].sum())
    switch_table = pd.read_parquet(run_folder / "switch.parquet")
    table = next(table for table in page.tables if table.head[:1] == ["Switch, phase"])
    for row in table.rows:
        implementation, phase = row[0].split(", ")
        own = switch_table[
            (switch_table["implementation"] == implementation)
            & (switch_table["phase"] == phase)
            & (switch_table["gic"] == int(row[1][-1]))
        ]
        for group, cell in zip(table.head[2:-1], row[2:-1], strict=True):
            assert _close(cell, own.loc[own["register_group"] == group, "count"].sum())


def test_the_headline_is_computed_from_the_results(run_folder: Path, run_page: Path) -> None:
    wide = pd.read_parquet(run_folder / "transitions.parquet").pivot_table(
        index=["gic", "transition"], columns="design", values="instructions"
    )
    group = (
        pd.read_parquet(run_folder / "transitions.parquet")
        .drop_duplicates("transition")
        .set_index("transition")["group"]
    )
    ratio = np.log(wide["new"] / wide["old"])
    other = [group[name] not in ("mmio", "guest") for name in wide.index.get_level_values("transition")]
    text = f"{math.exp(ratio[other].mean()):.2f}×"
    assert f"{text} for everything else" in " ".join(Page(run_page).text.split())


def test_downloads_are_the_tables(run_folder: Path, run: Page) -> None:
    found = set()
    for tag, given in run.tags:
        if tag != "a" or "download" not in given:
            continue
        name = given["download"].removesuffix(".csv.gz")
        data = gzip.decompress(base64.b64decode(given["href"].split(",")[1]))
        read, stored = pd.read_csv(io.BytesIO(data)), pd.read_parquet(run_folder / f"{name}.parquet")
        assert len(read) == len(stored) and set(stored.columns) - {"expected"} <= set(read.columns)
        for column in stored.select_dtypes("number"):
            assert np.allclose(read[column], stored[column], equal_nan=True), (name, column)
        found.add(name)
    assert {"transitions", "workloads", "life", "switch"} <= found


def test_links_lead_to_ids_and_ids_are_single(run: Page, sweep: Page) -> None:
    for page in (run, sweep):
        assert len(set(page.ids)) == len(page.ids)
        broken = {link for link in page.links if link.startswith("#") and link[1:] not in set(page.ids)}
        assert not broken
        assert all(link.startswith(("#", "data:application/gzip;base64,")) for link in page.links)


def test_nothing_is_loaded_and_the_policy_allows_what_is_there(run_page: Path) -> None:
    page = Page(run_page)
    policy = next(given["content"] for tag, given in page.tags if given.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    for name in ("style", "script"):
        body = re.findall(rf"<{name}>(.*?)</{name}>", page.source, re.DOTALL)
        assert len(body) == 1
        digest = base64.b64encode(hashlib.sha256(body[0].encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert not any("style" in given or any(key.startswith("on") for key in given) for _, given in page.tags)
    assert not any("src" in given for _, given in page.tags)
    assert not re.search(r"https?://(?!www\.w3\.org)", page.source)


def test_size(run_page: Path, sweep_page: Path) -> None:
    assert run_page.stat().st_size < 1_000_000
    assert sweep_page.stat().st_size < 3_000_000


def test_same_results_same_bytes(run_folder: Path, run_page: Path, tmp_path: Path) -> None:
    assert reports.build(run_folder, tmp_path / "again.html").read_bytes() == run_page.read_bytes()


def _page(results: Results, tmp_path: Path, **more: Any) -> Page:
    folder = results.save(tmp_path / "results")
    return Page(reports.build(folder, tmp_path / "page.html", **more))


@pytest.mark.usefixtures("empty_figures")
def test_one_design_only(tmp_path: Path) -> None:
    results = synthetic.results()
    for name, table in results.tables.items():
        if "design" in table:
            results.tables[name] = table[table["design"] == "new"]
    page = _page(results, tmp_path)
    assert "one design only" in page.text
    assert "new ÷ old" not in _big(page).head and len(_big(page).rows) == 38


@pytest.mark.usefixtures("empty_figures")
def test_one_meter_only(tmp_path: Path) -> None:
    results = synthetic.results(samples=0)
    results.tables = {name: table for name, table in results.tables.items() if name in ("transitions", "events")}
    results.tables["transitions"]["instructions"] = np.nan
    page = _page(results, tmp_path)
    assert [heading for heading in _big(page).head if heading.startswith("old")] == ["old, events"]
    assert "nan" not in page.text.lower().split()


@pytest.mark.parametrize("missing", ["transitions", "events", "cycles", "samples", "workloads", "life", "switch"])
@pytest.mark.usefixtures("empty_figures")
def test_a_table_is_missing(missing: str, tmp_path: Path) -> None:
    results = synthetic.results()
    del results.tables[missing]
    page = _page(results, tmp_path)
    assert {"verdict", "method"} <= set(page.ids)
    broken = {link for link in page.links if link.startswith("#") and link[1:] not in set(page.ids)}
    assert not broken


@pytest.mark.usefixtures("empty_figures")
def test_zero_samples(tmp_path: Path) -> None:
    page = _page(synthetic.results(samples=0), tmp_path)
    assert "samples" not in page.ids and "transitions" in page.ids


def test_nothing_measured_is_one_clear_line(tmp_path: Path) -> None:
    folder = Results(synthetic.results().meta, {"transitions": frame("transitions", [])}).save(tmp_path / "empty")
    with pytest.raises(UsageError, match="no measurement"):
        reports.build(folder, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_not_a_results_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"meta\.json"):
        reports.build(tmp_path, tmp_path / "page.html")


def test_odd_characters_stay_text(tmp_path: Path) -> None:
    results = synthetic.results()
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x00日本"
    for name in ("transitions", "events", "samples", "cycles"):
        table = results.tables[name]
        table["transition"] = table["transition"].replace("flush_empty", evil)
    results.tables["transitions"]["group"] = results.tables["transitions"]["group"].replace("sgi", evil)
    for name, column in (
        ("workloads", "workload"),
        ("workloads", "kind"),
        ("life", "scenario"),
        ("life", "phase"),
        ("switch", "register_group"),
        ("switch", "configuration"),
    ):
        table = results.tables[name]
        table[column] = evil + table[column]
    results.meta["notes"] = [evil]
    results.meta["command"] = ["vgic-bench", evil]
    results.meta["environment"] = {evil: evil}
    results.meta["designs"] = [{"name": "old", "title": evil, "source": evil}, {"name": "new", "title": "new"}]
    page = _page(results, tmp_path)
    assert page.source.count("<script") == 1
    assert not any(tag == "img" for tag, _ in page.tags)
    assert not any(key.startswith("on") for _, given in page.tags for key in given)
    assert page.text.count("alert(1)") > 20
    assert "\x00" not in page.source


@pytest.mark.usefixtures("empty_figures")
def test_against_a_baseline_regressions_come_first(run_folder: Path, tmp_path: Path) -> None:
    page = _page(synthetic.results(slower=1.3, seed=2), tmp_path, baseline=run_folder)
    table = next(table for table in page.tables if table.section == "baseline")
    verdicts = [row[6] for row in table.rows]
    assert verdicts[0].endswith("regressed")
    assert verdicts == sorted(verdicts, key=lambda text: not text.endswith("regressed"))
    assert any(row[2] == "events" for row in table.rows) and any(row[2] == "time" for row in table.rows)
    assert {row[1] for row in table.rows} == {"GICv2", "GICv3"}, "what all rows have in common is left out"


@pytest.mark.usefixtures("empty_figures")
def test_of_many_changes_each_verdict_keeps_its_place(run_folder: Path, tmp_path: Path) -> None:
    """Hundreds of undecided times must not push out what improved; what is left out is counted."""
    results = synthetic.results(slower=0.6, seed=3)
    rows = [Row("time", {"design": "new", "transition": f"t{n}"}, 1.0, 1.1, "inconclusive", 1.1) for n in range(500)]
    rows += [Row("time", {"design": "new", "transition": "quicker"}, 1.0, 0.5, "improved", 0.5)]
    kept = baseline.shortened(rows)
    assert len(kept) == baseline.MOST + 1 and kept[-1].name == "new quicker"
    page = _page(results, tmp_path, baseline=run_folder)
    table = next(table for table in page.tables if table.section == "baseline")
    verdicts = Counter(row[6].split(maxsplit=1)[1] for row in table.rows)
    assert verdicts["improved"] and max(verdicts.values()) <= baseline.MOST


@pytest.mark.usefixtures("empty_figures")
def test_a_run_against_itself_has_no_change(run_folder: Path, tmp_path: Path) -> None:
    page = Page(reports.build(run_folder, tmp_path / "page.html", baseline=run_folder))
    assert not any(
        row[6].endswith(("regressed", "improved"))
        for table in page.tables
        if table.section == "baseline"
        for row in table.rows
    )


@pytest.mark.usefixtures("empty_figures")
def test_an_unfinished_run_says_so(tmp_path: Path) -> None:
    assert "was not finished" in _page(synthetic.results(complete=False), tmp_path).text


def test_verdicts_follow_the_data(tmp_path: Path) -> None:
    def verdicts(results: Results, name: str) -> list[str]:
        return [claim.verdict for claim in claims.claims(Report(results.save(tmp_path / name)))]

    results = synthetic.results(sweep=True)
    assert verdicts(results, "sweep")[2] == claims.HOLDS
    table = results.tables["transitions"]
    swapped = table.assign(design=table["design"].map({"old": "new", "new": "old"}))
    assert verdicts(Results(results.meta, {"transitions": swapped}), "swapped")[2] == claims.FAILS
    run = synthetic.results()
    run.tables["workloads"]["mmio_share"] = 0.5
    assert verdicts(run, "mmio")[1] == claims.FAILS
    only = Results(run.meta, {"transitions": run.tables["transitions"]})
    assert verdicts(only, "only")[1] == claims.OPEN and verdicts(only, "only2")[4] == claims.OPEN


def test_right_claim_compares_with_the_architecture(tmp_path: Path) -> None:
    results = synthetic.results()
    assert claims.right_claim(Report(results.save(tmp_path / "agree"))).verdict == claims.OPEN
    table = results.tables["transitions"]
    new = (table["design"] == "new") & (table["transition"] == "flush_p")
    table["transition"] = table["transition"].replace("flush_p", "overflow_flush_urgent")
    table.loc[new, "after"] = "pending in LR"
    claim = claims.right_claim(Report(results.save(tmp_path / "legacy")))
    assert claim.verdict == claims.HOLDS, "the legacy design leaves the most urgent interrupt out"
    swapped = table.assign(design=table["design"].map({"old": "new", "new": "old"}))
    folder = Results(results.meta, {"transitions": swapped}).save(tmp_path / "redesign")
    assert claims.right_claim(Report(folder)).verdict == claims.FAILS


def test_mmio_claim_needs_reads_and_writes(tmp_path: Path) -> None:
    results = synthetic.results()
    table = results.tables["transitions"]
    reads = table["transition"].str.startswith("mmio_read")
    table.loc[reads, "group"] = "mmio read"
    table.loc[table["transition"].str.startswith("mmio_write"), "group"] = "mmio write"
    report = Report(results.save(tmp_path / "run"))
    assert claims.mmio_claim(report).verdict == claims.PART
    ratio, count = claims.group_ratio(report, "instructions", lambda group: group == "mmio read")
    assert ratio > 1 and count == 4


def test_break_even_is_where_the_costs_meet(tmp_path: Path) -> None:
    report = Report(synthetic.results().save(tmp_path / "run"))
    assert math.isnan(claims.break_even(report)), "one design is cheaper in both kinds of operation"
    results = synthetic.results()
    table = results.tables["workloads"]
    mmio = table["kind"].str.startswith("mmio") & (table["design"] == "new")
    table.loc[mmio, "instructions"] *= 10
    results.save(tmp_path / "dearer")
    share = claims.break_even(Report(tmp_path / "dearer"))
    own = table[table["kind"] != "total"]
    is_mmio = own["kind"].str.startswith("mmio")
    means = {
        (design, kind): own[(own["design"] == design) & (is_mmio == kind)]["instructions"].sum()
        / own[(own["design"] == design) & (is_mmio == kind)]["operations"].sum()
        for design in ("old", "new")
        for kind in (True, False)
    }
    both = [share * means[design, True] + (1 - share) * means[design, False] for design in ("old", "new")]
    assert both[0] == pytest.approx(both[1])


def test_what_the_guest_does_itself_is_an_edge_without_a_cost(run_folder: Path, run: Page) -> None:
    report = Report(run_folder)
    found = {(edge.before, edge.after): edge for edge in edges(report, report.meters()[0])}
    ack = found["pending", "active"]
    assert ack.hardware == ("ack_edge_spi",) and not ack.transitions and math.isnan(ack.reference)
    end = found["active", "inactive"]
    assert end.hardware == ("eoi_edge_spi",) and end.transitions == ("sync_after_eoi", "mmio_write_ICACTIVER")
    table = pd.read_parquet(run_folder / "transitions.parquet")
    for design, mean in (("old", end.reference), ("new", end.candidate)):
        own = table[(table["design"] == design) & table["transition"].isin(end.transitions)]["instructions"]
        assert mean == pytest.approx(math.exp(np.log(own).mean()))
    rows = {row[0]: row for table in run.tables if table.section == "states" for row in table.rows}
    assert rows["pending → active"][1:3] == ["–", "–"] and "1 in hardware" in rows["pending → active"][4]
    assert _close(rows["active → inactive"][1], end.reference)
    assert 'href="#edge-pending-active"' in run.source and "in hardware</text>" in run.source
