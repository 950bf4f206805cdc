# SPDX-License-Identifier: GPL-2.0-only
"""The front door of vgic-bench: the command line, and its questions as Python functions.

>>> from vgic_bench import explain
>>> counts = explain("flush_p", "old,new").table()
>>> counts[counts["event"] == "lock"][["design", "count"]].values.tolist()
[['old', 1], ['new', 1]]

Each function takes what the command's options take and returns an object with `table()` (a pandas DataFrame); a
notebook shows it as a table. Nothing is loaded before a function is used. docs/api.md describes them.
"""

import importlib
from typing import TYPE_CHECKING, Any

from vgic_bench.own_packages import put_first

put_first()

if TYPE_CHECKING:
    from vgic_bench.api import (
        compare,
        contend,
        explain,
        gate,
        life,
        load,
        platforms,
        replay,
        report,
        run,
        sweep,
        switches,
        transitions,
        verify,
        workloads,
    )

__all__ = [
    "compare",
    "contend",
    "explain",
    "gate",
    "life",
    "load",
    "platforms",
    "replay",
    "report",
    "run",
    "sweep",
    "switches",
    "transitions",
    "verify",
    "workloads",
]


def __getattr__(name: str) -> Any:
    """Load a function of the face when it is first asked for (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module("vgic_bench.api"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the functions of the face."""
    return sorted(__all__)
