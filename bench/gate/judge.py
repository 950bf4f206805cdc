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
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.gate.budget import Budget
from bench.gate.compare import METERS, NEW, Comparison, Row, compare
from bench.results import exchange
from bench.results.formats.common import events_of, label
from bench.results.meta import unfinished
from bench.results.schema import KEY
from bench.results.statistics import IMPROVED, INCONCLUSIVE, NOT_COMPARABLE, REGRESSED
from bench.results.store import Results
from bench.system.exit_status import FAIL, MEASUREMENT_FAILED, NO_BASELINE, PASS, UNDECIDED
from kvmarm.errors import UsageError

CHANGED = -1
"""Not a status: FAIL where nothing got worse, so that the baseline is to be renewed."""
OUTCOMES = {
    PASS: "pass",
    FAIL: "regressed",
    CHANGED: "changed",
    UNDECIDED: "inconclusive",
    NO_BASELINE: "not comparable",
    MEASUREMENT_FAILED: "measurement failed",
}


@dataclass
class Judgement:
    """`status`: exit status. `reasons`: why it isn't 0, one line each. `failing`: the rows that make it 1.
    `allowed`: changed rows that the budget let pass. `warnings`: what does not fail but should be seen. `renew`: the
    command that renews the baseline, where counts changed for the better or as allowed."""

    status: int
    comparison: Comparison
    reasons: list[str] = field(default_factory=list)
    failing: list[Row] = field(default_factory=list)
    allowed: list[Row] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    renew: str = ""

    def renewed(self) -> None:
        """Pass: the baseline is the candidate from now on. What was found stays to be seen, as warnings."""
        self.warnings += self.reasons
        self.status, self.reasons, self.failing, self.renew = PASS, [], [], ""

    @property
    def only_better(self) -> bool:
        """Whether it fails for counts alone that are smaller than the baseline's."""
        return self.status == FAIL and all(row.verdict == IMPROVED for row in self.failing)

    @property
    def outcome(self) -> str:
        """The status in words."""
        return OUTCOMES[CHANGED if self.only_better else self.status]

    def as_json(self) -> dict[str, Any]:
        """Return the judgement and the whole comparison as what JSON can hold."""
        return {
            "status": self.status,
            "outcome": self.outcome,
            "reasons": self.reasons,
            "warnings": self.warnings,
            "renew": self.renew,
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
    same_host: bool = False,
) -> Judgement:
    """Load, compare and judge two runs (anything `exchange.load` takes). `partial`, `same_host`: see `judge`.

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
    verdict = judge(before, exchange.load(candidate), budget or Budget(), meters, partial, same_host)
    if verdict.only_better or (verdict.status == PASS and verdict.allowed):
        command = ["vgic-bench", "gate", "check", os.fspath(baseline), os.fspath(candidate), "--update"]
        verdict.renew = shlex.join(command)
    return verdict


def judge(
    baseline: Results,
    candidate: Results,
    budget: Budget | None = None,
    meters: tuple[str, ...] = METERS,
    partial: bool = False,
    same_host: bool = False,
) -> Judgement:
    """Compare and judge two runs that are loaded.

    `partial`: rows and meters that only the baseline has are left out. `same_host`: see `compare`. Raises
    UsageError when the budget names what neither has.
    """
    limits = budget or Budget()
    comparison = compare(baseline, candidate, limits.policy, meters, same_host)
    names = {row.fields["transition"] for row in comparison.rows}
    if names:
        limits.check_names(names)
    if partial:
        absent = [row for row in comparison.rows if row.verdict == NOT_COMPARABLE]
        comparison.rows = [row for row in comparison.rows if row.verdict != NOT_COMPARABLE]
        if absent:
            comparison.notes.append(f"{len(absent)} transitions of the baseline were not measured, as asked for")
        comparison.notes += comparison.lost
        comparison.lost = []
    comparison.blocked += [f"{text}; --partial if that is meant" for text in comparison.lost]
    verdict = Judgement(PASS, comparison)
    broken = _measurement_faults(candidate)
    _find_failing(verdict, limits)
    _find_over(verdict, baseline, candidate, limits)
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
        row.allowed = _allowed(row, budget) if exact else ""
        if row.allowed:
            verdict.allowed.append(row)
        else:
            verdict.failing.append(row)


def _allowed(row: Row, budget: Budget) -> str:
    """Return what of the budget lets a changed count or state pass, "" when nothing does."""
    for allowance in budget.allowances:
        if allowance.matches(row.fields, row.change):
            return f"{allowance.where}: {allowance.reason}"
    for limit in budget.limits:
        if row.meter == "events" and limit.matches(row.fields) and limit.holds(row.baseline, row.candidate):
            return f"{limit.where}: {limit.text}: {limit.reason}"
    return ""


def _find_over(verdict: Judgement, baseline: Results, candidate: Results, budget: Budget) -> None:
    """Add the counts that are over an absolute limit though they are those of the baseline."""
    absolute = [limit for limit in budget.limits if limit.most is not None]
    if not absolute:
        return
    before = events_of(baseline)
    for values, counts in events_of(candidate).items():
        for event, count in counts.items():
            fields = dict(zip(KEY, values, strict=True)) | {"event": event}
            over = next((limit for limit in absolute if limit.matches(fields) and not limit.holds(0, count)), None)
            if over is not None and before.get(values, {}).get(event) == count:
                row = Row("events", fields, count, count, REGRESSED, ratio=1.0, note=f"{over.where}: {over.text}")
                verdict.comparison.rows.append(row)
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
        return f"{place}: {row.baseline} -> {row.candidate} ({row.note or format(row.change, '+d')})"
    if row.meter == "state":
        return f"{place}: {row.note}: {row.baseline} -> {row.candidate}"
    text = f"{place}: time {row.baseline:.4g} -> {row.candidate:.4g} ns ({row.ratio - 1:+.1%}, "
    text += f"95 % interval {row.low - 1:+.1%} to {row.high - 1:+.1%})" if row.processes > 1 else "one process)"
    if row.verdict == INCONCLUSIVE:
        more = f"; {row.needed} interleaved processes a side would settle it" if row.needed else ""
        text += f": inconclusive after {row.processes} processes{more}"
    return text
