# SPDX-License-Identifier: GPL-2.0-only
"""Writing results so that an interruption never leaves a half-written file and never loses an earlier one.

What cannot be written is said before long work (`check_file`, `check_folder`), not after it.
"""

import os
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
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
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
