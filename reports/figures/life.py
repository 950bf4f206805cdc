# SPDX-License-Identifier: GPL-2.0-only
"""An interrupt's whole life, phase by phase, for each pairing of VGIC design and world switch; and the 2×2 of it.

The bars stack the phases of one scenario. The 2×2 averages nothing: it is the total of a scenario for the four pairings
of the first two designs and the first two switches. With it are its main effects and the interaction, in the same unit.
"""

from dataclasses import dataclass

from matplotlib.figure import Figure

from reports.data import NAN, Report, total
from reports.drawing import Panel, Sheet, legend_lines, text_inches
from reports.figures.bars import legend_of, scale_of, stacked, sums
from reports.numbers import is_number
from reports.tables import phases

MOST = 16
"""Panels drawn; the table in the page has all scenarios and platforms."""


@dataclass(frozen=True)
class Square:
    """The 2×2 of one scenario, GIC and platform: `totals[design][switch]`, in `unit`."""

    scenario: str
    gic: int
    platform: str
    unit: str
    designs: tuple[str, str]
    switches: tuple[str, str]
    totals: tuple[tuple[float, float], tuple[float, float]]

    @property
    def design_effect(self) -> float:
        """Return what the second design changes, averaged over the two switches."""
        (a, b), (c, d) = self.totals
        return ((c - a) + (d - b)) / 2

    @property
    def switch_effect(self) -> float:
        """Return what the second switch changes, averaged over the two designs."""
        (a, b), (c, d) = self.totals
        return ((b - a) + (d - c)) / 2

    @property
    def interaction(self) -> float:
        """Return by how much the second switch's effect differs between the designs, halved as in a 2×2 design."""
        (a, b), (c, d) = self.totals
        # Sums of equal terms in another order differ in their last bit: that is no interaction.
        return round(((d - c) - (b - a)) / 2, 6) + 0.0


def squares(report: Report) -> list[Square]:
    """Return the 2×2 of every scenario, GIC and platform that has all four pairings."""
    rows, unit = phases(report)
    designs = report.in_order(row.design for row in rows)[:2]
    switches = list(dict.fromkeys(row.switch for row in rows))[:2]
    if len(designs) < 2 or len(switches) < 2:
        return []
    found: dict[tuple[str, int, str], dict[tuple[str, str], list[float]]] = {}
    for row in rows:
        own = found.setdefault((row.scenario, row.gic, row.platform), {})
        own.setdefault((row.design, row.switch), []).append(row.cost)
    result = []
    for (scenario, gic, platform), own in found.items():
        a, b, c, d = (total(own.get((design, switch), ())) for design in designs for switch in switches)
        if all(map(is_number, (a, b, c, d))):
            pair, switch_pair = (designs[0], designs[1]), (switches[0], switches[1])
            result.append(Square(scenario, gic, platform, unit, pair, switch_pair, ((a, b), (c, d))))
    return result


def first_platforms(report: Report) -> dict[int, str]:
    """Return the first platform that each GIC version was priced for."""
    rows, _ = phases(report)
    return {row.gic: row.platform for row in reversed(rows)}


def draw(report: Report) -> Figure | None:
    """Draw one panel a scenario and GIC version, for the first platform that the version was priced for."""
    rows, unit = phases(report)
    if not rows:
        return None
    platforms = first_platforms(report)
    rows = [row for row in rows if row.platform == platforms[row.gic]]
    panels = list(dict.fromkeys((row.scenario, row.gic) for row in rows))[:MOST]
    pairings = list(dict.fromkeys((row.design, row.switch) for row in rows))
    names = list(dict.fromkeys(row.phase for row in rows))
    costs = {(row.scenario, row.gic, row.design, row.switch, row.phase): row.cost for row in rows}
    parts = {
        panel: [(name, [costs.get((*panel, *pairing, name), NAN) for pairing in pairings]) for name in names]
        for panel in panels
    }
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    labels = [f"{design} + {switch}" for design, switch in pairings]
    left, across, title, pitch = text_inches(labels, 8.5) + 0.05, 0.2, 0.3, 0.25 * len(pairings)
    below = 0.2 * legend_lines(names, 9.4)
    sheet = Sheet(9.6, lines * (title + pitch + 0.22) + 0.25 + below)
    width = (9.6 - left - 0.1 - (columns - 1) * across) / columns
    # One scale for all panels of a machine: they are there to be compared.
    longest: dict[int, float] = {}
    for (_, gic), own in parts.items():
        longest[gic] = max(longest.get(gic, 0.0), *sums(own))
    for place, panel in enumerate(panels):
        line, column = divmod(place, columns)
        top = line * (title + pitch + 0.22) + title
        box = Panel(
            left + column * (width + across),
            top,
            width,
            pitch,
            scale_of(longest[panel[1]]),
            (-0.5, len(pairings) - 0.5),
        )
        machine = f", {platforms[panel[1]]}" if platforms[panel[1]] else ""
        sheet.words([(box.left, top - 0.12, f"{panel[0]}, GICv{panel[1]}{machine}")], 9.5, bold=True)
        words = unit if place >= len(panels) - columns else ""
        shown_labels = labels if not column else [""] * len(labels)
        stacked(sheet, box, range(len(pairings)), parts[panel], 0.68, shown_labels, words)
    sheet.legend(legend_of(names), 0.1, lines * (title + pitch + 0.22) + 0.3, 9.4)
    return sheet.figure
