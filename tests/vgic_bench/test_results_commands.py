# SPDX-License-Identifier: GPL-2.0-only
"""`results`, `compare` and `gate` as a user types them: output that fits, exit statuses, one line for bad input."""

import copy
import json
import subprocess

import pytest

from bench.results.store import Results
from tests.bench.results.sample_results import COUNTS, results
from tests.cli import assert_refused
from vgic_bench import main as cli


@pytest.fixture
def vgic_bench(capsys, monkeypatch):
    """Run the command line in this process: same entry, same streams and status, no start of an interpreter."""

    def run(*arguments, **environment):
        monkeypatch.setattr("sys.argv", ["vgic-bench", *map(str, arguments)])
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, ended.value.code or 0, out.out, out.err)

    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with three runs: `one`, the same again with times a little other, and `dear` with a lock more."""
    root = tmp_path_factory.mktemp("results")
    results(seed=1, session="s", meters=["events", "time"]).save(root / "one")
    results(seed=2, session="s", started="2026-01-02T00:00:00+00:00").save(root / "two")
    counts = copy.deepcopy(COUNTS)
    counts["new", "inject_edge"]["lock"] += 1
    results(counts, started="2026-01-03T00:00:00+00:00").save(root / "dear")
    return root


def test_list(vgic_bench, runs):
    done = vgic_bench("results", "list", runs)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["run", "one", "two", "dear"]
    assert "events, time" in lines[1]
    rows = json.loads(vgic_bench("results", "list", runs, "--json").stdout)
    assert [row["transitions"] for row in rows] == [5, 5, 5]


def test_list_says_what_it_cannot_read(vgic_bench, runs, tmp_path):
    assert vgic_bench("results", "list", tmp_path).stdout.strip() == f"{tmp_path}: no stored runs"
    assert_refused(vgic_bench("results", "list", tmp_path / "none"), "not a folder")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "meta.json").write_text('{"schema": 7}')
    done = vgic_bench("results", "list", tmp_path)
    assert done.returncode == 0 and "schema is 7, expected 1" in done.stderr


def test_show(vgic_bench, runs):
    done = vgic_bench("results", "show", runs / "one")
    assert "one: run, schema 1" in done.stdout and "cpu_model Test CPU" in done.stdout
    table = vgic_bench("results", "show", runs / "one", "--table", "events", "--rows", "3").stdout
    assert "gic: 2" in table and "rows more" in table and "flush_empty" in table
    data = json.loads(vgic_bench("results", "show", runs / "one", "--json").stdout)
    assert data["tables"]["samples"] == 300 and data["meta"]["kind"] == "run"
    rows = json.loads(vgic_bench("results", "show", runs / "one", "--json", "--table=events", "--rows=0").stdout)
    assert len(rows) == len(Results.load(runs / "one").table("events"))
    assert_refused(
        vgic_bench("results", "show", runs / "one", "--table", "life"), "has no table 'life'; its tables: events"
    )


def test_export(vgic_bench, runs, tmp_path):
    for form, name in (("csv", "folder"), ("counts", "c.json"), ("pytest-benchmark", "b.json"), ("pyperf", "p.json")):
        done = vgic_bench("results", "export", runs / "one", "--format", form, "-o", tmp_path / name)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name).exists()
    one = vgic_bench("results", "export", runs / "one", "--table", "events", "-o", tmp_path / "e.csv")
    assert one.stdout.strip() == str(tmp_path / "e.csv")
    assert_refused(vgic_bench("results", "export", runs / "one", "--format", "pyprf"), "did you mean 'pyperf'?")
    assert_refused(vgic_bench("results", "export", runs / "one", "--format=counts", "--table=x"), "--table goes with")
    assert_refused(
        vgic_bench("results", "export", runs / "dear", "--format=pyperf", "-o", tmp_path / "q"), "no time samples"
    )
    assert not (tmp_path / "q").exists()


def test_compare(vgic_bench, runs):
    done = vgic_bench("compare", runs / "one", runs / "dear")
    assert done.returncode == 0, done.stderr
    assert "dear against one: 1 regressed, 4 unchanged" in done.stdout
    assert any("new inject_edge" in line and "regressed" in line for line in done.stdout.splitlines())
    every = vgic_bench("compare", runs / "one", runs / "two", "--all", "--meters", "time").stdout
    assert every.count("unchanged") >= 5
    data = json.loads(vgic_bench("compare", runs / "one", runs / "two", "--json").stdout)
    assert data["paired"] is True and len(data["rows"]) == 10
    assert_refused(vgic_bench("compare", runs / "one", runs / "two", "--meters", "tiem"), "meter 'tiem'")
    assert_refused(vgic_bench("compare", runs / "one", runs / "two", "--minimum-effect", "3"), "--minimum-effect 3")


def test_gate_statuses_and_outputs(vgic_bench, runs, tmp_path):
    good = vgic_bench("gate", runs / "one", runs / "two")
    assert good.returncode == 0 and good.stdout.endswith("gate: pass\n") and not good.stderr
    files = ("--junit", tmp_path / "g.xml", "--summary", tmp_path / "s.md", "--annotations")
    bad = vgic_bench("gate", runs / "one", runs / "dear", "--json", *files)
    assert bad.returncode == 1
    assert json.loads(bad.stdout)["outcome"] == "regressed"
    assert "gate: new inject_edge lock" in bad.stderr and "::error title=" in bad.stderr
    assert "<failure" in (tmp_path / "g.xml").read_text() and "regressed" in (tmp_path / "s.md").read_text()
    assert "::error" not in vgic_bench("gate", runs / "one", runs / "dear", GITHUB_ACTIONS="").stderr
    assert "::error" in vgic_bench("gate", runs / "one", runs / "dear", GITHUB_ACTIONS="true").stderr
    budget = tmp_path / "budget.toml"
    budget.write_text('[[allow]]\ntransition = "inject_edge"\nreason = "known"\n')
    # `dear` has no times, which is a meter lost unless it is meant.
    lost = vgic_bench("gate", "check", runs / "one", runs / "dear", "--budget", budget)
    assert lost.returncode == 4 and "dear has no time, which one has; --partial if that is meant" in lost.stderr
    allowed = vgic_bench("gate", "check", runs / "one", runs / "dear", "--budget", budget, "--partial")
    assert allowed.returncode == 0 and "known" in allowed.stdout
    assert_refused(vgic_bench("gate", tmp_path / "none", runs / "one"), "no baseline", status=4)
    assert_refused(vgic_bench("gate", runs / "one", tmp_path / "none"), "does not exist")
    assert_refused(vgic_bench("gate", "runn", "--against", "HEAD"), "no such command or baseline; did you mean 'run'?")
    assert vgic_bench("gate", runs / "one").returncode == 2


def test_a_run_that_lacks_something_says_so_everywhere(vgic_bench, runs, tmp_path):
    lacking = {"complete": False, "interrupted": True, "missing": ["switch", "life"]}
    results(seed=3, session="s", **lacking).save(tmp_path / "cut")
    results(**(lacking | {"interrupted": False, "missing": ["life"]})).save(tmp_path / "failed")
    listed = vgic_bench("results", "list", tmp_path).stdout
    assert "cut (interrupted)" in listed and "failed (unfinished)" in listed
    shown = vgic_bench("results", "show", tmp_path / "cut").stdout
    assert shown.splitlines()[0].endswith("; interrupted, it lacks switch, life")
    compared = vgic_bench("compare", runs / "one", tmp_path / "cut")
    assert compared.returncode == 0 and "note: cut is interrupted, it lacks switch, life" in compared.stdout
    judged = vgic_bench("gate", runs / "one", tmp_path / "cut")
    assert judged.returncode == 5 and "the run is not complete: interrupted, it lacks switch, life" in judged.stderr
    counts = tmp_path / "counts.json"
    refused = vgic_bench("results", "export", tmp_path / "cut", "--format", "counts", "-o", counts)
    assert_refused(refused, "cut: interrupted, it lacks switch, life")
    assert not counts.exists()
    whole = vgic_bench("results", "export", tmp_path / "failed", "--format", "counts", "-o", counts)
    assert whole.returncode == 0 and counts.exists()
