# SPDX-License-Identifier: GPL-2.0-only
"""Comparisons and judgements as text: the changed rows first, then what the gate decided."""

from bench.gate.compare import Comparison
from bench.gate.compare_table import COLUMNS, cells, sorted_rows, summary_line, varying
from bench.results.statistics import IMPROVED, INCONCLUSIVE, NOT_COMPARABLE, REGRESSED, UNCHANGED
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
        print(f"note: {line}")
    for line in comparison.blocked:
        print(f"not comparable: {line}")
    table = [*comparison.summaries, *cut]
    if table:
        styles = [STYLES.get(row.verdict, "") for row in table]
        print_table(COLUMNS, [cells(row, said) for row in table], styles=styles)
    if len(cut) < len(shown):
        print(f"… and {len(shown) - len(cut)} rows more (--all shows every row)")
