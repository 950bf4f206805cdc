# SPDX-License-Identifier: GPL-2.0-only
"""Compiling the models before anything is measured: once a machine, in parallel processes, with progress.

A design is compiled in parts: counting (the event meter), timing (the time meter), plain (traces, neither counted nor
written) and lpis (counting, of VMs with an ITS). The first three share everything but machine code, so that one process
compiles them one after the other: the second costs a fifth of the first.
A stamp in the folder of compiled code says which parts are there; the folder's name changes with the sources, so a
stamp never outlives them.

`python -m bench.meters.compile DESIGN PART...` compiles parts of one design.
"""

import hashlib
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path

from bench.catalogue.lpis import LpiScene
from bench.meters.memory import words_of
from bench.system.compile_pool import compile_parts
from bench.system.processes import only_compile
from bench.system.progress import SILENT, Progress
from kvmarm.code_cache import leave_stamp, module_cache
from kvmarm.config import VmConfig
from kvmarm.design import BUILT_IN, ENTRY_POINTS, get_design
from kvmarm.jit import JIT_ENABLED

PARTS = ("counting", "timing", "plain", "lpis")
_CONFIG = VmConfig(gic=2, vcpus=1, irqs=64, lrs=1)
_LPI_CONFIG = VmConfig(gic=3, vcpus=1, irqs=64, lrs=1, its=1)


def stamp(design: str, part: str) -> Path:
    """Return the file that says that a part of a design is compiled."""
    # The record type carries a hash of the design's sources. Numba keeps compiled code by the path of its source, so a
    # second copy of the same sources has everything still to compile.
    described = f"{get_design(design).dtype.descr} {Path(__file__).resolve()}"
    sources = hashlib.sha256(described.encode()).hexdigest()[:12]
    return module_cache("bench.meters.time") / f"ready-{design}-{part}-{sources}"


def compile_part(name: str, part: str) -> None:
    """Compile one part of a design in this process and leave its stamp."""
    import numpy as np

    from bench.engine.runner import TraceRun
    from bench.meters.events import Stage
    from bench.meters.time import NOTHING, Prepared, operation
    from kvmarm.cpuif import new_hardware
    from kvmarm.trace import OP, Trace

    design = get_design(name)
    if part == "counting":
        Stage(design, _CONFIG, 0)
    elif part == "lpis":
        Stage(design, _LPI_CONFIG, 0, LpiScene(lpis=1))
    elif part == "timing":
        vm, hardware = design.create(_CONFIG), new_hardware(1)
        nothing = np.empty((0, 2), np.uint64)
        op = operation(NOTHING)
        Prepared(vm, hardware, op, op.value, words_of(vm), nothing, words_of(hardware), nothing).block(op, 1)
    else:
        TraceRun(Trace("empty", _CONFIG, np.zeros(0, OP)), design).run()
    leave_stamp(stamp(name, part))


def jobs(waiting: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return title -> (design, part, ...) of the processes that compile (design, part) pairs.

    What shares no code goes apart.
    """
    found: dict[str, tuple[str, ...]] = {}
    for design, part in waiting:
        title = f"{design} {part}" if part == "lpis" else design
        found[title] = (*found.get(title, (design,)), part)
    return found


def missing(designs: Iterable[str], parts: Iterable[str]) -> list[tuple[str, str]]:
    """Return the (design, part) pairs that are yet to be compiled by processes of their own.

    A design that only this process has registered is left out: another process could not find it.
    """
    if not JIT_ENABLED:
        return []
    found = {*BUILT_IN, *(entry.name for entry in entry_points(group=ENTRY_POINTS))}
    designs = [design for design in designs if design in found]
    pairs = [(design, part) for part in parts for design in designs if part != "lpis" or get_design(design).has_its]
    return [(design, part) for design, part in pairs if not stamp(design, part).exists()]


def ensure_compiled(designs: Iterable[str], parts: Iterable[str] = PARTS, progress: Progress = SILENT) -> float:
    """Compile what is missing on all cores and return the seconds it took.

    Raises UsageError with status 5 when a process fails.
    """
    waiting = missing(list(designs), list(parts))
    return compile_parts("bench.meters.compile", jobs(waiting), progress, [stamp(*task) for task in waiting])


if __name__ == "__main__":
    only_compile()
    for part in sys.argv[2:]:
        compile_part(sys.argv[1], part)
