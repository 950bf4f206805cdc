# SPDX-License-Identifier: GPL-2.0-only
"""The scenario grid: the heat map, the scaling curves, and the points where the designs cross."""

from reports.data import Report
from reports.html import Markup, breakable, join, tag
from reports.numbers import cell, number, ratio_cell
from reports.scaling import DIMENSION, curves
from reports.sections import Section, figure, head, scroll


def heatmap(report: Report) -> Section | None:
    """Return the section of the heat map."""
    meters = report.meters()
    drawn = figure(
        "heatmap",
        report,
        "Heat map of redesign over legacy",
        f"Redesign ÷ legacy in {meters[0].unit if meters else ''}; where a cell stands for several measurements it "
        "is their geometric mean.",
        "A cell below 1 (blue) is cheaper in the redesign, above 1 (orange) dearer; the number is the ratio itself. "
        "Colours step at 0.5, 0.8, 0.98, 1.02, 1.25 and 2.",
    )
    return Section("grid", "The whole grid at a glance", "Heat map", drawn) if drawn else None


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
    two = len(report.designs()) > 1
    rows = []
    for curve in found:
        first, last = curve.points[0], curve.points[-1]
        crossings = curve.crossings() if two else []
        crossed: Markup | str = (
            join(*[part for value in crossings for part in (", ", number(value))][1:]) if crossings else "–"
        )
        rows.append(
            tag(
                "tr",
                tag("th", breakable(curve.transition), scope="row"),
                tag("td", f"GICv{curve.gic}", class_="text"),
                tag("td", DIMENSION[curve.dimension], class_="text"),
                tag("td", f"{first[0]:g} – {last[0]:g}"),
                [cell(value) for value in (first[1][0], last[1][0])],
                ratio_cell(curve.growth(0)),
                [join(cell(first[1][1]), cell(last[1][1]), ratio_cell(curve.growth(1))) if two else None],
                tag("td", crossed) if two else None,
            )
        )
    titles = ["Legacy, first", "last", "growth"] + (
        ["Redesign, first", "last", "growth", "Same cost at"] if two else []
    )
    table = tag("table", head("Transition", ("GIC", "text"), ("Along", "text"), "Range", *titles), tag("tbody", rows))
    details = tag(
        "details",
        tag("summary", f"All {len(found)} curves, with growth and crossover points"),
        scroll(table, "Scaling curves", tall=True),
        open=len(found) <= 40,
    )
    return Section("scaling", "How it scales, and where the designs cross", "Scaling", join(drawn, details))
