# SPDX-License-Identifier: GPL-2.0-only
"""What a run found, in a few tables: one design against the others, and which primitive step makes the difference.

The first design of the run is the one that the others are compared with. A figure is in predicted instructions where
every design has them, otherwise in nanoseconds, otherwise in events; a table is in one unit throughout.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.meters import weights
from bench.results.store import Results
from kvmarm.design import get_design
from kvmarm.events import event_names

UNITS = (("instructions", "instructions"), ("time_ns", "ns"), ("events", "events"))
PLACE = ["gic", "irqs", "vcpus", "lrs", "pending"]
MOST_ROWS = 48


@dataclass(frozen=True)
class Row:
    """One transition or workload: figures of each design in their order, ratio of each later one to the first, times.

    times: nanoseconds of each design, NaN where there are none. unexpected: whether each design ended in another state
    than the expected one; a ratio with such a design is NaN.
    """

    name: str
    figures: tuple[float, ...]
    ratios: tuple[float, ...]
    because: str
    times: tuple[float, ...] = ()
    unexpected: tuple[bool, ...] = ()


def unit_of(table: pd.DataFrame) -> tuple[str, str]:
    """Return (column, unit) that every row of a table has a figure in."""
    for column, unit in UNITS:
        if column in table and len(table) and table[column].notna().all():
            return column, unit
    return UNITS[-1]


def _ratio(value: float, base: float) -> float:
    return value / base if base else (1.0 if value == base else math.inf)


def _contributions(events: pd.DataFrame, weight_of: dict[str, dict[str, float] | None]) -> dict[Any, dict[str, float]]:
    """Return (transition, design) -> event -> what it comes to: instructions with weights, else its count."""
    found: dict[Any, dict[str, float]] = {}
    for transition, design, event, count in _columns(events, "transition", "design", "event", "count"):
        weights_here = weight_of.get(design)
        worth = float(count) if weights_here is None else count * weights_here[event]
        found.setdefault((transition, design), {})[event] = worth
    return found


def _columns(table: pd.DataFrame, *names: str) -> Iterable[tuple[Any, ...]]:
    return zip(*(table[name].tolist() for name in names), strict=True)


def _weights(design: str, weighted: bool) -> dict[str, float] | None:
    vector = weights.weights_of(get_design(design)) if weighted else None
    return None if vector is None else dict(zip(event_names(), map(float, vector), strict=True))


def because(first: Mapping[str, float], second: Mapping[str, float]) -> str:
    """Return the event whose contributions differ most between two designs, with both: `word_and 896->0`.

    first, second: event -> contribution.
    """
    if not first and not second:
        return "no work in either"
    # Sorted: of two that differ as much, the same one wherever and in whatever order they were counted.
    most = max(sorted({*first, *second}), key=lambda event: abs(second.get(event, 0.0) - first.get(event, 0.0)))
    before, after = first.get(most, 0.0), second.get(most, 0.0)
    return "the same steps" if abs(after - before) < 0.5 else f"{most} {before:,.0f}->{after:,.0f}"


def transition_rows(
    results: Results, gic: int, names: Sequence[str] | None = None, family: str = "vgic"
) -> tuple[str, list[Row]]:
    """Return (unit, rows) of the transitions of one GIC version and family of models, all or those named."""
    table = results.table("transitions")
    table = table[table["family"] == family]
    if names is not None:
        table = table[table["transition"].isin(names)]
    # One unit for both GIC versions.
    column, unit = unit_of(table)
    table = table[table["gic"] == gic]
    events = results.table("events")
    events = events[(events["gic"] == gic) & (events["family"] == family)]
    weighted = column == "instructions" and family == "vgic"
    designs = list(dict.fromkeys(table["design"]))
    worth = _contributions(events, {design: _weights(design, weighted) for design in designs[:2]})
    measured: dict[str, dict[str, tuple[float, float, bool]]] = {}
    columns = _columns(table.assign(ok=table["ok"].fillna(True)), "transition", "design", column, "time_ns", "ok")
    for name, design, figure, time, ok in columns:
        measured.setdefault(name, {}).setdefault(design, (float(figure), float(time), not ok))
    rows = []
    for name, by_design in measured.items():
        if len(by_design) < len(designs):
            continue
        figures, times, wrong = zip(*(by_design[design] for design in designs), strict=True)
        reason = because(*(worth.get((name, each), {}) for each in designs[:2])) if len(designs) > 1 else ""
        ratios = tuple(
            math.nan if own or wrong[0] else _ratio(figure, figures[0])
            for figure, own in zip(figures[1:], wrong[1:], strict=True)
        )
        rows.append(Row(name, figures, ratios, reason, times, wrong))
    return unit, rows


@dataclass(frozen=True)
class Interval:
    """One transition's instructions of a design without weights, by borrowed ones.

    reference: those of the run's first design, NaN when it has none. low, high: the interval.
    """

    name: str
    reference: float
    low: float
    high: float


def borrowed_rows(results: Results, gic: int, names: Sequence[str] | None = None) -> dict[str, list[Interval]]:
    """Return the intervals of each design of a run that has no weights, by transition, of one GIC version."""
    lent = {
        entry["name"]: entry["borrowed_weights"]
        for entry in results.meta.get("designs") or []
        if isinstance(entry, dict) and entry.get("borrowed_weights")
    }
    events, table = (results.table(name) for name in ("events", "transitions"))
    table = table[(table["gic"] == gic) & (table["family"] == "vgic")]
    events = events[(events["gic"] == gic) & (events["family"] == "vgic")]
    designs = list(dict.fromkeys(table["design"]))
    reference = {
        name: float(value)
        for name, design, value in _columns(table, "transition", "design", "instructions")
        if design == designs[0]
    }
    found: dict[str, list[Interval]] = {}
    for design, weight_of in lent.items():
        sums: dict[str, list[float]] = {}
        own = events[events["design"] == design]
        for name, event, count in _columns(own, "transition", "event", "count"):
            low, high = weight_of.get(event, (0.0, 0.0))
            total = sums.setdefault(name, [0.0, 0.0])
            total[0] += count * low
            total[1] += count * high
        found[design] = [
            Interval(name, reference.get(name, math.nan), low, high)
            for name, (low, high) in sums.items()
            if names is None or name in names
        ]
    return found


def designs_of(results: Results, family: str = "vgic") -> list[str]:
    """Return the designs of a family of models in a run, in their order."""
    table = results.table("transitions")
    return list(dict.fromkeys(table[table["family"] == family]["design"]))


def group_rows(results: Results, gic: int) -> list[tuple[str, int, list[float]]]:
    """Return (group, transitions, geometric mean ratios of the later designs to the first) of one GIC version."""
    table = results.table("transitions")
    table = table[table["family"] == "vgic"]
    group_of = dict(zip(table["transition"], table["group"], strict=True))
    _, rows = transition_rows(results, gic)
    gathered: dict[str, list[Row]] = {}
    for row in rows:
        gathered.setdefault(group_of[row.name], []).append(row)
    result = []
    for group, members in gathered.items():
        # What costs nothing in one design (an operation of the hardware) has no ratio.
        usable = [row for row in members if all(0 < ratio < math.inf for ratio in row.ratios) and row.figures[0] > 0]
        if usable and usable[0].ratios:
            count = len(usable[0].ratios)
            means = [math.exp(sum(math.log(r.ratios[i]) for r in usable) / len(usable)) for i in range(count)]
            result.append((group, len(usable), means))
    return result


def workload_rows(results: Results) -> tuple[str, list[tuple[Row, int, float]]]:
    """Return (unit, [(row, operations, MMIO share)]) of the workloads; `because` names a kind of operation.

    Figures are in thousands of instructions, or in microseconds where a design has no weights.
    """
    table = results.table("workloads")
    if table.empty:
        return "", []
    totals = table[table["kind"] == "total"]
    weighted = bool(totals["instructions"].notna().all())
    column, unit = ("instructions", "thousand instructions") if weighted else ("time_ns", "µs")
    designs = list(dict.fromkeys(table["design"]))
    rows = []
    for name, group in totals.groupby("workload", sort=False):
        by_design = group.set_index("design")
        figures = tuple(float(by_design[column][design]) / 1000 for design in designs)
        rows.append(
            (
                Row(str(name), figures, tuple(_ratio(f, figures[0]) for f in figures[1:]), _dearest(table, str(name))),
                int(group["operations"].iloc[0]),
                float(group["mmio_share"].iloc[0]),
            )
        )
    return unit, rows


def _dearest(table: pd.DataFrame, workload: str) -> str:
    """Return the kind of operation that the designs differ most in, as its share of the whole difference."""
    part = table[(table["workload"] == workload) & (table["kind"] != "total")]
    wide = part.pivot_table(index="kind", columns="design", values="instructions", sort=False)
    if wide.shape[1] < 2 or wide.isna().all(axis=None):
        return ""
    gap = wide.iloc[:, 1] - wide.iloc[:, 0]
    position = int(gap.abs().to_numpy().argmax())
    first, second = wide.to_numpy()[position][:2]
    return f"{wide.index[position]!s} {first / 1000:,.0f}->{second / 1000:,.0f}"


def headline(results: Results, preferred: Iterable[str]) -> list[str] | None:
    """Return the names to print: all (None) when they are few, else the preferred ones."""
    table = results.table("transitions")
    names = set(table[table["family"] == "vgic"]["transition"])
    if len(names) <= MOST_ROWS:
        return None
    chosen = [name for name in preferred if name in names]
    return chosen or sorted(names)[:MOST_ROWS]


def as_json(results: Results) -> dict[str, Any]:
    """Return a run as one JSON object: metadata, transitions with figures and events, workloads."""
    transitions = results.table("transitions")
    events = results.table("events")
    key = [*PLACE, "design", "transition"]
    counted = {
        point: dict(zip(group["event"], (int(n) for n in group["count"]), strict=True))
        for point, group in events.groupby(key, sort=False)
    }
    rows = []
    for row in transitions.to_dict("records"):
        row["event_counts"] = counted.get(tuple(row[name] for name in key), {})
        rows.append(_plain(row))
    workloads = [_plain(row) for row in results.table("workloads").to_dict("records")]
    return {"meta": results.meta, "transitions": rows, "workloads": workloads}


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    return {str(name): None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
