# SPDX-License-Identifier: GPL-2.0-only
"""Comparisons and judgements as text: the changed rows first, then what the gate decided."""

from bench.gate.compare import Comparison
from bench.gate.compare_table import COLUMNS, cells, sorted_rows, summary_line, varying
from bench.gate.judge import Judgement
from bench.gate.self_test import SLOWDOWN, Outcome
from bench.results.statistics import IMPROVED, INCONCLUSIVE, NOT_COMPARABLE, REGRESSED, UNCHANGED
from kvmarm.text import one_line
from vgic_bench.console import print_table

STYLES = {REGRESSED: "red", NOT_COMPARABLE: "magenta", INCONCLUSIVE: "yellow", IMPROVED: "green"}


def print_comparison(comparison: Comparison, everything: bool = False, most: int = 40) -> None:
    """Print the summaries and the changed rows (all rows when `everything`), `most` of them."""
    rows = sorted_rows(comparison.rows)
    shown = rows if everything else [row for row in rows if row.verdict != UNCHANGED]
    cut = shown if everything else shown[:most]
    said = varying(comparison.rows)
    print(f"{comparison.candidate} against {comparison.baseline}: {summary_line(comparison)}")
    for line in comparison.notes:
        print(f"note: {one_line(line)}")
    for line in comparison.blocked:
        print(f"not comparable: {one_line(line)}")
    table = [*comparison.summaries, *cut]
    if table:
        styles = [STYLES.get(row.verdict, "") for row in table]
        print_table(COLUMNS, [cells(row, said) for row in table], styles=styles)
    if len(cut) < len(shown):
        print(f"… and {len(shown) - len(cut)} rows more (--all shows every row)")


def print_judgement(judgement: Judgement) -> None:
    """Print the comparison, what was allowed, the warnings, and the outcome."""
    print_comparison(judgement.comparison)
    for row in judgement.allowed:
        print(one_line(f"allowed: {row.name}: {row.allowed}"))
    for text in judgement.warnings:
        print(f"warning: {one_line(text)}")
    print(f"gate: {judgement.outcome}")


def print_self_test(outcome: Outcome) -> None:
    """Print what the gate's test of itself found."""
    says = {True: "yes", False: "NO"}
    print(f"equal counts pass:            {says[outcome.counts_silent]}")
    print(f"one lock more fails:          {says[outcome.counts_fired]}")
    if outcome.deals:
        print(f"equal times called regressed: {outcome.alarms} of {outcome.deals} deals of {outcome.turns} turns")
        print(f"{SLOWDOWN:.0%} more time fails:           {outcome.fired} of {outcome.deals} deals")
    if outcome.median_shift is not None:
        print(f"equal code, as measured:      differs by {outcome.median_shift:.2%} (median over transitions)")
