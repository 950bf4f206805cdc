# SPDX-License-Identifier: GPL-2.0-only
"""Where compiled code is kept: a folder for each module and state of its sources. Loads no numba.

numba does not notice that a callee in another file changed. The folder of a module is therefore named by a hash of its
source and of all it imports (kvmarm.sources). It is in a folder named by a hash of the versions and the CPU. A module
reaches a design through the interface, without importing it: `kvmarm.design.Design` puts the hash of the design's
sources into the record's type. Folders that are unused for two weeks are removed.

Code is run from it, so it is used only when its owner is this user and nobody else can write it; what is damaged in it
is removed and made anew (kvmarm.checked_cache). Where it cannot be written, compiled code is kept in a temporary folder
of this user's, or not at all, with one warning.

Environment: `VGIC_BENCH_CACHE` names another cache folder (default: `$XDG_CACHE_HOME/vgic-bench`, or
`~/.cache/vgic-bench`).
"""

import atexit
import contextlib
import functools
import hashlib
import os
import platform
import re
import shutil
import stat
import sys
import tempfile
import time
import warnings
from pathlib import Path

from kvmarm.errors import CacheWarning
from kvmarm.sources import module_hash

_UNUSED_DAYS = 14
_CLEARING_DAYS = 1
"""The cache is looked through when nothing used it for so long: that takes as long as loading the models."""
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
            with contextlib.suppress(OSError):  # another process may be removing the same
                if stale.stat().st_mtime < oldest:
                    shutil.rmtree(stale, ignore_errors=True)


def doubt_of(folder: Path) -> str:
    """Return why code must not be loaded from a folder, "" when it may: only its owner may be able to write it."""
    about = folder.stat()
    if not stat.S_ISDIR(about.st_mode):
        return "is no folder"
    if about.st_uid != os.geteuid():
        return "belongs to another user"
    return "can be written by others" if about.st_mode & 0o022 else ""


def _make(folder: Path) -> None:
    """Make a folder that nobody else can write, and its parents, when it is missing. Raises OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def _of_this_user() -> Path:
    """Return a folder in the temporary one that is this user's and nobody else's. Raises OSError.

    Whoever made a folder of that name before us may wait for the code that we would load from it: then it is another
    one, for this process and its children, removed at the end.
    """
    own = Path(tempfile.gettempdir()) / f"vgic-bench-{os.geteuid()}"
    with contextlib.suppress(OSError):
        own.mkdir(mode=0o700)
    if not own.is_symlink() and own.is_dir() and not doubt_of(own):
        return own
    made = Path(tempfile.mkdtemp(prefix="vgic-bench-"))
    atexit.register(_remove_own, made, os.getpid())
    return made


def _remove_own(folder: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def warn(text: str) -> None:
    """Warn of the cache, once in this process; its children hear nothing of it."""
    if not _warned:
        _warned.append(text)
        warnings.warn(text, CacheWarning, stacklevel=2)


_warned: list[str] = []


def _usable(root: Path) -> Path:
    """Return the folder of this environment in `root`, made when missing. Raises OSError when it cannot be used."""
    _make(root)
    if doubt := doubt_of(root):
        raise PermissionError(0, doubt, str(root))
    folder = root / _environment_hash()
    if folder.is_symlink() or (folder.exists() and doubt_of(folder)):
        discard(folder)
    _make(folder)
    if folder.stat().st_mtime < time.time() - _CLEARING_DAYS * 86400:
        _remove_unused(folder)
    os.utime(folder)
    return folder


def discard(path: Path) -> None:
    """Remove whatever is at a path of the cache; what cannot be removed stays."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _prepare_cache() -> Path | None:
    """Return the folder that this process keeps compiled code in; None: nowhere."""
    root = cache_root()
    try:
        return _usable(root)
    except OSError as error:
        if error.errno == 0:
            warn(f"{root}: {error.strerror}: compiled code is kept elsewhere for now (chmod go-w, or VGIC_BENCH_CACHE)")
    try:
        root = _of_this_user()
        os.environ["VGIC_BENCH_CACHE"] = str(root)
        return _usable(root)
    except OSError as error:
        warn(f"{root}: {error.strerror or error}: compiled code is not kept, every command compiles anew")
        return None


cache_folder = _prepare_cache()
"""Folder of the code compiled by this interpreter, these versions and this CPU, made at import. None: there is none."""


@functools.cache
def module_cache(module: str) -> Path:
    """Return the folder of the compiled code of one module's functions, made when missing and possible."""
    folder = (cache_folder or Path(os.devnull)) / f"{module.rsplit('.', 1)[-1]}-{module_hash(module)}"
    if cache_folder is not None:
        try:
            if folder.is_symlink() or (folder.exists() and doubt_of(folder)):
                discard(folder)
            _make(folder)
            os.utime(folder)
        except OSError as error:
            warn(f"{folder}: {error.strerror or error}: compiled code is not kept")
    return folder


def leave_stamp(stamp: Path) -> None:
    """Leave an empty file that says that something is compiled; where nothing can be kept, nothing is."""
    try:
        stamp.touch()
    except OSError as error:
        warn(f"{stamp.parent}: {error.strerror or error}: compiled code is not kept")
