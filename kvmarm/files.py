# SPDX-License-Identifier: GPL-2.0-only
"""Writing results so that an interruption never leaves a half-written file and never loses an earlier one."""

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

    On any exception (KeyboardInterrupt too) the new file is removed and what was at `path` stays.
    Raises UsageError when the folder cannot be made or written.
    """
    target = Path(path)
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
