# SPDX-License-Identifier: GPL-2.0-only
"""The table of all transitions with a meter selector.

The meter is chosen by radio buttons and style rules alone, so it works without scripts; sorting and filtering are the
script's. The rows are written by hand and not by `tag`: there are thousands of them, and they are most of the page.
"""

from math import isnan
from typing import Any

from reports.agreement import has_both, marks
from reports.data import SCENARIO, Meter, Report
from reports.html import Markup, join, slug, tag, text
from reports.numbers import glyph, ratio_text, shown
from reports.sections import Section, scroll
from reports.sections.events import entry_anchor, linked

MANY = 500
"""Rows beyond which only so many platforms as PLATFORMS have columns; the download has all."""
PLATFORMS = 2
CLASSES = {"▼": "l", "▲": "m", "≈": "s", "·": "n"}
"""One letter each: the style sheet adds the glyph, and thousands of cells stay small."""


def shown_meters(report: Report, family: str) -> list[Meter]:
    """Return the meters that have columns: all, or of many rows two platforms only, those priced for most rows."""
    meters, designs = report.meters(family), report.designs(family)
    priced = [meter for meter in meters if meter.key.startswith("cycles:")]
    if len(report.measurements(family)) <= MANY or len(priced) <= PLATFORMS:
        return meters

    def known(meter: Meter) -> int:
        return sum(not isnan(cost) for design in designs for cost in report.costs(meter.key, design.name, family))

    kept = sorted(priced, key=lambda meter: -known(meter))[:PLATFORMS]
    return [meter for meter in meters if meter in kept or meter not in priced]


AGREE = "Agree"
"""Head of the column that says whether time and instructions point the same way."""
UNEXPECTED = "✘"
"""Before a figure: the interrupt did not end in the state that the catalogue says."""


def _ratio(value: Any) -> str:
    mark = glyph(value)
    return f"<td class={CLASSES[mark]}>{ratio_text(value).removesuffix('×')}"


def rows(report: Report, family: str = "vgic") -> list[str]:
    """Return the table's rows: transition, group, scenario, whether time and instructions agree, then the meters.

    Each meter has the designs' costs and the ratios. A run without both meters has no column for their agreement.
    """
    keys, designs, meters = report.measurements(family), report.designs(family), shown_meters(report, family)
    columns = [
        (
            [report.costs(meter.key, design.name, family) for design in designs],
            [report.ratios(meter.key, family, candidate) for candidate in range(1, len(designs))],
        )
        for meter in meters
    ]
    wrong = [report.unexpected(design.name, family) for design in designs]
    agree = marks(report, family) if has_both(report, family) else None
    result = []
    known: set[str] = set()
    listed = linked(report) if family == "vgic" else frozenset()
    for row, key in enumerate(keys):
        name = str(key[-1])
        # The first row of a transition is what a link to it means; an id for each would be most of the page.
        anchor = "" if name in known else f" id={slug('t', name)}"
        known.add(name)
        link = f"<a href=#{entry_anchor(name)}>{text(name)}</a>" if name in listed else text(name)
        cells = [f"<tr{anchor}><th>{link}<td>{text(report.group(name))}<td>{text(report.scenario_text(key[:-1]))}"]
        if agree is not None:
            cells.append(f"<td>{agree[row]}")
        for values, ratios in columns:
            cells += [
                f"<td class=x>{UNEXPECTED} {shown(own[row])}" if key in of else f"<td>{shown(own[row])}"
                for own, of in zip(values, wrong, strict=True)
            ]
            cells += [_ratio(own[row]) for own in ratios]
        result.append("".join(cells))
    return result


def _selector(report: Report, family: str, first: int) -> tuple[Markup, str]:
    """Return the radio buttons and the style rules that show one meter's columns; `first` is the first meter column."""
    meters = shown_meters(report, family)
    width = 2 * len(report.designs(family)) - 1
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
    heads: list[Any] = ["Transition", "Group", "Scenario"]
    if has_both(report, family):
        heads.append(tag("abbr", AGREE, title="Do time and instructions point the same way? ✔ yes, ✘ no"))
    selector, styles = _selector(report, family, len(heads) + 1)
    for meter in shown_meters(report, family):
        # The meter chosen is named above the table; a narrow screen needs the room.
        unit = tag("span", f", {meter.title.lower()}", class_="unit")
        heads += [join(design.name, unit) for design in designs]
        heads += [f"{design.name} ÷ {designs[0].name}" for design in designs[1:]]
    header = tag("thead", tag("tr", [tag("th", head, scope="col") for head in heads]))
    body = Markup("<tbody>" + "".join(rows(report, family)) + "</tbody>")
    made = tag("table", header, body, class_=f"big meter-{family}", id=f"table-{family}")
    return join(selector, scroll(made, "Table of transitions", tall=True)), styles


def section(report: Report) -> Section | None:
    """Return the section with the table of VGIC transitions."""
    if not report.meters() or not report.designs():
        return None
    made, styles = table(report)
    units = [tag("li", tag("b", meter.title), f": {meter.unit}") for meter in shown_meters(report, "vgic")]
    intro = tag(
        "p",
        "Each row is one transition in one scenario. What does not differ between rows: ",
        _constant(report),
        ". A transition's name leads to the events it counted.",
    )
    how = tag(
        "p",
        tag("b", "How to read it. "),
        f"Choose a meter; a ratio is of a design to {report.designs()[0].name}, ▼ costs less, ▲ costs more, ≈ the same "
        f"within 2 %. {UNEXPECTED}: the interrupt ended in an unexpected state, so that there is no ratio. "
        if len(report.designs()) > 1
        else "Choose a meter. ",
        "Figures are rounded for reading; the download has them in full, and for all platforms.",
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
