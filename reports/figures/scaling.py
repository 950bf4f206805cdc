# SPDX-License-Identifier: GPL-2.0-only
"""The curves that grow most differently: cost against one dimension of the grid, and where the designs cross."""

import math

from matplotlib.figure import Figure

from reports.data import Report
from reports.drawing import DASHES, SERIES, Panel, Point, Sheet, round_steps, text_inches
from reports.numbers import is_number, shown
from reports.scaling import DIMENSION, Curve, curves, telling

COLUMNS = 4


def draw(report: Report) -> Figure | None:
    """Draw the most telling curves with the run's preferred meter."""
    meters = report.meters()
    found = telling(report, curves(report, meters[0].key)) if meters else []
    if not found:
        return None
    columns = min(COLUMNS, len(found))
    lines = -(-len(found) // columns)
    across, left, title, height, below = 0.62, 0.55, 0.5, 1.25, 0.5
    sheet = Sheet(9.6, lines * (title + height + below) + 0.3)
    width = (9.6 - left - 0.1 - (columns - 1) * across) / columns
    for place, curve in enumerate(found):
        line, column = divmod(place, columns)
        top = line * (title + height + below) + title
        _curve(sheet, (left + column * (width + across), top), (width, height), curve)
    x, y = 0.1, lines * (title + height + below) + 0.15
    for number, design in enumerate(report.designs()):
        role = SERIES[number % len(SERIES)]
        sheet.lines([[(x, y), (x + 0.4, y)]], role, 1.8, DASHES[number % len(DASHES)])
        sheet.polygons([_marker(number, (x + 0.2, y))], role)
        sheet.words([(x + 0.48, y, design.title)], 9)
        x += 0.75 + text_inches([design.title], 9)
    return sheet.figure


def _marker(design: int, place: Point) -> list[Point]:
    """Return the corners of a design's marker: round, square, triangle, diamond."""
    corners, radius, turn = ((10, 0.036, 0.0), (4, 0.045, 0.25), (3, 0.045, -0.5), (4, 0.045, 0.0))[design % 4]
    steps = [math.pi * (2 * corner / corners + turn) for corner in range(corners)]
    return [(place[0] + radius * math.cos(angle), place[1] + radius * math.sin(angle)) for angle in steps]


def _curve(sheet: Sheet, place: Point, size: Point, curve: Curve) -> None:
    values = [value for value, _ in curve.points]
    costs = [cost for _, line in curve.points for cost in line if is_number(cost)]
    spread = values[-1] - values[0]
    panel = Panel(
        *place,
        *size,
        (values[0] - 0.04 * spread, values[-1] + 0.04 * spread),
        (max(max(costs) * 1.08, 1e-9), 0),
    )
    levels = round_steps(0, panel.y[0], 5)
    sheet.lines([[(panel.left, y), (panel.right, y)] for y in map(panel.down, levels)], "line", 0.6)
    sheet.words([(panel.left - 0.05, panel.down(level), shown(level)) for level in levels], 7.5, "muted", "right")
    # A linear scale, so that what grows linearly looks it; only values far enough apart are named.
    named: list[float] = []
    for value in reversed(values):
        if not named or named[-1] - value >= 0.13 * spread:
            named.append(value)
    sheet.words([(panel.across(v), panel.bottom + 0.05, f"{v:g}") for v in named], 7.5, "muted", "center", "top")
    middle = panel.left + panel.width / 2
    sheet.words([(middle, panel.bottom + 0.2, DIMENSION[curve.dimension])], 8.5, "muted", "center", "top")
    sheet.words([(panel.left, panel.top - 0.36, curve.transition)], 7.5, bold=True)
    sheet.words([(panel.left, panel.top - 0.23, f"GICv{curve.gic}")], 7.5, "muted")
    crossings = [panel.across(value) for value in curve.crossings()]
    sheet.lines([[(x, panel.top), (x, panel.bottom)] for x in crossings], "muted", 0.9, (1, 2))
    labels = zip(crossings, curve.crossings(), strict=True)
    sheet.words([(x, panel.top - 0.07, f"{value:.3g}") for x, value in labels], 7.5, "muted", "center")
    for design in range(len(curve.points[0][1])):
        points = [
            (panel.across(value), panel.down(line[design])) for value, line in curve.points if is_number(line[design])
        ]
        role = SERIES[design % len(SERIES)]
        if len(points) > 1:
            sheet.lines([points], role, 1.8, DASHES[design % len(DASHES)])
        sheet.polygons([_marker(design, point) for point in points], role)
