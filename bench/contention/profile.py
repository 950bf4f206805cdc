# SPDX-License-Identifier: GPL-2.0-only
"""Programs for the simulation: what each thread's body does, step by step, recorded from the models themselves.

The set-up runs compiled, here; a process without JIT then records the bodies of the first threads
(bench.contention.profile_worker). Every other thread does the same steps on its own memory: addresses go on in the
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
from bench.contention.recorder import ACQUIRE, READ, RELEASE, WORK, WRITE
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


def _position(thread: int, count: int) -> tuple[int, int, float]:
    """Return (recorded thread, another one of its parity, how many strides on) of a thread; the first are recorded."""
    if thread < count:
        return thread, thread, 0.0
    base = 2 + thread % 2
    return base, base + 2, (thread - base) / 2


def _expanded(samples: dict[int, Steps], thread: int) -> Steps:
    base, other, strides = _position(thread, len(samples))
    first, second = samples[base], samples[other]
    if not strides:
        return first
    if len(first) != len(second):
        return first
    steps = []
    for one, two in zip(first, second, strict=True):
        if one[0] == WORK:
            steps.append([WORK, one[1] + (two[1] - one[1]) * strides, 0])
        else:
            steps.append([one[0], int(one[1] + (two[1] - one[1]) * strides), one[2]])
    return steps


def program_of(samples: dict[int, Steps], threads: int) -> Program:
    """Return the program of so many threads from the recorded ones."""
    expanded = [_expanded(samples, thread) for thread in range(threads)]
    users: dict[int, int] = {}
    written: set[int] = set()
    for thread, steps in enumerate(expanded):
        for kind, value, _ in steps:
            if kind in (READ, WRITE):
                line = int(value) // LINE_BYTES
                users[line] = -1 if users.get(line, thread) != thread else thread
                if kind == WRITE:
                    written.add(line)
            elif kind == ACQUIRE:
                # Taking and dropping a lock writes its word.
                line = int(value) // LINE_BYTES
                users[line] = -1 if users.get(line, thread) != thread else thread
                written.add(line)
    shared = {line: number for number, line in enumerate(sorted(line for line in written if users[line] == -1))}
    locks: dict[int, int] = {}
    names: list[str] = []
    lock_line: list[int] = []
    starts, kinds, values = [0], [], []
    for thread, steps in enumerate(expanded):
        for kind, value, entry in steps:
            if kind == WORK:
                kinds.append(WORK)
                values.append(float(value))
                continue
            line = int(value) // LINE_BYTES
            if kind in (ACQUIRE, RELEASE):
                number = locks.setdefault(int(value), len(locks))
                if number == len(names):
                    known = thread < len(samples)
                    names.append(lock_name(entry)[1:] if known else f"{lock_name(entry)[1:]}…")
                    lock_line.append(shared.get(line, -1))
                kinds.append(kind)
                values.append(float(number))
            elif line in shared:
                kinds.append(kind)
                values.append(float(shared[line]))
        starts.append(len(kinds))
    return Program(
        np.array(starts, np.int64),
        np.array(kinds, np.int64),
        np.array(values, np.float64),
        np.array(lock_line, np.int64),
        tuple(names),
        len(shared),
        float(sum(value for kind, value, _ in expanded[0] if kind == WORK)),
    )


def _set_up(name: str, body: Body, vcpus: int, where: tuple[int, int, int], folder: str) -> str:
    """Set a VM up and keep its memory; return the file."""
    config = config_of(body, where[0], vcpus, where[1], where[2])
    scene = scene_of(body, config, vcpus)
    vm = get_design(name).create(config)
    run_once(vm, scene.set_up.view(np.recarray), new_mine(), new_caller())
    file = Path(folder) / f"{name}-{body.name}-{vcpus}.npy"
    np.save(file, words_of(vm).view(np.uint8))
    return str(file)


def programs(
    points: Sequence[tuple[str, Body, int]], gic: int, irqs: int, lrs: int, told: Any = lambda done, total: None
) -> dict[tuple[str, str, int], Program]:
    """Return the programs of points (design, body, vCPUs). Raises UsageError with status 5 when recording fails."""
    found: dict[tuple[str, str, int], Program] = {}
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(
        module_command(WORKER), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
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
                raise UsageError(f"recording what bodies touch ended with status {process.returncode}", MEASUREMENT_FAILED)
        finally:
            process.kill()
    return found
