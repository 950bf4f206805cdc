# SPDX-License-Identifier: GPL-2.0-only
"""Writing results so that an interruption never leaves a half-written file and never loses an earlier one.

What cannot be written is said before long work (`check_file`, `check_folder`), not after it.
"""

import functools
import hashlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from kvmarm.errors import UsageError


@contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "wb", **open_arguments: Any) -> Iterator[IO[Any]]:
    """Open a file beside `path` for writing; rename it to `path` when the block ends without an exception.

    On any exception (KeyboardInterrupt too) the new file is removed and what was at `path` stays. A device or a pipe
    (/dev/stdout) is written as it is. Raises UsageError when the folder cannot be made or written.
    """
    target = Path(path)
    if _is_special(target):
        try:
            with open(target, mode, **open_arguments) as file:
                yield file
        except BrokenPipeError:
            raise
        except OSError as error:
            raise UsageError(f"{target}: cannot be written: {error.strerror or error}") from error
        return
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(target.parent)
        descriptor, temporary = tempfile.mkstemp(prefix=own_prefix(target.name), suffix=".part", dir=target.parent)
        file = os.fdopen(descriptor, mode, **open_arguments)
    except OSError as error:
        if temporary is not None:
            os.unlink(temporary)
        raise UsageError(f"{target}: cannot be written: {error.strerror or error}") from error
    try:
        try:
            with file:
                yield file
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            os.replace(temporary, target)
        except OSError as error:
            raise UsageError(f"{target}: cannot be written: {error.strerror or error}") from error
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


@functools.cache
def _here() -> str:
    """Return six hex digits for this machine, or container: process numbers mean something only in it."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{platform.node()} {space}".encode(errors="surrogateescape")).hexdigest()[:6]


def own_prefix(name: str) -> str:
    """Return how the name of a temporary file or folder beside `name` begins: it says which process makes it."""
    # A name has 255 bytes, and this adds some.
    return f".{name[:120]}.{os.getpid()}-{_here()}-"


_LEFT = re.compile(r"\..+\.(\d{1,10})-([0-9a-f]{6})-\w+\.(part|old)")
_cleared: set[str] = set()


def clear_leftovers(folder: Path) -> None:
    """Remove what processes of this machine that were killed left in a folder, once in this process.

    Results that one had put aside to replace them, and did not come to, are put back.
    """
    if str(folder) in _cleared:
        return
    _cleared.add(str(folder))
    with os.scandir(folder) as entries:
        left = [(Path(entry.path), found) for entry in entries if (found := _LEFT.fullmatch(entry.name))]
    for path, found in left:
        if found.group(2) != _here() or _is_alive(int(found.group(1))):
            continue
        if found.group(3) == "old":
            _put_back(path)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _put_back(aside: Path) -> None:
    for earlier in aside.iterdir():
        place = aside.parent / earlier.name
        if not place.exists():
            earlier.rename(place)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def check_not_input(output: str | os.PathLike[str], *inputs: str | os.PathLike[str] | None) -> None:
    """Raise UsageError when an output is one of the inputs, or a file inside of one."""
    target = Path(output).resolve()
    for given in inputs:
        if given is None or not Path(given).exists():
            continue
        source = Path(given).resolve()
        if target == source or (source.is_dir() and source in target.parents):
            inside = "" if target == source else "in "
            raise UsageError(f"{os.fspath(output)}: is {inside}an input, expected another output")


def check_file(path: str | os.PathLike[str]) -> None:
    """Raise UsageError when no file could be written at `path` now; nothing is left behind."""
    target = Path(path)
    if target.is_dir():
        raise UsageError(f"{target}: is a folder; expected a file to write")
    if not _is_special(target):
        _try(target.parent, target)


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Raise UsageError when no file could be written into `folder`, made or not made yet; nothing is left behind."""
    _try(Path(folder), Path(folder))


def _is_special(target: Path) -> bool:
    """Return whether something is there that must not be replaced by a file: a device, a pipe, a socket."""
    return target.exists() and not target.is_file() and not target.is_dir()


def _try(folder: Path, target: Path) -> None:
    try:
        while not folder.exists():
            folder = folder.parent
        # Only an attempt tells: permissions do not know of read-only and of special file systems.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror or error}") from error
