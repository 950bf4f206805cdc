# SPDX-License-Identifier: GPL-2.0-only
"""Two revisions side by side, on a small repository whose `run` writes made-up figures: what is tested is the way the
revisions are taken out, started, measured in turns and judged."""

import subprocess

import pytest

from bench.gate import revisions
from bench.gate.judge import judge
from bench.gate.run import check_repository, measure_trees, two_trees
from kvmarm.errors import UsageError

CLI = """
import json, pathlib, random, sys
import pyarrow, pyarrow.parquet

LOCKS, NS = {locks}, {ns}
arguments = sys.argv[1:]
assert arguments[0] == "run" and "--processes" in arguments, arguments
if "--fail" in arguments:
    sys.exit("vgic-bench: error: no such thing")
key = dict(design="new", family="vgic", gic=2, irqs=256, vcpus=4, lrs=4, pending=0, live=0, transition="inject_edge")
state = dict(group="", before="", operation="", after="", expected="", ok=True, instructions=1.0)
state |= dict(time_ns=1.0, time_low=1.0, time_high=1.0, samples=0, events=LOCKS)
rows = [key | dict(process=0, position=n, loops=1, ns=NS * random.uniform(0.99, 1.01)) for n in range(5)]
folder = pathlib.Path(arguments[arguments.index("-o") + 1])
folder.mkdir()
(folder / "meta.json").write_text(json.dumps(dict(schema=1, kind="run", complete=True)))
tables = dict(transitions=[key | state], events=[key | dict(event="lock", count=LOCKS)], samples=rows)
for name, table in tables.items():
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), folder / (name + ".parquet"))
"""


def git(folder, *arguments):
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    return subprocess.run(
        ["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A checkout with the commits `first`, `slow` (10 % more time), `dear` (a lock more), `first`, which it is at."""
    monkeypatch.setenv("VGIC_BENCH_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "checkout"
    (root / "bench").mkdir(parents=True)
    (root / "bench" / "__init__.py").touch()
    (root / ".gitignore").write_text("__pycache__/\n")
    git(root, "init", "-q", "-b", "main")
    for tag, locks, ns in (("slow", 1, 110), ("dear", 2, 100), ("first", 1, 100)):
        (root / "bench" / "cli.py").write_text(CLI.format(locks=locks, ns=ns))
        git(root, "add", ".")
        git(root, "commit", "-q", "-m", tag)
        git(root, "tag", tag)
    return root


def measured(repository, against, candidate=None, processes=5, arguments=()):
    with two_trees(repository, against, candidate, isolated=False) as trees:
        runs = measure_trees(trees, arguments, processes, said.append)
        assert trees[0].folder.parent == repository.parent / "cache"
    return runs


said: list[str] = []


def test_the_same_code_passes_and_dearer_code_fails(repository):
    first, second = measured(repository, "first", processes=2)
    assert judge(first, second, meters=("events",)).status == 0
    assert first.table("samples")["process"].nunique() == 2
    assert first.meta["tool"]["commit"] == second.meta["tool"]["commit"] == git(repository, "rev-parse", "HEAD").strip()
    kept = list((repository.parent / "cache").glob("revision-*"))
    assert len(kept) == 1 and not list((repository.parent / "cache").glob(".revision-*"))
    assert "first (" in said[0] and "working tree" in said[1]
    slow = judge(*measured(repository, "first", "slow"))
    assert slow.status == 1 and "new inject_edge" in slow.reasons[0] and "time" in slow.reasons[0]
    dear = judge(*measured(repository, "first", "dear", processes=1), meters=("events",))
    assert dear.status == 1 and dear.reasons[0].endswith("1 -> 2 (+1)")


def test_what_is_not_committed_is_measured_and_marked(repository):
    (repository / "bench" / "cli.py").write_text(CLI.format(locks=7, ns=100))
    before = git(repository, "status", "--porcelain")
    first, second = measured(repository, "HEAD", processes=1)
    assert second.meta["tool"]["commit"].endswith("+")
    assert judge(first, second, meters=("events",)).status == 1
    assert git(repository, "status", "--porcelain") == before


def test_mistakes_have_one_line_and_their_status(repository, tmp_path):
    with pytest.raises(UsageError, match="revision 'nowhere' is unknown") as caught:
        measured(repository, "nowhere")
    assert caught.value.exit_status == 2
    with pytest.raises(UsageError, match="revision '--help' is unknown"):
        measured(repository, "--help")
    with pytest.raises(UsageError, match="first: run failed: no such thing") as caught:
        measured(repository, "first", arguments=["--fail"])
    assert caught.value.exit_status == 5
    with pytest.raises(UsageError, match="--processes 0"):
        measured(repository, "first", processes=0)
    with pytest.raises(UsageError, match="not in a git checkout"):
        revisions.repository(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    assert revisions.repository(other) == other
    with pytest.raises(UsageError, match="neither vgic-bench nor a Python package that brings a design"):
        check_repository(other)
    check_repository(repository)
    assert revisions.repository(repository / "bench") == repository
