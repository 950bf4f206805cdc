# SPDX-License-Identifier: GPL-2.0-only
"""The figures of a report, each a function `draw(report) -> matplotlib Figure or None` in its own module.

None means that the run holds nothing to draw. `FIGURES` is what `vgic-bench plot` offers; the page uses the same.
"""

import importlib
from typing import Any

FIGURES = {
    "states": "an interrupt's states, each edge with what it costs in both designs",
    "heatmap": "candidate over reference for each transition over the scenario grid",
    "scaling": "cost against vCPUs, INTIDs, list registers and pending interrupts",
    "life": "an interrupt's whole life for each pairing of design and world switch",
    "switch": "world switch cost by register group",
    "workloads": "real workloads: cost by kind of operation",
    "samples": "every time sample of every transition",
}


def draw(name: str, report: Any) -> Any:
    """Return the figure called `name` (a key of FIGURES) of a `reports.data.Report`, None when there is no data."""
    return importlib.import_module(f"reports.figures.{name}").draw(report)
