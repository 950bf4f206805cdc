# SPDX-License-Identifier: GPL-2.0-only
"""Instructions of designs without fitted weights, as intervals: by what the fitted designs' steps cost."""

from typing import Any

from reports.data import Report
from reports.html import Markup, breakable, join, tag
from reports.numbers import is_number, ratio_text, shown
from reports.sections import Section, head, scroll
from reports.sections.events import counts_of


def lent(report: Report) -> dict[str, dict[str, Any]]:
    """Return the borrowed weights of each design that has none: design -> event -> (least, most)."""
    return {
        str(entry.get("name")): entry["borrowed_weights"]
        for entry in report.meta.get("designs") or []
        if isinstance(entry, dict) and isinstance(entry.get("borrowed_weights"), dict)
    }


def intervals(report: Report, design: str) -> list[tuple[Any, float, float]]:
    """Return (key of the measurement, least, most instructions) of a design without weights."""
    weight_of = lent(report)[design]
    found = []
    for key, by_event in counts_of(report).items():
        own = {event: counts[design] for event, counts in by_event.items() if design in counts}
        if own:
            low = sum(count * weight_of.get(event, (0, 0))[0] for event, count in own.items())
            high = sum(count * weight_of.get(event, (0, 0))[1] for event, count in own.items())
            found.append((key, low, high))
    return found


def section(report: Report) -> Section | None:
    """Return the section, None when every design has weights."""
    designs = [design.name for design in report.designs()]
    tables = [_table(report, name, designs[0]) for name in lent(report) if name in designs]
    if not tables:
        return None
    intro = tag(
        "p",
        "No instruction weights were fitted for ",
        ", ".join(lent(report)),
        ". What its steps would cost is borrowed: each event at the least and at the most that it costs in a fitted "
        "design. An interval is therefore no measurement, and nothing else on this page is computed with it.",
    )
    return Section("borrowed", "Instructions by borrowed weights", "Borrowed", join(intro, tables))


def _table(report: Report, design: str, first: str) -> Markup:
    reference = dict(zip(report.measurements(), report.costs("instructions", first), strict=True))
    rows = []
    for key, low, high in intervals(report, design):
        own = reference.get(key)
        known = is_number(own) and own is not None and own > 0 and first != design
        ratio = f"{ratio_text(low / own)} – {ratio_text(high / own)}" if known and own else "–"
        rows.append(
            tag(
                "tr",
                tag("th", breakable(str(key[-1])), scope="row"),
                tag("td", report.scenario_text(key[:-1]), class_="text"),
                tag("td", shown(own)),
                tag("td", f"{shown(low)} – {shown(high)}"),
                tag("td", ratio),
            )
        )
    heads = ("Transition", ("Scenario", "text"), first, f"{design}, borrowed", f"{design} ÷ {first}")
    table = tag("table", head(*heads), tag("tbody", rows))
    return tag("details", tag("summary", f"{design}: {len(rows)} intervals"), scroll(table, f"Intervals of {design}"))
