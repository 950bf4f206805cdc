# SPDX-License-Identifier: GPL-2.0-only
"""What the functions of the Python face return: an answer with a table, which a notebook shows."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from bench.catalogue.catalogue import main_transitions
from bench.explain.steps import Step
from bench.gate.compare import Comparison
from bench.gate.judge import Judgement
from bench.replay.outcome import Outcome
from bench.results.store import Results
from bench.studies.summary import designs_of, headline, transition_rows


class Answer:
    """An answer to a question: `table()` as data, and as what a notebook shows."""

    def table(self) -> pd.DataFrame:
        """Return the answer as a separate DataFrame: changing it changes nothing here."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        """Return the table as HTML; a notebook calls this."""
        return str(self.table().to_html(max_rows=60))


@dataclass(frozen=True)
class Rows(Answer):
    """An answer that is rows of plain data."""

    rows: Sequence[dict[str, Any]]

    def table(self) -> pd.DataFrame:
        """Return one row per entry."""
        return pd.DataFrame(list(self.rows))


@dataclass(frozen=True)
class Stored(Answer):
    """A run, measured just now or read from its folder.

    results: its tables and metadata. folder: where it is kept, None when it is not. unexpected: transitions that did
    not end in the state that the catalogue says. failures: parts that failed.
    """

    results: Results
    folder: Path | None = None
    unexpected: Sequence[str] = ()
    failures: Sequence[str] = ()

    def table(self, name: str = "") -> pd.DataFrame:
        """Return one of the results' tables (docs/reference/results.md), or the summary.

        The summary has one row per GIC version and transition: the figure of each design, the ratio of each later one
        to the first, and the step that makes most of the difference. Raises KeyError for a table that is not there.
        """
        return self.results.tables[name].copy() if name else self._summary()

    def _summary(self) -> pd.DataFrame:
        names = headline(self.results, main_transitions())
        designs = designs_of(self.results)
        found = []
        for gic in dict.fromkeys(self.results.table("transitions")["gic"]):
            unit, rows = transition_rows(self.results, gic, names)
            for row in rows:
                figures = dict(zip(designs, row.figures, strict=True))
                ratios = {f"{name}/{designs[0]}": r for name, r in zip(designs[1:], row.ratios, strict=True)}
                found.append(
                    {"gic": gic, "transition": row.name, "unit": unit} | figures | ratios | {"mostly": row.because}
                )
        return pd.DataFrame(found)


@dataclass(frozen=True)
class Sweep(Stored):
    """A sweep; its summary is where each design starts to win."""

    def _summary(self) -> pd.DataFrame:
        return self.results.tables["crossover"].copy()


@dataclass(frozen=True)
class Replayed(Answer):
    """A recording on every design. outcome: everything that the replay says, as the command's --json."""

    outcome: Outcome

    def table(self) -> pd.DataFrame:
        """Return one row per kind of operation and design: its operations and what they cost.

        `instructions` is NaN for a design without weights.
        """
        return pd.DataFrame(
            [
                {
                    "design": design,
                    "kind": kind,
                    "operations": cost.operations,
                    "instructions": cost.instructions,
                    "events": sum(cost.events.values()),
                    "cycles": cost.cycles,
                }
                for design, side in self.outcome.designs.items()
                for kind, cost in side.kinds.items()
            ]
        )


@dataclass(frozen=True)
class Compared(Answer):
    """Two runs compared. comparison: rows, summaries, notes, and what could not be compared."""

    comparison: Comparison

    def table(self) -> pd.DataFrame:
        """Return one row per thing compared: its configuration, both figures, ratio, interval and verdict."""
        rows = [*self.comparison.summaries, *self.comparison.rows]
        columns = ("meter", "baseline", "candidate", "ratio", "low", "high", "p", "verdict", "note")
        return pd.DataFrame([row.fields | {name: getattr(row, name) for name in columns} for row in rows])


@dataclass(frozen=True)
class Judged(Compared):
    """Two runs judged. status: the exit status of the gate; outcome: it in words; reasons: why it is not 0."""

    judgement: Judgement

    @property
    def status(self) -> int:
        """The exit status of the gate: 0 pass, 1 regressed, 3 inconclusive, 4 not comparable, 5 failed."""
        return self.judgement.status

    @property
    def outcome(self) -> str:
        """The status in words."""
        return self.judgement.outcome

    @property
    def reasons(self) -> Sequence[str]:
        """Why the status is not 0, one line each."""
        return tuple(self.judgement.reasons)


@dataclass(frozen=True)
class Explained(Answer):
    """What designs do step by step. steps: each with what every design made of it."""

    steps: Sequence[Step]
    titles: dict[str, str] = field(default_factory=dict)

    def table(self) -> pd.DataFrame:
        """Return one row per operation, design and event: `operation` (its number), `line`, `event`, `count`."""
        return pd.DataFrame(
            [
                {"operation": step.number, "line": step.line, "design": part.design, "event": event, "count": count}
                for step in self.steps
                for part in step.designs
                for event, count in part.counts.items()
            ],
            columns=["operation", "line", "design", "event", "count"],
        )

    def changes(self) -> pd.DataFrame:
        """Return one row per operation, design and change of state: `what`, `before`, `after` ("" is at rest)."""
        return pd.DataFrame(
            [
                {"operation": step.number, "design": part.design, "what": what, "before": before, "after": after}
                for step in self.steps
                for part in step.designs
                for what, before, after in part.changes
            ],
            columns=["operation", "design", "what", "before", "after"],
        )

    def _repr_html_(self) -> str:
        parts = []
        for step in self.steps:
            counts = pd.DataFrame({self.titles.get(part.design, part.design): part.counts for part in step.designs})
            meaning = f"<br>{html.escape(step.meaning)}" if step.meaning else ""
            parts.append(f"<p><b>{step.number}: {html.escape(step.line)}</b>{meaning}</p>")
            parts.append(counts.fillna(0).astype(int).to_html())
        return "\n".join(parts)


@dataclass(frozen=True)
class Searched(Answer):
    """What a verification found. found: everything, as the command's --json."""

    found: dict[str, Any]

    @property
    def closed(self) -> bool:
        """Whether every search was exhaustive."""
        return all(one["closed"] for one in self.found["designs"].values())

    def table(self) -> pd.DataFrame:
        """Return one row per design and signature of a violation, the shortest way to it first."""
        columns = ["design", "class", "signature", "depth", "configuration", "states", "observed", "required"]
        rows = [{"design": design} | row for design, one in self.found["designs"].items() for row in one["signatures"]]
        return pd.DataFrame(rows, columns=columns)
