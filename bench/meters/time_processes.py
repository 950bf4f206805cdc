# SPDX-License-Identifier: GPL-2.0-only
"""The time meter from outside: fresh processes one after another, their raw samples kept.

Processes do not run side by side: two timed processes would share caches, memory bandwidth and turbo. Compile time is
not in any sample: the caller has had the code compiled before (bench.meters.compile), and each process loads it first.
"""

import contextlib
import json
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from bench.catalogue.catalogue import Transition
from bench.meters.events import point_key
from bench.system.exit_status import MEASUREMENT_FAILED
from bench.system.processes import module_command
from kvmarm.config import VmConfig
from kvmarm.errors import UsageError

WORKER = "bench.meters.time_worker"
QUICK_CALLS = 64
CALLS = 256


def start_process() -> subprocess.Popen[str]:
    """Start a timing process: it loads what it needs at once, and measures when it gets its job."""
    return subprocess.Popen(module_command(WORKER), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def put_down(waiting: list[subprocess.Popen[str]]) -> None:
    """End the processes that got no job."""
    for process in waiting:
        process.kill()
        process.communicate()


def _one_process(
    job: dict[str, Any], progress: Callable[[int], None], started: subprocess.Popen[str] | None = None
) -> list[list[Any]]:
    with started or start_process() as process:
        assert process.stdin is not None and process.stdout is not None
        samples: list[list[Any]] | None = None
        try:
            # A process that ends early leaves a closed pipe or half a line; its status reports it below.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(job))
                process.stdin.close()
            for line in process.stdout:
                try:
                    message = json.loads(line)
                except json.JSONDecodeError:
                    process.kill()
                    break
                progress(message.get("done", 0))
                samples = message.get("samples", samples)
            status = process.wait()
        except BaseException:
            process.kill()
            raise
    if status == -signal.SIGINT:
        raise KeyboardInterrupt  # the terminal's Ctrl-C is ours as well, only heard later
    if status or samples is None:
        raise UsageError(f"a timing process ended with status {status} before it had measured", MEASUREMENT_FAILED)
    return samples


def time_processes(  # noqa: PLR0913 - what one run asks of the meter, all of it by keyword
    designs: Sequence[str],
    places: Sequence[tuple[VmConfig, int]],
    transitions: Sequence[Transition],
    processes: int,
    calls: int,
    catalogue: Iterable[str] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
    passes: int = 1,
    waiting: list[subprocess.Popen[str]] | None = None,
) -> Iterator[list[dict[str, Any]]]:
    """Yield one process's rows of the table `samples`: key columns, process, position, loops (calls a sample), ns.

    places: (configuration, standing interrupts). catalogue: TOML files that the transitions may come from. passes: how
    often each process goes over all transitions. progress is called with (points done, points in all). waiting:
    processes that were started before, taken first. Raises UsageError with status 5 when a process fails.
    """
    by_name = {transition.name: transition for transition in transitions}
    each = len(places) * len(transitions) * passes
    for process in range(processes):
        job = {
            "process": process,
            "designs": list(designs),
            "configurations": [
                {"gic": c.gic, "vcpus": c.vcpus, "irqs": c.irqs, "lrs": c.lrs, "pending": pending}
                for c, pending in places
            ],
            "transitions": list(by_name),
            "catalogue": [str(path) for path in catalogue],
            "calls": calls,
            "passes": passes,
        }

        def told(done: int, before: int = process * each) -> None:
            progress(before + done, processes * each)

        rows: list[dict[str, Any]] = []
        started = waiting.pop() if waiting else None
        for place, name, design, position, loops, ns in _one_process(job, told, started):
            config, pending = places[place]
            effective = by_name[name].effective_pending(config, pending)
            assert effective is not None
            key = point_key(design, config, effective, name)
            rows.append(key | {"process": process, "position": position, "loops": loops, "ns": ns})
        told(each)
        yield rows
