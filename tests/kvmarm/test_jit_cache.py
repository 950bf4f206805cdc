# SPDX-License-Identifier: GPL-2.0-only
"""What is cleared from the cache of compiled code, and what is not ours to clear."""

import os
from pathlib import Path

from kvmarm.code_cache import _remove_unused

LONG_AGO = 1_000_000_000


def test_only_old_compiled_code_is_removed(tmp_path: Path) -> None:
    # VGIC_BENCH_CACHE may name a folder in which somebody keeps photographs.
    used = tmp_path / "00112233445566ff"
    kept = [used, used / "fresh-0123456789abcdef", used / "notes", tmp_path / "photographs", tmp_path / "archive-2019"]
    gone = [tmp_path / "ffeeddccbbaa9988", used / "runner-fedcba9876543210"]
    for folder in (*kept, *gone):
        folder.mkdir()
        (folder / "file").touch()
    for folder in (*kept[2:], *gone, used):
        os.utime(folder, (LONG_AGO, LONG_AGO))
    _remove_unused(used)
    assert all((folder / "file").exists() for folder in kept)
    assert not any(folder.exists() for folder in gone)
