# SPDX-License-Identifier: GPL-2.0-only
"""A revision as a tree that can be run: taken out of git, beside the working tree.

Rules inside: the repository is only read (git archive), never checked out or changed; a tree runs by its own sources,
whatever is installed, because it is put first on the module path; with `isolated`, also by its own dependencies.
"""

import contextlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.results.store import Results
from bench.system.exit_status import MEASUREMENT_FAILED
from bench.system.processes import module_command
from kvmarm.errors import UsageError

WORKING_TREE = "working tree"


@dataclass(frozen=True)
class Tree:
    """Sources that can be run. `name`: revision as given; `commit`: full hash, with "+" when the tree was changed.

    `site`: of another project's revision, the folder that its package was built into (bench.gate.foreign), with the
    names of its `designs`; it is measured by this tool. None: a revision of this project, measured by itself.
    """

    name: str
    commit: str
    folder: Path
    python: str = sys.executable
    site: Path | None = None
    designs: tuple[str, ...] = ()


def repository(start: Path | None = None) -> Path:
    """Return the top folder of the git checkout that holds `start` (default: where we are).

    Raises UsageError when there is none.
    """
    place = start or Path.cwd()
    top = git(place, "rev-parse", "--show-toplevel", what=f"{place}: not in a git checkout")
    return Path(os.fsdecode(top).rstrip("\n"))


def is_this_project(folder: Path) -> bool:
    """Return whether a folder holds sources of vgic-bench."""
    return bool(_front_door(folder))


def working_tree(root: Path) -> Tree:
    """Return the checkout itself, with whatever isn't committed."""
    commit = git(root, "rev-parse", "HEAD", what=f"{root}: has no commit").decode().strip()
    changed = git(root, "status", "--porcelain", "--untracked-files=no", what=f"{root}: git status failed")
    return Tree(WORKING_TREE, commit + ("+" if changed.strip() else ""), root)


def export(root: Path, revision: str, parent: Path) -> Tree:
    """Write the sources of a revision to a folder in `parent` named by its commit, unless they are there already.

    Numba keeps compiled code by the path of its source, so the same commit must come to the same place for its models
    to be compiled once. Raises UsageError when git knows no such revision.
    """
    unknown = f"revision {revision!r} is unknown in {root}"
    # "--end-of-options" keeps a revision that starts with a dash from being read as an option.
    name = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    commit = git(root, *name, what=unknown).decode().strip()
    folder = parent / f"revision-{commit[:16]}"
    if not folder.is_dir():
        archive = git(root, "archive", "--format=tar", commit, what=f"{root}: git archive of {revision} failed")
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".revision-", dir=parent) as scratch:
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                extract(tar, Path(scratch, "tree"))
            with contextlib.suppress(OSError):  # another process was first
                Path(scratch, "tree").rename(folder)
    os.utime(folder)
    return Tree(revision, commit, folder)


def extract(archive: tarfile.TarFile, folder: Path) -> None:
    """Unpack an archive of git's into a folder, nothing outside of it."""
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
        return
    # Python before 3.11.4: git writes no absolute and no upward names, and links are left as they are.
    for member in archive.getmembers():
        parts = Path(member.name).parts
        if member.name.startswith("/") or ".." in parts or not (member.isfile() or member.isdir() or member.issym()):
            raise UsageError(f"{member.name!r}: a name that leads out of the archive")
    archive.extractall(folder)


def require_front_door(tree: Tree) -> None:
    """Raise UsageError when a revision of this project has no command line."""
    if not _front_door(tree.folder):
        raise UsageError(f"revision {tree.name!r} has no vgic_bench/main.py: it can't be run")


def isolate(tree: Tree, folder: Path) -> Tree:
    """Install a tree and its dependencies in a new virtual environment at `folder`.

    Raises UsageError with status 5 when that fails.
    """
    python = folder / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", str(tree.folder)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UsageError(
                f"{tree.name}: {' '.join(command[1:4])} failed: {last_line(done.stderr)}", MEASUREMENT_FAILED
            )
    return Tree(tree.name, tree.commit, tree.folder, str(python))


def run(tree: Tree, arguments: Sequence[str], output: Path) -> Results:
    """Run `vgic-bench run ARGUMENTS -o OUTPUT` by the tree's own sources and return its results.

    Raises UsageError with status 5 when it fails.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    if tree.site is None:
        environment["PYTHONPATH"] = str(tree.folder)
        command, place = [tree.python, "-m", _front_door(tree.folder)], tree.folder
    else:
        environment["PYTHONPATH"] = str(tree.site)
        command, place = module_command("vgic_bench"), output.parent
        if not any(word.startswith("--design") for word in arguments):
            arguments = [*arguments, "--designs", ",".join(tree.designs)]
    command += ["run", *arguments, "-o", str(output)]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        if done.returncode in (-2, 130):
            raise KeyboardInterrupt
        reason = last_line(done.stderr) or f"exit status {done.returncode}"
        raise UsageError(f"{tree.name}: run failed: {reason}", MEASUREMENT_FAILED)
    results = Results.load(output)
    results.meta["tool"] = (results.meta.get("tool") or {}) | {"commit": tree.commit, "revision": tree.name}
    return results


def _front_door(folder: Path) -> str:
    """Return the module that is the command line of a tree; "" when it has none."""
    for module, file in (("vgic_bench", "vgic_bench/__main__.py"), ("bench.cli", "bench/cli.py")):
        if (folder / file).is_file():
            return module
    return ""


def git(folder: Path, *arguments: str, what: str) -> bytes:
    """Return what a git command prints. Raises UsageError that starts with `what` when it fails."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise UsageError("git is not installed; it is needed to compare revisions") from error
    if done.returncode:
        reason = last_line(done.stderr.decode(errors="replace"))
        raise UsageError(what + (f" ({reason})" if reason else ""))
    return done.stdout


def last_line(text: str) -> str:
    """Return the last line of what a program said, without our own mark."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("vgic-bench: error: ") if lines else ""
