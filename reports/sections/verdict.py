# SPDX-License-Identifier: GPL-2.0-only
"""The verdict: what came out in a sentence per candidate, the claims about its designs, the ratios by group."""

from reports import answer, claims
from reports.agreement import OPPOSITE, agreement
from reports.claims import Claim
from reports.data import Report
from reports.html import Markup, join, slug, tag
from reports.numbers import (
    CHEAPER,
    DEARER,
    EQUAL,
    cell,
    geometric_mean,
    glyph,
    is_number,
    number,
    percent,
    plain,
    ratio_cell,
    ratio_number,
)
from reports.sections import Section, head, scroll

MOST_NAMES = 12
"""Transitions that the line on the agreement of time and instructions names."""

GLYPHS = {claims.HOLDS: "✔", claims.PART: "◐", claims.FAILS: "✘", claims.OPEN: "○"}


def summary(report: Report) -> Markup:
    """Return the result of the run in a sentence or two."""
    meters, designs = report.meters(), report.designs()
    if not meters or not designs:
        return tag("p", "This run measured no VGIC transitions.", class_="lead")
    if len(designs) < 2:
        words = f"This run holds one design only ({designs[0].title}); what needs two is left out."
        return tag("p", words, class_="lead")
    return join(_unexpected(report), [_summary(pair) for pair in report.pairs], [_agreement(p) for p in report.pairs])


def _unexpected(report: Report) -> Markup | None:
    """Return a banner that says how many measurements ended in an unexpected state, None when none did."""
    counts = {design.name: len(report.unexpected(design.name)) for design in report.designs()}
    if not any(counts.values()):
        return None
    each = ", ".join(f"{count:,} of {name}" for name, count in counts.items() if count)
    words = (
        f"{sum(counts.values()):,} measurements ended in a state that is not the expected one ({each}). They carry "
        "the mark ✘, and no ratio is formed with them: what they cost is not the cost of that transition."
    )
    return tag("p", words, class_="warning", role="alert")


def _agreement(report: Report) -> Markup | None:
    """Return a line on how time and instructions of a pair of designs agree, None when the run lacks one of them."""
    found = agreement(report)
    if found is None:
        return None
    _, candidate = report.designs()
    if not found.opposite:
        words = f"Time and instructions of {candidate.name} point the same way in all {found.known:,} measurements."
        return tag("p", words, class_="quiet")
    shown = ", ".join(found.transitions[:MOST_NAMES])
    more = len(found.transitions) - MOST_NAMES
    return tag(
        "p",
        f"Time and instructions of {candidate.name} point opposite ways in ",
        number(found.opposite),
        f" of {found.known:,} measurements, marked {OPPOSITE} in the table: of {shown}",
        f" and {more:,} more transitions" if more > 0 else None,
        ".",
        class_="quiet",
    )


def _summary(report: Report) -> Markup:
    """Return what came out of a pair of designs."""
    meters, (reference, candidate) = report.meters(), report.designs()
    meter = meters[0].key
    classes = (
        ("stores to the distributor", lambda group: group == claims.WRITES),
        ("loads from it", lambda group: group == claims.READS),
        ("everything else", lambda group: not claims.is_mmio(group)),
    )
    parts: list[Markup] = []
    for label, wanted in classes:
        ratio, count = claims.group_ratio(report, meter, wanted)
        if count:
            parts.append(join(tag("strong", ratio_number(ratio)), f" for {label}"))
    lead = [tag("p", line, class_="lead") for line in (answer.headline(report), answer.where(report)) if line]
    if not parts:
        return join(lead)
    *most, last = parts
    sentence = join(*[piece for part in most for piece in (part, ", ")][:-1], " and " if most else None, last)
    own = [
        ratio
        for key, ratio in zip(report.measurements(), report.ratios(meter), strict=True)
        if ratio > 0 and report.group(key[-1]) != "guest"
    ]
    counts = {mark: sum(glyph(ratio) == mark for ratio in own) for mark in (CHEAPER, DEARER, EQUAL)}
    return join(
        lead,
        tag("p", tag("strong", answer.advice(report)), class_="lead"),
        tag(
            "p",
            f"Catalogue mean, {candidate.name} ÷ {reference.name}, each transition counted once: ",
            sentence,
            f"; in {meters[0].unit}. Of ",
            number(len(own)),
            f" measurements {candidate.name} costs less in ",
            number(counts[CHEAPER]),
            ", more in ",
            number(counts[DEARER]),
            ", the same within 2 % in ",
            number(counts[EQUAL]),
            ".",
            class_="quiet",
        ),
    )


def _weighted(report: Report) -> Markup | None:
    """Return a pair's groups of main transitions and how often workloads do them: what the headline is made of."""
    found, weighted = answer.groups(report), answer.weighted_ratio(report)
    if not found or not is_number(weighted):
        return None
    reference, candidate = report.designs()
    versions = sorted({gic for group in found for gic in group.ratios})
    rows = [
        tag(
            "tr",
            tag("th", group.name, scope="row"),
            tag("td", answer.WORDS.get(group.name, "")),
            cell(group.transitions),
            tag("td", percent(group.weight), data_v=plain(group.weight)),
            [ratio_cell(group.ratios.get(gic)) for gic in versions],
            ratio_cell(group.whole),
        )
        for group in found
    ]
    sides = [f"GICv{gic}" for gic in versions]
    table = tag("table", head("Transitions", "What happens", "Main ones", "Share", *sides, "All"), tag("tbody", rows))
    heading = f"How often, and at what cost: {candidate.name} ÷ {reference.name}"
    how = join(
        "Share: how often recorded workloads do it, among the VGIC's operations, mean over the workloads. ",
        "The headline's ",
        ratio_number(weighted),
        " per transition is the geometric mean of the column All with these shares as weights.",
    )
    return join(
        tag("h3", heading, id=slug("weights", candidate.name)),
        scroll(table, heading),
        tag("p", tag("b", "How to read it. "), how, class_="how"),
    )


def _claim(claim: Claim, sections: set[str]) -> Markup:
    verdict = tag("p", tag("span", GLYPHS[claim.verdict], aria_hidden="true"), " ", claim.verdict, class_="verdict")
    facts = (
        tag("dl", [tag("div", tag("dt", label), tag("dd", value)) for label, value in claim.figures])
        if claim.figures
        else None
    )
    more = (
        join(" ", tag("a", "Read on", aria_label=f"Read on about claim {claim.number}", href=f"#{claim.section}"))
        if claim.section in sections
        else None
    )
    return tag(
        "li",
        tag("h3", claim.statement),
        verdict,
        facts,
        tag("p", claim.rule, more, class_="rule"),
        class_=slug(claim.verdict),
        id=f"claim-{claim.number}",
    )


def _groups(report: Report) -> Markup | None:
    """Return the ratios of a pair of designs by group of transition."""
    meters, (reference, candidate) = [meter for meter in report.meters() if meter.key != "events"], report.designs()
    by_group: list[dict[str, list[float]]] = []
    for meter in meters:
        found: dict[str, list[float]] = {}
        for key, ratio in zip(report.measurements(), report.ratios(meter.key), strict=True):
            if is_number(ratio):
                found.setdefault(report.group(key[-1]), []).append(ratio)
        by_group.append(found)
    rows = []
    for group in dict.fromkeys(texts["group"] for texts in report.described.values()):
        if group == "guest":
            continue
        parts = [(geometric_mean(found.get(group, [])), len(found.get(group, []))) for found in by_group]
        if any(count for _, count in parts):
            rows.append(
                tag(
                    "tr",
                    tag("th", group or "(none)", scope="row"),
                    cell(parts[0][1]),
                    [ratio_cell(ratio) for ratio, _ in parts],
                )
            )
    if not rows:
        return None
    table = tag("table", head("Transitions", "Measured", *[meter.title for meter in meters]), tag("tbody", rows))
    how = (
        f"Each figure is {candidate.name} ÷ {reference.name}, the geometric mean over the group's transitions and "
        f"scenarios: ▼ {candidate.name} costs less, ▲ it costs more. "
        "What the guest does itself (acknowledge, EOI) is hardware, the same for both, and left out."
    )
    heading = f"By group of transition: {candidate.name} ÷ {reference.name}"
    return join(
        tag("h3", heading, id=slug("groups", candidate.name)),
        scroll(table, heading),
        tag("p", tag("b", "How to read it. "), how, class_="how"),
    )


def section(report: Report, found: list[Claim], sections: set[str]) -> Section:
    """Return the first section of the page; `sections`: the ids of the others, which claims may lead to."""
    items = tag("ol", [_claim(claim, sections) for claim in found], class_="claims") if found else None
    about = " and ".join(claims.PAIR)
    intro = (
        tag(
            "p",
            f"The five claims made for the redesign when it was presented (LAS16-500, Zyngier and Dall, 2016), tested "
            f"with {about} of this run: “legacy” is {claims.PAIR[0]}, “the redesign” {claims.PAIR[1]}. ",
            "The rule by which a verdict is given is below it.",
        )
        if found
        else None
    )
    groups = [_groups(pair) for pair in report.pairs] if report.meters() else None
    weighted = [_weighted(pair) for pair in report.pairs] if report.meters() else None
    return Section("verdict", "The verdict", "Verdict", join(summary(report), weighted, intro, items, groups))
