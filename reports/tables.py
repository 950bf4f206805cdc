# SPDX-License-Identifier: GPL-2.0-only
"""The smaller tables of a run as rows with names: workloads, an interrupt's whole life, the world switch.

Each is read once a report; figures, sections and claims share the rows. Don't change what these functions return.
"""

from functools import lru_cache
from typing import Any, NamedTuple

from reports.data import Report
from reports.numbers import is_number

TOTAL = "total"
"""The kind of a workload's row that sums up the others."""


class Part(NamedTuple):
    """One design's cost of one kind of operation in a workload; the kind may be TOTAL."""

    workload: str
    source: str
    gic: int
    vcpus: int
    design: str
    kind: str
    operations: int
    mmio_share: float
    cost: float


class Phase(NamedTuple):
    """One phase of an interrupt's whole life."""

    scenario: str
    gic: int
    platform: str
    design: str
    switch: str
    phase: str
    cost: float


class Step(NamedTuple):
    """How many instructions of one class (`kind`) a world switch executes for one group of registers."""

    gic: int
    implementation: str
    configuration: str
    phase: str
    group: str
    kind: str
    times: int


def _of_designs(report: Report, rows: list[Any]) -> list[Any]:
    """Return the rows of the report's designs, those of one design together, in the order of the designs."""
    order = report.in_order(row.design for row in rows)
    return [row for design in order for row in rows if row.design == design]


@lru_cache(maxsize=16)
def workload_parts(report: Report) -> tuple[list[Part], str]:
    """Return the workloads' rows and the unit of their cost: instructions, ns, or `` when they have none."""
    table = report.table("workloads")
    units = {"instructions": "instructions", "time_ns": "ns"}
    column = next((name for name in units if any(map(is_number, table.numbers(name)))), "")
    rows = zip(
        table.text("workload"),
        table.text("source"),
        table.column("gic"),
        table.column("vcpus"),
        table.text("design"),
        table.text("kind"),
        table.column("operations"),
        table.numbers("mmio_share"),
        table.numbers(column),
        strict=True,
    )
    return _of_designs(report, list(map(Part._make, rows))), units.get(column, "")


@lru_cache(maxsize=16)
def phases(report: Report) -> tuple[list[Phase], str]:
    """Return the life table's rows and the unit of their cost: cycles where there are any; `` without any cost."""
    table = report.table("life")
    units = ("cycles", "instructions", "events")
    unit = next((name for name in units if any(map(is_number, table.numbers(name)))), "")
    if not unit:
        return [], ""
    rows = zip(
        table.text("scenario"),
        table.column("gic"),
        table.text("platform"),
        table.text("design"),
        table.text("switch"),
        table.text("phase"),
        table.numbers(unit),
        strict=True,
    )
    return _of_designs(report, list(map(Phase._make, rows))), unit


@lru_cache(maxsize=4)
def main_configuration(report: Report) -> list[Step]:
    """Return the switch table's rows of the first configuration of each GIC version."""
    table = report.table("switch")
    columns = (
        table.column("gic"),
        *map(table.text, ("implementation", "configuration", "phase", "register_group", "class")),
        table.column("count"),
    )
    first: dict[int, str] = {}
    steps = []
    for row in zip(*columns, strict=True):
        step = Step._make(row)
        if first.setdefault(step.gic, step.configuration) == step.configuration:
            steps.append(step)
    return steps


def configurations(report: Report) -> int:
    """Return how many configurations of the world switch were counted."""
    return len(set(report.table("switch").text("configuration")))
