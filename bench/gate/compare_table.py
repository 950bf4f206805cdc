# SPDX-License-Identifier: GPL-2.0-only
"""A comparison as rows of text, what changed first, and as one line of summary: for a terminal and for Markdown."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from bench.gate.compare import NEW, PLACE, Comparison, Row
from bench.results.statistics import IMPROVED, INCONCLUSIVE, NOT_COMPARABLE, REGRESSED, UNCHANGED

ORDER = {name: n for n, name in enumerate((REGRESSED, NOT_COMPARABLE, INCONCLUSIVE, IMPROVED, NEW, UNCHANGED))}
COLUMNS = ("transition", "meter", ">baseline", ">candidate", ">change", "verdict")


def sorted_rows(rows: list[Row]) -> list[Row]:
    """Return the rows, worst verdict first, then the largest relative change."""

    def size(row: Row) -> float:
        return abs(math.log(row.ratio)) if 0 < row.ratio < math.inf else math.inf

    return sorted(rows, key=lambda row: (ORDER[row.verdict], -size(row), row.name, row.configuration))


def varying(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the configuration fields that differ between rows: the ones a name has to say."""
    seen: dict[str, set[int]] = {}
    for row in rows:
        for name in PLACE:
            if name in row.fields:
                seen.setdefault(name, set()).add(row.fields[name])
    return tuple(name for name in PLACE if len(seen.get(name, ())) > 1)


def cells(row: Row, said: Sequence[str]) -> tuple[str, ...]:
    """Return one row's cells for COLUMNS; `said`: configuration fields that the name says too."""
    name = f"{row.fields['design']} {row.fields['transition']}"
    place = " ".join(f"{field}={row.fields[field]}" for field in said if field in row.fields)
    if place:
        name += f" ({place})"
    verdict = row.verdict + (" (allowed)" if row.allowed else "")
    if row.meter == "events":
        what = row.fields["event"] or "events"
        return name, what, str(row.baseline), str(row.candidate), f"{row.change:+d}" if row.change else "", verdict
    if row.meter == "instructions":
        change = f"{row.ratio - 1:+.1%}" if math.isfinite(row.ratio) else ""
        return name, "instructions", f"{row.baseline:,.0f}", f"{row.candidate:,.0f}", change, verdict
    if row.meter == "time":
        if row.verdict == INCONCLUSIVE and row.needed:
            verdict += f" (needs {row.needed} processes)"
        change = f"{row.ratio - 1:+.1%}" if math.isfinite(row.ratio) else "?"
        if row.processes > 1:
            change += f" [{row.low - 1:+.1%}, {row.high - 1:+.1%}]"
        return name, "time", f"{row.baseline:.4g} ns", f"{row.candidate:.4g} ns", change, verdict
    return name, row.meter, str(row.baseline), str(row.candidate), "", verdict


def summary_line(comparison: Comparison) -> str:
    """Return how many rows have which verdict, worst first."""
    # Instructions only say what changed counts come to; counted too, one change would look like two.
    counts = Counter(row.verdict for row in comparison.rows if row.meter != "instructions")
    parts = [f"{counts[name]} {name}" for name in ORDER if counts[name]]
    return ", ".join(parts) or "nothing compared"
