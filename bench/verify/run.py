# SPDX-License-Identifier: GPL-2.0-only
"""Verify designs over configurations: a process per design, watched, each report replayed.

A jitted operation that never returns cannot be interrupted from within. Each design therefore runs in its own process
that reports what it does; one that says nothing for a while is ended, and the operation it was at is reported.
"""

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.system.processes import cores
from bench.system.progress import SILENT, Progress
from bench.verify import records as r
from bench.verify.classes import HOST_HANGS, is_advice
from bench.verify.configurations import Configuration
from bench.verify.random_runs import RandomRuns
from bench.verify.report import ReplayError, Report, make_report
from bench.verify.search import Limits, Search
from kvmarm.design import BUILT_IN, ENTRY_POINTS, get_design
from kvmarm.errors import UsageError
from kvmarm.jit import JIT_ENABLED

SILENCE = 40.0
"""Seconds without a word after which a design is taken to hang, if it had the processor for half of them."""
_POLL = 0.1
_LAST_WORDS = 20.0
"""Seconds that a design's process may take to replay what it has found when it is told to stop."""


@dataclass
class Explored:
    """What one configuration gave on one design."""

    configuration: Configuration
    closed: bool
    states: int
    transitions: int
    depth: int
    seconds: float
    reports: list[Report] = field(default_factory=list)
    interrupted: bool = False

    @property
    def violations(self) -> int:
        """How many signatures it has, without advice."""
        return sum(not is_advice(report.code) for report in self.reports)


@dataclass
class Verified:
    """What a design gave; interrupted: Ctrl-C or the time came before the last configuration."""

    design: str
    explored: list[Explored] = field(default_factory=list)
    interrupted: bool = False

    @property
    def closed(self) -> bool:
        """Whether every search was exhaustive."""
        return not self.interrupted and all(explored.closed for explored in self.explored)

    def signatures(self, advice: bool = False) -> list[Report]:
        """Return one report per signature, the shortest, its counts summed; `advice`: those instead of violations."""
        best: dict[int, Report] = {}
        for explored in self.explored:
            for report in explored.reports:
                if is_advice(report.code) != advice:
                    continue
                known = best.get(report.code)
                count = report.count + (known.count if known else 0)
                shorter = report if known is None or report.depth < known.depth else known
                best[report.code] = replace(shorter, count=count)
        return sorted(best.values(), key=lambda report: (report.code & 0xFF, report.depth, report.code))


@dataclass(frozen=True)
class Task:
    """What to do with each design. runs: random runs per configuration, 0 for the search."""

    configurations: tuple[Configuration, ...]
    limits: Limits = field(default_factory=Limits)
    runs: int = 0
    seed: int = 1


Depths = dict[int, int]
"""Signature -> the depth at which a design has shown it: what is no shorter needs no trace."""


def explore(
    design: str, configuration: Configuration, task: Task, alive: Callable[[str], Any], known: Depths | None = None
) -> Explored:
    """Search one configuration, or do random runs, and replay what was found and is shorter than what is `known`.

    alive: called with what is being done; it raises KeyboardInterrupt to end the search, and what was found so far is
    replayed and returned.
    """
    implementation = get_design(design)
    start = time.monotonic()
    if task.runs:
        runs = RandomRuns(implementation, configuration, task.seed)
        interrupted = _until_interrupted(lambda: runs.run(task.runs, lambda done: alive(f"{done} runs")))
        explored = Explored(configuration, False, 0, runs.done, 0, 0.0, interrupted=interrupted)
        found = runs.records()
    else:
        search = Search(implementation, configuration, task.limits)
        search.progress = lambda outcome: alive(f"{len(outcome.states)} states, depth {outcome.depth}")
        interrupted = _until_interrupted(search.run)
        outcome = search.outcome
        closed = outcome.closed and not interrupted
        counts = len(outcome.states), outcome.transitions, outcome.depth
        explored = Explored(configuration, closed, *counts, 0.0, interrupted=interrupted)
        found = [(one, outcome.path(int(one["parent"]), int(one["step"]))) for one in outcome.found]
    known = {} if known is None else known
    for one, path in found:
        if not interrupted:
            alive("replaying")
        code, depth = int(one["code"]), int(one["depth"])
        if depth < known.get(code, depth + 1):
            known[code] = depth
            explored.reports.append(make_report(implementation, configuration, one, path))
        else:
            explored.reports.append(Report(design, configuration, code, depth, int(one["count"]), path))
    explored.seconds = time.monotonic() - start
    return explored


def _until_interrupted(work: Callable[[], Any]) -> bool:
    """Do the work; return whether it was interrupted."""
    try:
        work()
    except KeyboardInterrupt:
        return True
    return False


def _child(design: str, task: Task, pipe: Connection) -> None:
    """Explore the configurations one by one and send what came of each, until told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop

    def alive(text: str) -> None:
        pipe.send(("alive", text))
        if pipe.poll():
            raise KeyboardInterrupt

    known: Depths = {}
    try:
        for number, configuration in enumerate(task.configurations):
            pipe.send(("at", number))
            explored = explore(design, configuration, task, alive, known)
            pipe.send(("explored", explored))
            if explored.interrupted:
                break
        pipe.send(("done", None))
    except KeyboardInterrupt:
        pipe.send(("stopped", None))
    except (UsageError, AssertionError, ReplayError) as error:
        pipe.send(("failed", str(error)))


def cpu_seconds(process: int) -> float | None:
    """Return the seconds of processor time that a process has used; None where the system does not say."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Watched:
    """One design's process and what it has reported so far."""

    def __init__(self, design: str, task: Task, method: str) -> None:
        self.verified = Verified(design)
        self.task, self.method = task, method
        self._start(task)

    def _start(self, task: Task) -> None:
        context: Any = multiprocessing.get_context(self.method)
        self.pipe, theirs = context.Pipe()
        self.left, self.at, self.text = task, 0, ""
        self.process = context.Process(target=_child, args=(self.verified.design, task, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self._hear()
        self.running = True

    def _hear(self) -> None:
        self.heard, self.used = time.monotonic(), cpu_seconds(self.process.pid)

    def _silent(self) -> bool:
        """Return whether the process has worked for long without a word; one that was not let run has not."""
        if time.monotonic() - self.heard < SILENCE:
            return False
        used = cpu_seconds(self.process.pid)
        return used is None or self.used is None or used - self.used > SILENCE / 2

    def poll(self) -> None:
        """Take what the process has sent. Raises UsageError (status 3) for a defect of the search itself."""
        try:
            while self.running and self.pipe.poll():
                self._hear()
                self._take(*self.pipe.recv())
        except EOFError:
            self.running = False
            raise UsageError(f"design {self.verified.design!r}: the search ended without a result", 3) from None
        if self.running and self._silent():
            self._hangs()

    def _take(self, what: str, value: Any) -> None:
        if what == "at":
            self.at, self.text = value, ""
        elif what == "alive":
            self.text = value
        elif what == "explored":
            self.verified.explored.append(value)
            self.verified.interrupted |= value.interrupted
        elif what == "failed":
            self.running = False
            raise UsageError(f"design {self.verified.design!r}: {value}", 3)
        else:
            self.verified.interrupted |= what == "stopped"
            self.running = False

    def _hangs(self) -> None:
        """Report that an operation of the present configuration does not return, and continue with the next one."""
        self.process.kill()
        configuration = self.left.configurations[self.at]
        report = Report(self.verified.design, configuration, int(HOST_HANGS) | int(r.NO_KIND) << 8 | 2 << 12, 0, 1)
        report.trace = [
            "# host hangs: an operation of this configuration does not return",
            f"# design: {self.verified.design}. configuration: {configuration.name}. {self.text}",
            f"config {configuration.vm}",
        ]
        self.verified.explored.append(Explored(configuration, False, 0, 0, 0, SILENCE, [report]))
        rest = self.left.configurations[self.at + 1 :]
        self.running = False
        if rest:
            self._start(replace(self.task, configurations=rest))

    def stop(self) -> None:
        """Tell the process to stop, and take what it still has to say."""
        limit = time.monotonic() + _LAST_WORDS
        self.verified.interrupted |= self.running
        with contextlib.suppress(OSError):
            self.pipe.send("stop")
        while self.running and time.monotonic() < limit:
            try:
                self.poll()
            except UsageError:
                self.running = False
            time.sleep(_POLL / 4)
        self.process.kill()


def supported(design: str, configurations: Sequence[Configuration]) -> tuple[Configuration, ...]:
    """Return the configurations that a design takes: some have one GIC version only."""
    implementation = get_design(design)
    found = []
    for configuration in configurations:
        try:
            implementation.create(configuration.vm)
        except UsageError:
            continue
        found.append(configuration)
    return tuple(found)


def verify(designs: Sequence[str], task: Task, progress: Progress = SILENT) -> list[Verified]:
    """Verify designs, two at a time on two cores; Ctrl-C ends it with what was found so far.

    Raises UsageError with status 3 when a report does not replay.
    """
    tasks = {name: replace(task, configurations=supported(name, task.configurations)) for name in designs}
    findable = {*BUILT_IN, *(entry.name for entry in entry_points(group=ENTRY_POINTS))}
    # A new interpreter finds what is registered; a copy of this one also has what only this one knows.
    method = "spawn" if JIT_ENABLED and all(name in findable for name in designs) else "fork"
    waiting = list(designs)
    watched: list[_Watched] = []
    try:
        while waiting or any(one.running for one in watched):
            while waiting and sum(one.running for one in watched) < cores():
                watched.append(_Watched(waiting[0], tasks[waiting[0]], method))
                waiting.pop(0)
            time.sleep(_POLL)
            for one in watched:
                one.poll()
            progress("configurations", sum(len(one.verified.explored) for one in watched), _total(tasks))
    except KeyboardInterrupt:
        for one in watched:
            one.stop()
    finally:
        for one in watched:
            if one.process.is_alive():
                one.process.kill()
    return [*(one.verified for one in watched), *(Verified(name, interrupted=True) for name in waiting)]


def _total(tasks: dict[str, Task]) -> int:
    return sum(len(task.configurations) for task in tasks.values())
