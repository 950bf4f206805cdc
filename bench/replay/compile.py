# SPDX-License-Identifier: GPL-2.0-only
"""Compile what a replay needs, once per machine, in separate processes, so that this one stays small.

`python -m bench.replay.compile readers` compiles the readers of recordings. `python -m bench.replay.compile DESIGN
[PART...]` compiles those parts of a design that measuring needs (bench.meters.compile), and then what a replay on it
needs. Without arguments, everything of the built-in designs is compiled.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from bench.meters import compile as meters
from bench.system.compile_pool import compile_parts
from bench.system.processes import only_compile
from bench.system.progress import SILENT, Progress
from kvmarm.code_cache import leave_stamp, module_cache
from kvmarm.design import BUILT_IN, get_design
from kvmarm.jit import JIT_ENABLED

READERS = "readers"


def _stamp(part: str) -> Path:
    import hashlib

    # A design's record type carries a hash of its sources.
    text = "" if part == READERS else str(get_design(part).dtype.descr)
    name = f"ready-{part}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return module_cache("bench.recordings.convert" if part == READERS else "bench.replay.stretch") / name


def compile_part(part: str) -> None:
    """Compile one part in this process and leave its stamp."""
    if part == READERS:
        from bench.recordings.convert import compile_readers

        compile_readers()
    else:
        from bench.replay.stretch import compile_for

        compile_for(part)
    leave_stamp(_stamp(part))


def ensure_compiled(designs: Iterable[str], progress: Progress = SILENT) -> None:
    """Compile what is missing on all cores. Raises UsageError with status 5 when a process fails."""
    if JIT_ENABLED:
        parts = [part for part in (*designs, READERS) if not _stamp(part).exists()]
        compile_parts(_MODULE, {part: (part,) for part in parts}, progress, [_stamp(part) for part in parts])


def compile_everything() -> None:
    """Compile every part of the built-in designs for measuring and for replays, and the readers."""
    if not JIT_ENABLED:
        return
    waiting = meters.missing(BUILT_IN, meters.PARTS)
    jobs = meters.jobs(waiting)
    for part in (*BUILT_IN, READERS):
        jobs.setdefault(part, (part,))
    stamps = [*(meters.stamp(*task) for task in waiting), *(_stamp(part) for part in (*BUILT_IN, READERS))]
    compile_parts(_MODULE, jobs, SILENT, stamps)


def _compile_here(name: str, parts: list[str]) -> None:
    for part in parts:
        meters.compile_part(name, part)
    if parts != ["lpis"]:
        compile_part(name)


_MODULE = "bench.replay.compile"

if __name__ == "__main__":
    if len(sys.argv) > 1:
        only_compile()
        _compile_here(sys.argv[1], sys.argv[2:])
    else:
        compile_everything()
