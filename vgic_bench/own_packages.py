# SPDX-License-Identifier: GPL-2.0-only
"""This project's packages beside a user's folders of the same names.

`bench` and `reports` are common names: a notebook often lies beside a folder called so, and Python looks there first.
`put_first` makes `import bench.…` find this project's modules, and leaves the user's own submodules importable.
"""

import importlib.util
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("bench", "kvmarm", "reports")
"""Packages that are imported by name. The models are looked up by theirs, which nobody else has."""


def put_first(root: Path = ROOT) -> None:
    """Let each package of PACKAGES be found in `root`, whatever lies in the folders that Python looks in first."""
    for name in PACKAGES:
        ours = str(root / name)
        loaded = sys.modules.get(name)
        if loaded is not None:
            if ours not in loaded.__path__:
                loaded.__path__ = [ours, *loaded.__path__]
            continue
        found = importlib.util.find_spec(name)
        if found is None or ours not in (found.submodule_search_locations or ()):
            _load(name, root, found)


def _load(name: str, root: Path, other: ModuleSpec | None) -> None:
    """Import the package in `root`; submodules of the `other` one of this name are found after its own."""
    spec = PathFinder.find_spec(name, [str(root)])
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    module.__path__ = [*module.__path__, *((other.submodule_search_locations if other else None) or ())]
