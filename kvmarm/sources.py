# SPDX-License-Identifier: GPL-2.0-only
"""What compiled code depends on: the sources of a module and of everything it imports, as one hash.

Imports are read from the sources, absolute and relative ones, and followed wherever they lead, into other packages too:
a helper that a design takes from elsewhere is compiled into the design's code. Nothing is imported for that. Not
followed are the standard library and what this project itself requires, whose versions are part of the cache's name.
"""

import functools
import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)|import[ \t]+([^\n#;]+))", re.M
)
_NAME = re.compile(r"[A-Za-z_]\w*")
_FOUNDATIONS = frozenset(sys.stdlib_module_names) | {
    "numba", "numpy", "llvmlite", "pandas", "pyarrow", "scipy", "matplotlib", "joblib", "rich", "typer",
}  # fmt: skip


@functools.cache
def _spec(module: str) -> ModuleSpec | None:
    """Return where a module lies, without importing it or a package above it; None for what is no module."""
    parent, _, _ = module.rpartition(".")
    if not parent:
        if module in _FOUNDATIONS or not module:
            return None
        try:
            return importlib.util.find_spec(module)
        except (ImportError, ValueError):  # ValueError: __main__, and what was loaded without a specification
            return None
    above = _spec(parent)
    if above is None or above.submodule_search_locations is None:
        return None
    return PathFinder.find_spec(module, list(above.submodule_search_locations))


def _imported(module: str, is_package: bool, source: str) -> list[str]:
    """Return the full names of what a source imports; members that are modules among them."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    names = []
    for origin, members, plain in _IMPORT.findall(source):
        if plain:
            names += [part.split()[0] for part in plain.split(",") if part.split()]
            continue
        base = origin.lstrip(".")
        up = len(origin) - len(base)
        if up:
            base = ".".join([*package[: len(package) - up + 1], *([base] if base else [])])
        names.append(base)
        names += [f"{base}.{name}" for name in _NAME.findall(members)]
    return [name for name in names if name.split(".")[0] not in _FOUNDATIONS]


@functools.cache
def _source_of(module: str) -> tuple[bytes, tuple[str, ...]] | None:
    """Return a module's source and the names it imports, with the packages above them; None for what is no module."""
    spec = _spec(module)
    origin = spec.origin if spec is not None else getattr(sys.modules.get(module), "__file__", None)
    if origin is None or not Path(origin).is_file():
        return None
    source = Path(origin).read_bytes()
    if not origin.endswith(".py"):
        return source, ()
    is_package = spec is not None and spec.submodule_search_locations is not None
    names = _imported(module, is_package, source.decode(errors="replace"))
    above = {".".join(parts[:end]) for name in names if (parts := name.split(".")) for end in range(1, len(parts))}
    return source, tuple(sorted({*names, *above}))


@functools.cache
def _closure(modules: tuple[str, ...]) -> str:
    found: dict[str, bytes] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        entry = None if name in found else _source_of(name)
        if entry is not None:
            found[name] = entry[0]
            waiting += entry[1]
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(name.encode() + b"\n" + found[name])
    return digest.hexdigest()[:16]


def sources_hash(modules: Iterable[str]) -> str:
    """Return 16 hex digits that change with the source of any of these modules or of what they import, deeply."""
    return _closure(tuple(sorted(set(modules))))


def module_hash(module: str) -> str:
    """Return `sources_hash` of one module."""
    return _closure((module,))
