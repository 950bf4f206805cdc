# SPDX-License-Identifier: GPL-2.0-only
"""The scenario grid: the heat map, the scaling curves, and the points where the designs cross."""

from reports.data import Report
from reports.html import Markup, breakable, join, tag
from reports.numbers import cell, number, ratio_cell
from reports.scaling import DIMENSION, curves
from reports.sections import Section, figure, head, scroll


def heatmap(report: Report) -> Section | None:
    """Return the section of the heat maps, one per candidate."""
    drawn = [made for made in map(_heatmap, report.pairs) if made]
    return Section("grid", "The whole grid at a glance", "Heat map", join(drawn)) if drawn else None


def _heatmap(report: Report) -> Markup | None:
    meters, (reference, candidate) = report.meters(), report.designs()
    return figure(
        "heatmap",
        report,
        f"Heat map of {candidate.name} over {reference.name}",
        f"{candidate.name} ÷ {reference.name} in {meters[0].unit if meters else ''}; where a cell represents several "
        "measurements it is their geometric mean.",
        f"In a cell below 1 (blue) {candidate.name} costs less, above 1 (orange) more; the number is the ratio itself. "
        "Colours step at 0.5, 0.8, 0.98, 1.02, 1.25 and 2.",
    )


def _values(values: list[float]) -> Markup | str:
    return join(*[part for value in values for part in (", ", number(value))][1:]) if values else "–"


def scaling(report: Report) -> Section | None:
    """Return the section of scaling curves and crossover points."""
    meters = report.meters()
    found = curves(report, meters[0].key) if meters else []
    if not found:
        return None
    drawn = figure(
        "scaling",
        report,
        "Scaling curves",
        f"Cost ({meters[0].unit}) against one dimension of the grid, the others at their most common value: the "
        "transitions in which the designs grow most differently.",
        "A flat line does not depend on the dimension; where the lines cross (dotted, with the value) the cheaper "
        "design changes. The table below has every curve.",
    )
    designs = report.designs()
    rows = []
    for curve in found:
        first, last = curve.points[0], curve.points[-1]
        costs = []
        for place in range(len(designs)):
            costs += [cell(first[1][place]), cell(last[1][place]), ratio_cell(curve.growth(place))]
            if place:
                costs.append(tag("td", _values(curve.crossings(place))))
        rows.append(
            tag(
                "tr",
                tag("th", breakable(curve.transition), scope="row"),
                tag("td", f"GICv{curve.gic}", class_="text"),
                tag("td", DIMENSION[curve.dimension], class_="text"),
                tag("td", f"{first[0]:g} – {last[0]:g}"),
                costs,
            )
        )
    titles = [f"{designs[0].name}, first", "last", "growth"]
    for design in designs[1:]:
        titles += [f"{design.name}, first", "last", "growth", f"Same as {designs[0].name} at"]
    table = tag("table", head("Transition", ("GIC", "text"), ("Along", "text"), "Range", *titles), tag("tbody", rows))
    details = tag(
        "details",
        tag("summary", f"All {len(found)} curves, with growth and crossover points"),
        scroll(table, "Scaling curves", tall=True),
        open=len(found) <= 40,
    )
    return Section("scaling", "How it scales, and where the designs cross", "Scaling", join(drawn, details))
