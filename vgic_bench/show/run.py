# SPDX-License-Identifier: GPL-2.0-only
"""A run as tables: transitions by design, groups, world switches, workloads."""

import math
import sys
from pathlib import Path
from textwrap import shorten, wrap

from bench.catalogue.catalogue import main_transitions
from bench.results.store import Results
from bench.studies.run import Outcome
from bench.studies.summary import Row, borrowed_rows, designs_of, group_rows, headline, transition_rows, workload_rows
from kvmarm.errors import UsageError
from reports import answer
from reports.data import Report
from vgic_bench.console import PLAIN_WIDTH, SCREEN, manner, print_table, say

MOST_WORKLOADS, MOST_NOTES = 2, 1
"""Rows of the tables on the screen that a run ends with."""


def print_run(outcome: Outcome, folder: Path, page: str | None) -> None:
    """Print the answer of a run on one screen, every row with --all; then notes, and where it is kept."""
    results = outcome.results
    report = _report(folder)
    if report is not None and report.pairs:
        _print_answer(report, bool(results.meta["notes"]))
    if manner.everything or results.meta["configuration"].get("transitions") or report is None or not report.pairs:
        _print_everything(results)
    elif manner.form == "table":
        _print_workloads(results, MOST_WORKLOADS)
    else:
        _print_workloads(results)
    for line in outcome.unexpected:
        print(f"unexpected: {line}", file=sys.stderr)
    notes = results.meta["notes"]
    shown = notes if manner.everything else notes[:MOST_NOTES]
    for note in shown:
        say(f"note: {note}" if manner.everything else shorten(f"note: {note}", PLAIN_WIDTH, placeholder=" …"))
    if len(shown) < len(notes):
        say(f"… {len(notes) - len(shown):,} more notes: --all")
    say(f"results: {folder}")
    say(f"report:  {page or f'vgic-bench report {folder}'}")


def _report(folder: Path) -> Report | None:
    """Return the results as the page reads them; None when there is nothing that a page shows."""
    try:
        return Report(folder)
    except UsageError:
        return None


AROUND = 9
"""Lines of that screen that are neither the verdict's, nor rows, nor of notes."""


def _print_answer(report: Report, notes: bool) -> None:
    """Print the verdict's sentences, then the groups of transitions with both GIC versions side by side."""
    lines = [*wrap(answer.names(report), PLAIN_WIDTH)]
    for sentence in answer.verdict(report):
        lines += wrap(sentence, PLAIN_WIDTH)
    for line in lines:
        say(line)
    pairs = report.pairs
    versions = sorted({gic for pair in pairs for group in answer.groups(pair) for gic in group.ratios})
    reference = report.designs()[0].name
    names = list(dict.fromkeys(group.name for pair in pairs for group in answer.groups(pair)))
    found = [{group.name: group for group in answer.groups(pair)} for pair in pairs]
    candidates = [pair.designs()[1].name for pair in pairs]
    rows = []
    for name in names:
        first = next(own[name] for own in found if name in own)
        share = f"{first.weight:.1%}" if first.weight == first.weight else "–"
        ratios = [
            _ratio(own[name].ratios.get(gic, math.nan)) if name in own else "–" for own in found for gic in versions
        ]
        rows.append((name, share, *ratios, answer.WORDS.get(name, "")))
    meter = next((meter for meter in report.meters()), None)
    heads = [f">{name}/{reference} GICv{gic}" for name in candidates for gic in versions]
    print_table(
        ["group", ">share", *heads, "~what happens"],
        rows,
        title=f"Main transitions by group: cost ratio in {meter.title.lower() if meter else 'events'}",
        always=True,
        most=max(1, SCREEN - len(lines) - AROUND - MOST_WORKLOADS - 2 * notes),
    )
    say("share: of the recorded workloads' operations; ratio below 1: the first costs less")


def _ratio(ratio: float) -> str:
    return f"{ratio:.2f}" if math.isfinite(ratio) else "–"


def _print_everything(results: Results) -> None:
    """Print every table of a run: transitions, groups, switches, workloads."""
    names = headline(results, main_transitions())
    place = results.meta["configuration"]
    for gic in place["gic"]:
        if designs_of(results):
            title = f"GICv{gic}, {place['irqs']} INTIDs, {place['vcpus']} vCPUs, {place['lrs']} LRs"
            _print_transitions(results, gic, None if manner.everything else names, "vgic", title)
            if names is not None:
                _print_groups(results, gic)
            _print_borrowed(results, gic, names)
        if designs_of(results, "switch"):
            _print_transitions(results, gic, None, "switch", f"World switch, GICv{gic}, {place['lrs']} LRs")
    _print_workloads(results)


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
        [*_heads("transition", designs_of(results, family)), *([">ns each"] if timed else []), "~mostly"],
        [(*_cells(row), *([_times(row)] if timed else []), row.because) for row in rows],
        title=f"{title}, {unit}",
    )
    say(
        "mostly: the step that differs most, first -> second design; ns each: in the order of the designs; ?: not timed"
    )
    say()


def _print_groups(results: Results, gic: int) -> None:
    designs = designs_of(results)
    print_table(
        ["group", ">transitions", *(f">{name}/{designs[0]}" for name in designs[1:])],
        [(group, count, *(f"{mean:.2f}" for mean in means)) for group, count, means in group_rows(results, gic)],
        title=f"GICv{gic}, all transitions by group, geometric mean of the ratios",
    )
    say()


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
        say()


def _print_workloads(results: Results, most: int = 0) -> None:
    unit, rows = workload_rows(results)
    if not rows:
        return
    designs = list(dict.fromkeys(results.table("workloads")["design"]))
    reasons = any(row.because for row, _, _ in rows)
    print_table(
        [*_heads("workload", designs), ">MMIO", *(["~mostly"] if reasons else [])],
        [(*_cells(row), f"{share:.1%}", *([row.because] if reasons else [])) for row, _, share in rows],
        title=f"Recorded workloads, {unit}; MMIO: share of operations",
        most=most,
        always=True,
    )
