# SPDX-License-Identifier: GPL-2.0-only
"""A run as tables: transitions by design, groups, world switches, workloads."""

import math
import sys
from pathlib import Path

from bench.catalogue.catalogue import cost_transitions
from bench.results.store import Results
from bench.studies.run import Outcome
from bench.studies.summary import Row, borrowed_rows, designs_of, group_rows, headline, transition_rows, workload_rows
from vgic_bench.console import print_table


def print_run(outcome: Outcome, folder: Path, page: str | None) -> None:
    """Print what a run found: transitions, groups, switches, workloads, notes, and where it is kept."""
    results = outcome.results
    names = headline(results, cost_transitions())
    place = results.meta["configuration"]
    for gic in place["gic"]:
        if designs_of(results):
            title = f"GICv{gic}, {place['irqs']} INTIDs, {place['vcpus']} vCPUs, {place['lrs']} LRs"
            _print_transitions(results, gic, names, "vgic", title)
            if names is not None:
                _print_groups(results, gic)
            _print_borrowed(results, gic, names)
        if designs_of(results, "switch"):
            _print_transitions(results, gic, None, "switch", f"World switch, GICv{gic}, {place['lrs']} LRs")
    _print_workloads(results)
    for line in outcome.unexpected:
        print(f"unexpected: {line}", file=sys.stderr)
    for note in results.meta["notes"]:
        print(f"note: {note}")
    print(f"results: {folder}")
    print(f"report:  {page or f'vgic-bench report {folder}'}")


UNEXPECTED = "✘ "
"""Before a figure: the interrupt did not end in the state that is expected, so that there is no ratio."""


def _heads(first: str, designs: list[str]) -> list[str]:
    return [first, *(f">{name}" for name in designs), *(f">{name}/{designs[0]}" for name in designs[1:])]


def _cells(row: Row) -> tuple[str, ...]:
    marks = row.unexpected or (False,) * len(row.figures)
    figures = (f"{UNEXPECTED if wrong else ''}{figure:,.0f}" for figure, wrong in zip(row.figures, marks, strict=True))
    return (row.name, *figures, *(f"{ratio:.2f}" if math.isfinite(ratio) else "–" for ratio in row.ratios))


def _times(row: Row) -> str:
    return "/".join("?" if time != time else f"{time:.0f}" for time in row.times)


def _print_transitions(results: Results, gic: int, names: list[str] | None, family: str, title: str) -> None:
    unit, rows = transition_rows(results, gic, names, family)
    timed = unit != "ns" and any(time == time for row in rows for time in row.times)
    print_table(
        [*_heads("transition", designs_of(results, family)), *([">ns"] if timed else []), "mostly"],
        [(*_cells(row), *([_times(row)] if timed else []), row.because) for row in rows],
        title=f"{title}, {unit}",
    )
    print()


def _print_groups(results: Results, gic: int) -> None:
    designs = designs_of(results)
    print_table(
        ["group", ">transitions", *(f">{name}/{designs[0]}" for name in designs[1:])],
        [(group, count, *(f"{mean:.2f}" for mean in means)) for group, count, means in group_rows(results, gic)],
        title=f"GICv{gic}, all transitions by group, geometric mean of the ratios",
    )
    print()


def _print_borrowed(results: Results, gic: int, names: list[str] | None) -> None:
    first = designs_of(results)[0]
    for design, rows in borrowed_rows(results, gic, names).items():
        lines = []
        for row in rows:
            known = math.isfinite(row.reference) and row.reference > 0
            ratio = f"{row.low / row.reference:.2f}–{row.high / row.reference:.2f}" if known else "–"
            figure = f"{row.reference:,.0f}" if known else "–"
            lines.append((row.name, figure, f"{row.low:,.0f}–{row.high:,.0f}", ratio))
        heads = ["transition", f">{first}", f">{design}, borrowed", f">{design}/{first}"]
        print_table(heads, lines, title=f"GICv{gic}, {design} by borrowed weights: intervals of instructions")
        print()


def _print_workloads(results: Results) -> None:
    unit, rows = workload_rows(results)
    if not rows:
        return
    designs = list(dict.fromkeys(results.table("workloads")["design"]))
    reasons = any(row.because for row, _, _ in rows)
    print_table(
        [*_heads("workload", designs), ">MMIO", *(["mostly"] if reasons else [])],
        [(*_cells(row), f"{share:.1%}", *([row.because] if reasons else [])) for row, _, share in rows],
        title=f"Recorded workloads, {unit}",
    )
    print()
