# SPDX-License-Identifier: GPL-2.0-only
"""Inputs that once broke a promise, each through every command that reads it, and other programs' results."""

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.results import sample_results
from tests.cli import ROOT
from tests.fuzz.sandbox import Outcome, Sandbox
from tests.fuzz.verdict import faults, snapshot

PACKED = ROOT / "tests" / "data" / "bad.tar.xz"
TRACE = (
    "trace run F --design old -o out",
    "replay F",
    "trace explain F",
    "trace cost F -o c.csv",
)
RESULTS = ("gate check F F", "compare F F", "results show F", "results export F -o exported")

# File -> (commands, status, what the line says).
INPUTS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "int-4301-digits.trace": (TRACE, 2, ":2: INTID '111"),
    "escape-in-config.trace": (TRACE, 2, "\\x1b[31mgic"),
    "long-word.trace": (TRACE, 2, ":2: unknown operation 'xxx"),
    "trace-bomb.trace.xz": (TRACE, 2, "MiB"),
    "trace-dat-zlib-bomb.dat.xz": (("replay F",), 2, "damaged zlib data"),
    "counts-event-too-big.json": (RESULTS, 2, "transition 'flush_p': field events.lock: expected a whole number"),
    "counts-is-number.json": (RESULTS, 2, "field counts: expected an array"),
    "counts-vcpus-is-text.json": (RESULTS, 2, "group 1 of counts: field group.vcpus"),
    "counts-escape-in-state.json": (RESULTS, 0, ""),
    "pytest-benchmark-event-is-text.json": (RESULTS, 2, "benchmark 0: field extra_info.events.lock"),
    "pytest-benchmark-iterations-infinite.json": (RESULTS, 2, "benchmark 0: field stats.iterations"),
    "pytest-benchmark-key-design-null.json": (RESULTS, 2, "benchmark 0: field extra_info.key.design"),
    "pytest-benchmark-machine-info-is-text.json": (RESULTS, 2, "field machine_info: expected an object"),
    "deep.toml": (("platforms F", "transitions --catalogue F", "gate check run run --budget F"), 2, "nested more than"),
    "catalogue-format-attribute.toml": (
        ("run -t my_x --catalogue F --meters events -o out",),
        2,
        "my_x: watch: expected",
    ),
    "catalogue-format-width.toml": (("run -t my_x --catalogue F --meters events -o out",), 2, "unknown name in braces"),
    "not-a-zip.csv.zip": (("predict F -o o.csv", "fit F"), 2, "F: not a CSV table: "),
    "grid-unknown-design.csv": (("predict F -o o.csv",), 2, "F: line 2: design 'odl': "),
    "costs-instructions-5e-324.csv": (("fit F --designs old",), 2, "F: line 2: instructions '5e-324'"),
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seconds=300) as found:
        yield found


def unpack(name: str, folder: Path, to: str) -> None:
    """Write one of the packed files into a folder."""
    with tarfile.open(PACKED) as archive:
        file = archive.extractfile(name)
        assert file is not None
        (folder / to).write_bytes(file.read())


def run(sandbox: Sandbox, line: str, folder: Path, streams: Path) -> Outcome:
    """Run a command and assert that it kept the promises."""
    streams.mkdir(exist_ok=True)
    before = snapshot(folder)
    outcome = sandbox.run(line.split(), folder, streams)
    assert faults(line.split(), outcome, before, snapshot(folder)) == [], outcome
    return outcome


@pytest.mark.parametrize("name", INPUTS)
def test_a_bad_input_is_one_clear_line(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    commands, status, says = INPUTS[name]
    folder = tmp_path / "case"
    folder.mkdir()
    unpack(name, folder, name)
    sample_results.results().save(folder / "run")
    for command in commands:
        outcome = run(sandbox, command.replace("F", name, 2), folder, tmp_path / "streams")
        assert outcome.status == status, outcome
        assert says.replace("F:", f"{name}:") in outcome.err, outcome
        shutil.rmtree(folder / "exported", ignore_errors=True)


@pytest.mark.parametrize("name", ["meta-lone-surrogate.json", "meta-nested-900.json"])
def test_metadata_that_cannot_be_shown(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    sample_results.results().save(tmp_path / "case" / "run")
    unpack(name, tmp_path / "case", "run/meta.json")
    outcome = run(sandbox, "results show run", tmp_path / "case", tmp_path / "streams")
    assert outcome.status == 2 and "run/meta.json: " in outcome.err


def test_a_table_of_odd_types_is_shown_as_text(sandbox: Sandbox, tmp_path: Path) -> None:
    sample_results.results().save(tmp_path / "case" / "run")
    unpack("extra-table-nested.parquet", tmp_path / "case", "run/extra-table-nested.parquet")
    for command in ("results show run --table extra-table-nested", "results export run -o exported"):
        assert run(sandbox, command, tmp_path / "case", tmp_path / "streams").status == 0


def test_other_programs_results_are_read(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    for name in ("extra-info-names_key-a-word", "extra-info-names_processes-a-number", "pyperf_telco"):
        unpack(f"{name}.json", folder, f"{name}.json")
        outcome = run(sandbox, f"results show {name}.json --table samples --rows 0 --json", folder, tmp_path / "s")
        assert outcome.status == 0, outcome
        benchmarks = json.loads((folder / f"{name}.json").read_text())["benchmarks"]
        runs = [run for benchmark in benchmarks for run in benchmark.get("runs", [])]
        held = [run.get("values", []) for run in runs] or [benchmark["stats"]["data"] for benchmark in benchmarks]
        assert outcome.out.count('"ns"') == sum(map(len, held)), outcome.out[:500]
        known = {"k": "tests\\/test_perf.py::test_hash", "p": "test_read[multi]"}
        assert ("telco" if name.startswith("pyperf") else known[name.split("_")[1][0]]) in outcome.out


def test_hosts_are_told_apart(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    for name in ("host-a", "host-b", "host-c-other-cpu-old-cpuinfo"):
        unpack(f"two-hosts_{name}.json", folder, f"{name[:6]}.json")
    for line, status in (
        ("host-a.json host-a.json", 0),
        ("host-a.json host-b.json", 4),
        ("host-a.json host-c.json --same-host", 4),
        ("host-a.json host-c.json", 4),
    ):
        assert run(sandbox, f"compare {line}", folder, tmp_path / "s").status == status, line
    outcome = run(sandbox, "compare host-a.json host-b.json --same-host", folder, tmp_path / "s")
    assert outcome.status == 0 and "test_flush" in outcome.out
