# SPDX-License-Identifier: GPL-2.0-only
"""Names and places of results folders."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from bench.results.meta import load_meta
from kvmarm.errors import UsageError
from kvmarm.files import check_file, check_folder


def new_folder(kind: str, root: str | os.PathLike[str] = "results") -> Path:
    """Return a path for a new run's folder, `<root>/<UTC yyyymmdd-hhmmss>-<kind>`; it is not made yet."""
    stem = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{kind}"
    path = Path(root) / stem
    number = 2
    while path.exists():
        path = Path(root) / f"{stem}-{number}"
        number += 1
    return path


def check_new_folder(folder: str | os.PathLike[str]) -> None:
    """Raise UsageError when a run could not be saved there: say so before it is measured. Empty folders will do."""
    path = Path(folder)
    if path.exists() and any_entry(path):
        raise UsageError(f"{path}: already exists, expected a new results folder")
    # It is written beside and then renamed, as a file is; an empty folder that stays is filled.
    if path.exists():
        check_folder(path)
    else:
        check_file(path)


def any_entry(folder: Path) -> bool:
    """Tell whether the path is something other than an empty folder."""
    return not folder.is_dir() or any(folder.iterdir())


def find_runs(root: str | os.PathLike[str] = "results") -> list[Path]:
    """Return the results folders directly under `root`, oldest first by the time they started, then by name.

    Folders that can't be read are left in (with no start time, so first): who loads them says what is wrong.
    Raises UsageError when `root` is not a folder.
    """
    path = Path(root)
    if not path.is_dir():
        raise UsageError(f"{path}: not a folder; expected one that holds results folders")
    folders = [file.parent for file in path.glob("*/meta.json") if not file.parent.name.startswith(".")]
    return sorted(folders, key=lambda folder: (_started(folder), folder.name))


def _started(folder: Path) -> str:
    try:
        return str(load_meta(folder).get("started") or "")
    except UsageError:
        return ""
