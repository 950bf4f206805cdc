# SPDX-License-Identifier: GPL-2.0-only
"""One process that records what bodies touch: `python -m bench.contention.profile_worker`, JIT off.

The job, a JSON object on standard input: points, a list of [design, body, vcpus, file with the VM's memory after its
set-up (.npy of uint8)], gic, irqs, lrs. On standard output
one JSON object a point: {"design", "body", "vcpus", "threads": {thread: steps}}, steps as bench.contention.recorder has
them: of the first threads, which say what all others do (bench.contention.profile).

The recorded threads did their bodies once before, in turn, so that what a body finds is what it leaves.
"""

import json
import sys
from typing import Any

import numpy as np

from bench.contention.bodies import Scene, bodies, config_of, scene_of
from bench.contention.loop import act
from bench.contention.recorder import RecordedVm, Recorder, RecordingObserver, recorded_threads
from bench.meters.memory import words_of
from bench.meters.weights import weights_of
from kvmarm.design import Design, get_design
from kvmarm.events import EVENT_COUNT
from kvmarm.gic import SPURIOUS


def _steps(scene: Scene, design: Design, vm: Any, sampled: list[int]) -> dict[int, list[tuple[int, float, int]]]:
    weights = weights_of(design)
    recorder = Recorder(weights if weights is not None else np.ones(EVENT_COUNT))
    recorded = RecordedVm(words_of(vm).view(np.uint8), vm.dtype, recorder)
    observer = RecordingObserver(recorder)
    found = {}
    for thread in sampled:
        last = np.int64(SPURIOUS)
        observer.kick_count = 0
        for op in scene.threads[thread].view(np.recarray):
            last = act(recorded, op, last, observer)
        found[thread] = recorder.take()
    return found


def profile(name: str, body_name: str, vcpus: int, file: str, job: dict[str, Any]) -> dict[str, Any]:
    """Record a body on a VM with so many vCPUs, each with its thread."""
    design, body = get_design(name), bodies()[body_name]
    config = config_of(body, job["gic"], vcpus, max(job["irqs"], 64), job["lrs"])
    scene = scene_of(body, config, vcpus)
    vm = design.create(config)
    words_of(vm).view(np.uint8)[:] = np.load(file)
    sampled = list(range(recorded_threads(vcpus)))
    return {"design": name, "body": body_name, "vcpus": vcpus, "threads": _steps(scene, design, vm, sampled)}


def main() -> None:
    """Do the job of standard input."""
    job, output = json.load(sys.stdin), sys.stdout
    for name, body, vcpus, file in job["points"]:
        output.write(json.dumps(profile(name, body, vcpus, file, job)) + "\n")
        output.flush()


if __name__ == "__main__":
    main()
