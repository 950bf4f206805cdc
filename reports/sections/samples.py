# SPDX-License-Identifier: GPL-2.0-only
"""Times as they were measured: every sample, and the interval of the median."""

from reports.data import Report
from reports.figures.samples import count, drawn_samples
from reports.html import tag
from reports.numbers import number
from reports.sections import Section, figure


def section(report: Report) -> Section | None:
    """Return the section of time samples."""
    everything, shown = len(report.table("samples")), count(drawn_samples(report))
    if not shown:
        return None
    which = "" if shown == everything else f" of {everything:,} (all are in the results folder)"
    drawn = figure(
        "samples",
        report,
        "Every time sample",
        tag(
            "span",
            number(shown),
            f" samples{which}: the time of the model on the measuring host, not of the kernel.",
        ),
        "A tick is one sample, the bold one the median; designs stand above each other in their row. Ticks far from "
        "the rest are noise of the host, and the reason to look at more than a mean.",
    )
    return (
        Section("samples", "Times, every sample", "Times", tag("details", tag("summary", "Show all samples"), drawn))
        if drawn
        else None
    )
