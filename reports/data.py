# SPDX-License-Identifier: GPL-2.0-only
"""What a report reads: a results folder, with the designs put side by side.

A run may lack designs, meters, workloads or samples; whatever is absent is an empty frame or list here, and the
sections leave out what they cannot show. The first design of the results is the *reference* and the second the
*candidate*; nothing here knows which design that is.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.results import Results
from kvmarm.errors import UsageError

SCENARIO = ["gic", "irqs", "vcpus", "lrs", "pending", "live"]
"""What a measurement was made with; a scenario is one value of each."""
TEXT_COLUMNS = ("group", "before", "operation", "after", "expected", "title", "why")


@dataclass(frozen=True)
class Meter:
    """One meter: `key` is its column prefix, `title` and `unit` are for people, `noisy` when it was timed."""

    key: str
    title: str
    unit: str
    noisy: bool = False


@dataclass(frozen=True)
class Choice:
    """One design of a family: its name in the results and its title."""

    name: str
    title: str


class Report:
    """A results folder seen as comparisons. Raises UsageError when it holds nothing that can be shown."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        results = Results.load(self.folder)
        self.meta: dict[str, Any] = dict(results.meta)
        self.tables: dict[str, pd.DataFrame] = dict(results.tables)
        self._costs: dict[str, pd.DataFrame] = {}
        if all(frame.empty for frame in self.tables.values()):
            raise UsageError(f"{self.folder}: no measurement in it, expected at least one table with rows")

    def table(self, name: str) -> pd.DataFrame:
        """Return a table, empty when the run did not produce it."""
        return self.tables.get(name, pd.DataFrame())

    @cached_property
    def transitions(self) -> pd.DataFrame:
        """All measured transitions, with every column of the schema present."""
        frame = self.table("transitions").copy()
        for column in SCENARIO:
            if column not in frame:
                frame[column] = 0
        for column in TEXT_COLUMNS:
            if column not in frame:
                frame[column] = ""
            frame[column] = frame[column].fillna("").astype(str)
        for column in ("instructions", "time_ns", "time_low", "time_high", "events"):
            if column not in frame:
                frame[column] = np.nan
            frame[column] = pd.to_numeric(frame[column], errors="coerce").astype(float)
        if "family" not in frame:
            frame["family"] = "vgic"
        if "ok" not in frame:
            frame["ok"] = True
        for column in ("design", "transition"):
            if column not in frame:
                frame[column] = ""
            frame[column] = frame[column].astype(str)
        return frame

    @lru_cache(maxsize=8)  # noqa: B019 - a report lives as long as its page is made
    def designs(self, family: str = "vgic") -> list[Choice]:
        """Return the designs of a family in the order of the results' metadata, those it does not name last."""
        frame = self.transitions
        present = list(dict.fromkeys(frame.loc[frame["family"] == family, "design"]))
        described = {
            str(entry.get("name")): entry for entry in self.meta.get("designs") or [] if isinstance(entry, dict)
        }
        order = [name for name in described if name in present] + [name for name in present if name not in described]
        return [Choice(name, str(described.get(name, {}).get("title") or name)) for name in order]

    @cached_property
    def cycles(self) -> pd.DataFrame:
        """Total cycles: one row a design, scenario, transition and platform, column `cycles`."""
        frame = self.table("cycles")
        if frame.empty:
            return frame
        key = [column for column in ("design", "family", *SCENARIO, "transition", "platform") if column in frame]
        return frame.groupby(key, sort=False, observed=True)["cycles"].sum().reset_index()

    @cached_property
    def platforms(self) -> list[str]:
        """Names of the platforms that cycles were priced for."""
        return [] if self.cycles.empty else sorted(self.cycles["platform"].astype(str).unique())

    @lru_cache(maxsize=8)  # noqa: B019
    def meters(self, family: str = "vgic") -> list[Meter]:
        """Return the meters that this run has at least one value of, the preferred one first."""
        frame = self.transitions[self.transitions["family"] == family]
        found = []
        if frame["instructions"].notna().any():
            found.append(
                Meter("instructions", "Instructions", "instructions of the kernel's code (x86-64, gcc -O2), predicted")
            )
        for platform in self.platforms:
            rows = self.cycles[self.cycles["platform"] == platform]
            if "family" not in rows or (rows["family"] == family).any():
                found.append(Meter(f"cycles:{platform}", f"Cycles, {platform}", f"cycles on {platform}, modelled"))
        if frame["time_ns"].notna().any():
            found.append(Meter("time_ns", "Time", "ns of the model on the measuring host", noisy=True))
        if frame["events"].notna().any():
            found.append(Meter("events", "Events", "primitive steps, counted"))
        return found

    def costs(self, family: str = "vgic") -> pd.DataFrame:
        """Return one row a scenario and transition, columns (meter key, design name), NaN where not measured.

        The index is SCENARIO + transition; rows keep the order of the results. The frame is shared: don't change it.
        """
        if family not in self._costs:
            self._costs[family] = self._compute_costs(family)
        return self._costs[family]

    def _compute_costs(self, family: str) -> pd.DataFrame:
        frame = self.transitions[self.transitions["family"] == family].copy()
        index = [*SCENARIO, "transition"]
        meters = self.meters(family)
        for meter in meters:
            if meter.key.startswith("cycles:"):
                rows = self.cycles[self.cycles["platform"] == meter.key.removeprefix("cycles:")]
                key = [column for column in ("design", *index) if column in rows]
                frame = frame.merge(rows[[*key, "cycles"]].rename(columns={"cycles": meter.key}), on=key, how="left")
        if frame.empty:
            return pd.DataFrame()
        order = {
            key: position for position, key in enumerate(dict.fromkeys(frame[index].itertuples(index=False, name=None)))
        }
        wide = frame.pivot_table(
            index=index, columns="design", values=[meter.key for meter in meters], aggfunc="first", observed=True
        )
        return wide.iloc[np.argsort([order[key] for key in wide.index], kind="stable")]

    @lru_cache(maxsize=32)  # noqa: B019
    def ratios(self, meter: str, family: str = "vgic") -> pd.Series:
        """Return candidate over reference for a meter, indexed like `costs`; empty without a second design."""
        wide, designs = self.costs(family), self.designs(family)
        if (
            len(designs) < 2
            or wide.empty
            or (meter, designs[1].name) not in wide
            or (meter, designs[0].name) not in wide
        ):
            return pd.Series(dtype=float)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = wide[(meter, designs[1].name)] / wide[(meter, designs[0].name)]
        return ratio.replace([np.inf, -np.inf], np.nan)

    @cached_property
    def described(self) -> pd.DataFrame:
        """The text columns of each transition (what the first row of it says), indexed by its name."""
        return self.transitions.drop_duplicates("transition").set_index("transition")[list(TEXT_COLUMNS)]

    @cached_property
    def _groups(self) -> dict[str, str]:
        return {str(name): str(group) for name, group in self.described["group"].items()}

    def group(self, transition: str) -> str:
        """Return the catalogue group of a transition, `` when not known."""
        return self._groups.get(transition, "")

    def text(self, transition: str, column: str) -> str:
        """Return what the results say of a transition in one of TEXT_COLUMNS, `` when nothing."""
        return str(self.described[column].get(transition, ""))

    @cached_property
    def scenarios(self) -> list[tuple[Any, ...]]:
        """Return the scenarios of the VGIC measurements, in the order of SCENARIO, sorted."""
        frame = self.transitions[self.transitions["family"] == "vgic"]
        return sorted(frame[SCENARIO].drop_duplicates().itertuples(index=False, name=None))

    @cached_property
    def varying(self) -> list[str]:
        """The scenario dimensions that take more than one value."""
        frame = self.transitions[self.transitions["family"] == "vgic"]
        return [column for column in SCENARIO if frame[column].nunique() > 1]

    def scenario_text(self, scenario: Any, short: bool = True) -> str:
        """Return a scenario (values in the order of SCENARIO) in words; `short` leaves out what is the same in all."""
        values = dict(zip(SCENARIO, scenario, strict=False))
        names = self.varying if short else SCENARIO
        if short:
            # None pending is what a reader takes for granted.
            names = [name for name in names if values[name] or name not in ("pending", "live")]
        words = {
            "gic": "GICv{}",
            "irqs": "{} INTIDs",
            "vcpus": "{} vCPUs",
            "lrs": "{} LRs",
            "pending": "{} pending",
            "live": "{} live",
        }
        return ", ".join(words[name].format(values[name]) for name in names)

    def base_scenario(self, frame: pd.DataFrame | None = None) -> dict[str, Any]:
        """Return the most common value of each dimension (the least of several): the point the others vary around."""
        frame = self.transitions[self.transitions["family"] == "vgic"] if frame is None else frame
        return {column: frame[column].mode().min() for column in SCENARIO} if len(frame) else {}


def rows_of(frame: pd.DataFrame) -> list[tuple[tuple[Any, ...], pd.Series]]:
    """Return (index as a tuple, row) pairs of a frame."""
    pairs: list[tuple[Any, pd.Series]] = list(frame.iterrows())
    return [(key if isinstance(key, tuple) else (key,), row) for key, row in pairs]
