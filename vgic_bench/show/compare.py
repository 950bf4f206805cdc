# SPDX-License-Identifier: GPL-2.0-only
"""Comparisons and judgements as text: the changed rows first, then what the gate decided."""

from bench.gate.compare import Comparison
from bench.gate.compare_table import COLUMNS, cells, sorted_rows, summary_line, varying
from bench.gate.judge import Judgement
from bench.gate.self_test import SLOWDOWN, Outcome
from bench.results.statistics import IMPROVED, INCONCLUSIVE, NOT_COMPARABLE, REGRESSED, UNCHANGED
from kvmarm.text import one_line
from vgic_bench.console import print_table, say

MOST = 12
"""Changed rows on the screen that a comparison is."""
STYLES = {REGRESSED: "red", NOT_COMPARABLE: "magenta", INCONCLUSIVE: "yellow", IMPROVED: "green"}


def print_comparison(comparison: Comparison, everything: bool = False, most: int = MOST) -> None:
    """Print the summaries and the changed rows (all rows when `everything`), `most` of them."""
    rows = sorted_rows(comparison.rows)
    shown = rows if everything else [row for row in rows if row.verdict != UNCHANGED]
    cut = shown if everything else shown[:most]
    said = varying(comparison.rows)
    say(f"{comparison.candidate} against {comparison.baseline}: {summary_line(comparison)}")
    for line in comparison.notes:
        say(f"note: {one_line(line)}")
    for line in comparison.blocked:
        say(f"not comparable: {one_line(line)}")
    table = [*comparison.summaries, *cut]
    if table:
        styles = [STYLES.get(row.verdict, "") for row in table]
        print_table(COLUMNS, [cells(row, said) for row in table], styles=styles)
    if len(cut) < len(shown):
        say(f"… and {len(shown) - len(cut)} rows more (--all shows every row)")


def print_judgement(judgement: Judgement) -> None:
    """Print the comparison, what was allowed, the warnings, and the outcome."""
    print_comparison(judgement.comparison)
    for row in judgement.allowed:
        say(one_line(f"allowed: {row.name}: {row.allowed}"))
    for text in judgement.warnings:
        say(f"warning: {one_line(text)}")
    say(f"gate: {judgement.outcome}")


def print_self_test(outcome: Outcome) -> None:
    """Print what the gate's test of itself found."""
    says = {True: "yes", False: "NO"}
    say(f"equal counts pass:            {says[outcome.counts_silent]}")
    say(f"one lock more fails:          {says[outcome.counts_fired]}")
    if outcome.deals:
        say(f"equal times called regressed: {outcome.alarms} of {outcome.deals} deals of {outcome.turns} turns")
        say(f"{SLOWDOWN:.0%} more time fails:           {outcome.fired} of {outcome.deals} deals")
    if outcome.median_shift is not None:
        say(f"equal code, as measured:      differs by {outcome.median_shift:.2%} (median over transitions)")
