# SPDX-License-Identifier: GPL-2.0-only
"""Figures over the stored runs as text: one series run by run, of several the changes."""

from collections.abc import Sequence

from bench.gate.history import Series
from bench.gate.steps import Step
from vgic_bench.console import print_table, say

MOST = 18
"""Rows on the screen that a history is."""


def print_history(series: Sequence[Series], metric: str) -> None:
    """Print one series run by run; of several how many there are, and their changes."""
    if len(series) == 1:
        [one] = series
        say(f"{metric} of {one.name}")
        steps = {step.index: step for step in one.steps}
        rows = []
        for index, point in enumerate(one.points):
            step = steps.get(index)
            rows.append((point.run, point.commit[:10], f"{point.value:.6g}", _change(step) if step else ""))
        print_table(("run", "commit", f">{metric}", "step"), rows, most=MOST)
        return
    changed = [(one, step) for one in series for step in one.steps]
    runs = {point.run for one in series for point in one.points}
    with_steps = sum(bool(one.steps) for one in series)
    say(f"{metric} over {len(runs)} runs: {len(series)} series, {with_steps} with a change")
    if changed:
        cells = [
            (one.name, one.points[step.index].run, one.points[step.index].commit[:10], _change(step))
            for one, step in changed
        ]
        print_table(("series", "first run after", "commit", "change"), cells, most=MOST)


def _change(step: Step) -> str:
    ratio = f" ({step.ratio - 1:+.1%})" if step.before else ""
    return f"{step.before:.6g} -> {step.after:.6g}{ratio}"
