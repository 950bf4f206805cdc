# SPDX-License-Identifier: GPL-2.0-only
"""Contention as a results folder: tables `contention`, `contention_waits` and `contention_latency`."""

from typing import Any

from bench.contention.bodies import Body
from bench.contention.measure import Measured, Options
from bench.contention.model import Swept
from bench.results.environment import command, environment, tool
from bench.results.meta import new_meta, utc_now
from bench.results.schema import frame
from bench.results.store import Results

KIND = "contend"


def _meta(designs: tuple[str, ...], bodies: tuple[Body, ...], **more: Any) -> dict[str, Any]:
    meta = new_meta(KIND, complete=True, finished=utc_now(), designs=list(designs), **more)
    return meta | {
        "tool": tool(),
        "environment": environment(),
        "command": command(),
        "bodies": {body.name: body.text for body in bodies},
    }


def of_threads(measured: Measured, options: Options) -> Results:
    """Return the results of a measurement on real threads."""
    rows, waits, latencies = [], [], []
    for body, designs in measured.bodies.items():
        for design, found in designs.items():
            key = {"body": body, "design": design}
            figures = {
                name: found.get(name) for name in ("scaling", "low", "high", "ceiling", "alone_ns", "together_ns")
            }
            numbers = {name: float("nan") if value is None else value for name, value in figures.items()}
            together = found.get("together_ns")
            rows.append(
                key
                | numbers
                | {
                    "source": "threads",
                    "gic": options.gic,
                    "vcpus": options.threads,
                    "guest_us": options.guest_us,
                    "rate": options.threads / together * 1e9 if together else float("nan"),
                    "limit": max(found.get("locks") or {"": {"share": 0}}, key=lambda n: found["locks"][n]["share"])
                    if found.get("locks")
                    else "",
                }
            )
            waits += [key | {"lock": lock} | spent for lock, spent in (found.get("locks") or {}).items()]
            latencies += [key | {"place": place} | row for place, row in enumerate(found.get("latency") or [])]
    meta = _meta(options.designs, options.bodies, notes=measured.notes, seed=options.seed, threads=options.threads)
    tables = {"contention": frame("contention", rows)}
    if waits:
        tables["contention_waits"] = frame("contention_waits", waits)
    if latencies:
        tables["contention_latency"] = frame("contention_latency", latencies)
    return Results(meta, tables)


def of_model(swept: Swept) -> Results:
    """Return the results of a simulation."""
    task = swept.task
    rows = []
    for body, designs in swept.bodies.items():
        for design, curve in designs.items():
            one = next((rate / number for number, rate in zip(task.vcpus, curve.rate, strict=True) if rate), None)
            for number, rate in zip(task.vcpus, curve.rate, strict=True):
                if rate is None or one is None:
                    continue
                rows.append(
                    {
                        "body": body,
                        "design": design,
                        "source": "model",
                        "gic": task.gic,
                        "vcpus": number,
                        "guest_us": task.guest_us,
                        "scaling": rate / one,
                        "alone_ns": 1e9 / one,
                        "together_ns": number * 1e9 / rate,
                        "rate": rate,
                        "limit": curve.limit,
                    }
                )
    meta = _meta(task.designs, task.bodies, basis=swept.basis, lock=task.lock, transfer_ns=task.transfer)
    return Results(meta | {"seed": task.seed}, {"contention": frame("contention", rows)})
