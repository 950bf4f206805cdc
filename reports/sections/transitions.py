# SPDX-License-Identifier: GPL-2.0-only
"""The table of all transitions with a meter selector, and the count of events behind every row.

The meter is chosen by radio buttons and style rules alone, so it works without scripts; sorting and filtering are the
script's. The rows are written by hand and not by `tag`: there are thousands of them, and they are most of the page.
"""

from functools import cache
from html import escape
from typing import Any

import pandas as pd

from reports.data import SCENARIO, Report
from reports.html import Markup, breakable, join, slug, tag
from reports.numbers import glyph, ratio_text, shown
from reports.sections import Section, scroll

CLASSES = {"▼": "less", "▲": "more", "≈": "same", "·": "none"}
DETAILED = 1500
"""Rows whose events are listed one by one in the page; beyond, those of the base scenario are (the rest: download)."""


@cache
def entry_anchor(transition: str) -> str:
    """Return the id of what the page says of a transition's events."""
    return slug("e", transition)


def _ratio(value: Any) -> str:
    mark = glyph(value)
    return f"<td class={CLASSES[mark]}>{ratio_text(value)}<i>{mark}</i>"


def rows(report: Report, family: str = "vgic") -> list[str]:
    """Return the table's rows: transition, group, scenario, then for each meter the designs' costs and the ratio."""
    costs, designs, meters = report.costs(family), report.designs(family), report.meters(family)
    columns: list[tuple[list[list[Any]], list[Any]]] = []
    for meter in meters:
        values = [
            costs[(meter.key, design.name)].tolist() if (meter.key, design.name) in costs else [None] * len(costs)
            for design in designs
        ]
        own_ratios = report.ratios(meter.key, family)
        columns.append((values, own_ratios.tolist() if len(own_ratios) else [None] * len(costs)))
    result = []
    detailed = {str(key[-1]) for key in _detailed(report).index} if family == "vgic" else set()
    for row, key in enumerate(costs.index):
        name = str(key[-1])
        anchor = slug("t", name, *key[:-1])
        label = breakable(name)
        link = f"<a href=#{entry_anchor(name)}>{label}</a>" if name in detailed else label
        cells = [
            f"<tr id={anchor}><th "
            f"scope=row>{link}<td>{escape(report.group(name))}<td>{escape(report.scenario_text(key[:-1]))}"
        ]
        for values, ratios in columns:
            cells += [f"<td>{shown(own[row])}" for own in values]
            if len(designs) > 1:
                cells.append(_ratio(ratios[row]))
        result.append("".join(cells))
    return result


def _selector(report: Report, family: str, first: int) -> tuple[Markup, str]:
    """Return the radio buttons and the style rules that show one meter's columns; `first` is the first meter column."""
    meters = report.meters(family)
    width = len(report.designs(family)) + (1 if len(report.designs(family)) > 1 else 0)
    name = f"meter-{family}"
    buttons, styles = [], [f"@supports selector(:has(a)){{.{name} :is(td,th):nth-child(n+{first}){{display:none}}"]
    for number, meter in enumerate(meters):
        identifier = slug(name, meter.key)
        buttons.append(
            tag(
                "label",
                tag("input", type="radio", name=name, id=identifier, value=meter.key, checked=number == 0),
                " ",
                meter.title,
                title=meter.unit,
            )
        )
        low = first + number * width
        styles.append(
            f"section:has(#{identifier}:checked) .{name} :is(td,th):nth-child(n+{low}):nth-child(-n+{low + width - 1})"
            "{display:table-cell}"
        )
    styles.append("}")
    legend = tag("legend", "Meter")
    return tag("fieldset", legend, buttons, class_="meters"), "".join(styles)


def table(report: Report, family: str = "vgic") -> tuple[Markup, str]:
    """Return selector and table, and their style rules."""
    designs = report.designs(family)
    selector, styles = _selector(report, family, 4)
    heads = ["Transition", "Group", "Scenario"]
    for meter in report.meters(family):
        heads += [f"{design.name}, {meter.title.lower()}" for design in designs] + (
            ["ratio"] if len(designs) > 1 else []
        )
    header = tag("thead", tag("tr", [tag("th", text, scope="col") for text in heads]))
    body = Markup("<tbody>" + "".join(rows(report, family)) + "</tbody>")
    made = tag("table", header, body, class_=f"big meter-{family}", id=f"table-{family}")
    return join(selector, scroll(made, "Table of transitions", tall=True)), styles


def section(report: Report) -> Section | None:
    """Return the section with the table of VGIC transitions."""
    if not report.meters() or not report.designs():
        return None
    made, styles = table(report)
    units = [tag("li", tag("b", meter.title), f": {meter.unit}") for meter in report.meters()]
    intro = tag(
        "p",
        "Each row is one transition in one scenario. What does not differ between rows: ",
        _constant(report),
        ". A transition's name leads to the events it counted.",
    )
    how = tag(
        "p",
        tag("b", "How to read it. "),
        "Choose a meter; the ratio is redesign ÷ legacy, ▼ cheaper, ▲ dearer, ≈ the same within 2 %. ",
        "Figures are rounded for reading; the download has them in full.",
        class_="how",
    )
    body = join(intro, tag("ul", units, class_="units"), made, how)
    return Section("transitions", "Every transition", "Transitions", body, styles)


def _constant(report: Report) -> str:
    base, varying = report.base_scenario(), report.varying
    words = {
        "gic": "GICv{}",
        "irqs": "{} INTIDs",
        "vcpus": "{} vCPUs",
        "lrs": "{} list registers",
        "pending": "{} standing pending interrupts",
        "live": "{} live list registers",
    }
    return ", ".join(words[name].format(base[name]) for name in SCENARIO if name not in varying) or "nothing"


def _detailed(report: Report) -> pd.DataFrame:
    """Return the costs' rows whose events are listed: all of a run, those of the base scenario of a large sweep."""
    costs = report.costs()
    if report.table("events").empty:
        return costs.iloc[:0]
    if len(costs) <= DETAILED:
        return costs
    frame = costs.index.to_frame(index=False)
    base = report.base_scenario()
    chosen = pd.Series(True, index=frame.index)
    for name in SCENARIO:
        if name != "gic":
            chosen &= frame[name] == base[name]
    return costs[chosen.to_numpy()]


def events(report: Report) -> Section | None:
    """Return the section with the events counted by every transition, each behind a disclosure."""
    frame = report.table("events")
    if frame.empty:
        return None
    frame = frame[frame["family"] == "vgic"] if "family" in frame else frame
    designs = report.designs()
    counts: dict[tuple[Any, ...], dict[str, dict[str, int]]] = {}
    for *key, design, event, count in frame[[*SCENARIO, "transition", "design", "event", "count"]].itertuples(
        index=False, name=None
    ):
        counts.setdefault(tuple(key), {}).setdefault(event, {})[design] = int(count)
    of_transition: dict[str, list[tuple[Any, ...]]] = {}
    for key in _detailed(report).index:
        of_transition.setdefault(str(key[-1]), []).append(key)
    blocks = [
        _block(report, name, keys, counts, [design.name for design in designs]) for name, keys in of_transition.items()
    ]
    if not blocks:
        return None
    intro = tag(
        "p",
        "The primitive steps that each transition took, counted: locks taken, list entries visited, bitmap words "
        "read. They are exact, the same on every machine, ",
        "and they are why a transition costs what it costs.",
    )
    how = tag(
        "p",
        tag("b", "How to read it. "),
        "Open a transition; a column is a scenario and design, a row an event, a dot means none.",
        class_="how",
    )
    return Section("events", "Why: the events behind each row", "Events", join(intro, how, Markup("".join(blocks))))


def _block(
    report: Report,
    name: str,
    keys: list[tuple[Any, ...]],
    counts: dict[tuple[Any, ...], dict[str, dict[str, int]]],
    designs: list[str],
) -> str:
    described = report.described.loc[name]
    tables: list[dict[str, dict[str, int]]] = [counts.get(key, {}) for key in keys]
    # Scenarios that count the same share their columns.
    groups: list[tuple[list[str], dict[str, dict[str, int]]]] = []
    for key, own in zip(keys, tables, strict=True):
        label = report.scenario_text(key[:-1])
        for labels, known in groups:
            if known == own:
                labels.append(label)
                break
        else:
            groups.append(([label], own))
    columns = [(", ".join(labels) if len(labels) < 3 else f"{len(labels)} scenarios", own) for labels, own in groups]
    heads = "".join(f"<th scope=col>{escape(label)} {escape(design)}" for label, _ in columns for design in designs)
    names = dict.fromkeys(event for _, own in columns for event in own)
    lines = []
    for event in names:
        cells = "".join(
            f"<td>{shown(own.get(event, {}).get(design)) if own.get(event, {}).get(design) else '·'}"
            for _, own in columns
            for design in designs
        )
        lines.append(f"<tr><th scope=row>{escape(event)}{cells}")
    before, after = described["before"], described["after"]
    words = " ".join(part for part in (described["title"], f"({before} → {after})" if before or after else "") if part)
    inner = (
        f"<table><thead><tr><th scope=col>Event{heads}</thead><tbody>{''.join(lines)}</tbody></table>"
        if lines
        else "<p>No event counted.</p>"
    )
    about = f"<p>{escape(words)}</p>" if words else ""
    return (
        f"<details class=e><summary>{breakable(name)}</summary><div "
        f"id={entry_anchor(name)}>{about}{inner}</div></details>"
    )
