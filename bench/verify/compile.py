# SPDX-License-Identifier: GPL-2.0-only
"""Compiling what a verification needs, once: the monitors with the first design, the bridge of each other design.

`python -m bench.verify.compile DESIGN PART` compiles one part; a stamp beside the compiled code says which are there.
"""

import hashlib
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path

from bench.system.compile_pool import compile_parts
from bench.system.processes import only_compile
from bench.system.progress import SILENT, Progress
from bench.verify import machine
from bench.verify.configurations import small_set
from bench.verify.random_runs import RandomRuns
from bench.verify.run import supported
from bench.verify.search import Limits, Search
from kvmarm.code_cache import leave_stamp, module_cache
from kvmarm.design import BUILT_IN, ENTRY_POINTS, get_design
from kvmarm.jit import JIT_ENABLED

_NAME = "bench.verify.compile"
"""This module, which runs as `__main__` too."""
MONITORS, BRIDGE = "monitors", "bridge"


def _stamp(design: str, part: str) -> Path:
    # Numba keeps compiled code by the path of its source, so a second copy of the sources compiles anew.
    described = f"{get_design(design).dtype.descr if part == BRIDGE else ''} {Path(__file__).resolve()}"
    return module_cache(_NAME) / f"ready-{part}-{hashlib.sha256(described.encode()).hexdigest()[:12]}"


def compile_part(name: str, part: str) -> None:
    """Compile one part in this process and leave its stamp."""
    design = get_design(name)
    if part == MONITORS:
        configuration = supported(name, small_set())[0]
        Search(design, configuration, Limits(depth=2)).run()
        RandomRuns(design, configuration, 1).run(2)
    machine.bridge_of(design.dtype)
    for done in {part, BRIDGE}:
        leave_stamp(_stamp(name, done))


def ensure_compiled(designs: Iterable[str], progress: Progress = SILENT) -> float:
    """Compile what is missing on all cores and return the seconds it took. Raises UsageError with status 5."""
    if not JIT_ENABLED:
        return 0.0
    found = {*BUILT_IN, *(entry.name for entry in entry_points(group=ENTRY_POINTS))}
    names = [name for name in designs if name in found]
    parts = {f"{name} {BRIDGE}": (name, BRIDGE) for name in names if not _stamp(name, BRIDGE).exists()}
    if names and not _stamp(names[0], MONITORS).exists():
        parts.pop(f"{names[0]} {BRIDGE}", None)
        parts = {f"{names[0]} {MONITORS}": (names[0], MONITORS), **parts}
    return compile_parts(_NAME, parts, progress)


if __name__ == "__main__":
    only_compile()
    compile_part(sys.argv[1], sys.argv[2])
