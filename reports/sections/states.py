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
"""Transitions named beside an edge; the rest are behind a disclosure."""


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
    """Return the section of the state machine, drawn once per candidate."""
    blocks = [_state_machine(view, place == 0) for place, view in enumerate(report.pairs or [report])]
    made = [block for block in blocks if block]
    return Section("states", "An interrupt's life, edge by edge", "States", join(made)) if made else None


def _meaning(report: Report) -> str:
    designs = report.designs()
    if len(designs) < 2:
        return "Each arrow says what its transitions cost (geometric mean). "
    reference, candidate = designs
    return (
        f"Each arrow says what its transitions cost in {reference.name} → in {candidate.name} (geometric mean), and "
        f"the ratio. ▼ and blue: {candidate.name} costs less; ▲ and orange: it costs more; ≈ and grey: the same within "
        "2 %. "
    )


def _state_machine(report: Report, first: bool) -> Markup | None:
    """Return the state machine of a pair of designs, or of one; the arrows of the first one link to their rows."""
    meters, designs = report.meters(), report.designs()
    against = f": {designs[1].name} beside {designs[0].name}" if len(designs) > 1 else ""
    drawn = figure(
        "states",
        report,
        f"State machine of an interrupt{against}",
        "The states of one interrupt as guest and host see them, and what moves it between them. A number on an "
        "arrow links to its row below.",
        _meaning(report) + "Dashed: the guest does it alone, in hardware.",
        linked=first,
    )
    if drawn is None:
        return None
    two = len(designs) > 1
    rows = []
    for edge in edges(report, meters[0]):
        costs = [cell(edge.reference), cell(edge.candidate) if two else None, ratio_cell(edge.ratio) if two else None]
        rows.append(
            tag(
                "tr",
                tag("th", f"{edge.before} → {edge.after}", scope="row"),
                costs,
                tag("td", _names(edge.transitions, report), _hardware(edge, report), class_="text"),
                id=edge.anchor if first else None,
            )
        )
    names = [design.name for design in designs]
    titles = [*names, f"{names[1]} ÷ {names[0]}"] if two else [designs[0].title]
    table = tag(
        "table",
        tag("caption", f"Mean {meters[0].unit}"),
        head("Edge", *titles, ("Transitions", "text")),
        tag("tbody", rows),
    )
    return join(drawn, scroll(table, f"Edges of the state machine{against}"))


def differences(report: Report) -> Section | None:
    """Return the section on transitions after which the interrupt's state differs between the designs.

    Differences of one reason are shown together; where the catalogue gives none, each transition is shown alone.
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
    for (why, *ended, right), names in found.items():
        gics = sorted({gic for own in names.values() for gic in own})
        where = ", ".join(f"GICv{gic}" for gic in gics)
        rows.append(
            tag(
                "tr",
                tag("td", why, class_="text wide"),
                [tag("td", state or "–", class_="text") for state in (*ended, right)],
                tag("td", _names(tuple(names), report), tag("span", f" {where}", class_="quiet"), class_="text wide"),
            )
        )
    leaves = [f"{design.name} leaves it" for design in report.designs()]
    heads = ("Why they differ", *leaves, "The architecture", "Transitions")
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
