# SPDX-License-Identifier: GPL-2.0-only
"""Verify designs over configurations: a process per design, watched, each report replayed.

A jitted operation that never returns cannot be interrupted from within. Each design therefore runs in a process of its
own that reports what it does; one that says nothing for a while is ended, and the operation it was at is reported.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from multiprocessing.connection import Connection
from typing import Any

from bench.system.progress import SILENT, Progress
from bench.verify import records as r
from bench.verify.classes import HOST_HANGS, is_advice
from bench.verify.configurations import Configuration
from bench.verify.random_runs import RandomRuns
from bench.verify.report import Report, make_report
from bench.verify.search import Limits, Outcome, Search
from kvmarm.design import BUILT_IN, ENTRY_POINTS, get_design
from kvmarm.errors import UsageError
from kvmarm.jit import JIT_ENABLED

SILENCE = 60.0
"""Seconds without a word after which a design is taken to hang."""
_POLL = 0.2


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


def explore(design: str, configuration: Configuration, task: Task, alive: Callable[[str], Any]) -> Explored:
    """Search one configuration, or do random runs, and replay what was found."""
    implementation = get_design(design)
    if task.runs:
        start = time.monotonic()
        runs = RandomRuns(implementation, configuration, task.seed)
        runs.run(task.runs, lambda done: alive(f"{done} runs"))
        explored = Explored(configuration, False, 0, task.runs, 0, time.monotonic() - start)
        for found, path in runs.records():
            alive("replaying")
            explored.reports.append(make_report(implementation, configuration, found, path))
        return explored
    search = Search(implementation, configuration, task.limits)
    search.progress = lambda outcome: alive(f"{len(outcome.states)} states, depth {outcome.depth}")
    outcome = search.outcome
    interrupted = False
    try:
        search.run()
    except KeyboardInterrupt:
        interrupted = True
    explored = _explored(outcome)
    for found in outcome.found:
        alive("replaying")
        path = outcome.path(int(found["parent"]), int(found["step"]))
        explored.reports.append(make_report(implementation, configuration, found, path))
    explored.closed = explored.closed and not interrupted
    return explored


def _explored(outcome: Outcome) -> Explored:
    states = len(outcome.states)
    return Explored(outcome.configuration, outcome.closed, states, outcome.transitions, outcome.depth, outcome.seconds)


def _child(design: str, task: Task, pipe: Connection) -> None:
    """Explore the configurations one by one and send what came of each."""
    try:
        for number, configuration in enumerate(task.configurations):
            pipe.send(("at", number))
            pipe.send(("explored", explore(design, configuration, task, lambda text: pipe.send(("alive", text)))))
        pipe.send(("done", None))
    except KeyboardInterrupt:
        pipe.send(("stopped", None))
    except (UsageError, AssertionError) as error:
        pipe.send(("failed", str(error)))


class _Watched:
    """One design's process and what it has reported so far."""

    def __init__(self, design: str, task: Task) -> None:
        self.verified = Verified(design)
        self.task, self.at, self.text = task, 0, ""
        self._start(task)

    def _start(self, task: Task) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe(duplex=False)
        self.left = task
        self.process = context.Process(target=_child, args=(self.verified.design, task, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.heard = time.monotonic()
        self.running = True

    def poll(self) -> None:
        """Take what the process has sent. Raises UsageError (status 3) for a defect of the search itself."""
        try:
            while self.running and self.pipe.poll():
                self.heard = time.monotonic()
                self._take(*self.pipe.recv())
        except EOFError:
            self.running = False
            raise UsageError(f"design {self.verified.design!r}: the search ended without a result", 3) from None
        if self.running and time.monotonic() - self.heard > SILENCE:
            self._hangs()

    def _take(self, what: str, value: Any) -> None:
        if what == "at":
            self.at = value
        elif what == "alive":
            self.text = value
        elif what == "explored":
            self.verified.explored.append(value)
        elif what == "failed":
            self.running = False
            raise UsageError(f"design {self.verified.design!r}: {value}", 3)
        else:
            self.verified.interrupted |= what == "stopped"
            self.running = False

    def _hangs(self) -> None:
        """Report that an operation of the present configuration does not return, and go on with the next one."""
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
        """End the process, and take what it still has to say."""
        limit = time.monotonic() + 5
        while self.running and time.monotonic() < limit:
            try:
                self.poll()
            except UsageError:
                self.running = False
            time.sleep(_POLL / 4)
        self.verified.interrupted |= self.running
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
    if not JIT_ENABLED or not all(name in findable for name in designs):
        return [_in_process(name, tasks[name], progress) for name in designs]
    waiting = list(designs)
    watched: list[_Watched] = []
    try:
        while waiting or any(one.running for one in watched):
            while waiting and sum(one.running for one in watched) < multiprocessing.cpu_count():
                watched.append(_Watched(waiting[0], tasks[waiting[0]]))
                waiting.pop(0)
            time.sleep(_POLL)
            for one in watched:
                one.poll()
            progress("configurations", sum(len(one.verified.explored) for one in watched), _total(tasks))
    except KeyboardInterrupt:
        for one in watched:
            one.verified.interrupted |= one.running
            one.stop()
    finally:
        for one in watched:
            if one.process.is_alive():
                one.process.kill()
    return [*(one.verified for one in watched), *(Verified(name, interrupted=True) for name in waiting)]


def _total(tasks: dict[str, Task]) -> int:
    return sum(len(task.configurations) for task in tasks.values())


def _in_process(design: str, task: Task, progress: Progress) -> Verified:
    verified = Verified(design)
    for explored in _each(design, task, progress):
        verified.explored.append(explored)
    return verified


def _each(design: str, task: Task, progress: Progress) -> Iterator[Explored]:
    for number, configuration in enumerate(task.configurations):
        progress("configurations", number, len(task.configurations))
        yield explore(design, configuration, task, lambda text: None)
