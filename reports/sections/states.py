# SPDX-License-Identifier: GPL-2.0-only
"""The state machine of an interrupt with its edges, and the transitions in which the designs end differently."""

from reports import claims, matrix
from reports.data import Report
from reports.figures.states import Edge, edges
from reports.html import Markup, breakable, join, tag
from reports.numbers import cell, number, ratio_cell
from reports.sections import Section, figure, head, scroll
from reports.sections.events import entry_anchor, linked

FEW = 6
"""Transitions named beside an edge; the rest stand behind a disclosure."""


def _links(names: tuple[str, ...], report: Report) -> Markup:
    listed = linked(report)
    links = [
        tag("a", breakable(name), href=f"#{entry_anchor(name)}") if name in listed else breakable(name)
        for name in names
    ]
    return join(*[part for link in links for part in (Markup(", "), link)][1:])


def _names(names: tuple[str, ...], report: Report) -> Markup:
    links = _links(names, report)
    return links if len(names) <= FEW else tag("details", tag("summary", f"{len(names)} transitions"), tag("p", links))


def _hardware(edge: Edge, report: Report) -> Markup | None:
    """Return the edge's transitions that the guest makes alone, None when it has none."""
    if not edge.hardware:
        return None
    return tag("details", tag("summary", f"{len(edge.hardware)} in hardware"), tag("p", _links(edge.hardware, report)))


def section(report: Report) -> Section | None:
    """Return the section of the state machine."""
    meters = report.meters()
    drawn = figure(
        "states",
        report,
        "State machine of an interrupt",
        "The states of one interrupt as guest and host see them, and what moves it between them. A number on an "
        "arrow links to its row below.",
        "Each arrow says what its transitions cost in the legacy design → in the redesign (geometric mean), and "
        "the ratio. "
        "▼ and blue: the redesign is cheaper; ▲ and orange: it is dearer; ≈ and grey: the same within 2 %. "
        "Dashed: the guest does it alone, in hardware.",
        linked=True,
    )
    if drawn is None:
        return None
    two = len(report.designs()) > 1
    rows = []
    for edge in edges(report, meters[0]):
        costs = [cell(edge.reference), cell(edge.candidate) if two else None, ratio_cell(edge.ratio) if two else None]
        rows.append(
            tag(
                "tr",
                tag("th", f"{edge.before} → {edge.after}", scope="row"),
                costs,
                tag("td", _names(edge.transitions, report), _hardware(edge, report), class_="text"),
                id=edge.anchor,
            )
        )
    titles = ["Legacy", "Redesign", "Ratio"] if two else [report.designs()[0].title]
    table = tag(
        "table",
        tag("caption", f"Mean {meters[0].unit}"),
        head("Edge", *titles, ("Transitions", "text")),
        tag("tbody", rows),
    )
    return Section(
        "states",
        "An interrupt's life, edge by edge",
        "States",
        join(drawn, scroll(table, "Edges of the state machine")),
    )


def differences(report: Report) -> Section | None:
    """Return the section on transitions after which the interrupt's state differs between the designs.

    Differences of one reason stand together; where the catalogue gives none, each transition stands alone.
    """
    different = claims.disagreements(report)
    if not different:
        return None
    found: dict[tuple[str, ...], dict[str, list[int]]] = {}
    for (name, gic), states in different.items():
        why = report.text(name, "why")
        key = (why or report.text(name, "title"), *states, matrix.right_state(name))
        found.setdefault(key, {}).setdefault(name, []).append(gic)
    rows = []
    for (why, legacy, redesign, right), names in found.items():
        gics = sorted({gic for own in names.values() for gic in own})
        where = ", ".join(f"GICv{gic}" for gic in gics)
        rows.append(
            tag(
                "tr",
                tag("td", why, class_="text wide"),
                [tag("td", state or "–", class_="text") for state in (legacy, redesign, right)],
                tag("td", _names(tuple(names), report), tag("span", f" {where}", class_="quiet"), class_="text wide"),
            )
        )
    heads = ("Why they differ", "Legacy leaves it", "Redesign leaves it", "The architecture", "Transitions")
    table = tag("table", head(*((text, "text") for text in heads)), tag("tbody", rows))
    intro = tag(
        "p",
        "After these transitions the same interrupt is in another state, because the designs behave differently: ",
        number(len({name for name, _ in different})),
        " transitions, ",
        number(len(found)),
        " kinds of difference. “In LR” means that a vCPU in the guest holds it in a list register.",
    )
    body = join(intro, scroll(table, "Transitions that end differently"))
    return Section("differences", "Where the designs disagree", "Differences", body)
