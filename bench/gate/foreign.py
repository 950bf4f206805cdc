# SPDX-License-Identifier: GPL-2.0-only
"""Revisions of somebody else's repository that brings a design: each is built apart and measured by this tool.

The design is found by its entry point, as when it is installed. Only the repository's own package is built; what it
depends on is what is installed here. The checkout is never written into.
"""

import configparser
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.gate.revisions import Tree, git, last_line
from bench.system.exit_status import MEASUREMENT_FAILED
from kvmarm.design import ENTRY_POINTS
from kvmarm.errors import UsageError


def is_package(folder: Path) -> bool:
    """Return whether a folder is a Python project that can be built."""
    return any((folder / name).is_file() for name in ("pyproject.toml", "setup.py"))


def build(tree: Tree, site: Path) -> Tree:
    """Return the tree with its package built into the folder `site`, unless it is there already.

    Raises UsageError when it brings no design, with status 5 when it cannot be built.
    """
    if not site.is_dir():
        site.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".build-", dir=site.parent) as name:
            sources, built = Path(name, "sources"), Path(name, "site")
            _copy(tree.folder, sources)
            _install(tree, sources, built)
            if not site.exists():
                built.rename(site)
    os.utime(site)
    designs = designs_in(site)
    if not designs:
        raise UsageError(f"{tree.name}: brings no design: no entry point in the group {ENTRY_POINTS}")
    return replace(tree, site=site, designs=designs)


def _copy(folder: Path, target: Path) -> None:
    """Copy what git knows of a checkout as it is now, or a whole folder that is no checkout."""
    if not (folder / ".git").exists():
        shutil.copytree(folder, target, symlinks=True)
        return
    for name in git(folder, "ls-files", "-z", what=f"{folder}: git ls-files failed").decode().split("\0"):
        source = folder / name
        if name and source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def _install(tree: Tree, sources: Path, site: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    reason = ""
    # With what is installed here first, which needs no network.
    for how in (["--no-build-isolation"], []):
        shutil.rmtree(site, ignore_errors=True)
        done = subprocess.run(
            [*command, *how, "--target", str(site), str(sources)], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return
        reason = last_line(done.stderr)
    raise UsageError(f"{tree.name}: its package cannot be built: {reason}", MEASUREMENT_FAILED)


def designs_in(site: Path) -> tuple[str, ...]:
    """Return the names of the designs that the packages in a folder bring by entry point, sorted."""
    names: set[str] = set()
    for file in sorted(site.glob("*.dist-info/entry_points.txt")):
        parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # names as they are written
        parser.read_string(file.read_text(encoding="utf-8"))
        if parser.has_section(ENTRY_POINTS):
            names.update(parser.options(ENTRY_POINTS))
    return tuple(sorted(names))
