# SPDX-License-Identifier: GPL-2.0-only
"""The Python face of `vgic-bench contend`, apart from the others because it is two commands in one."""

from collections.abc import Iterable, Sequence

from bench.contention import model
from bench.contention.bodies import chosen_bodies
from bench.contention.measure import SECONDS, Options, as_json, chosen_threads, measure
from bench.system.progress import SILENT, Progress
from vgic_bench.answers import Rows
from vgic_bench.choices import designs_of
from vgic_bench.options import numbers_of, words

Names = str | Sequence[str] | None


def contend(
    designs: Names = None,
    bodies: Names = None,
    *,
    threads: int | None = None,
    guest_time: float = 0.0,
    seconds: float = SECONDS,
    vcpus: str | int | Iterable[int] | None = None,
    progress: Progress = SILENT,
) -> Rows:
    """Measure designs that several CPUs use at once, or simulate them. As `vgic-bench contend`.

    One row per body and design; with vcpus (a list of numbers, simulated) one per number of them too. Raises
    UsageError: status 5 for a deadlock, 1 for a design that is wrong under load.
    """
    names, chosen = tuple(designs_of(designs)), tuple(chosen_bodies(words(bodies)))
    if vcpus is not None:
        task = model.Task(names, chosen, numbers_of(vcpus, "--vcpus"), guest_us=guest_time)
        found = model.as_json(model.sweep(task, progress))["bodies"]
        return Rows(
            [
                {"body": body, "design": name, "vcpus": number, "rate": rate, "limit": curve["limit"]}
                for body, curves in found.items()
                for name, curve in curves.items()
                for number, rate in zip(task.vcpus, curve["rate"], strict=True)
            ]
        )
    options = Options(names, chosen, chosen_threads(threads), guest_us=guest_time, seconds=seconds)
    measured = as_json(measure(options, progress))
    figures = ("scaling", "low", "high", "ceiling", "alone_ns", "together_ns")
    return Rows(
        [
            {"body": body, "design": name, "threads": measured["threads"]} | {key: row.get(key) for key in figures}
            for body, rows in measured["bodies"].items()
            for name, row in rows.items()
        ]
    )
