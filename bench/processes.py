# SPDX-License-Identifier: GPL-2.0-only
"""A process of our own: a module of this project, run by the same interpreter and from the same sources as this one.

`python -m` would look in the folder that the user happens to be in first, where `bench` or a `json.py` may be somebody
else's. An interruption is the parent's to tell of: the new process just ends by it.
"""

import sys
from pathlib import Path

_START = (
    "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); root, module = sys.argv[1:3]; "
    "del sys.argv[1:3]; root in sys.path or sys.path.insert(0, root); "
    "runpy.run_module(module, run_name='__main__', alter_sys=True)"
)


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this project as `python -m` would, wherever it is started."""
    root = Path(__file__).resolve().parent.parent
    return [sys.executable, "-P", "-c", _START, str(root), module, *arguments]
