# SPDX-License-Identifier: GPL-2.0-only
"""Compiling what threads run, once: `python -m bench.contention.compile DESIGN ITS` compiles one part.

A stamp beside the compiled code says which parts are there. Nothing is compiled while threads run: whoever watches them
for progress would take it for a hang.
"""

import hashlib
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np

from bench.contention.bodies import bodies, config_of, scene_of
from bench.contention.loop import new_control, new_mine, run_once, run_window, timed_operations
from bench.system.compile_pool import compile_parts
from bench.system.processes import only_compile
from bench.system.progress import SILENT, Progress
from kvmarm.counter import ns_per_tick
from kvmarm.design import BUILT_IN, ENTRY_POINTS, Design, get_design
from kvmarm.events import new_caller
from kvmarm.jit import JIT_ENABLED, module_cache
from kvmarm.watch import new_watcher

PLAIN, ITS = "plain", "its"


def warm(design: Design, its: bool) -> None:
    """Run everything that threads run once, in this thread, on a VM with or without an ITS."""
    body = bodies()["msi" if its else "own_spi"]
    scene = scene_of(body, config_of(body, 3, 2, 64, 2), 2)
    ns_per_tick()
    for caller in (new_caller(), new_watcher(0)):
        vm = design.create(scene.config)
        run_once(vm, scene.set_up.view(np.recarray), new_mine(), caller)
        for loop in (run_window, timed_operations):
            _once(loop, vm, scene.threads[0], caller)


def _once(loop: Any, vm: Any, ops: np.ndarray, caller: Any) -> None:
    lengths = np.array([0, 0, 1], np.int64)
    loop(vm, ops.view(np.recarray), new_mine(), caller, new_control(1), lengths, 1)


def _stamp(design: str, part: str) -> Path:
    dtype = get_design(design).dtype if part == PLAIN else get_design(design).its_dtype
    # Numba keeps compiled code by the path of its source, so a second copy of the sources compiles anew.
    described = f"{dtype.descr if dtype is not None else ''} {Path(__file__).resolve()}"
    return module_cache(__name__) / f"ready-{part}-{hashlib.sha256(described.encode()).hexdigest()[:12]}"


def ensure_compiled(designs: Iterable[str], its: bool, progress: Progress = SILENT) -> float:
    """Compile what is missing on all cores and return the seconds it took. Raises UsageError with status 5.

    its: also what VMs with an ITS need, of the designs that have one.
    """
    if not JIT_ENABLED:
        return 0.0
    found = {*BUILT_IN, *(entry.name for entry in entry_points(group=ENTRY_POINTS))}
    parts: dict[str, tuple[str, str]] = {}
    for name in designs:
        wanted = [PLAIN, *([ITS] if its and get_design(name).has_its else [])]
        if name in found:
            parts |= {f"{name} {part}": (name, part) for part in wanted if not _stamp(name, part).exists()}
    return compile_parts(__name__ if __name__ != "__main__" else "bench.contention.compile", parts, progress)


if __name__ == "__main__":
    only_compile()
    warm(get_design(sys.argv[1]), sys.argv[2] == ITS)
    _stamp(sys.argv[1], sys.argv[2]).touch()
