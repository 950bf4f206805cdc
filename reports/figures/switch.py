# SPDX-License-Identifier: GPL-2.0-only
"""World switch cost by register group: a stacked bar an implementation and phase, beside the published table."""

from matplotlib.figure import Figure

from reports.data import Report
from reports.drawing import Panel, Sheet, legend_lines, round_steps, text_inches
from reports.figures.bars import legend_of, scale_of, stacked, sums
from reports.numbers import shown
from reports.published import PublishedTable, published
from reports.tables import main_configuration

TABLE = "isca16-table3"


def grouped(report: Report) -> tuple[list[str], dict[tuple[int, str, str], list[int]]]:
    """Return register groups, and (GIC version, implementation, phase) -> instructions a group, in results' order."""
    steps = main_configuration(report)
    groups = list(dict.fromkeys(step.group for step in steps))
    counts: dict[tuple[int, str, str], list[int]] = {}
    for step in steps:
        own = counts.setdefault((step.gic, step.implementation, step.phase), [0] * len(groups))
        own[groups.index(step.group)] += step.times
    return groups, counts


def draw(report: Report) -> Figure | None:
    """Draw the switch table of each GIC version, and the published table as bars of their own scale."""
    groups, counts = grouped(report)
    if not counts:
        return None
    gics = list(dict.fromkeys(gic for gic, _, _ in counts))
    bars = {gic: [key[1:] for key in counts if key[0] == gic] for gic in gics}
    paper = published(TABLE)
    labels = [*(row.group for row in paper.rows), *(f"{name}, {phase}" for _, name, phase in counts)]
    left, title, bar = text_inches(labels, 8.5) + 0.05, 0.32, 0.24
    legend = 0.2 + 0.2 * legend_lines(groups, 9.4)
    heights = [bar * len(own) for own in bars.values()]
    paper_height = 0.34 * len(paper.rows)
    sheet = Sheet(9.6, sum(heights) + (title + 0.25) * len(gics) + legend + title + paper_height + 0.3)
    parts = {
        gic: [(group, [float(counts[gic, *key][n]) for key in bars[gic]]) for n, group in enumerate(groups)]
        for gic in gics
    }
    scale = scale_of(max(max(sums(own)) for own in parts.values()))
    top = title
    for gic, height in zip(gics, heights, strict=True):
        panel = Panel(left, top, 9.5 - left, height, scale, (-0.5, len(bars[gic]) - 0.5))
        sheet.words([(left, top - 0.13, f"Modelled, GICv{gic}: instructions executed")], 9.5, bold=True)
        names = [f"{implementation}, {phase}" for implementation, phase in bars[gic]]
        stacked(sheet, panel, range(len(names)), parts[gic], 0.7, names, "")
        top += height + title + 0.25
    sheet.legend(legend_of(groups), 0.1, top - title + 0.06, 9.4)
    _paper(sheet, Panel(left, top + legend, 9.5 - left, paper_height, y=(-0.5, len(paper.rows) - 0.5)), paper)
    return sheet.figure


def _paper(sheet: Sheet, panel: Panel, paper: PublishedTable) -> None:
    longest = max(max(row.save, row.restore) for row in paper.rows)
    panel = Panel(panel.left, panel.top, panel.width, panel.height, (0, longest * 1.2), panel.y)
    words = f"Published: {paper.title}, {paper.unit} (* recalled, not seen again in the source)"
    sheet.words([(panel.left, panel.top - 0.13, words)], 9.5, bold=True)
    panel.grid(sheet, round_steps(0, panel.x[1]))
    for offset, (name, role, hatch) in enumerate((("save", "candidate", ""), ("restore", "reference", "///"))):
        boxes, labels = [], []
        for place, row in enumerate(paper.rows):
            width = getattr(row, name)
            top = panel.down(place + (offset - 1) * 0.38)
            boxes.append((panel.left, top, panel.across(width) - panel.left, panel.down(0.36) - panel.down(0)))
            mark = "" if getattr(row, f"{name}_certainty") != "recalled" else " *"
            middle = panel.down(place + (offset - 0.5) * 0.38)
            labels.append((panel.across(width) + 0.05, middle, f"{name} {shown(width)}{mark}"))
        sheet.boxes(boxes, role, hatch=hatch)
        sheet.words(labels, 7)
    names = [(panel.left - 0.07, panel.down(place), row.group) for place, row in enumerate(paper.rows)]
    sheet.words(names, 8.5, "muted", "right")
