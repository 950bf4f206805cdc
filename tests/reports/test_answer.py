# SPDX-License-Identifier: GPL-2.0-only
"""The sentences of the answer follow the results: other figures or other designs, other sentences."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.catalogue.catalogue import main_transitions
from bench.results.store import Results
from reports import answer
from reports.data import Report
from reports.numbers import ratio_text
from tests.reports import synthetic
from tests.reports.test_designs import with_designs


def report_of(made: Results, folder: Path) -> Report:
    return Report(made.save(folder))


def workloads(**costs: tuple[float, float]) -> pd.DataFrame:
    """Return one workload of 100 operations, 10 of MMIO: kind -> (operations' cost on old, on new)."""
    counts = {"mmio_r": 10, "flush": 45, "sync": 45}
    rows: list[dict[str, Any]] = []
    for place, design in enumerate(("old", "new")):
        own = {kind: costs[kind][place] * count for kind, count in counts.items()}
        for kind, cost in [*own.items(), ("total", sum(own.values()))]:
            count = 100 if kind == "total" else counts[kind]
            row = {"workload": "w", "source": "s", "gic": 3, "vcpus": 1, "design": design, "kind": kind}
            rows.append(row | {"operations": count, "instructions": cost, "time_ns": math.nan, "mmio_share": 0.1})
    return pd.DataFrame(rows)


def with_workload(**costs: tuple[float, float]) -> Results:
    made = synthetic.results(samples=0)
    tables = {name: table for name, table in made.tables.items() if name != "workload_events"}
    return Results(made.meta, {**tables, "workloads": workloads(**costs)})


def test_the_shares_weight_the_headline(tmp_path: Path) -> None:
    costs = {"mmio_r": (1.0, 2.0), "flush": (10.0, 5.0), "sync": (10.0, 5.0)}
    pair = report_of(with_workload(**costs), tmp_path / "run").pairs[0]
    assert answer.weights(pair) == pytest.approx({"mmio read": 0.1, "flush": 0.45, "sync": 0.45})
    whole = {group.name: group.whole for group in answer.groups(pair)}
    logs = {name: math.log(whole[name]) * share for name, share in answer.weights(pair).items() if name in whole}
    shares = [share for name, share in answer.weights(pair).items() if name in whole]
    assert answer.weighted_ratio(pair) == pytest.approx(math.exp(sum(logs.values()) / sum(shares)))
    assert ratio_text(answer.weighted_ratio(pair)) in answer.headline(pair)


@pytest.mark.parametrize(
    ("mmio", "other", "expected"),
    [
        ((1.0, 21.0), (10.0, 5.0), ("Choose new unless more than 20 %", "then old")),
        ((21.0, 1.0), (5.0, 10.0), ("Choose old unless more than 20 %", "then new")),
        ((2.0, 1.0), (10.0, 5.0), ("Choose new: it costs less at any share", "")),
        ((1.0, 2.0), (5.0, 10.0), ("Choose old: it costs less at any share", "")),
    ],
)
def test_the_choice_is_the_break_even(mmio: Any, other: Any, expected: tuple[str, str], tmp_path: Path) -> None:
    pair = report_of(with_workload(mmio_r=mmio, flush=other, sync=other), tmp_path / "run").pairs[0]
    assert all(part in answer.advice(pair) for part in expected), answer.advice(pair)


def test_swapped_designs_swap_the_sentences(tmp_path: Path) -> None:
    one, other = (
        report_of(with_designs(*names), tmp_path / names[0]).pairs[0] for names in (("old", "new"), ("new", "old"))
    )
    ratios = {group.name: group.whole for group in answer.groups(one)}
    for group in answer.groups(other):
        assert group.whole == pytest.approx(1 / ratios[group.name])
    assert answer.main_ratio(one, lambda _: True)[0] == pytest.approx(1 / answer.main_ratio(other, lambda _: True)[0])
    first, second = answer.where(one), answer.where(other)
    assert first.split(";")[0].startswith("new costs less") and second.split(";")[0].startswith("old costs less")
    assert answer.advice(one) == answer.advice(other), "which to choose does not depend on which was named first"


def test_more_measured_changes_no_sentence(tmp_path: Path) -> None:
    made = synthetic.results(samples=0)
    table = made.tables["transitions"]
    main = set(main_transitions())
    extra = table[(table["family"] == "vgic") & table["transition"].isin(main)].copy()
    extra["transition"], extra["instructions"] = "beside_" + extra["transition"], extra["instructions"] * 7
    wider = Results(made.meta, {**made.tables, "transitions": pd.concat([table, extra], ignore_index=True)})
    few, many = report_of(made, tmp_path / "few"), report_of(wider, tmp_path / "many")
    assert len(many.measurements()) > len(few.measurements())
    assert answer.verdict(few) == answer.verdict(many)
