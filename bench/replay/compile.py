# SPDX-License-Identifier: GPL-2.0-only
"""Compile what a replay needs, once per machine, in separate processes, so that this one stays small.

`python -m bench.replay.compile PART` compiles one part: `readers`, or the name of a design; without PART, all of them.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

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
        compile_parts("bench.replay.compile", {part: (part,) for part in parts}, progress)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        only_compile()
        compile_part(sys.argv[1])
    else:
        ensure_compiled(BUILT_IN)
