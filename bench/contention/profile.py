# SPDX-License-Identifier: GPL-2.0-only
"""Programs for the simulation: what each thread's body does, step by step, recorded from the models themselves.

The set-up runs compiled, here; a process without JIT then records the bodies of the first threads
(bench.contention.profile_worker). Every other thread does the same steps on its own memory: addresses continue in the
strides that two recorded threads of its parity are apart. Memory that only one thread touches is left out.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.contention.bodies import Body, config_of, scene_of
from bench.contention.loop import new_mine, run_once
from bench.contention.recorder import ACQUIRE, READ, RELEASE, WORK, recorded_threads
from bench.meters.memory import words_of
from bench.system.exit_status import MEASUREMENT_FAILED
from bench.system.processes import module_command
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.events import new_caller
from kvmarm.locks import lock_name

WORKER = "bench.contention.profile_worker"
LINE_BYTES = 64
Steps = list[list[Any]]


@dataclass(frozen=True)
class Program:
    """All threads' bodies as arrays. Thread t's steps are starts[t]:starts[t + 1] of `kind` and `value`.

    value (float64): instructions of WORK, else the number of a lock or a line. lock_line: the line of each lock's word.
    locks: names of locks. lines: how many. instructions: of thread 0's body.
    """

    starts: np.ndarray
    kind: np.ndarray
    value: np.ndarray
    lock_line: np.ndarray
    locks: tuple[str, ...]
    lines: int
    instructions: float


def _expanded(samples: list[np.ndarray], thread: int) -> np.ndarray:
    """Return a thread's steps, float64[steps, 3]: kind, address or instructions, log entry.

    Two recorded threads of its parity say how addresses continue; two of the other one where those do different steps.
    """
    if thread < len(samples):
        return samples[thread]
    base = 2 + thread % 2
    for start in (base, 5 - base):
        first, second = samples[start], samples[start + 2]
        if first.shape == second.shape and (first[:, 0] == second[:, 0]).all():
            break
    else:
        return first
    steps = first.copy()
    steps[:, 1] += (second[:, 1] - first[:, 1]) * ((thread - start) / 2)
    memory = steps[:, 0] != WORK
    steps[memory, 1] = np.floor(steps[memory, 1])
    return steps


def _shared_lines(lines: np.ndarray, threads: np.ndarray, writes: np.ndarray) -> np.ndarray:
    """Return, sorted, the lines that several threads touch and one writes."""
    touched, place = np.unique(lines, return_inverse=True)
    least = np.full(len(touched), np.iinfo(np.int64).max)
    most = np.full(len(touched), -1)
    written = np.zeros(len(touched), bool)
    np.minimum.at(least, place, threads)
    np.maximum.at(most, place, threads)
    np.logical_or.at(written, place, writes)
    return np.asarray(touched[(most > least) & written])


def program_of(recorded: dict[int, Steps], threads: int) -> Program:
    """Return the program of so many threads from the recorded ones."""
    samples = [np.array(recorded[number], np.float64).reshape(-1, 3) for number in range(len(recorded))]
    each = [_expanded(samples, thread) for thread in range(threads)]
    table = np.concatenate(each)
    owner = np.repeat(np.arange(threads), [len(steps) for steps in each])
    kind = table[:, 0].astype(np.int64)
    value = table[:, 1].copy()
    memory = kind != WORK
    lines = np.where(memory, value // LINE_BYTES, -1).astype(np.int64)
    # Taking and dropping a lock writes its word.
    shared = _shared_lines(lines[memory], owner[memory], kind[memory] != READ)
    found = np.searchsorted(shared, lines)
    is_shared = memory & (found < len(shared))
    is_shared[is_shared] = shared[found[is_shared]] == lines[is_shared]
    on_lock = (kind == ACQUIRE) | (kind == RELEASE)
    _, first, number = np.unique(value[on_lock], return_index=True, return_inverse=True)
    entries = table[on_lock, 2].astype(np.int64)
    known = owner[on_lock] < len(samples)
    names = tuple(lock_name(int(entries[index]))[1:] + ("" if known[index] else "…") for index in first.tolist())
    line_of_lock = np.where(is_shared[on_lock][first], found[on_lock][first], -1)
    value[is_shared] = found[is_shared]
    value[on_lock] = number
    keep = ~memory | on_lock | is_shared
    counts = np.bincount(owner[keep], minlength=threads)
    own = samples[0]
    return Program(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        kind[keep],
        value[keep],
        line_of_lock.astype(np.int64),
        names,
        len(shared),
        float(own[own[:, 0] == WORK, 1].sum()),
    )


def _set_up(name: str, body: Body, vcpus: int, where: tuple[int, int, int], folder: str) -> str:
    """Set a VM up and keep its memory; return the file."""
    config = config_of(body, where[0], vcpus, where[1], where[2])
    scene = scene_of(body, config, vcpus)
    vm = get_design(name).create(config)
    mine, caller = new_mine(), new_caller()
    for ops in (scene.set_up, *scene.threads[: recorded_threads(vcpus)]):
        run_once(vm, ops.view(np.recarray), mine, caller)
    file = Path(folder) / f"{name}-{body.name}-{vcpus}.npy"
    np.save(file, words_of(vm).view(np.uint8))
    return str(file)


def programs(
    points: Sequence[tuple[str, Body, int]], gic: int, irqs: int, lrs: int, told: Any = lambda done, total: None
) -> dict[tuple[str, str, int], Program]:
    """Return the programs of points (design, body, vCPUs). Raises UsageError with status 5 when recording fails."""
    found: dict[tuple[str, str, int], Program] = {}
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            module_command(WORKER), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        try:
            listed = []
            for name, body, vcpus in points:
                listed.append([name, body.name, vcpus, _set_up(name, body, vcpus, (gic, irqs, lrs), folder)])
            process.stdin.write(json.dumps({"points": listed, "gic": gic, "irqs": irqs, "lrs": lrs}))
            process.stdin.close()
            for line in process.stdout:
                row = json.loads(line)
                samples = {int(thread): steps for thread, steps in row["threads"].items()}
                found[row["design"], row["body"], row["vcpus"]] = program_of(samples, row["vcpus"])
                told(len(found), len(points))
            if process.wait() or len(found) != len(points):
                raise UsageError(
                    f"recording what bodies touch ended with status {process.returncode}", MEASUREMENT_FAILED
                )
        finally:
            process.kill()
    return found
