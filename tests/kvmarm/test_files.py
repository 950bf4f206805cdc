# SPDX-License-Identifier: GPL-2.0-only
"""Files appear whole or not at all, devices and pipes are never replaced, and what cannot be written is known early."""

import os
import threading
from pathlib import Path

import pytest

from kvmarm.errors import UsageError
from kvmarm.files import atomic_write, check_file, check_folder

NOWHERE = "/proc/vgic-bench"
"""Not even root makes files there, whatever its permissions say."""


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with atomic_write(path, "w") as file:
        file.write("text")
        assert not path.exists()
    assert path.read_text() == "text" and os.listdir(path.parent) == ["file"]


def test_an_interruption_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("earlier")
    with pytest.raises(KeyboardInterrupt), atomic_write(path, "w") as file:
        file.write("half")
        raise KeyboardInterrupt
    assert path.read_text() == "earlier" and os.listdir(tmp_path) == ["file"]


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    got = []
    reader = threading.Thread(target=lambda: got.append(path.read_text()), daemon=True)
    reader.start()
    check_file(path)
    with atomic_write(path, "w") as file:
        file.write("text")
    reader.join(10)
    assert got == ["text"] and path.is_fifo() and os.listdir(tmp_path) == ["pipe"]


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (f"{NOWHERE}/a/b", NOWHERE, tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="cannot be written"):
            check_file(path)
        with pytest.raises(UsageError, match="cannot be written"), atomic_write(path):
            pass
    for path in (NOWHERE, tmp_path / "file"):
        with pytest.raises(UsageError, match="cannot be written"):
            check_folder(path)
    with pytest.raises(UsageError, match="is a folder"):
        check_file(tmp_path)


def test_a_check_leaves_nothing_behind(tmp_path: Path) -> None:
    check_file(tmp_path / "a" / "b" / "file")
    check_folder(tmp_path / "a" / "b")
    check_folder(tmp_path)
    check_file(os.devnull)
    assert os.listdir(tmp_path) == []
