# SPDX-License-Identifier: GPL-2.0-only
"""The events behind every row of the transition table, each block behind a disclosure.

A block is one edge of the catalogue's matrix for one kind of interrupt, a column a state and design, or one transition
outside the matrix. Scenarios that count the same share a table. As in the large table, the cells are written by hand.
"""

from functools import cache, lru_cache
from typing import Any

import pandas as pd

from reports import matrix
from reports.data import SCENARIO, Report
from reports.html import Markup, breakable, join, slug, tag, text
from reports.sections import Section

DETAILED = 1500
"""Rows whose events are listed one by one in the page; beyond, those of the base scenario are (the rest: download)."""

Counts = dict[tuple[Any, ...], dict[str, dict[str, int]]]
"""(scenario, transition) -> event -> design -> count."""


@cache
def block_name(transition: str) -> str:
    """Return the block that a transition's events stand in: edge and kind, or its own name."""
    place = matrix.place(transition)
    return f"{place.edge} {place.kind}" if place else transition


@cache
def entry_anchor(transition: str) -> str:
    """Return the id of what the page says of a transition's events."""
    return slug("e", block_name(transition))


def detailed(report: Report) -> list[tuple[Any, ...]]:
    """Return the measurements whose events are listed: all of a run, those of the base scenario of a large sweep."""
    costs = report.costs()
    if report.table("events").empty:
        return []
    if len(costs) > DETAILED:
        frame = costs.index.to_frame(index=False)
        base = report.base_scenario()
        chosen = pd.Series(True, index=frame.index)
        for name in SCENARIO:
            if name != "gic":
                chosen &= frame[name] == base[name]
        costs = costs[chosen.to_numpy()]
    # What counts nothing in any design (the guest's own steps) has nothing to show.
    counted = set(counts_of(report))
    blocks = {block_name(str(key[-1])) for key in costs.index if tuple(key) in counted}
    return [key for key in costs.index if block_name(str(key[-1])) in blocks]


@lru_cache(maxsize=4)
def linked(report: Report) -> frozenset[str]:
    """Return the transitions whose events are listed, so that a link to them leads somewhere."""
    return frozenset(str(key[-1]) for key in detailed(report))


@lru_cache(maxsize=4)
def counts_of(report: Report) -> Counts:
    """Return all event counts of the VGIC designs. Don't change them."""
    frame = report.table("events")
    if frame.empty:
        return {}
    frame = frame[frame["family"] == "vgic"] if "family" in frame else frame
    found: Counts = {}
    columns = frame[[*SCENARIO, "transition", "design", "event", "count"]]
    for *key, design, event, count in columns.itertuples(index=False, name=None):
        found.setdefault(tuple(key), {}).setdefault(event, {})[design] = int(count)
    return found


def section(report: Report) -> Section | None:
    """Return the section with the events counted by every transition."""
    counts = counts_of(report)
    blocks: dict[str, list[tuple[Any, ...]]] = {}
    for key in detailed(report):
        blocks.setdefault(block_name(str(key[-1])), []).append(key)
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
        "Open a block; a column is the state that the transition starts from and a design, a row an event. "
        "A dot means none.",
        class_="how",
    )
    return Section("events", "Why: the events behind each row", "Events", join(intro, how, Markup("".join(made))))


def _block(report: Report, name: str, keys: list[tuple[Any, ...]], counts: Counts, designs: list[str]) -> str:
    first = str(keys[0][-1])
    title = report.text(first, "title")
    if matrix.place(first):
        title = title.rsplit(", ", 1)[0] if not title.endswith("in the guest") else title.rsplit(", ", 2)[0]
    transitions = list(dict.fromkeys(str(key[-1]) for key in keys))
    states = {name: f"{report.text(name, 'before')} → {report.text(name, 'after')}" for name in transitions}
    by_scenario: dict[tuple[Any, ...], dict[str, dict[str, dict[str, int]]]] = {}
    for key in keys:
        by_scenario.setdefault(key[:-1], {})[str(key[-1])] = counts.get(key, {})
    # Scenarios that count the same share a table.
    tables: list[tuple[list[str], dict[str, dict[str, dict[str, int]]]]] = []
    for scenario, own in by_scenario.items():
        label = report.scenario_text(scenario)
        for labels, known in tables:
            if known == own:
                labels.append(label)
                break
        else:
            tables.append(([label], own))
    parts = [_table(labels if len(tables) > 1 else [], own, designs, states) for labels, own in tables]
    about = f"<p>{text(title)}" if title else ""
    return (
        f"<details class=e><summary>{breakable(name)}</summary>"
        f"<div id={slug('e', name)}>{about}{''.join(parts)}</div></details>"
    )


def _table(
    labels: list[str], own: dict[str, dict[str, dict[str, int]]], designs: list[str], states: dict[str, str]
) -> str:
    caption = f"<caption>{text(', '.join(labels) if len(labels) < 4 else f'{len(labels)} scenarios')}" if labels else ""
    heads = "".join(
        f"<th>{text(f'{states[name]}, {design}' if not number else design)}"
        for name in own
        for number, design in enumerate(designs)
    )
    lines = []
    for event in dict.fromkeys(event for counted in own.values() for event in counted):
        cells = "".join(
            f"<td>{counted.get(event, {}).get(design, 0) or ''}" for counted in own.values() for design in designs
        )
        lines.append(f"<tr><th>{text(event)}{cells}")
    if not lines:
        return "<p>No event counted."
    return f"<table>{caption}<thead><tr><th>Event{heads}</thead><tbody>{''.join(lines)}</tbody></table>"
