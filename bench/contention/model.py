# SPDX-License-Identifier: GPL-2.0-only
"""The model: throughput over vCPUs, the knee, the lock that limits; fitted on own SPI alone, its error told.

What a body does comes from the design's own code (bench.contention.profile); what that costs, from a price of a cache
line's transfer and one of an instruction; what follows, from the simulation (bench.contention.simulate).
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np

from bench.contention.bodies import MOST_MSI_VCPUS, Body
from bench.contention.measure import Measured
from bench.contention.profile import Program, programs
from bench.contention.simulate import CPU, LINE, LOCK, QUEUED, TEST_AND_SET, TICKET, run
from bench.system.progress import SILENT, Progress
from kvmarm.config import MAX_VCPUS
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.jit import JIT_ENABLED

LOCKS = ("test-and-set", "ticket", "queued")
_KINDS = {"test-and-set": TEST_AND_SET, "ticket": TICKET, "queued": QUEUED}
HOST = "epyc-7003"
PRICES_FILE = "prices.toml"
WARM, BODIES = 4, 40
MOST_STEPS, PLAIN_STEPS = 6_000_000, 30_000
KNEE = 0.5
"""The knee is where the next vCPUs bring less than this share of what the first one does."""
REFERENCE = "own_spi"
_LOW_NS, _HIGH_NS = 1.0, 1000.0
_REPEATS = 8


@dataclass(frozen=True)
class Price:
    """What a machine takes: ns of a transfer and of an instruction; how sure that is, and where it comes from."""

    name: str
    title: str
    transfer_ns: float
    instruction_ns: float
    certainty: str
    source: str


@cache
def prices() -> dict[str, Price]:
    """Return the packaged prices by name."""
    document = tomllib.loads((files("bench.contention") / PRICES_FILE).read_text("utf-8"))
    return {name: Price(name, **entry) for name, entry in document.items()}


def price_names() -> list[str]:
    """Return the names of the packaged prices."""
    return list(prices())


@dataclass(frozen=True)
class Task:
    """What is simulated. vcpus: numbers of vCPUs. transfer_ns: in place of the platform's price."""

    designs: tuple[str, ...]
    bodies: tuple[Body, ...]
    vcpus: tuple[int, ...]
    gic: int = 3
    irqs: int = 256
    lrs: int = 4
    guest_us: float = 0.0
    lock: str = LOCKS[0]
    platform: str = HOST
    transfer_ns: float | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        """Raise UsageError for what cannot be simulated."""
        if self.lock not in LOCKS:
            raise UsageError(f"--lock {self.lock!r}: expected {', '.join(LOCKS)}")
        if self.platform not in prices():
            raise UsageError(f"--platform {self.platform!r}: expected one of {', '.join(prices())}")
        most = 8 if self.gic == 2 else MAX_VCPUS
        if not self.vcpus or not all(1 <= number <= most for number in self.vcpus):
            raise UsageError(f"--vcpus: expected numbers from 1 to {most} with GICv{self.gic}")
        if self.transfer_ns is not None and not 0 <= self.transfer_ns <= 1e6:
            raise UsageError(f"--transfer {self.transfer_ns:g}: expected 0..1,000,000 ns")
        if not 0 <= self.guest_us <= 1_000_000:
            raise UsageError(f"--guest-time {self.guest_us:g}: expected 0..1,000,000 µs")

    @property
    def transfer(self) -> float:
        """ns of a cache line's transfer."""
        return prices()[self.platform].transfer_ns if self.transfer_ns is None else self.transfer_ns


@dataclass
class Curve:
    """One body on one design: bodies per second by number of vCPUs (None where it cannot run), ns that a body takes on
    a vCPU, the share of time that a vCPU waits for locks, the lock that limits and the number of vCPUs at the knee."""

    rate: list[float | None] = field(default_factory=list)
    latency_ns: list[float | None] = field(default_factory=list)
    waiting: list[float | None] = field(default_factory=list)
    limit: str = ""
    knee: int | None = None


@dataclass
class Swept:
    """A simulated sweep. `basis`: what the figures rest on, a line."""

    task: Task
    bodies: dict[str, dict[str, Curve]]
    basis: str


@dataclass(frozen=True)
class Simulated:
    """One simulation: bodies per second, waiting share of a vCPU's time, and each lock's share of that."""

    rate: float
    waiting: float
    limit: str


def simulate(
    program: Program, instruction_ns: float, transfer_ns: float, task: Task, threads: int | None = None
) -> Simulated:
    """Simulate a program with all of its threads, or its first ones."""
    count = len(program.starts) - 1 if threads is None else threads
    cpus = np.zeros(count, CPU).view(np.recarray)
    locks = np.zeros(len(program.locks), LOCK).view(np.recarray)
    locks.line = program.lock_line
    lines = np.zeros(program.lines, LINE).view(np.recarray)
    seen = np.zeros((count, max(program.lines, 1)), np.int32)
    steps = MOST_STEPS if JIT_ENABLED else PLAIN_STEPS
    each = program.starts[-1] / (len(program.starts) - 1)
    bodies = max(8.0, min(BODIES * 50.0 / count, steps / max(each, 1) / count))
    warm = float(min(WARM, bodies // 4))
    guest = task.guest_us * 1000
    price = np.array([instruction_ns, transfer_ns, _KINDS[task.lock], guest, warm, bodies, 4.0 * steps, task.seed])
    ns, done = run(program.starts, program.kind, program.value, cpus, locks, lines, seen, price)
    waited = np.array([float(lock.waited) for lock in locks])
    busy = np.array([float(lock.busy) for lock in locks])
    total = max(float(ns), 1e-9) * count
    limit = ""
    if waited.size and waited.sum() > 0.01 * total:
        limit = program.locks[int(np.argmax(waited))]
    elif busy.size and busy.max() > 0.5 * ns:
        limit = program.locks[int(np.argmax(busy))]
    return Simulated(float(done) / max(float(ns), 1e-9) * 1e9, float(waited.sum()) / total, limit)


def _knee(vcpus: Sequence[int], rates: Sequence[float | None]) -> int | None:
    """Return the number of vCPUs behind which more of them bring less than KNEE of one's rate each, None for never."""
    points = [(number, rate) for number, rate in zip(vcpus, rates, strict=True) if rate]
    if not points:
        return None
    one = points[0][1] / points[0][0]
    for (number, rate), (more, further) in pairwise(points):
        if (further - rate) / (more - number) < KNEE * one:
            return number
    return None


def sweep(task: Task, progress: Progress = SILENT, instruction_ns: dict[tuple[str, str], float] | None = None) -> Swept:
    """Simulate all bodies on all designs at each number of vCPUs. Raises UsageError when recording fails.

    instruction_ns: (design, body) -> ns per instruction measured on this machine, in place of the platform's.
    """
    points = [
        (name, body, number)
        for body in task.bodies
        for name in task.designs
        for number in task.vcpus
        if not body.its or (get_design(name).has_its and number <= MOST_MSI_VCPUS)
    ]
    irqs = max(task.irqs, -(-(64 + max(task.vcpus)) // 32) * 32)
    found = programs(
        points, task.gic, min(irqs, 1024), task.lrs, lambda done, total: progress("record bodies", done, total)
    )
    price = prices()[task.platform]
    bodies: dict[str, dict[str, Curve]] = {}
    for body in task.bodies:
        for name in task.designs:
            if body.its and not get_design(name).has_its:
                continue
            curve = Curve()
            each = (instruction_ns or {}).get((name, body.name), price.instruction_ns)
            for number in task.vcpus:
                program = found.get((name, body.name, number))
                if program is None:
                    curve.rate.append(None)
                    curve.latency_ns.append(None)
                    curve.waiting.append(None)
                    continue
                result = simulate(program, each, task.transfer, task)
                curve.rate.append(result.rate)
                curve.latency_ns.append(number / result.rate * 1e9 - task.guest_us * 1000)
                curve.waiting.append(result.waiting)
                curve.limit = result.limit or curve.limit
            curve.knee = _knee(task.vcpus, curve.rate)
            bodies.setdefault(body.name, {})[name] = curve
    source = "given" if task.transfer_ns is not None else f"{price.certainty}: {price.source}"
    basis = f"{task.lock} locks, {task.transfer:g} ns per transfer of a cache line ({source})"
    return Swept(task, bodies, basis)


def as_json(swept: Swept) -> dict[str, Any]:
    """Return a sweep as one object: vcpus, bodies -> design -> rate, limit, knee, latency_ns, waiting."""
    return {
        "vcpus": list(swept.task.vcpus),
        "bodies": {
            body: {
                name: {
                    "rate": curve.rate,
                    "limit": curve.limit,
                    "knee": curve.knee,
                    "latency_ns": curve.latency_ns,
                    "waiting": curve.waiting,
                }
                for name, curve in designs.items()
            }
            for body, designs in swept.bodies.items()
        },
        "basis": swept.basis,
    }


@dataclass(frozen=True)
class Fitted:
    """A calibration: ns of a transfer, fitted on own SPI of the first design; predicted and measured scaling."""

    transfer_ns: float
    rows: list[dict[str, Any]]


def calibrate(measured: Measured, task: Task, progress: Progress = SILENT) -> Fitted:
    """Fit the transfer price on the reference body's scaling alone and predict the others' at as many threads.

    An instruction's ns are those of each body alone. Raises UsageError when the reference body was not measured.
    """
    figures = measured.bodies.get(REFERENCE, {}).get(task.designs[0])
    if not figures or figures.get("scaling") is None:
        raise UsageError(f"--fit: body {REFERENCE} of design {task.designs[0]} was not measured")
    threads = measured.threads
    points = [
        (name, body, threads) for body in task.bodies for name in task.designs if name in measured.bodies[body.name]
    ]
    found = programs(points, task.gic, task.irqs, task.lrs, lambda done, total: progress("record bodies", done, total))

    def scaling(name: str, body: str, transfer: float) -> float:
        program = found[name, body, threads]
        alone = measured.bodies[body][name]["alone_ns"]
        each = max(alone - task.guest_us * 1000, 1.0) / max(program.instructions, 1.0)
        rates = [
            simulate(program, each, transfer, replace(task, seed=task.seed + repeat)).rate for repeat in range(_REPEATS)
        ]
        return float(np.median(rates)) * alone * 1e-9

    low, high = _LOW_NS, _HIGH_NS
    for _ in range(24):
        middle = (low * high) ** 0.5
        if scaling(task.designs[0], REFERENCE, middle) > figures["scaling"]:
            low = middle
        else:
            high = middle
    transfer = (low * high) ** 0.5
    rows = []
    for name, body, _ in points:
        predicted = scaling(name, body.name, transfer)
        seen = measured.bodies[body.name][name]["scaling"]
        rows.append(
            {
                "body": body.name,
                "design": name,
                "measured": seen,
                "predicted": predicted,
                "ratio": predicted / seen,
                "fitted": body.name == REFERENCE and name == task.designs[0],
            }
        )
    return Fitted(transfer, rows)
