# SPDX-License-Identifier: GPL-2.0-only
"""What a comparison means for a build: pass or fail, and why, as an exit status.

Rules inside, from the strongest:
- 5, measurement failed: the candidate is unfinished, or a transition did not end in the state its catalogue entry
  expects. Figures of a run that went wrong are not judged.
- 1, regressed: an exact count or a state changed without the budget allowing it by name (a smaller count too: a
  baseline that is out of date hides the next change), or a time regressed.
- 4, no baseline or not comparable: another configuration, another machine's times, or a transition that the
  candidate lost.
- 3, inconclusive: more of the times than the budget lets pass, or a design's summary, can't be told from a regression.
- 0, pass.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.gate.budget import Budget
from bench.gate.compare import METERS, NEW, Comparison, Row, compare
from bench.results import exchange
from bench.results.formats.common import label
from bench.results.meta import unfinished
from bench.results.schema import KEY
from bench.results.statistics import IMPROVED, INCONCLUSIVE, NOT_COMPARABLE, REGRESSED
from bench.results.store import Results
from bench.system.exit_status import FAIL, MEASUREMENT_FAILED, NO_BASELINE, PASS, UNDECIDED
from kvmarm.errors import UsageError

OUTCOMES = {
    PASS: "pass",
    FAIL: "regressed",
    UNDECIDED: "inconclusive",
    NO_BASELINE: "not comparable",
    MEASUREMENT_FAILED: "measurement failed",
}


@dataclass
class Judgement:
    """`status`: exit status. `reasons`: why it isn't 0, one line each. `failing`: the rows that make it 1.
    `allowed`: changed rows that the budget let pass. `warnings`: what does not fail but should be seen."""

    status: int
    comparison: Comparison
    reasons: list[str] = field(default_factory=list)
    failing: list[Row] = field(default_factory=list)
    allowed: list[Row] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """The status in words."""
        return OUTCOMES[self.status]

    def as_json(self) -> dict[str, Any]:
        """Return the judgement and the whole comparison as what JSON can hold."""
        return {
            "status": self.status,
            "outcome": self.outcome,
            "reasons": self.reasons,
            "warnings": self.warnings,
            "failing": [row.name for row in self.failing],
            "allowed": [{"row": row.name, "by": row.allowed} for row in self.allowed],
            "comparison": self.comparison.as_json(),
        }


def gate(
    baseline: str | os.PathLike[str],
    candidate: str | os.PathLike[str],
    budget: Budget | None = None,
    meters: tuple[str, ...] = METERS,
    partial: bool = False,
) -> Judgement:
    """Load, compare and judge two runs (anything `exchange.load` takes). `partial`: see `judge`.

    Raises UsageError: status 4 when there is no baseline or it has another schema, 2 when a file is damaged.
    """
    if not Path(baseline).exists():
        raise UsageError(f"{baseline}: no baseline: it does not exist", NO_BASELINE)
    try:
        before = exchange.load(baseline)
    except UsageError as error:
        if "results schema is" in str(error):
            raise UsageError(f"baseline not comparable: {error}", NO_BASELINE) from error
        raise
    return judge(before, exchange.load(candidate), budget or Budget(), meters, partial)


def judge(
    baseline: Results,
    candidate: Results,
    budget: Budget | None = None,
    meters: tuple[str, ...] = METERS,
    partial: bool = False,
) -> Judgement:
    """Compare and judge two runs that are loaded. `partial`: rows that only the baseline has are left out.

    Raises UsageError when the budget names what neither has.
    """
    limits = budget or Budget()
    comparison = compare(baseline, candidate, limits.policy, meters)
    names = {row.fields["transition"] for row in comparison.rows}
    if names:
        limits.check_names(names)
    if partial:
        absent = [row for row in comparison.rows if row.verdict == NOT_COMPARABLE]
        comparison.rows = [row for row in comparison.rows if row.verdict != NOT_COMPARABLE]
        if absent:
            comparison.notes.append(f"{len(absent)} transitions of the baseline were not measured, as asked for")
    verdict = Judgement(PASS, comparison)
    broken = _measurement_faults(candidate)
    _find_failing(verdict, limits)
    doubtful = _find_doubtful(verdict, limits)
    lost = [row for row in comparison.rows if row.verdict == NOT_COMPARABLE]
    if broken:
        verdict.status, verdict.reasons = MEASUREMENT_FAILED, broken
    elif verdict.failing:
        verdict.status = FAIL
        verdict.reasons = [describe(row) for row in verdict.failing]
        verdict.warnings += comparison.blocked + doubtful
    elif comparison.blocked or lost:
        verdict.status = NO_BASELINE
        verdict.reasons = [*comparison.blocked, *(f"{_place(row)}: {row.note}" for row in lost)]
    elif doubtful:
        verdict.status, verdict.reasons = UNDECIDED, doubtful
    added = [row for row in comparison.rows if row.verdict == NEW]
    if added:
        verdict.warnings.append(f"{len(added)} transitions have no baseline yet; renew it to gate them too")
    for allowance in limits.allowances:
        if not any(row.allowed.startswith(allowance.where) for row in verdict.allowed):
            verdict.warnings.append(f"{allowance.where}: allows nothing here; remove it")
    return verdict


def _measurement_faults(candidate: Results) -> list[str]:
    faults = []
    if state := unfinished(candidate.meta):
        faults.append(f"{candidate.name}: the run is not complete: {state}")
    if candidate.has("transitions"):
        wrong = candidate.table("transitions").query("not ok")
        for record in wrong.to_dict("records"):
            key = {name: record[name] for name in KEY}
            expected = f", expected {record['expected']}" if record.get("expected") else ""
            faults.append(f"{label(key)}: ended in state {record['after']}{expected}")
    return faults


def _find_failing(verdict: Judgement, budget: Budget) -> None:
    comparison = verdict.comparison
    for row in comparison.rows + comparison.summaries:
        if row.meter == "instructions":
            continue  # it says what counts come to that are judged themselves
        exact = row.meter in ("events", "state")
        if not (row.verdict == REGRESSED or (exact and row.verdict == IMPROVED)):
            continue
        allowance = next((a for a in budget.allowances if exact and a.matches(row.fields, row.change)), None)
        if allowance:
            row.allowed = f"{allowance.where}: {allowance.reason}"
            verdict.allowed.append(row)
        else:
            verdict.failing.append(row)


def _find_doubtful(verdict: Judgement, budget: Budget) -> list[str]:
    times = [row for row in verdict.comparison.rows if row.meter == "time"]
    unsettled = [row for row in times if row.verdict == INCONCLUSIVE]
    lines = [describe(row) for row in verdict.comparison.summaries if row.verdict == INCONCLUSIVE]
    if len(unsettled) > budget.inconclusive_share * len(times):
        most = max((row.needed for row in unsettled if row.needed is not None), default=None)
        few = (
            f"; {most} interleaved processes a side would settle all of them"
            if most
            else "; too few processes to say how many"
        )
        lines.append(f"{len(unsettled)} of {len(times)} times are inconclusive{few}")
    return lines


def _place(row: Row) -> str:
    return f"{row.name} ({row.configuration})" if row.configuration else row.name


def describe(row: Row) -> str:
    """Say in one line what a row found."""
    place = _place(row)
    if row.meter == "events":
        return f"{place}: {row.baseline} -> {row.candidate} ({row.change:+d})"
    if row.meter == "state":
        return f"{place}: {row.note}: {row.baseline} -> {row.candidate}"
    text = f"{place}: time {row.baseline:.4g} -> {row.candidate:.4g} ns ({row.ratio - 1:+.1%}, "
    text += f"95 % interval {row.low - 1:+.1%} to {row.high - 1:+.1%})" if row.processes > 1 else "one process)"
    if row.verdict == INCONCLUSIVE:
        more = f"; {row.needed} interleaved processes a side would settle it" if row.needed else ""
        text += f": inconclusive after {row.processes} processes{more}"
    return text
