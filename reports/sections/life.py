# SPDX-License-Identifier: GPL-2.0-only
"""An interrupt's whole life for every pairing of VGIC and world switch, and what each of the two choices changes."""

from reports.data import Report, total
from reports.figures.life import Square, first_platforms, squares
from reports.html import Markup, join, tag
from reports.numbers import cell, number, percent_number
from reports.sections import Section, figure, head, scroll
from reports.tables import phases


def _square(square: Square) -> Markup:
    (a, _), (_, d) = square.totals
    table = tag(
        "table",
        tag(
            "caption",
            f"{square.scenario}, GICv{square.gic}{f', {square.platform}' if square.platform else ''}, {square.unit}",
        ),
        head("VGIC", *square.switches),
        tag(
            "tbody",
            [
                tag("tr", tag("th", name, scope="row"), [cell(value) for value in line])
                for name, line in zip(square.designs, square.totals, strict=True)
            ],
        ),
    )
    effects = tag(
        "p",
        f"{square.designs[1]} instead of {square.designs[0]} changes it by ",
        number(square.design_effect),
        " (",
        percent_number(square.design_effect / a),
        f"), {square.switches[1]} instead of {square.switches[0]} by ",
        number(square.switch_effect),
        " (",
        percent_number(square.switch_effect / a),
        "), both together by ",
        number(d - a),
        "; interaction ",
        number(square.interaction),
        ".",
        class_="quiet",
    )
    return tag("div", table, effects, class_="square")


def section(report: Report) -> Section | None:
    """Return the section of the 2×2."""
    parts, unit = phases(report)
    if not parts:
        return None
    found = [square for view in report.pairs or [report] for square in squares(view)]
    drawn = figure(
        "life",
        report,
        "An interrupt's whole life by pairing",
        "From injection to the exit after its EOI, phase by phase.",
        "A bar is one interrupt on one pairing, its parts the phases in the order they happen; the number is the "
        f"sum in {unit}. "
        "Panels of the same machine have the same scale.",
    )
    platforms = first_platforms(report)
    first = [square for square in found if square.platform == platforms[square.gic]]
    blocks: list[Markup] = [tag("div", [_square(square) for square in first], class_="squares")] if first else []
    intro = None
    if found:
        intro = join(
            tag("h3", "Two choices, four pairings", id="pairings"),
            tag(
                "p",
                "Rows are VGIC designs, columns world switches. A main effect is what one change does averaged "
                "over the other; the interaction is what the two together do beyond their sum, halved.",
            ),
        )
    names = list(dict.fromkeys(part.phase for part in parts))
    costs: dict[tuple[str, int, str, str, str], dict[str, list[float]]] = {}
    for part in parts:
        own = costs.setdefault((part.scenario, part.gic, part.platform, part.design, part.switch), {})
        own.setdefault(part.phase, []).append(part.cost)
    rows = []
    for (scenario, gic, platform, design, switch), by_phase in costs.items():
        sums = [total(by_phase.get(name, ())) for name in names]
        rows.append(
            tag(
                "tr",
                tag("th", f"{design} + {switch}", scope="row"),
                tag("td", f"{scenario}, GICv{gic}{f', {platform}' if platform else ''}", class_="text"),
                list(map(cell, sums)),
                cell(total(sums)),
            )
        )
    table = tag("table", head("Pairing", ("Scenario", "text"), *names, "sum"), tag("tbody", rows))
    details = tag(
        "details",
        tag("summary", f"Every phase of every pairing, in {unit}"),
        scroll(table, "Phases by pairing", tall=True),
    )
    return Section("life", "What each choice changes: VGIC × world switch", "2×2", join(drawn, intro, blocks, details))
