# SPDX-License-Identifier: GPL-2.0-only
"""Every time sample: a row per transition, a tick per sample, one lane of ticks per design, the median as a bold tick.

The samples of a design and row are one path, so that thousands of them stay small. Of a full run the transitions
outside the catalogue's matrix are drawn, of a sweep those of the base scenario; the results folder has all.
"""

from statistics import median
from typing import Any

from matplotlib.figure import Figure

from reports import matrix
from reports.data import SCENARIO, Key, Report
from reports.drawing import SERIES, Panel, Point, Sheet, log_steps, text_inches
from reports.numbers import is_number

FEW_SCENARIOS = 8
"""Scenarios whose samples are all drawn: those of a run."""
MOST_ROWS = 400
"""Rows beyond which the matrix of edges is left out of the drawing."""
ROW = 0.2
"""Inches a row."""

Samples = dict[Key, dict[str, list[float]]]
"""Scenario and transition -> design -> ns a sample, in the results' order."""


def drawn_samples(report: Report) -> Samples:
    """Return the samples that the figure shows: all of a run, those of the base scenario of a sweep."""
    table = report.table("samples")
    found: Samples = {}
    rows = zip(table.rows(*SCENARIO, "transition"), table.text("design"), table.rows("family", "ns"), strict=True)
    for key, design, (family, ns) in rows:
        if family == "vgic" and is_number(ns):
            own = found.get(key)
            if own is None:
                own = found[key] = {}
            own.setdefault(design, []).append(ns)
    if len({key[:-1] for key in found}) > FEW_SCENARIOS:
        base = tuple(report.base_scenario().get(name) for name in SCENARIO)
        found = {key: own for key, own in found.items() if key[:-1] == base}
    if len(found) > MOST_ROWS:
        chosen = {key: own for key, own in found.items() if matrix.place(key[-1]) is None}
        found = chosen or found
    return found


def count(samples: Samples) -> int:
    """Return how many samples there are."""
    return sum(len(own) for by_design in samples.values() for own in by_design.values())


def _label(key: Key, varying: list[int]) -> str:
    words = [
        f"GICv{key[place]}" if SCENARIO[place] == "gic" else f"{SCENARIO[place]} {key[place]}"
        for place in varying
        if key[place]
    ]
    return f"{key[-1]}  {', '.join(words)}" if words else str(key[-1])


def draw(report: Report) -> Figure | None:
    """Draw all samples on a logarithmic axis of ns."""
    samples = {
        key: {design: [ns for ns in own if ns > 0] for design, own in by_design.items()}
        for key, by_design in drawn_samples(report).items()
    }
    values = [ns for by_design in samples.values() for own in by_design.values() for ns in own]
    if not values:
        return None
    designs = list(dict.fromkeys(design for own in samples.values() for design in own))
    varying = [place for place in range(len(SCENARIO)) if len({key[place] for key in samples}) > 1]
    labels = [_label(key, varying) for key in samples]
    left, top, height = text_inches(labels, 7) + 0.05, 0.35, ROW * len(samples)
    sheet = Sheet(9.6, top + height + 0.5)
    panel = Panel(
        left, top, 9.5 - left, height, (min(values) * 0.9, max(values) * 1.1), (-0.5, len(samples) - 0.5), True
    )
    panel.grid(sheet, log_steps(*panel.x), title="ns an operation (logarithmic)")
    sheet.words([(left - 0.07, panel.down(row), label) for row, label in enumerate(labels)], 7, "muted", "right")
    # One path a design for its ticks and one for its medians: what repeats itself in an SVG is what makes it large.
    lane = 0.8 / len(designs)
    # Whole points, for the same reason.
    length = max(1, int(ROW * lane * 72)) / 72
    lines: dict[str, tuple[list[Any], list[Any]]] = {design: ([], []) for design in designs}
    for row, by_design in enumerate(samples.values()):
        for number, design in enumerate(designs):
            own = sorted(by_design.get(design, ()))
            high = panel.down(row - 0.4 + number * lane)
            low = high + length
            ticks, medians = lines[design]
            # One down, one up: the way from tick to tick is shorter to write.
            ticks += [
                _tick(panel.across(ns), *((low, high) if place % 2 else (high, low))) for place, ns in enumerate(own)
            ]
            if own:
                medians.append(_tick(panel.across(median(own)), high - 1 / 72, low + 1 / 72))
    x = left
    names = ("upper", "lower") if len(designs) == 2 else tuple(f"lane {number + 1}" for number in range(len(designs)))
    for number, (design, (ticks, medians)) in enumerate(lines.items()):
        role, title = SERIES[number % len(SERIES)], f"{design} ({names[number]})"
        sheet.lines(ticks, role, 0.6)
        sheet.lines(medians, role, 2.2)
        sheet.lines([_tick(x + 0.05, 0.09, 0.23)], role, 2.2)
        sheet.words([(x + 0.13, 0.16, title)], 9)
        x += 0.4 + text_inches([title], 9)
    return sheet.figure


def _tick(x: float, high: float, low: float) -> tuple[Point, Point]:
    return (x, high), (x, low)
