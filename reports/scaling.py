# SPDX-License-Identifier: GPL-2.0-only
"""How cost grows with one dimension of the grid, the others at their most common value, and where the designs cross."""

import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from reports.data import SCENARIO, Report
from reports.numbers import is_number

PER_DIMENSION, PER_GROUP = 4, 2
"""Curves that a drawing has room for; the table in the page has all of them."""
SCALED = ("vcpus", "irqs", "pending", "lrs", "live")
DIMENSION = {
    "gic": "GIC version",
    "irqs": "INTIDs",
    "vcpus": "vCPUs",
    "lrs": "list registers",
    "pending": "pending",
    "live": "live LRs",
}


@dataclass(frozen=True)
class Curve:
    """Cost of one transition along one dimension: `points` holds (value, costs in the order of the designs)."""

    transition: str
    gic: int
    dimension: str
    points: tuple[tuple[float, tuple[float, ...]], ...]

    def growth(self, design: int) -> float:
        """Return the cost at the last point over that at the first, NaN when either is missing or zero."""
        first, last = self.points[0][1][design], self.points[-1][1][design]
        return last / first if is_number(first) and is_number(last) and first > 0 else float("nan")

    def crossings(self, candidate: int = 1) -> list[float]:
        """Return the values of the dimension where a candidate and the reference cost the same, between points.

        Linear between neighbours; a point where both are equal counts when the sign changes across it.
        """
        found = []
        previous: tuple[float, float] | None = None
        for value, costs in self.points:
            if len(costs) <= candidate or not (is_number(costs[0]) and is_number(costs[candidate])):
                continue
            difference = costs[candidate] - costs[0]
            if difference == 0:
                continue
            if previous is not None and (previous[1] < 0) != (difference < 0):
                share = previous[1] / (previous[1] - difference)
                found.append(previous[0] + share * (value - previous[0]))
            previous = (value, difference)
        return found


@lru_cache(maxsize=16)
def curves(report: Report, meter: str) -> list[Curve]:
    """Return all curves of the run, one per transition, GIC version and varying dimension. Don't change the list."""
    if len(report.scenarios) < 2:
        return []
    keys = report.measurements()
    costs = list(zip(*(report.costs(meter, design.name) for design in report.designs()), strict=True))
    result = []
    for gic in sorted({key[0] for key in keys}):
        own = [place for place, key in enumerate(keys) if key[0] == gic]
        base = report.base_scenario(keys[place] for place in own)
        for dimension in SCALED:
            along = SCENARIO.index(dimension)
            if len({keys[place][along] for place in own}) < 2:
                continue
            fixed = [(SCENARIO.index(name), base[name]) for name in SCALED if name != dimension]
            on_line = [place for place in own if all(keys[place][where] == value for where, value in fixed)]
            found: dict[str, list[tuple[float, tuple[float, ...]]]] = {}
            for place in sorted(on_line, key=lambda place: keys[place][along]):
                found.setdefault(keys[place][-1], []).append((float(keys[place][along]), costs[place]))
            for name, points in found.items():
                if len(points) > 1 and any(is_number(cost) for _, line in points for cost in line):
                    result.append(Curve(name, int(gic), dimension, tuple(points)))
    return result


def telling(report: Report, found: list[Curve]) -> list[Curve]:
    """Return the curves that differ most between the designs in how they grow.

    At most PER_DIMENSION a dimension, and of them PER_GROUP of a group of transitions while there are others.
    """

    def difference(curve: Curve) -> float:
        growths = [curve.growth(design) for design in range(len(curve.points[0][1]))]
        known = [abs(math.log(growth)) for growth in growths if is_number(growth) and growth > 0]
        return (max(known) - min(known)) if len(known) > 1 else 0.0

    ranked = sorted(found, key=lambda curve: (-difference(curve), curve.transition, curve.gic))
    taken: list[Curve] = []
    for dimension in SCALED:
        own = list({curve.transition: curve for curve in reversed(ranked) if curve.dimension == dimension}.values())
        first: list[Curve] = []
        others: list[Curve] = []
        groups: Counter[str] = Counter()
        for curve in reversed(own):
            groups[report.group(curve.transition)] += 1
            (first if groups[report.group(curve.transition)] <= PER_GROUP else others).append(curve)
        taken += sorted([*first, *others][:PER_DIMENSION], key=ranked.index)
    return taken
