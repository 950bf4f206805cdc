# SPDX-License-Identifier: GPL-2.0-only
"""Compilation in processes of this project's own, as many at a time as there are cores, with progress."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.system.processes import cores, module_command
from bench.system.progress import Progress
from kvmarm.errors import UsageError

WHAT = "compile"


def compile_parts(
    module: str, jobs: Mapping[str, Sequence[str]], progress: Progress, stamps: Sequence[Path] = ()
) -> float:
    """Run `python -m MODULE ARGUMENTS` for each job (title -> arguments) and return the seconds it took.

    stamps: files that the processes leave, one for each part that is done; without them a part is a job. Raises
    UsageError with status 5 when a process fails; then, and when interrupted, the others are ended.
    """
    if not jobs:
        return 0.0
    start = time.monotonic()
    waiting = dict(jobs)
    total = len(stamps or jobs)
    running: dict[str, subprocess.Popen[bytes]] = {}
    progress.note(f"compiling the models for this machine, once ({total} part{'s' if total > 1 else ''})")
    progress(WHAT, 0, total)
    try:
        while waiting or running:
            while waiting and len(running) < cores():
                title = next(iter(waiting))
                running[title] = subprocess.Popen(module_command(module, *waiting.pop(title)))
            time.sleep(0.05)
            for title in [title for title, process in running.items() if process.poll() is not None]:
                if running.pop(title).returncode:
                    raise UsageError(f"compiling {title} failed", 5)
            ended = total - len(waiting) - len(running)
            progress(WHAT, sum(stamp.exists() for stamp in stamps) if stamps else ended, total)
    finally:
        for process in running.values():
            process.kill()
    return time.monotonic() - start
