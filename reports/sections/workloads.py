# SPDX-License-Identifier: GPL-2.0-only
"""Real workloads on all designs: totals, the share of MMIO, and the kinds of operation that make up the cost."""

from reports.data import Report, total
from reports.html import Markup, breakable, join, slug, tag
from reports.numbers import cell, is_number, percent, plain, ratio_cell
from reports.sections import Section, figure, head, scroll
from reports.tables import TOTAL, Part, workload_parts


def _ratio(costs: list[float], candidate: int = 1) -> float:
    known = len(costs) > candidate and is_number(costs[0]) and is_number(costs[candidate]) and costs[0] > 0
    return costs[candidate] / costs[0] if known else float("nan")


def _ratios(costs: list[float]) -> list[Markup]:
    return [ratio_cell(_ratio(costs, candidate)) for candidate in range(1, len(costs))]


def _heads(designs: list[str], unit: str) -> list[str]:
    return [f"{design}, {unit}" for design in designs] + [f"{design} ÷ {designs[0]}" for design in designs[1:]]


def _costs(parts: list[Part], designs: list[str]) -> list[float]:
    return [total(part.cost for part in parts if part.design == design) for design in designs]


def _by_workload(report: Report) -> tuple[dict[str, list[Part]], list[str], str]:
    """Return the parts of each workload, the designs, and the unit of their cost."""
    parts, unit = workload_parts(report)
    found: dict[str, list[Part]] = {}
    for part in parts:
        found.setdefault(part.workload, []).append(part)
    return found, report.in_order(part.design for part in parts), unit


def _totals_of(parts: list[Part]) -> list[Part]:
    return [part for part in parts if part.kind == TOTAL] or parts


def totals(report: Report) -> list[tuple[str, list[float], float]]:
    """Return each workload with the designs' costs and their ratio; empty when the run has no workloads."""
    found, designs, unit = _by_workload(report)
    if not unit:
        return []
    costs = {name: _costs(_totals_of(parts), designs) for name, parts in found.items()}
    return [(name, own, _ratio(own)) for name, own in costs.items()]


def _kinds(name: str, parts: list[Part], designs: list[str], unit: str) -> Markup:
    by_kind: dict[str, list[Part]] = {}
    for part in parts:
        if part.kind != TOTAL:
            by_kind.setdefault(part.kind, []).append(part)
    rows = []
    for kind, own in by_kind.items():
        costs = _costs(own, designs)
        rows.append(
            tag(
                "tr",
                tag("th", kind, scope="row"),
                cell(sum(part.operations for part in own if part.design == designs[0])),
                [cell(cost) for cost in costs],
                _ratios(costs),
            )
        )
    table = tag("table", head("Kind of operation", "Operations", *_heads(designs, unit)), tag("tbody", rows))
    return tag("details", tag("summary", breakable(name)), tag("div", table, id=slug("w", name)), class_="e")


def section(report: Report) -> Section | None:
    """Return the section of real workloads."""
    found, designs, unit = _by_workload(report)
    if not unit:
        return None
    drawn = figure(
        "workloads",
        report,
        "Cost of real workloads by kind of operation",
        f"What each design spends on recorded guests, in {unit} per 1,000 operations.",
        "The bars of one workload did the same operations; a shorter bar costs less, and its parts say where.",
    )
    rows = []
    for name, parts in found.items():
        sums = _totals_of(parts)
        costs = _costs(sums, designs)
        first = sums[0]
        rows.append(
            tag(
                "tr",
                tag("th", tag("a", breakable(name), href=f"#{slug('w', name)}"), scope="row"),
                tag("td", f"GICv{first.gic}, {first.vcpus} vCPUs", class_="text"),
                cell(sum(part.operations for part in sums if part.design == first.design)),
                tag("td", percent(first.mmio_share), data_v=plain(first.mmio_share) or None),
                [cell(cost) for cost in costs],
                _ratios(costs),
                tag("td", first.source, class_="text quiet wide"),
            )
        )
    table = tag(
        "table",
        head("Workload", ("Guest", "text"), "Operations", "MMIO", *_heads(designs, unit), ("Recorded from", "text")),
        tag("tbody", rows),
    )
    kinds = [_kinds(name, parts, designs, unit) for name, parts in found.items()]
    body = join(drawn, scroll(table, "Real workloads"), tag("h3", "By kind of operation", id="workload-kinds"), kinds)
    return Section("workloads", "Real workloads", "Workloads", body)
