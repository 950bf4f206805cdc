# SPDX-License-Identifier: GPL-2.0-only
"""One process of real threads: `python -m bench.contention.worker` reads a job and writes what it measured.

A process, because a thread that hangs in compiled code can only be ended with it. The job is a JSON object on standard
input: designs, bodies (names), threads, gic, irqs, lrs, guest_us, seconds (per body and design), seed, check_only. On
standard output, one JSON object a line: {"at": what it does now}, {"result": one body's on one design},
{"fault": a line, "status": exit status} before it ends by a fault, and {"end": true}.

Order: for each body first all designs under watch, where a deadlock has names; then rounds, in each of them every
design alone (each thread in turn), alone on VMs apart, and together, in turn and in reverse turn.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np

from bench.contention.bodies import Body, Scene, bodies, config_of, scene_of, sources
from bench.contention.compile import warm
from bench.contention.drain import Drain, check, order_faults
from bench.contention.loop import BUCKETS, STEPS, new_mine, timed_operations
from bench.contention.mixed import MIXED, mixed_scene
from bench.contention.threads import Job, Stalled, Window, run_jobs, usable_cores, window_of
from bench.results.statistics import median_interval
from kvmarm.counter import HAVE_COUNTER, ns_per_tick
from kvmarm.design import Design, get_design
from kvmarm.events import new_caller
from kvmarm.jit import JIT_ENABLED
from kvmarm.locks import CLASS_NAMES, lock_name
from kvmarm.trace import KIND_NAMES
from kvmarm.watch import CLASSES, new_watcher

WINDOW_NS = 2_000_000
MOST_TRIES = 5
"""Windows taken in place of disturbed ones, one after another, at most."""
WATCH_SHARE = 0.2
"""Share of a body's time that it is watched for."""
BATCH = 16
MOST_ROUNDS = 200
LEAST_WINDOWS = 3
WRONG, DEADLOCK, USAGE = 1, 5, 2
_PLAIN_BODIES = 3
"""Bodies that a thread does, in turn with the others, where nothing is compiled."""


@dataclass
class Place:
    """One design's VMs for a body: `vm` is everybody's, `apart` has one for each thread by itself."""

    design: Design
    scene: Scene
    alone: list[Scene]
    vm: Any
    apart: list[Any]


class Run:
    """A job's measurement."""

    def __init__(self, job: dict[str, Any], output: TextIO) -> None:
        self.job = job
        self.output = output
        self.last = ""
        self.threads = int(job["threads"])
        cores = usable_cores()
        self.cores: list[int | None] = [
            cores[number % len(cores)] if self.threads <= len(cores) else None for number in range(self.threads)
        ]
        self.ns_per_tick = ns_per_tick() or 1.0
        guest = float(job["guest_us"]) * 1000
        batch = BATCH if guest < 1000 else 1
        self.lengths = self._ticks([WINDOW_NS, guest, 0])
        self.lengths[2] = batch

    def _ticks(self, ns: Sequence[float]) -> np.ndarray:
        return np.array([each / self.ns_per_tick for each in ns], np.int64)

    def say(self, **message: Any) -> None:
        """Write a line of output."""
        self.last = ": ".join(str(message.get("at", self.last)).split(": ")[:2])
        self.output.write(json.dumps(message) + "\n")
        self.output.flush()

    def place(self, design: Design, body: Body) -> Place:
        """Make a body's VMs of a design."""
        config = config_of(body, self.job["gic"], max(self.threads, 1), self.job["irqs"], self.job["lrs"])
        scene = scene_of(body, config, self.threads)
        alone = [scene_of(body, config, self.threads, number) for number in range(self.threads)]
        place = Place(design, scene, alone, None, [])
        place.vm = self.fresh(place)
        place.apart = [self.fresh(place) for _ in range(self.threads)]
        return place

    @staticmethod
    def fresh(place: Place) -> Any:
        """Return a new VM of a place after its set-up."""
        vm = place.design.create(place.scene.config)
        Drain(vm, place.scene.config).do(place.scene.set_up)
        return vm

    def together(self, place: Place, callers: Sequence[Any]) -> list[Job]:
        """Return the jobs of all threads on one VM."""
        return [
            Job(place.vm, ops, self.cores[number], callers[number]) for number, ops in enumerate(place.scene.threads)
        ]

    def watched(self, place: Place, seconds: float) -> tuple[dict[str, Any], list[Any], str | None]:
        """Run a body under watch on its own VM and drain it; return the waits, the watchers and what is wrong."""
        vm = self.fresh(place)
        callers = [new_watcher(number) for number in range(self.threads)]
        jobs = [Job(vm, ops, self.cores[n], callers[n]) for n, ops in enumerate(place.scene.threads)]
        lengths = self._ticks([seconds * 1e9, float(self.job["guest_us"]) * 1000, 0])
        lengths[2] = 1
        run_jobs(jobs, lengths, 0 if HAVE_COUNTER else 2000)
        injected = int(sources(place.scene.set_up).sum())
        for job in jobs:
            injected += int(job.mine.done) * int(sources(job.ops).sum())
        taken = sum(int(job.mine.taken) for job in jobs)
        fault = order_faults(callers, place.scene.threads) or check(place.design, place.scene, vm, injected, taken)
        return self.waits(callers, jobs), callers, fault

    def waits(self, watchers: Sequence[Any], jobs: Sequence[Job]) -> dict[str, Any]:
        """Return what watchers saw: share of all threads' time per lock, and who waited for whom (ns per body)."""
        ticks = sum(int(job.mine.end) - int(job.mine.begin) for job in jobs)
        done = max(sum(int(job.mine.done) for job in jobs), 1)
        locks: dict[str, list[int]] = {}
        for watcher in watchers:
            for index in range(int(watcher.lock_count)):
                entry = locks.setdefault(lock_name(int(watcher.lock_id[index]))[1:], [0, 0])
                entry[0] += int(watcher.lock_ticks[index])
                entry[1] += int(watcher.lock_waits[index])
        ordered = sorted(locks.items(), key=lambda item: -item[1][0])[:16]
        return {
            "locks": {
                name: {
                    "share": spent / max(ticks, 1),
                    "ns": spent * self.ns_per_tick / done,
                    "waits": waits / done,
                }
                for name, (spent, waits) in ordered
            },
            "taken": {
                CLASS_NAMES[cls]: sum(int(watcher.taken[cls]) for watcher in watchers) / done
                for cls in range(CLASSES)
                if any(int(watcher.taken[cls]) for watcher in watchers)
            },
            "for_whom": [
                [round(int(watcher.for_whom[other]) * self.ns_per_tick / done, 2) for other in range(self.threads)]
                for watcher in watchers
            ]
            if self.threads <= 64
            else [],
        }

    def latencies(self, place: Place, seconds: float) -> list[dict[str, Any]]:
        """Return the latency of each operation of thread 0's body with all threads running, ns."""
        jobs = self.together(place, [new_caller() for _ in range(self.threads)])
        lengths = self._ticks([seconds * 1e9, float(self.job["guest_us"]) * 1000, 1])
        run_jobs(jobs, lengths, 0, timed_operations)
        rows = []
        for index, op in enumerate(place.scene.threads[0][:64]):
            counts = sum(job.mine.latency[index] for job in jobs if index < len(job.ops))
            row: dict[str, Any] = {"operation": KIND_NAMES[int(op["kind"])]}
            for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)):
                row[name] = round(percentile(counts, share) * self.ns_per_tick, 1)
            row["max"] = round(max(int(job.mine.longest[index]) for job in jobs) * self.ns_per_tick, 1)
            rows.append(row)
        return rows

    def rounds(self, places: list[Place], seconds: float) -> dict[str, dict[str, Any]]:
        """Run rounds of windows for so long; return what each design's windows say."""
        found: dict[str, list[dict[str, Any]]] = {place.design.name: [] for place in places}
        callers = [new_caller() for _ in range(self.threads)]
        end = time.monotonic() + seconds * len(places)
        number = 0
        while number < LEAST_WINDOWS or (time.monotonic() < end and number < MOST_ROUNDS):
            order = places if number % 2 == 0 else places[::-1]
            for place in order:
                found[place.design.name].append(self._round(place, callers, number))
            number += 1
        return {name: summary(rows, self.threads) for name, rows in found.items()}

    def _round(self, place: Place, callers: Sequence[Any], number: int) -> dict[str, Any]:
        """Run one round of a design: alone, apart, together, or the other way round."""
        steps = ["alone", "apart", "together"] if number % 2 == 0 else ["together", "apart", "alone"]
        row: dict[str, Any] = {"undisturbed": True}
        for step in steps:
            if step == "alone":
                chosen = range(self.threads) if self.threads <= 2 else [number % self.threads]
                windows = [
                    self._window([Job(place.vm, place.alone[n].threads[0], self.cores[n], callers[n])]) for n in chosen
                ]
            elif step == "apart":
                windows = [
                    self._window(
                        [
                            Job(place.apart[n], place.alone[n].threads[0], self.cores[n], callers[n])
                            for n in range(self.threads)
                        ]
                    )
                ]
            else:
                windows = [self._window(self.together(place, callers))]
                row["rates"] = list(windows[0].rates)
            row[step] = sum(window.total for window in windows) / len(windows)
            row["undisturbed"] = row["undisturbed"] and all(window.undisturbed for window in windows)
        return row

    def _window(self, jobs: Sequence[Job]) -> Window:
        for _ in range(MOST_TRIES):
            run_jobs(jobs, self.lengths, 0)
            window = window_of(jobs, self.ns_per_tick)
            if window.undisturbed or self.threads > len(usable_cores()):
                break
        return window

    def body(self, name: str, designs: list[Design]) -> None:
        """Do one body on all designs that can do it."""
        body = bodies()[name]
        able = [design for design in designs if design.has_its or not body.its]
        places = []
        seconds = float(self.job["seconds"])
        notes: dict[str, dict[str, Any]] = {}
        for design in able:
            self.say(at=f"design {design.name}: body {name}: set-up")
            place = self.place(design, body)
            self.say(at=f"design {design.name}: body {name}: run under watch and drain")
            waits, watchers, fault = self.watched(place, max(WATCH_SHARE * seconds, 0.05))
            if fault is not None:
                raise Fault(f"design {design.name}: body {name}: {fault}", WRONG)
            if name == "own_spi" and not any(int(watcher.taken.sum()) for watcher in watchers):
                raise Fault(
                    f"design {design.name}: takes no lock when it injects, enters and exits: not made for several CPUs",
                    USAGE,
                )
            notes[design.name] = waits
            places.append(place)
        if self.job["check_only"]:
            return
        for place in places:
            self.say(at=f"design {place.design.name}: body {name}: latencies")
            notes[place.design.name]["latency"] = self.latencies(place, max(WATCH_SHARE * seconds, 0.05))
        self.say(at=f"body {name}: measured")
        for design_name, measured in self.rounds(places, seconds).items():
            self.say(result={"body": name, "design": design_name} | measured | notes[design_name])

    def mixed(self, designs: list[Design]) -> None:
        """Run the random mix on every design under watch, for its correctness alone."""
        for design in designs:
            self.say(at=f"design {design.name}: body {MIXED}: run under watch and drain")
            config = config_of(bodies()["own_spi"], self.job["gic"], self.threads, self.job["irqs"], self.job["lrs"])
            scene = mixed_scene(config, self.threads, int(self.job["seed"]))
            place = Place(design, scene, [], None, [])
            place.vm = self.fresh(place)
            watchers = [new_watcher(number) for number in range(self.threads)]
            jobs = self.together(place, watchers)
            for _ in range(3):
                run_jobs(jobs, self._ticks([float(self.job["seconds"]) * 0.1e9, 0, 1]), 0 if HAVE_COUNTER else 2)
            fault = order_faults(watchers, scene.threads) or check(
                design, scene, place.vm, sys.maxsize, 1 + sum(int(job.mine.taken) for job in jobs)
            )
            if fault is not None:
                raise Fault(f"design {design.name}: body {MIXED}: {fault} (seed {self.job['seed']})", WRONG)

    def plain(self, name: str, designs: list[Design]) -> None:
        """Do a body where nothing is compiled: the threads' bodies in turn, for what they leave."""
        body = bodies()[name]
        for design in designs:
            if body.its and not design.has_its:
                continue
            self.say(at=f"design {design.name}: body {name}: in turn, not compiled")
            place = self.place(design, body)
            minds = [new_mine() for _ in range(self.threads)]
            drain = Drain(place.vm, place.scene.config)
            injected, taken = int(sources(place.scene.set_up).sum()), 0
            for _ in range(_PLAIN_BODIES):
                for mine, ops in zip(minds, place.scene.threads, strict=True):
                    drain.do_as(mine, ops)
                    injected += int(sources(ops).sum())
            taken = sum(int(mine.taken) for mine in minds)
            fault = check(design, place.scene, place.vm, injected, taken)
            if fault is not None:
                raise Fault(f"design {design.name}: body {name}: {fault}", WRONG)
            self.say(result={"body": name, "design": design.name, "scaling": None, "low": None, "high": None})

    def execute(self) -> None:
        """Do the job."""
        designs = [get_design(name) for name in self.job["designs"]]
        if JIT_ENABLED:
            self.say(at="loading compiled code", patience=600)
            for design in designs:
                warm(design, False)
                if design.has_its and any(bodies()[name].its for name in self.job["bodies"]):
                    warm(design, True)
            self.mixed(designs)
        for name in self.job["bodies"]:
            (self.body if JIT_ENABLED else self.plain)(name, designs)
        self.say(end=True)


class Fault(Exception):
    """A design is wrong under load, or cannot be run so: a line and the exit status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


def percentile(counts: Any, share: float) -> float:
    """Return the ticks below which a share of the latencies of a histogram (int64[BUCKETS]) lies."""
    total = int(np.sum(counts))
    if not total:
        return 0.0
    place = int(np.searchsorted(np.cumsum(counts), share * total))
    return bucket_ticks(min(place, BUCKETS - 1))


def bucket_ticks(bucket: int) -> float:
    """Return the middle of a bucket of bench.contention.loop.bucket_of, in ticks."""
    if bucket < STEPS:
        return float(bucket)
    length, step = bucket // STEPS + 2, bucket % STEPS
    return (STEPS + step + 0.5) * 2.0 ** (length - 3)


def summary(rows: list[dict[str, Any]], threads: int) -> dict[str, Any]:
    """Return the medians of a design's rounds, of those undisturbed where there are enough of them."""
    good = [row for row in rows if row["undisturbed"]]
    counted = good if len(good) >= LEAST_WINDOWS else rows
    scaling, low, high = median_interval([row["together"] / row["alone"] for row in counted])
    ceiling = median_interval([row["apart"] / row["alone"] for row in counted])
    return {
        "scaling": scaling,
        "low": low,
        "high": high,
        "ceiling": ceiling[0],
        "ceiling_low": ceiling[1],
        "ceiling_high": ceiling[2],
        "alone_ns": 1e9 / float(np.median([row["alone"] for row in counted])),
        "together_ns": 1e9 * threads / float(np.median([row["together"] for row in counted])),
        "fairness": float(np.median([min(row["rates"]) / max(max(row["rates"]), 1e-9) for row in counted])),
        "windows": len(counted),
        "left_out": len(rows) - len(good),
        "disturbed": len(good) < LEAST_WINDOWS,
    }


def main() -> None:
    """Do the job of standard input."""
    run = Run(json.load(sys.stdin), sys.stdout)
    status = 0
    try:
        run.execute()
    except Stalled as error:
        run.say(fault=f"{current(run)}{error}", status=DEADLOCK)
        status = DEADLOCK
    except Fault as error:
        run.say(fault=str(error), status=error.status)
        status = error.status
    sys.stdout.flush()
    # Threads that hang would keep the process for ever.
    os._exit(status)


def current(run: Run) -> str:
    """Return what a run is at, to begin a line with."""
    return f"{run.last}: " if run.last else ""


if __name__ == "__main__":
    main()
