# SPDX-License-Identifier: GPL-2.0-only
"""Two revisions built and measured side by side, and judged.

Rules inside: each revision runs by its own sources in its own folder; a first run of each, which compiles its models,
is not counted; what is measured is then as in `bench.gate.interleave`. Temporary folders go away whatever happens.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.gate import foreign, revisions
from bench.gate.interleave import interleave
from bench.results.store import Results
from bench.system.progress import SILENT, Progress, counted
from kvmarm.code_cache import cache_root
from kvmarm.errors import UsageError

Say = Callable[[str], None]

ONE_PROCESS = ("--processes", "1", "--passes", "10", "--parts", "transitions", "--no-html")
"""Options of `run` for one process a turn and no page; what the user gives comes after them and so before them."""


@contextmanager
def two_trees(root: Path, against: str, candidate: str | None, isolated: bool) -> Iterator[list[revisions.Tree]]:
    """Yield the trees of baseline and candidate (None: the working tree).

    Revisions are put beside the compiled code and go like it, when nothing used them for two weeks; environments of
    their own (`isolated`) are removed at the end.
    """
    with tempfile.TemporaryDirectory(prefix="vgic-bench-gate-") as name:
        scratch = Path(name)
        trees = [revisions.export(root, against, cache_root())]
        if candidate is None:
            trees.append(revisions.working_tree(root))
        else:
            trees.append(revisions.export(root, candidate, cache_root()))
        if not revisions.is_this_project(root):
            if isolated:
                raise UsageError("--isolated: expected in a checkout of vgic-bench; designs share what is installed")
            trees = [foreign.build(tree, _site(tree, scratch)) for tree in trees]
            yield trees
            return
        for tree in trees:
            revisions.require_front_door(tree)
        if isolated:
            trees = [revisions.isolate(tree, scratch / f"venv-{side}") for side, tree in enumerate(trees)]
        yield trees


def _site(tree: revisions.Tree, scratch: Path) -> Path:
    """Return where the package of a tree is built: a commit's beside the compiled code, to be compiled once."""
    kept = not tree.commit.endswith("+") and tree.name != revisions.WORKING_TREE
    return (cache_root() if kept else scratch) / f"site-{tree.commit[:16]}"


def check_repository(root: Path) -> None:
    """Raise UsageError when a checkout is neither of this project nor of a Python package."""
    if not (revisions.is_this_project(root) or foreign.is_package(root)):
        raise UsageError(f"{root}: neither vgic-bench nor a Python package that brings a design (no pyproject.toml)")


def measure_trees(
    trees: Sequence[revisions.Tree], arguments: Sequence[str], processes: int, say: Say, progress: Progress = SILENT
) -> tuple[Results, Results]:
    """Measure two trees side by side with `vgic-bench run ARGUMENTS` and return their runs.

    Raises UsageError with status 5 when a run fails.
    """
    if processes < 1:
        raise UsageError(f"--processes {processes}: expected 1 or more")
    with tempfile.TemporaryDirectory(prefix="vgic-bench-gate-") as name:
        scratch = Path(name)
        for side, tree in enumerate(trees):
            say(f"{tree.name} ({tree.commit[:10]}): compiling and warming up")
            revisions.run(tree, [*ONE_PROCESS, *arguments], scratch / f"warm-up-{side}")

        def measure(side: int, turn: int) -> Results:
            return revisions.run(trees[side], [*ONE_PROCESS, *arguments], scratch / f"{side}-{turn}")

        first, second = interleave(measure, processes, lambda numbers: counted(numbers, "turns", progress))
    return first, second
