# SPDX-License-Identifier: GPL-2.0-only
import copy
import json
import sys

import numpy as np
import pytest

from bench.gate.history import as_json, history, plot
from bench.gate.steps import exact_steps, noisy_steps
from kvmarm.errors import UsageError
from tests.bench.results.sample_results import COUNTS, ENVIRONMENT, results
from vgic_bench import main as cli


def test_exact_steps():
    assert [(s.index, s.before, s.after) for s in exact_steps([1, 1, 3, 3, 2])] == [(2, 1, 3), (4, 3, 2)]
    assert exact_steps([]) == exact_steps([5]) == []


@pytest.mark.parametrize("change", [1.05, 0.8])
def test_a_step_in_noise_is_found_where_it_is(change):
    rng = np.random.default_rng(1)
    values = 100 * np.exp(rng.normal(0, 0.01, 30))
    values[18:] *= change
    [step] = noisy_steps(values)
    assert abs(step.index - 18) <= 1 and step.ratio == pytest.approx(change, rel=0.02) and step.p <= 0.01
    assert noisy_steps(values) == [step]


def test_two_steps_and_wild_runs():
    rng = np.random.default_rng(2)
    values = 100 * np.exp(rng.normal(0, 0.01, 60))
    values[20:40] *= 1.2
    values[[7, 31, 50]] *= 3
    assert [step.index for step in noisy_steps(values)] == [20, 40]


def test_steps_are_rarely_seen_where_there_are_none():
    seen = sum(bool(noisy_steps(100 * np.exp(np.random.default_rng(n).normal(0, 0.1, 25)))) for n in range(200))
    assert seen <= 6


def test_short_and_small():
    assert noisy_steps([1, 2, 3, 4, 5]) == []
    assert noisy_steps([100.0] * 15 + [101.0] * 15) == []
    assert len(noisy_steps([100.0] * 15 + [101.0] * 15, minimum_effect=0.005)) == 1


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Sixteen daily runs on one machine and three on another; from the ninth on a lock more and 20 % slower."""
    root = tmp_path_factory.mktemp("results")
    rng = np.random.default_rng(4)
    for day in range(19):
        counts = copy.deepcopy(COUNTS)
        counts["new", "inject_edge"]["lock"] += day >= 8
        model = "Test CPU" if day < 16 else "Another"
        tool = {"commit": f"c{day:02}" * 5}
        started = f"2026-01-{day + 1:02}T00:00:00+00:00"
        run = results(counts, started=started, tool=tool, environment=ENVIRONMENT | {"cpu_model": model})
        table = run.tables["transitions"]
        table["time_ns"] = 100 * np.exp(rng.normal(0, 0.01, len(table))) * (2 if day >= 16 else 1.2 if day >= 8 else 1)
        run.save(root / f"day{day:02}")
    return root


def test_counts_are_followed_across_machines(root):
    series, unread = history(root)
    assert len(series) == 5 and not unread
    [changed] = [one for one in series if one.steps]
    assert changed.key["transition"] == "inject_edge" and len(changed.points) == 19
    assert [(step.index, step.before, step.after) for step in changed.steps] == [(8, 4, 5)]
    [one] = history(root, "lock", "inject_edge", ["new"])[0]
    assert [point.value for point in one.points][7:9] == [2, 3] and one.points[8].commit.startswith("c08")
    assert [one.value for one in history(root, "lock", "sync_empty")[0][0].points] == [0] * 19


def test_times_are_followed_on_one_machine(root):
    series, _ = history(root, "time_ns", "flush_empty", ["old"], {"gic": 2})
    assert [len(one.points) for one in series] == [3, 16]
    assert [len(one.steps) for one in series] == [0, 1]
    assert series[1].steps[0].index == 8 and "Test CPU" in series[1].name


def test_what_is_not_there_is_named(root, tmp_path):
    for arguments, message in (
        (("events", "inject_egde"), "transition 'inject_egde' is in no stored run; did you mean 'inject_edge'"),
        (("lcok", "*"), "metric 'lcok' is in no stored run; did you mean 'lock'"),
        (("events", "*", ["third"]), "no stored run has events"),
        (("events", "*", [], {"gic": 3}), "no stored run has events"),
    ):
        with pytest.raises(UsageError, match=message):
            history(root, *arguments)
    with pytest.raises(UsageError, match="no stored runs"):
        history(tmp_path)
    results().save(tmp_path / "good")
    results().save(tmp_path / "bad")
    (tmp_path / "bad" / "events.parquet").write_bytes(b"PAR1")
    series, unread = history(tmp_path)
    assert len(series) == 5 and len(unread) == 1 and "bad" in unread[0]


def test_plot_is_the_same_every_time(root, tmp_path):
    series, _ = history(root, "time_ns", "flush_empty")
    for name in ("a.svg", "b.svg", "c.png"):
        plot(series, tmp_path / name)
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text() and "day08" in text and "old flush_empty" in text
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="expected a name ending in"):
        plot(series, tmp_path / "a.gif")


def test_json(root):
    data = json.loads(json.dumps(as_json(history(root, "lock")[0]), allow_nan=False))
    [step] = [step for one in data for step in one["steps"]]
    assert step["run"] == "day08" and step["ratio"] == 1.5


def test_the_command(root, tmp_path, capsys, monkeypatch):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["vgic-bench", "history", str(root), *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, *capsys.readouterr()

    status, out, _ = run()
    assert status == 0 and "events over 19 runs: 5 series, 1 with a change" in out and "day08" in out
    status, out, _ = run("--transition=inject_edge", "--designs=new", "--metric=lock", "--plot", tmp_path / "p.svg")
    assert "2 -> 3 (+50.0%)" in out and (tmp_path / "p.svg").exists() and len(out.splitlines()) == 22
    assert json.loads(run("--json", "--vcpus=4", "--pending=0", "--lrs=4", "--irqs=256", "--gic=2")[1])[0]["points"]
    status, _, err = run("--metric", "lokc")
    assert status == 2 and err.startswith("vgic-bench: error: metric 'lokc'")
    assert run("--minimum-effect", "0")[0] == 2
