# SPDX-License-Identifier: GPL-2.0-only
"""The world switch by register group, beside the published table."""

from reports.data import Report
from reports.figures.switch import TABLE, grouped
from reports.html import Markup, join, tag
from reports.numbers import cell, number
from reports.published import PublishedTable, published
from reports.sections import Section, figure, head, scroll
from reports.sections import transitions as transition_table
from reports.tables import configurations, main_configuration


def _paper(paper: PublishedTable) -> Markup:
    rows = []
    for row in paper.rows:
        rows.append(
            tag(
                "tr",
                tag("th", row.group, scope="row"),
                cell(row.save),
                tag("td", row.save_certainty, class_="text"),
                cell(row.restore),
                tag("td", row.restore_certainty, class_="text"),
            )
        )
    table = tag(
        "table",
        tag("caption", f"Published: {paper.title}, {paper.unit}"),
        head("Register group", "Save", ("certainty", "text"), "Restore", ("certainty", "text")),
        tag("tbody", rows),
    )
    source = tag(
        "p",
        paper.source,
        ". ",
        paper.machine,
        ". ",
        paper.note,
        " “Recalled” figures were not seen again in the source.",
        class_="quiet",
    )
    return join(scroll(table, paper.title), source)


def section(report: Report) -> Section | None:
    """Return the section of the world switch."""
    groups, counts = grouped(report)
    steps = main_configuration(report)
    transitions = None
    styles = ""
    if report.designs("switch") and report.meters("switch"):
        made, styles = transition_table.table(report, "switch")
        transitions = tag("details", tag("summary", "World-switch transitions"), made)
    if not steps:
        if transitions is None:
            return None
        return Section("switch", "The world switch", "Switch", transitions, styles)
    drawn = figure(
        "switch",
        report,
        "World switch by register group",
        f"Instructions executed by phase ({steps[0].configuration}), and the cycles "
        "that were published for real hardware.",
        "A part of a bar is the instructions that save, restore or set up one group of registers. Instructions "
        "and cycles are different units: "
        "a read of the GIC's memory is one instruction and hundreds of cycles.",
    )
    rows = []
    for (gic, implementation, phase), own_counts in counts.items():
        rows.append(
            tag(
                "tr",
                tag("th", f"{implementation}, {phase}", scope="row"),
                tag("td", f"GICv{gic}", class_="text"),
                [cell(value) for value in own_counts],
                cell(sum(own_counts)),
            )
        )
    own = tag(
        "table",
        tag("caption", "Modelled: instructions executed"),
        head("Switch, phase", ("GIC", "text"), *groups, "sum"),
        tag("tbody", rows),
    )
    classes = list(dict.fromkeys(step.kind for step in steps))
    by_class: dict[tuple[int, str, str], list[int]] = {key: [0] * len(classes) for key in counts}
    for step in steps:
        by_class[step.gic, step.implementation, step.phase][classes.index(step.kind)] += step.times
    lines = [
        tag(
            "tr",
            tag("th", f"{implementation}, {phase}", scope="row"),
            tag("td", f"GICv{gic}", class_="text"),
            list(map(cell, own_counts)),
        )
        for (gic, implementation, phase), own_counts in by_class.items()
    ]
    by_class_table = tag("table", head("Switch, phase", ("GIC", "text"), *classes), tag("tbody", lines))
    more = tag("details", tag("summary", "By instruction class"), scroll(by_class_table, "Switch by instruction class"))
    others = configurations(report) - len({step.configuration for step in steps})
    note = tag("p", number(others), " further configurations are in the download.", class_="quiet") if others else None
    body = join(drawn, scroll(own, "Switch by register group"), more, note, _paper(published(TABLE)), transitions)
    return Section("switch", "The world switch, group by group", "Switch", body, styles)
