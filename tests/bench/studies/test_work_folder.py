# SPDX-License-Identifier: GPL-2.0-only
"""What an interrupted sweep leaves: kept for a day, cleared then, never taken from whoever works in it."""

import os
import time
from pathlib import Path

import pytest

from bench.studies import sweep as module
from bench.studies.work_folder import KEPT_SECONDS, WorkFolder, clear_stale
from kvmarm.errors import UsageError
from tests.bench.studies.test_sweep import PLAN

OLD = time.time() - KEPT_SECONDS - 60


def left_behind(root: Path, digit: str, age: float = OLD, name: str = "shard-00000.parquet") -> Path:
    folder = WorkFolder(root, digit * 16)
    folder.release()
    (folder.path / name).write_bytes(b"")
    for path in (*folder.path.iterdir(), folder.path):
        os.utime(path, (age, age))
    return folder.path


def test_only_what_is_old_ours_and_nobodys_is_cleared(tmp_path: Path) -> None:
    stale = [left_behind(tmp_path, "1"), left_behind(tmp_path, "2", name=".shard-00001.parquet.x1.part")]
    kept = [
        left_behind(tmp_path, "3", time.time() - 3600),
        left_behind(tmp_path, "4", name="thesis.tex"),
        left_behind(tmp_path, "5").rename(tmp_path / ".sweep-mine"),
    ]
    held = left_behind(tmp_path, "6")
    holder = WorkFolder(tmp_path, "6" * 16)
    assert clear_stale(tmp_path, OLD + KEPT_SECONDS + 60) == stale
    assert all(path.is_dir() for path in (*kept, held))
    holder.release()


def test_the_same_sweep_twice_at_a_time_is_refused(tmp_path: Path) -> None:
    first = WorkFolder(tmp_path, "a" * 16)
    with pytest.raises(UsageError, match="the same sweep is running there already"):
        WorkFolder(tmp_path, "a" * 16)
    first.release()
    WorkFolder(tmp_path, "a" * 16).remove()
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_clears_and_goes_on_with_its_own_however_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.environment, "tool", lambda: {"source_hash": "same"})
    left_behind(tmp_path, "7")
    first, folder, _ = module.sweep(PLAN, tmp_path, jobs=1)
    assert list(tmp_path.iterdir()) == [folder.path]
    folder.release()
    for path in (*folder.path.iterdir(), folder.path):
        os.utime(path, (OLD, OLD))
    again, _, found = module.sweep(PLAN, tmp_path, jobs=1)
    assert found == len(PLAN.blocks()) and len(again.tables["events"]) == len(first.tables["events"])
