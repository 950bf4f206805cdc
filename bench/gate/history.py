# SPDX-License-Identifier: GPL-2.0-only
"""One figure over stored runs: its series by design and transition, and where it changed.

Rules inside:
- Exact figures (event counts, and the instructions that follow from them) are followed across machines.
- A time is followed on one machine only. Where the machine of the runs changes, the series ends and another begins:
  a new machine is never taken for a change of the code.
- Runs that can't be read are left out and named; one broken folder doesn't hide the history of the rest.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd

from bench.gate.budget import nearest
from bench.gate.steps import Step, exact_steps, noisy_steps
from bench.gate.times import SAME_MACHINE
from bench.results.folders import find_runs
from bench.results.schema import KEY
from bench.results.store import Results
from kvmarm.errors import UsageError
from kvmarm.files import atomic_write

METRICS = ("events", "instructions", "time_ns")


@dataclass(frozen=True)
class Point:
    """One run's figure. `run`: folder name; `started`: ISO time; `commit`: of the tool, may be ""."""

    run: str
    started: str
    commit: str
    value: float


@dataclass(frozen=True)
class Series:
    """One figure of one transition over runs, oldest first. `key`: the KEY columns; `machine`: "" for exact figures."""

    key: Mapping[str, Any]
    metric: str
    machine: str
    points: tuple[Point, ...]
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        """Design, transition and configuration in one line."""
        shape = " ".join(f"{name}={self.key[name]}" for name in ("gic", "irqs", "vcpus", "lrs", "pending", "live"))
        return f"{self.key['design']} {self.key['transition']} ({shape})" + (
            f" on {self.machine}" if self.machine else ""
        )


def history(
    root: str | os.PathLike[str],
    metric: str = "events",
    transition: str = "*",
    designs: Iterable[str] = (),
    fields: Mapping[str, int] | None = None,
    minimum_effect: float = 0.03,
) -> tuple[list[Series], list[str]]:
    """Return the series of a metric under a folder of runs, and one line for each run that couldn't be read.

    `metric`: one of METRICS or the name of an event. `transition`: a pattern. `designs`: these only (none: all).
    `fields`: values of KEY columns that rows must have. Raises UsageError when no stored run has such a row.
    """
    runs, unread = [], []
    for folder in find_runs(root):
        try:
            runs.append(Results.load(folder, ["transitions", "events"]))
        except UsageError as error:
            unread.append(str(error))
    if not runs:
        raise UsageError(f"{root}: no stored runs that can be read; expected results folders")
    wanted = set(designs)
    found: dict[tuple[Any, ...], list[Point]] = {}
    names: set[str] = set()
    for run in runs:
        machine = _machine(run) if metric == "time_ns" else ""
        for key, value in _values(run, metric):
            row = dict(zip(KEY, key, strict=True))
            names.add(str(row["transition"]))
            if not fnmatchcase(str(row["transition"]), transition) or (wanted and row["design"] not in wanted):
                continue
            if any(row[name] != value_ for name, value_ in (fields or {}).items()):
                continue
            tool = run.meta.get("tool") or {}
            point = Point(run.name, str(run.meta.get("started") or ""), str(tool.get("commit") or ""), value)
            found.setdefault((*key, machine), []).append(point)
    if not found:
        if names and not any(fnmatchcase(name, transition) for name in names):
            raise UsageError(f"transition {transition!r} is in no stored run{nearest(transition, names)}")
        known = {*METRICS, *(event for run in runs for event in run.table("events")["event"].unique())}
        if metric not in known:
            raise UsageError(f"metric {metric!r} is in no stored run{nearest(metric, known)}")
        raise UsageError(f"{root}: no stored run has {metric} of {transition} in that configuration")
    series = []
    for full, points in sorted(found.items(), key=lambda item: tuple(map(str, item[0]))):
        values = [point.value for point in points]
        steps = noisy_steps(values, minimum_effect) if metric == "time_ns" else exact_steps(values)
        series.append(Series(dict(zip(KEY, full[:-1], strict=True)), metric, full[-1], tuple(points), tuple(steps)))
    return series, unread


def _machine(run: Results) -> str:
    """One line for what has to be the same before times of two runs are comparable."""
    environment = run.meta.get("environment") or {}
    return ", ".join(str(environment[name]) for name in SAME_MACHINE if environment.get(name) is not None)


def _values(run: Results, metric: str) -> Iterable[tuple[tuple[Any, ...], float]]:
    """Yield (key, figure) of every row that has one."""
    if metric in METRICS:
        table = run.table("transitions")[[*KEY, metric]]
    else:
        events = run.table("events")
        counted = events[events["event"] == metric].groupby(list(KEY), as_index=False)["count"].sum()
        # A transition that no longer takes a step at all has no row for it: its count is 0, not unknown.
        table = run.table("transitions")[list(KEY)].merge(counted, how="left", on=list(KEY)).fillna({"count": 0})
        if not len(counted):
            return
    for *key, value in table.itertuples(index=False, name=None):
        if not pd.isna(value) and not (metric == "time_ns" and value <= 0):
            yield tuple(item.item() if hasattr(item, "item") else item for item in key), float(value)


def as_json(series: Sequence[Series]) -> list[dict[str, Any]]:
    """Return the series as what JSON can hold."""
    return [
        {
            "key": dict(one.key),
            "metric": one.metric,
            "machine": one.machine,
            "points": [vars(point) for point in one.points],
            "steps": [
                {
                    "run": one.points[step.index].run,
                    "commit": one.points[step.index].commit,
                    "before": step.before,
                    "after": step.after,
                    "ratio": step.ratio if math.isfinite(step.ratio) else None,
                    "p": step.p,
                }
                for step in one.steps
            ],
        }
        for one in series
    ]


def plot(series: Sequence[Series], path: str | os.PathLike[str]) -> None:
    """Draw the series over the runs, each step a vertical mark, to an SVG, PNG or PDF file.

    Runs are evenly spaced: what is between two runs is a change of the code, not an amount of time.
    Raises UsageError for another kind of file.
    """
    form = Path(path).suffix.removeprefix(".").lower()
    if form not in ("svg", "png", "pdf"):
        raise UsageError(f"{path}: expected a name ending in .svg, .png or .pdf")
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    runs = list(dict.fromkeys(_ordered(point for one in series for point in one.points)))
    place = {run: number for number, run in enumerate(runs)}
    with matplotlib.rc_context({"svg.hashsalt": "vgic-bench", "svg.fonttype": "none"}):
        figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
        for one in series:
            x = [place[point.run] for point in one.points]
            (line,) = axes.plot(x, [point.value for point in one.points], marker="o", markersize=3, label=one.name)
            for step in one.steps:
                axes.axvline(x[step.index] - 0.5, color=line.get_color(), linestyle=":", linewidth=1)
        axes.set_xticks(range(len(runs)), runs, rotation=45, ha="right", fontsize=7)
        axes.set_ylabel({"time_ns": "time (ns)"}.get(series[0].metric, series[0].metric))
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=7, frameon=False)
        with atomic_write(path) as file:
            figure.savefig(file, format=form, metadata={"Date": None} if form == "svg" else None)
        pyplot.close(figure)


def _ordered(points: Iterable[Point]) -> list[str]:
    return [run for _, run in sorted({(point.started, point.run) for point in points})]
