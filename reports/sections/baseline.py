# SPDX-License-Identifier: GPL-2.0-only
"""The run against a baseline: what changed, regressions first. The verdicts are those of `vgic-bench compare`."""

from collections import Counter
from collections.abc import Sequence

from bench.gate.compare import Comparison, Row, compare
from bench.gate.compare_table import varying
from bench.results.statistics import IMPROVED, INCONCLUSIVE, NOT_COMPARABLE, REGRESSED, UNCHANGED
from bench.results.store import Results
from reports.data import SCENARIO_WORDS
from reports.html import breakable, join, tag
from reports.numbers import is_number, number, plain, ratio_text, shown
from reports.sections import Section, head, scroll

ORDER = (REGRESSED, INCONCLUSIVE, NOT_COMPARABLE, "new", IMPROVED)
GLYPHS = {REGRESSED: "▲", IMPROVED: "▼", INCONCLUSIVE: "?", NOT_COMPARABLE: "⊘", "new": "+", UNCHANGED: "≈"}
STYLE = {REGRESSED: "more", IMPROVED: "less"}
MOST = 120
"""Rows shown of each verdict; the rest are counted."""


def changes(comparison: Comparison) -> list[Row]:
    """Return the rows that changed or could not be judged, regressions first, then by size of the change."""
    rows = [row for row in [*comparison.summaries, *comparison.rows] if row.verdict != UNCHANGED]

    def rank(row: Row) -> tuple[int, float, str]:
        place = ORDER.index(row.verdict) if row.verdict in ORDER else len(ORDER)
        size = abs(row.ratio - 1) if is_number(row.ratio) else 0.0
        return place, -size, row.name

    return sorted(rows, key=rank)


def shortened(rows: list[Row]) -> list[Row]:
    """Return at most MOST rows of each verdict, in their order."""
    seen: Counter[str] = Counter()
    kept = []
    for row in rows:
        seen[row.verdict] += 1
        if seen[row.verdict] <= MOST:
            kept.append(row)
    return kept


def _row(row: Row, said: Sequence[str]) -> str:
    if row.meter in ("events", "instructions"):
        numbers = (shown(row.baseline), shown(row.candidate))
    elif row.meter == "time":
        numbers = (f"{shown(row.baseline)} ns", f"{shown(row.candidate)} ns")
    else:
        numbers = (str(row.baseline), str(row.candidate))
    ratio = ratio_text(row.ratio)
    if is_number(row.low) and is_number(row.high):
        ratio += f" ({row.low:.2f}–{row.high:.2f})"
    note = row.note
    if row.needed:
        note = f"{note + '; ' if note else ''}{row.needed} processes a side would settle it"
    return tag(
        "tr",
        tag("th", breakable(row.name), scope="row"),
        tag("td", _scenario(row, said), class_="text quiet"),
        tag("td", row.meter, class_="text"),
        tag("td", numbers[0]),
        tag("td", numbers[1]),
        tag("td", ratio, data_v=plain(row.ratio) or None),
        tag(
            "td",
            tag("i", GLYPHS.get(row.verdict, "·"), aria_hidden="true"),
            " ",
            row.verdict,
            class_=f"text {STYLE.get(row.verdict, '')}",
        ),
        tag("td", note, class_="text quiet"),
    )


def _scenario(row: Row, said: Sequence[str]) -> str:
    """Return what of a row's configuration differs between rows, in words; none pending goes without saying."""
    known = [name for name in said if row.fields.get(name) or (name in row.fields and name not in ("pending", "live"))]
    return ", ".join(SCENARIO_WORDS[name].format(row.fields[name]) for name in known)


def section(baseline: Results, candidate: Results) -> Section:
    """Return the section that holds the run against a baseline."""
    comparison = compare(baseline, candidate)
    found = changes(comparison)
    kept = shortened(found)
    verdicts = (REGRESSED, IMPROVED, INCONCLUSIVE, NOT_COMPARABLE, "new", UNCHANGED)
    counts = [(verdict, comparison.count(verdict)) for verdict in verdicts]
    parts = [part for verdict, count in counts if count for part in (", ", number(count), f" {verdict}")][1:]
    lead = tag("p", f"Against {comparison.baseline}: ", parts or "nothing to compare", ".", class_="lead")
    blocked = [tag("p", tag("b", "Not compared: "), text) for text in comparison.blocked]
    notes = tag("ul", [tag("li", note) for note in comparison.notes]) if comparison.notes else None
    table = None
    if found:
        heads = head(
            "What",
            ("Scenario", "text"),
            ("Meter", "text"),
            "Baseline",
            "This run",
            "Ratio (95 %)",
            ("Verdict", "text"),
            ("Note", "text"),
        )
        said = varying(kept)
        table = scroll(
            tag("table", heads, tag("tbody", [_row(row, said) for row in kept])),
            "Changes against the baseline",
            tall=True,
        )
    rest = (
        tag(
            "p",
            number(len(found) - len(kept)),
            " more changes: ",
            tag("code", "vgic-bench compare"),
            " lists them all.",
            class_="quiet",
        )
        if len(found) > len(kept)
        else None
    )
    how = tag(
        "p",
        tag("b", "How to read it. "),
        "The ratio is this run ÷ baseline: above 1 it became dearer. Counts are exact, any change is real; a time "
        "has regressed only when the change is both significant and larger than the minimum effect.",
        class_="how",
    )
    return Section("baseline", "Against the baseline", "Baseline", join(lead, blocked, notes, table, rest, how))
