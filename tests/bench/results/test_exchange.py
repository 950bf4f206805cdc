# SPDX-License-Identifier: GPL-2.0-only
import json
import subprocess
import sys

import pandas as pd
import pyperf
import pytest

from bench.results import exchange
from bench.results.schema import KEY
from bench.results.store import Results
from kvmarm.errors import UsageError
from tests.bench.results.sample_results import ENVIRONMENT, results


def sorted_events(run):
    return run.table("events").sort_values([*KEY, "event"]).reset_index(drop=True)


def test_counts_round_trip_and_are_one_sorted_line_a_transition(tmp_path):
    run = results()
    exchange.write_counts(run, tmp_path / "counts.json")
    back = exchange.load(tmp_path / "counts.json")
    pd.testing.assert_frame_equal(sorted_events(back), sorted_events(run))
    assert list(back.table("transitions")["after"]) == ["pending"] * 5
    lines = (tmp_path / "counts.json").read_text().splitlines()
    named = [line.split('"')[1] for line in lines if line.startswith('"')]
    assert named == ["flush_empty", "inject_edge", "sync_empty", "flush_empty", "inject_edge"]
    run.tables["events"] = run.tables["events"].sample(frac=1, random_state=1)
    run.meta["environment"] = {"cpu_model": "another"}
    exchange.write_counts(run, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text().splitlines() == lines


def test_bad_counts_are_named(tmp_path):
    file = tmp_path / "counts.json"
    exchange.write_counts(results(), file)
    good = json.loads(file.read_text())
    group = good["counts"][0]
    for change, message in (
        ({"format": "other"}, "format is 'other', expected"),
        ({"schema": 9}, "results schema is 9, expected 1"),
        ({"counts": [{"design": "old"}]}, "group 1 of counts: expected design, family"),
        ({"counts": [group | {"transitions": {"t": {"events": {"lock": "x"}}}}]}, "transition 't': field events"),
        ({"counts": [group | {"transitions": {"t": 3}}]}, "transition 't': field events: expected an object of int"),
    ):
        file.write_text(json.dumps(good | change))
        with pytest.raises(UsageError, match=message):
            exchange.load(file)
    file.write_text("{")
    with pytest.raises(UsageError, match="not valid JSON"):
        exchange.load(file)
    file.write_bytes(b"\xff\xfe\x00PAR1")
    with pytest.raises(UsageError, match=r"not valid JSON \(not text\)"):
        exchange.load(file)
    file.write_text("[]")
    with pytest.raises(UsageError, match="expected pytest-benchmark JSON"):
        exchange.load(file)
    with pytest.raises(UsageError, match="does not exist"):
        exchange.load(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="not a results folder"):
        exchange.load(tmp_path / "empty")


def test_csv(tmp_path):
    run = results(seed=1)
    files = exchange.write_csv(run, tmp_path / "all")
    assert [file.name for file in files] == ["events.csv", "samples.csv", "transitions.csv"]
    back = pd.read_csv(tmp_path / "all" / "samples.csv")
    assert back["ns"].tolist() == run.table("samples")["ns"].tolist()
    exchange.write_csv(run, tmp_path / "one.csv", "transitions")
    assert (tmp_path / "one.csv").read_text().splitlines()[0].startswith("design,family,gic,irqs")
    assert "nan" not in (tmp_path / "one.csv").read_text()


def test_pytest_benchmark_round_trip(tmp_path):
    run = results(seed=1)
    exchange.write_pytest_benchmark(run, tmp_path / "b.json")
    back = exchange.load(tmp_path / "b.json")
    order = [*KEY, "process", "position"]
    wanted = run.table("samples").sort_values(order)["ns"].tolist()
    assert back.table("samples").sort_values([*KEY, "process"])["ns"].tolist() == pytest.approx(wanted)
    pd.testing.assert_frame_equal(sorted_events(back), sorted_events(run))
    assert back.meta["environment"] == ENVIRONMENT


def test_pytest_benchmark_itself_reads_what_we_write(tmp_path):
    exchange.write_pytest_benchmark(results(seed=1), tmp_path / "0001_x.json")
    command = [sys.executable, "-m", "pytest_benchmark", "compare", str(tmp_path / "0001_x.json"), "--columns=median"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "flush_empty" in done.stdout


def test_real_pytest_benchmark_files_are_read(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_sum(benchmark):\n    benchmark(sum, range(100))\n")
    for name in ("one", "two"):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
        command += [f"--benchmark-json=runs/{name}.json", "--benchmark-max-time=0.01", "--benchmark-min-rounds=3"]
        (tmp_path / "runs").mkdir(exist_ok=True)
        assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    one, both = exchange.load(tmp_path / "runs" / "one.json"), exchange.load(tmp_path / "runs")
    assert set(one.table("samples")["transition"]) == {"test_it.py::test_sum"}
    assert set(both.table("samples")["process"]) == {0, 1}
    assert one.meta["environment"]["machine"] and one.meta["environment"]["cores"]
    other = json.loads((tmp_path / "runs" / "two.json").read_text())
    other["machine_info"]["machine"] = "aarch64"
    (tmp_path / "runs" / "two.json").write_text(json.dumps(other))
    with pytest.raises(UsageError, match="different machines"):
        exchange.load(tmp_path / "runs")
    del other["benchmarks"][0]["stats"]
    (tmp_path / "runs" / "two.json").write_text(json.dumps(other))
    with pytest.raises(UsageError, match=r"two\.json: benchmark 0: field stats"):
        exchange.load(tmp_path / "runs" / "two.json")


def test_pyperf_reads_what_we_write(tmp_path):
    run = results(seed=1)
    exchange.write_pyperf(run, tmp_path / "p.json")
    suite = pyperf.BenchmarkSuite.load(str(tmp_path / "p.json"))
    assert len(suite) == 5
    benchmark = suite.get_benchmarks()[0]
    assert benchmark.get_nrun() == 12 and len(benchmark.get_values()) == 60
    assert benchmark.median() == pytest.approx(100e-9, rel=0.02)
    with pytest.raises(UsageError, match="no time samples"):
        exchange.write_pyperf(results(), tmp_path / "q.json")


def test_a_folder_is_loaded_as_results(tmp_path):
    results().save(tmp_path / "run")
    assert isinstance(exchange.load(tmp_path / "run"), Results)
    assert set(exchange.load(tmp_path / "run", ["events"]).tables) == {"events"}
