# SPDX-License-Identifier: GPL-2.0-only
"""A process of our own: a module of this project, run by the same interpreter and from the same sources as this one.

`python -m` would look in the folder that the user happens to be in first, where `bench` or a `json.py` may be somebody
else's. The parent reports an interruption: the new process just ends by it.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_START = (
    "import runpy, signal, sys; "
    "signal.getsignal(signal.SIGINT) is signal.SIG_IGN or signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "root, module = sys.argv[1:3]; "
    "del sys.argv[1:3]; root in sys.path or sys.path.insert(0, root); "
    "runpy.run_module(module, run_name='__main__', alter_sys=True)"
)


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this project as `python -m` would, wherever it is started."""
    root = Path(__file__).resolve().parents[2]
    # What is to be said of the cache of compiled code, the parent says.
    quiet = "ignore::UserWarning"
    return [sys.executable, "-P", "-W", quiet, "-c", _START, str(root), module, *arguments]


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def only_compile() -> None:
    """Let numba announce nothing in this process from now on, which is there to compile and has no listeners.

    It announces every pass and every lock of LLVM's, each time to all the timers of the functions that wait for the one
    under way: a tenth of the time that compiling a design takes.
    """
    from numba.core import event

    @contextlib.contextmanager
    def unannounced(*_arguments: Any, **_named: Any) -> Iterator[None]:
        yield

    def say_nothing(*_arguments: Any, **_named: Any) -> None:
        pass

    for name, silent in (("trigger_event", unannounced), ("start_event", say_nothing), ("end_event", say_nothing)):
        setattr(event, name, silent)
