# SPDX-License-Identifier: GPL-2.0-only
"""The hidden folder that a sweep keeps its finished blocks in until its results are written.

Rules inside:
- Whoever works in one holds a lock on its file `lock`, which goes with the process however it ends.
- What an interrupted sweep leaves can be gone on with for a day (`KEPT_SECONDS` after the last block); then the next
  sweep beside it clears it away, unless somebody works in it.
- Only folders of this name with nothing but our own files in them are ever removed.
"""

import contextlib
import os
import re
import shutil
import time
from pathlib import Path
from typing import IO

from kvmarm.errors import UsageError

KEPT_SECONDS = 24 * 60 * 60
LOCK = "lock"
_FOLDER = re.compile(r"\.sweep-[0-9a-f]{16}")
_SHARD = re.compile(r"shard-\d+\.parquet")
_OURS = re.compile(r"lock|shard-\d+\.parquet|\.shard-\d+\.parquet\..*\.part")


class WorkFolder:
    """A sweep's folder, held by this process until `remove` or `release`."""

    def __init__(self, root: Path, identity: str) -> None:
        """Make or find the folder `root/.sweep-IDENTITY` and lock it.

        Raises UsageError when it cannot be written or another process holds it.
        """
        self.path = root / f".sweep-{identity}"
        self._made = [place for place in (self.path, root, *root.parents) if not place.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock: IO[bytes] = open(self.path / LOCK, "ab")  # noqa: SIM115 - held until `release`
        except OSError as error:
            raise UsageError(f"{self.path}: cannot be written: {error.strerror or error}") from error
        if not _taken(self._lock):
            self._lock.close()
            raise UsageError(f"{self.path}: the same sweep is running there already; expected it to end first")

    def release(self) -> None:
        """Let others have the folder; what is done stays in it."""
        self._lock.close()

    def give_up(self) -> None:
        """Let others have the folder; where nothing is done, leave nothing."""
        if not any(_SHARD.fullmatch(entry.name) for entry in os.scandir(self.path)):
            shutil.rmtree(self.path, ignore_errors=True)
            with contextlib.suppress(OSError):
                for place in self._made[1:]:
                    place.rmdir()
        self.release()

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.release()


def clear_stale(root: Path, now: float | None = None) -> list[Path]:
    """Remove folders that sweeps left under `root` longer than a day ago and nobody holds; return them.

    now: seconds since the epoch, None for this moment.
    """
    now = time.time() if now is None else now
    return [folder for folder in sorted(root.glob(".sweep-*")) if _is_stale(folder, now) and _cleared(folder)]


def _is_stale(folder: Path, now: float) -> bool:
    if not _FOLDER.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
        return False
    try:
        times = [folder.stat().st_mtime]
        for entry in os.scandir(folder):
            if not _OURS.fullmatch(entry.name):
                return False
            times.append(entry.stat(follow_symlinks=False).st_mtime)
    except OSError:
        return False  # it is going away, or is not ours to read
    return now - max(times) > KEPT_SECONDS


def _cleared(folder: Path) -> bool:
    with contextlib.suppress(OSError), open(folder / LOCK, "ab") as lock:
        if _taken(lock):
            shutil.rmtree(folder, ignore_errors=True)
            return not folder.exists()
    return False


def _taken(lock: IO[bytes]) -> bool:
    """Return whether the lock is ours now; it is not when another process has it."""
    try:
        import fcntl
    except ImportError:
        return True  # a system without it (Windows): two sweeps at a time are not told apart there
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: as on a system without them
    return True
