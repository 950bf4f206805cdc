# SPDX-License-Identifier: GPL-2.0-only
"""Real workloads on both designs: totals, the share of MMIO, and the kinds of operation that make up the cost."""

import pandas as pd

from reports.data import Report
from reports.figures.workloads import TOTAL, cost_column
from reports.html import Markup, breakable, join, slug, tag
from reports.numbers import cell, is_number, percent, plain, ratio_cell
from reports.sections import Section, figure, head, scroll


def _ratio(costs: list[float]) -> float:
    known = len(costs) > 1 and is_number(costs[0]) and is_number(costs[1]) and costs[0] > 0
    return costs[1] / costs[0] if known else float("nan")


def _costs(rows: pd.DataFrame, designs: list[str], column: str) -> list[float]:
    return [float(rows.loc[rows["design"] == design, column].sum(min_count=1)) for design in designs]


def totals(report: Report) -> list[tuple[str, list[float], float]]:
    """Return each workload with the designs' costs and their ratio; empty when the run has no workloads."""
    frame = report.table("workloads")
    column, _ = cost_column(frame)
    if not column:
        return []
    designs = list(dict.fromkeys(frame["design"]))
    result = []
    for name in dict.fromkeys(frame["workload"]):
        own = frame[frame["workload"] == name]
        total = own[own["kind"] == TOTAL]
        costs = _costs(total if len(total) else own, designs, column)
        result.append((str(name), costs, _ratio(costs)))
    return result


def _kinds(frame: pd.DataFrame, name: str, designs: list[str], column: str, unit: str) -> Markup:
    own = frame[(frame["workload"] == name) & (frame["kind"] != TOTAL)]
    rows = []
    for kind in dict.fromkeys(own["kind"]):
        part = own[own["kind"] == kind]
        costs = _costs(part, designs, column)
        operations = part.loc[part["design"] == designs[0], "operations"].sum()
        rows.append(
            tag(
                "tr",
                tag("th", kind, scope="row"),
                cell(operations),
                [cell(cost) for cost in costs],
                ratio_cell(_ratio(costs)) if len(designs) > 1 else None,
            )
        )
    heads = [f"{design}, {unit}" for design in designs] + (["ratio"] if len(designs) > 1 else [])
    table = tag("table", head("Kind of operation", "Operations", *heads), tag("tbody", rows))
    return tag("details", tag("summary", breakable(name)), tag("div", table, id=slug("w", name)), class_="e")


def section(report: Report) -> Section | None:
    """Return the section of real workloads."""
    frame = report.table("workloads")
    column, unit = cost_column(frame)
    if not column:
        return None
    designs = list(dict.fromkeys(frame["design"]))
    drawn = figure(
        "workloads",
        report,
        "Cost of real workloads by kind of operation",
        f"What each design spends on recorded guests, in {unit} per 1,000 operations.",
        "Two bars of the same workload did the same operations; a shorter bar is cheaper, and its parts say where.",
    )
    rows = []
    names = list(dict.fromkeys(frame["workload"]))
    for name in names:
        own = frame[frame["workload"] == name]
        total = own[own["kind"] == TOTAL]
        total = total if len(total) else own
        costs = _costs(total, designs, column)
        share = total["mmio_share"].iloc[0]
        operations = total.loc[total["design"] == total["design"].iloc[0], "operations"].sum()
        first = own.iloc[0]
        rows.append(
            tag(
                "tr",
                tag("th", tag("a", breakable(name), href=f"#{slug('w', name)}"), scope="row"),
                tag("td", f"GICv{first['gic']}, {first['vcpus']} vCPUs", class_="text"),
                cell(operations),
                tag("td", percent(share), data_v=plain(share) or None),
                [cell(cost) for cost in costs],
                ratio_cell(_ratio(costs)) if len(designs) > 1 else None,
                tag("td", first["source"], class_="text quiet wide"),
            )
        )
    heads = [f"{design}, {unit}" for design in designs] + (["ratio"] if len(designs) > 1 else [])
    table = tag(
        "table",
        head("Workload", ("Guest", "text"), "Operations", "MMIO", *heads, ("Recorded from", "text")),
        tag("tbody", rows),
    )
    kinds = [_kinds(frame, name, designs, column, unit) for name in names]
    body = join(drawn, scroll(table, "Real workloads"), tag("h3", "By kind of operation", id="workload-kinds"), kinds)
    return Section("workloads", "Real workloads", "Workloads", body)
