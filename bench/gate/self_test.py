# SPDX-License-Identifier: GPL-2.0-only
"""Can this machine's gate be trusted? The same code against itself must pass, something that costs more must fail.

What is done, by real measurements of this machine:
- Counts: a few transitions are counted in fresh processes, then once more, which must pass. Once they are counted with
  one lock more in every flush, which must fail and name the lock.
- Time, silent: the same code is timed as both sides, side by side in turns. Which process of a turn is called baseline
  and which candidate makes no difference between equals. So the turns are dealt out anew at random, many times;
  each deal is judged by the whole gate: at most 1 in 100 may be called regressed.
- Time, firing: the same deals with each time of the candidate 5 % longer, stretched after it was measured so that the
  noise stays this machine's own. Nearly all must be called regressed; where the noise hides 5 %, the answer is
  inconclusive, with the number of turns that would show it.
"""

import json
import os
import subprocess
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bench.catalogue.catalogue import load_catalogue, select
from bench.gate.budget import Budget
from bench.gate.interleave import interleave
from bench.gate.judge import judge
from bench.gate.self_test_worker import SHAPE
from bench.meters import compile as warm
from bench.meters.time_processes import CALLS, time_processes
from bench.results.meta import new_meta
from bench.results.schema import frame
from bench.results.store import Results
from bench.studies.options import check_patterns
from bench.system.exit_status import FAIL, MEASUREMENT_FAILED, PASS, UNDECIDED
from bench.system.processes import module_command
from bench.system.progress import SILENT, Progress, counted
from kvmarm.config import VmConfig
from kvmarm.errors import UsageError

SLOWDOWN = 0.05
MOST_ALARMS = 0.01
LEAST_POWER = 0.9
"""Share of the deals with a 5 % slowdown that must fire; below it the machine is too noisy for the turns taken."""
GIC = 2
PASSES = 40
"""Over the transitions, in each process: about a second on an idle machine."""

Measure = Callable[[int, int], Results]


@dataclass
class Outcome:
    """`status`: 0 trusted, 1 not to be trusted, 3 too noisy to say. `alarms`, `fired`: deals out of `deals` called
    regressed without and with the slowdown. `turns`: measured. `needed`: turns that would show a 5 % slowdown.
    `median_shift`: median over transitions of |candidate / baseline - 1| of the same code as measured."""

    status: int = PASS
    lines: list[str] = field(default_factory=list)
    counts_silent: bool = False
    counts_fired: bool = False
    deals: int = 0
    alarms: int = 0
    fired: int = 0
    turns: int = 0
    needed: int | None = None
    median_shift: float | None = None

    def fail(self, line: str) -> None:
        """Note what can't be trusted."""
        self.status = FAIL
        self.lines.append(line)


def count_in_process(transitions: Sequence[str], designs: Sequence[str], lock_more: bool) -> Results:
    """Count transitions in a fresh process. Raises UsageError with status 5 when it fails."""
    job = {"transitions": list(transitions), "designs": list(designs), "gic": GIC, "lock_more": lock_more}
    done = subprocess.run(
        module_command("bench.gate.self_test_worker"),
        input=json.dumps(job),
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise UsageError(f"counting failed: {last}", MEASUREMENT_FAILED)
    tables = {name: frame(name, rows) for name, rows in json.loads(done.stdout).items()}
    return Results(new_meta("run", complete=True, meters=["events"]), tables)


def time_in_process(transitions: Sequence[str], designs: Sequence[str], turn: int) -> Results:
    """Time transitions in a fresh process; `turn` only sets the order within it."""
    catalogue = load_catalogue()
    place = [(VmConfig(gic=GIC, **SHAPE), 0)]
    order = list(designs) if turn % 2 == 0 else list(designs)[::-1]
    entries = [catalogue[name] for name in transitions]
    [rows] = time_processes(order, place, entries, 1, CALLS, passes=PASSES)
    return Results(new_meta("run", complete=True, meters=["time"]), {"samples": frame("samples", rows)})


def check_counts(outcome: Outcome, count: Callable[[bool], Results], budget: Budget) -> None:
    """Judge equal counts, then counts with one lock more."""
    base = count(False)
    silent = judge(base, count(False), budget, ("events",))
    outcome.counts_silent = silent.status == PASS
    if not outcome.counts_silent:
        outcome.fail(f"counts of the same code: {silent.outcome}: {'; '.join(silent.reasons[:3])}")
    fired = judge(base, count(True), budget, ("events",))
    named = [row for row in fired.failing if row.fields.get("event") == "lock" and row.change]
    outcome.counts_fired = fired.status == FAIL and bool(named) and len(named) == len(fired.failing)
    if not outcome.counts_fired:
        outcome.fail(f"one lock more in every flush was not found: {fired.outcome}")


def check_times(
    outcome: Outcome, measure: Measure, turns: int, deals: int, budget: Budget, progress: Progress = SILENT
) -> None:
    """Measure the same code as both sides `turns` times; judge `deals` deals of it, plain and with a slowdown."""
    sides = interleave(measure, turns, lambda numbers: counted(numbers, "turns", progress))
    outcome.turns, outcome.deals = turns, deals
    as_measured = judge(*sides, budget, ("time",))
    shifts = [abs(row.ratio - 1) for row in as_measured.comparison.rows if row.meter == "time"]
    outcome.median_shift = float(np.median(shifts)) if shifts else None
    random = np.random.default_rng(1)
    needed = []
    for number in counted(range(deals), "deals judged", progress):
        # The first deal is as it was measured; the others say of each turn by chance which side is which.
        swapped = np.flatnonzero(random.random(turns) < 0.5) if number else np.array([], dtype=int)
        baseline, candidate = deal(*sides, swapped)
        outcome.alarms += judge(baseline, candidate, budget, ("time",)).status == FAIL
        slow = judge(baseline, stretched(candidate, 1 + SLOWDOWN), budget, ("time",))
        outcome.fired += slow.status == FAIL
        needed += [row.needed for row in slow.comparison.rows if row.needed]
    outcome.needed = int(np.median(needed)) if needed else None
    if outcome.alarms > MOST_ALARMS * deals:
        outcome.fail(f"the same code was called regressed in {outcome.alarms} of {deals} deals")
    if outcome.fired < LEAST_POWER * deals:
        if outcome.status == PASS:
            outcome.status = UNDECIDED
        more = f"; about {outcome.needed} turns would show it" if outcome.needed else ""
        fired = f"a slowdown of {SLOWDOWN:.0%} fired in {outcome.fired} of {deals} deals of {turns} turns"
        outcome.lines.append(f"inconclusive: {fired}{more}")


def deal(first: Results, second: Results, swapped: np.ndarray) -> tuple[Results, Results]:
    """Return two runs like the given ones with the sides of the turns in `swapped` (numbers) exchanged."""
    a, b = first.table("samples"), second.table("samples")
    moved_a, moved_b = a["process"].isin(swapped), b["process"].isin(swapped)
    tables = pd.concat([a[~moved_a], b[moved_b]]), pd.concat([b[~moved_b], a[moved_a]])
    meta: dict[str, Any] = new_meta("run", complete=True, pairing={"session": uuid.uuid4().hex})
    return Results(meta, {"samples": tables[0]}), Results(dict(meta), {"samples": tables[1]})


def stretched(run: Results, factor: float) -> Results:
    """Return the run with every time `factor` times as long."""
    samples = run.table("samples")
    return Results(run.meta, {"samples": samples.assign(ns=samples["ns"] * factor)})


def self_test(
    transitions: Sequence[str],
    designs: Sequence[str],
    turns: int,
    deals: int,
    budget: Budget,
    times: bool,
    progress: Progress = SILENT,
) -> Outcome:
    """Do the whole self-test. Raises UsageError: status 2 for arguments, 5 when a measurement fails."""
    if turns < 1 or deals < 1:
        raise UsageError("--processes and --deals: expected 1 or more")
    outcome = Outcome()
    check_counts(outcome, lambda lock_more: count_in_process(transitions, designs, lock_more), budget)
    if times:
        warm.ensure_compiled(designs, ["counting", "timing"])

        def measure(side: int, turn: int) -> Results:
            return time_in_process(transitions, designs, turn)

        check_times(outcome, measure, turns, deals, budget, progress)
    return outcome


def names_of(text: str) -> list[str]:
    """Return the transitions named in a list with commas. Raises UsageError for one that isn't in the catalogue."""
    check_patterns([text])
    return [entry.name for entry in select(load_catalogue(), [text])]
