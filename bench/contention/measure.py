# SPDX-License-Identifier: GPL-2.0-only
"""Real threads, from outside: the job of one measuring process, its watchdog, its results.

The process is given up when it says nothing for `PATIENCE` seconds: then a design hangs where no thread of it can tell.
"""

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.contention.bodies import Body
from bench.contention.compile import ensure_compiled
from bench.contention.threads import usable_cores
from bench.system.exit_status import MEASUREMENT_FAILED
from bench.system.processes import module_command
from bench.system.progress import SILENT, Progress
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.jit import JIT_ENABLED

WORKER = "bench.contention.worker"
PATIENCE = 8.0
"""Seconds without a word, beyond those that a step is meant to take, after which a process hangs."""
SECONDS, QUICK_SECONDS = 1.0, 0.25
MOST_THREADS = 512


@dataclass(frozen=True)
class Options:
    """What is measured. seconds: per body and design. guest_us: µs in the guest between two bodies."""

    designs: tuple[str, ...]
    bodies: tuple[Body, ...]
    threads: int
    gic: int = 3
    irqs: int = 256
    lrs: int = 4
    guest_us: float = 0.0
    seconds: float = SECONDS
    seed: int = 1

    def __post_init__(self) -> None:
        """Raise UsageError for what cannot be measured."""
        if not 1 <= self.threads <= MOST_THREADS:
            raise UsageError(f"--threads {self.threads}: expected 1..{MOST_THREADS}")
        if self.gic == 2 and self.threads > 8:
            raise UsageError(f"--threads {self.threads}: expected at most 8 with GICv2")
        if not 0 <= self.guest_us <= 1_000_000:
            raise UsageError(f"--guest-time {self.guest_us:g}: expected 0..1,000,000 µs")
        if not 0 < self.seconds <= 3600:
            raise UsageError(f"--seconds {self.seconds:g}: expected more than 0, at most 3,600")

    @property
    def job(self) -> dict[str, Any]:
        """The measuring process's job."""
        return {
            "designs": list(self.designs),
            "bodies": [body.name for body in self.bodies],
            "threads": self.threads,
            "gic": self.gic,
            "irqs": self.irqs,
            "lrs": self.lrs,
            "guest_us": self.guest_us,
            "seconds": self.seconds,
            "seed": self.seed,
            "check_only": False,
        }


@dataclass
class Measured:
    """What real threads did. `bodies`: body -> design -> figures (docs/contend.md); `notes`: what to know of them."""

    threads: int
    bodies: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def notes_of(options: Options) -> list[str]:
    """Return what a reader has to know of a measurement on this machine, a line each."""
    cores = len(usable_cores())
    notes = []
    if not JIT_ENABLED:
        notes.append("JIT is off: threads cannot run at once; bodies were done in turn and drained, nothing was timed")
    elif cores == 1 and options.threads > 1:
        notes.append("one core: threads take turns, so that rates say nothing of contention")
    elif options.threads > cores:
        notes.append(
            f"{options.threads} threads on {cores} cores: they are not pinned and take turns, no window is undisturbed"
        )
    for body in options.bodies:
        without = [name for name in options.designs if body.its and not get_design(name).has_its]
        if without:
            notes.append(f"body {body.name}: design {', '.join(without)} has no LPIs")
    return notes


def measure(options: Options, progress: Progress = SILENT) -> Measured:
    """Measure; compile first what is missing.

    Raises UsageError: status 5 for a deadlock or a process that hangs or dies, 1 for a design that is wrong under load.
    """
    ensure_compiled(options.designs, any(body.its for body in options.bodies), progress)
    measured = Measured(options.threads, notes=notes_of(options))
    for body in options.bodies:
        measured.bodies[body.name] = {}
    total = sum(not body.its or get_design(name).has_its for body in options.bodies for name in options.designs)
    done = 0
    with subprocess.Popen(
        module_command(WORKER), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        try:
            for message in _messages(process, options):
                if "result" in message:
                    row = message["result"]
                    measured.bodies[row.pop("body")][row.pop("design")] = row
                    done += 1
                    progress("contention", done, total)
        finally:
            process.kill()
    disturbed = sum(bool(row.get("disturbed")) for rows in measured.bodies.values() for row in rows.values())
    if disturbed and options.threads <= len(usable_cores()):
        measured.notes.append(f"disturbed: in {disturbed} of {total} figures other work ran on these cores throughout")
    return measured


def _messages(process: subprocess.Popen[str], options: Options) -> Any:
    """Yield what the process says until it has done. Raises UsageError when it does not get there."""
    assert process.stdin is not None and process.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()
    output = process.stdout

    def read() -> None:
        with contextlib.suppress(ValueError):  # closed while a hanging process was given up
            for line in output:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(options.job))
        process.stdin.close()
    at, patience = "the measuring process", 600.0
    while True:
        try:
            line = lines.get(timeout=patience)
        except queue.Empty:
            raise UsageError(f"{at}: hangs", MEASUREMENT_FAILED) from None
        message = _parsed(line)
        if message is None:
            status = process.wait()
            raise UsageError(f"{at}: the measuring process ended with status {status}", MEASUREMENT_FAILED)
        if "fault" in message:
            raise UsageError(message["fault"], int(message["status"]))
        at = message.get("at", at)
        patience = message.get("patience", _patience(at, options))
        yield message
        if "end" in message:
            return


def _patience(at: str, options: Options) -> float:
    """Return how long a step may take."""
    if at.endswith("measured"):
        return PATIENCE + 3 * options.seconds * len(options.designs) + 0.2 * options.threads
    return PATIENCE + options.seconds + 0.2 * options.threads


def _parsed(line: str | None) -> dict[str, Any] | None:
    if line is None:
        return None
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def as_json(measured: Measured) -> dict[str, Any]:
    """Return a measurement as one object: threads, bodies, notes."""
    return {"threads": measured.threads, "bodies": measured.bodies, "notes": measured.notes}


def chosen_threads(threads: int | None) -> int:
    """Return the number of threads: that given, or a thread for each core, two at least."""
    return threads if threads is not None else min(max(2, len(usable_cores())), MOST_THREADS)


def check_designs_have(bodies: Sequence[Body], designs: Sequence[str]) -> None:
    """Raise UsageError when no design can do one of the bodies that were asked for."""
    for body in bodies:
        if body.its and not any(get_design(name).has_its for name in designs):
            raise UsageError(f"body {body.name}: none of the designs {', '.join(designs)} has LPIs")
