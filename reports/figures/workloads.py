# SPDX-License-Identifier: GPL-2.0-only
"""Real workloads: what each design spends on them, by kind of operation."""

from matplotlib.figure import Figure

from reports.data import Report
from reports.drawing import Panel, Sheet, legend_lines, text_inches
from reports.figures.bars import legend_of, scale_of, stacked, sums
from reports.numbers import is_number
from reports.tables import TOTAL, workload_parts

MOST = 24
"""Workloads drawn; the table in the page has all of them."""
KINDS = 7
"""Kinds of operation with their own part, those that cost most; the others are one part together."""


def draw(report: Report) -> Figure | None:
    """Draw one pair of bars per workload, each stacked by kind of operation, per 1,000 operations."""
    rows, unit = workload_parts(report)
    parts = [row for row in rows if row.kind != TOTAL]
    if not unit or not parts:
        return None
    workloads = list(dict.fromkeys(row.workload for row in rows))[:MOST]
    designs = list(dict.fromkeys(row.design for row in rows))
    of_kind: dict[str, float] = {}
    operations: dict[tuple[str, str], int] = {}
    costs: dict[tuple[str, str, str], float] = {}
    for row in parts:
        bar, cost = (row.workload, row.design), row.cost if is_number(row.cost) else 0.0
        of_kind[row.kind] = of_kind.get(row.kind, 0.0) + cost
        operations[bar] = operations.get(bar, 0) + row.operations
        costs[(*bar, row.kind)] = costs.get((*bar, row.kind), 0.0) + cost
    kinds = sorted(of_kind, key=lambda kind: -of_kind[kind])
    shown_kinds = [(kind, [kind]) for kind in kinds[:KINDS]]
    if len(kinds) > KINDS:
        shown_kinds.append(("the rest", kinds[KINDS:]))
    bars = [(workload, design) for workload in workloads for design in designs]
    stack = [
        (name, [sum(costs.get((*bar, k), 0.0) for k in own) * 1000 / max(operations.get(bar, 0), 1) for bar in bars])
        for name, own in shown_kinds
    ]
    names = [f"{workload}   {design}" if design == designs[0] else design for workload, design in bars]
    # Bars of one workload are next to each other.
    places = [number // len(designs) * (len(designs) + 0.8) + number % len(designs) for number in range(len(bars))]
    left, height = text_inches(names, 8.5) + 0.05, 0.21 * (places[-1] + 1)
    labels = [name for name, _ in shown_kinds]
    sheet = Sheet(9.6, height + 0.6 + 0.2 * legend_lines(labels, 9.4))
    panel = Panel(left, 0.05, 9.5 - left, height, scale_of(max(sums(stack))), (-0.5, places[-1] + 0.5))
    stacked(sheet, panel, places, stack, 0.8, names, f"{unit} per 1,000 operations")
    sheet.legend(legend_of(labels), 0.1, height + 0.65, 9.4)
    return sheet.figure
