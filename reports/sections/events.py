# SPDX-License-Identifier: GPL-2.0-only
"""The events behind every row of the transition table, each block behind a disclosure.

A block is one edge of the catalogue's matrix for one kind of interrupt, a column a state, or one transition outside
the matrix; a table is a design. Scenarios share the cells in which they count the same. As in the large table, the
cells are written by hand.
"""

from functools import cache, lru_cache

from reports import matrix
from reports.data import SCENARIO, Key, Report
from reports.html import Markup, breakable, join, slug, tag, text
from reports.sections import Section

DETAILED = 1500
"""Rows whose events are listed one by one in the page; beyond, those of the base scenario are (the rest: download)."""

Counts = dict[Key, dict[str, dict[str, int]]]
"""(scenario, transition) -> event -> design -> count."""


@cache
def block_name(transition: str) -> str:
    """Return the block that a transition's events are in: edge and kind, or its own name."""
    place = matrix.place(transition)
    return f"{place.edge} {place.kind}" if place else transition


@cache
def entry_anchor(transition: str) -> str:
    """Return the id of what the page says of a transition's events."""
    return slug("e", block_name(transition))


@lru_cache(maxsize=4)
def detailed(report: Report) -> list[Key]:
    """Return the measurements whose events are listed: all of a run, those of the base scenario of a large sweep.

    Don't change the list.
    """
    counted = counts_of(report)
    if not counted:
        return []
    keys = report.measurements()
    if len(keys) > DETAILED:
        base = report.base_scenario()
        fixed = [(place, base[name]) for place, name in enumerate(SCENARIO) if name != "gic"]
        keys = [key for key in keys if all(key[place] == value for place, value in fixed)]
    # What counts nothing in any design (the guest's own steps) has nothing to show.
    blocks = {block_name(key[-1]) for key in keys if key in counted}
    return [key for key in keys if block_name(key[-1]) in blocks]


@lru_cache(maxsize=4)
def linked(report: Report) -> frozenset[str]:
    """Return the transitions whose events are listed, so that a link to them leads somewhere."""
    return frozenset(key[-1] for key in detailed(report))


@lru_cache(maxsize=4)
def counts_of(report: Report) -> Counts:
    """Return all event counts of the VGIC designs. Don't change them."""
    table = report.table("events")
    found: Counts = {}
    keys = table.rows(*SCENARIO, "transition")
    for key, (family, design, event, count) in zip(keys, table.rows("family", "design", "event", "count"), strict=True):
        if family == "vgic":
            own = found.get(key)
            if own is None:
                own = found[key] = {}
            own.setdefault(event, {})[design] = count
    return found


def section(report: Report) -> Section | None:
    """Return the section with the events counted by every transition."""
    counts = counts_of(report)
    blocks: dict[str, list[Key]] = {}
    for key in detailed(report):
        blocks.setdefault(block_name(key[-1]), []).append(key)
    if not blocks:
        return None
    designs = [design.name for design in report.designs()]
    made = [_block(report, name, keys, counts, designs) for name, keys in blocks.items()]
    intro = tag(
        "p",
        "The primitive steps that each transition took, counted: locks taken, list entries visited, bitmap words "
        "read. They are exact, the same on every machine, and they are why a transition costs what it costs.",
    )
    how = tag(
        "p",
        tag("b", "How to read it. "),
        "Open a block; a table is a design, a column the interrupt's state before and after, a row an event. A dot "
        "means none; where scenarios differ, a cell has their counts in the order that the caption names.",
        class_="how",
    )
    return Section("events", "Why: the events behind each row", "Events", join(intro, how, Markup("".join(made))))


def _block(report: Report, name: str, keys: list[Key], counts: Counts, designs: list[str]) -> str:
    first = keys[0][-1]
    title = report.text(first, "title")
    if matrix.place(first):
        title = title.rsplit(", ", 1)[0] if not title.endswith("in the guest") else title.rsplit(", ", 2)[0]
    transitions = list(dict.fromkeys(key[-1] for key in keys))
    states = {name: f"{report.text(name, 'before')} → {report.text(name, 'after')}" for name in transitions}
    by_scenario: dict[Key, dict[str, dict[str, dict[str, int]]]] = {}
    for key in keys:
        by_scenario.setdefault(key[:-1], {})[key[-1]] = counts.get(key, {})
    labels = [report.scenario_text(scenario) for scenario in by_scenario]
    differ = any(own != next(iter(by_scenario.values())) for own in by_scenario.values())
    caption = " | ".join(labels) if differ else ""
    parts = [_table(caption, list(by_scenario.values()), design, states) for design in designs]
    about = f"<p>{text(title)}" if title else ""
    return (
        f"<details class=e><summary>{breakable(name)}</summary>"
        f"<div id={slug('e', name)}>{about}<div class=columns>{''.join(parts)}</div></div></details>"
    )


def _table(
    caption: str, scenarios: list[dict[str, dict[str, dict[str, int]]]], design: str, states: dict[str, str]
) -> str:
    """Return one design's counts: row per event, column per transition; where scenarios differ, `a | b` in a cell."""
    counted: dict[str, list[list[int]]] = {}
    for number, name in enumerate(states):
        for place, own in enumerate(scenarios):
            for event, by_design in own.get(name, {}).items():
                if design in by_design:
                    cells = counted.setdefault(event, [[0] * len(scenarios) for _ in states])
                    cells[number][place] = by_design[design]
    if not counted:
        return f"<p>{text(design)}: no event counted."
    lines = []
    for event, cells in counted.items():
        shown = (str(own[0] or "") if len(set(own)) == 1 else " | ".join(map(str, own)) for own in cells)
        lines.append(f"<tr><th>{text(event)}<td>{'<td>'.join(shown)}")
    heads = "<th>".join(text(state) for state in states.values())
    title = f"<caption>{text(caption)}" if caption else ""
    return f"<table>{title}<thead><tr><th>{text(design)}<th>{heads}</thead><tbody>{''.join(lines)}</tbody></table>"
