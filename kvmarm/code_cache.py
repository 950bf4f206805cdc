# SPDX-License-Identifier: GPL-2.0-only
"""Where compiled code is kept: a folder for each module and state of its sources. Loads no numba.

numba does not notice that a callee in another file changed. The folder of a module is therefore named by a hash of its
source and of all it imports (kvmarm.sources). It is in a folder named by a hash of the versions and the CPU. A module
reaches a design through the interface, without importing it: `kvmarm.design.Design` puts the hash of the design's
sources into the record's type. Folders that are unused for two weeks are removed.

Environment: `VGIC_BENCH_CACHE` names another cache folder (default: `$XDG_CACHE_HOME/vgic-bench`, or
`~/.cache/vgic-bench`).
"""

import contextlib
import functools
import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from kvmarm.sources import module_hash

_UNUSED_DAYS = 14
_CACHE_NAME = re.compile(r"(\w+-)?[0-9a-f]{16}")


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line for line in file if line.startswith(("model name", "CPU part", "flags", "Features"))]
        return "".join(sorted(set(lines)))
    except OSError:
        return platform.processor() or platform.machine()


def _environment_hash() -> str:
    """Return 16 hex digits that change with the interpreter, NumPy, numba, llvmlite or the CPU."""
    from importlib.metadata import PackageNotFoundError, version

    digest = hashlib.sha256()
    for package in ("numba", "llvmlite", "numpy"):
        try:
            digest.update(f"{package} {version(package)}\n".encode())
        except PackageNotFoundError:
            digest.update(f"{package} ?\n".encode())
    digest.update(f"{sys.version}\n{_cpu_name()}".encode())
    return digest.hexdigest()[:16]


def cache_root() -> Path:
    """Return the folder that holds the compiled code of all versions of the sources."""
    named = os.environ.get("VGIC_BENCH_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "vgic-bench"


def _remove_unused(folder: Path) -> None:
    """Remove what nothing used for two weeks, of compiled code only: the user may keep other things beside it."""
    oldest = time.time() - _UNUSED_DAYS * 86400
    for stale in [*folder.parent.iterdir(), *folder.iterdir()]:
        if stale != folder and _CACHE_NAME.fullmatch(stale.name):
            with contextlib.suppress(FileNotFoundError):  # another process may be removing the same
                if stale.stat().st_mtime < oldest:
                    shutil.rmtree(stale, ignore_errors=True)


def _prepare_cache() -> Path:
    folder = cache_root() / _environment_hash()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_unused(folder)
        os.utime(folder)
    except OSError:
        # No writable home: compile anew in a folder of this user, and of nobody else, for code is run from it.
        own = Path(tempfile.gettempdir()) / f"vgic-bench-{os.getuid()}"
        own.mkdir(mode=0o700, exist_ok=True)
        if own.is_symlink() or own.stat().st_uid != os.getuid():
            own = Path(tempfile.mkdtemp(prefix="vgic-bench-"))
        folder = own / folder.name
        folder.mkdir(exist_ok=True)
    return folder


cache_folder = _prepare_cache()
"""Folder of the code compiled by this interpreter, these versions and this CPU, made at import."""


@functools.cache
def module_cache(module: str) -> Path:
    """Return the folder of the compiled code of one module's functions, made when missing."""
    folder = cache_folder / f"{module.rsplit('.', 1)[-1]}-{module_hash(module)}"
    folder.mkdir(exist_ok=True)
    os.utime(folder)
    return folder
