# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench report` and `plot`: files, output, and bad input in one line."""

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kvmarm.errors import UsageError
from reports import answer
from reports.data import Report
from reports.figures import FIGURES
from reports.plot import plot
from tests.reports import synthetic
from vgic_bench.main import build_app


def _run(*arguments: Any) -> Any:
    return CliRunner().invoke(build_app(), [str(argument) for argument in arguments])


@pytest.mark.usefixtures("empty_figures")
def test_report_writes_the_page_and_prints_the_verdict(run_folder: Path, tmp_path: Path) -> None:
    done = _run("report", run_folder, "-o", tmp_path / "page.html")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert "MMIO is infrequent" in done.stdout and "holds" in done.stdout
    text = " ".join(done.stdout.split())
    assert all(" ".join(sentence.split()) in text for sentence in answer.verdict(Report(run_folder)))
    assert len(done.stdout.splitlines()) <= 24


@pytest.mark.usefixtures("empty_figures")
def test_report_as_json(run_folder: Path, tmp_path: Path) -> None:
    done = _run("report", run_folder, "-o", tmp_path / "page.html", "--json")
    document = json.loads(done.stdout)
    assert document["bytes"] == (tmp_path / "page.html").stat().st_size
    assert len(document["claims"]) == 5
    assert all(set(claim) == {"claim", "verdict", "figures", "rule"} for claim in document["claims"])
    assert not any("<" in text for claim in document["claims"] for text in claim["figures"].values())


def test_a_report_loads_neither_the_compiler_nor_the_frame_library(run_folder: Path, tmp_path: Path) -> None:
    """They take longer to load than a page takes to make."""
    program = (
        "import sys; from vgic_bench.main import main; sys.argv = ['vgic-bench', *sys.argv[1:]]\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(*sorted({'pandas', 'numba', 'scipy', 'matplotlib.pyplot'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "report", run_folder, "-o", tmp_path / "page.html"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (tmp_path / "page.html").exists() and done.stderr == "\n"


@pytest.mark.usefixtures("empty_figures")
def test_report_of_a_folder_whose_name_is_not_utf8(run_folder: Path, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"run\xff")
    shutil.copytree(run_folder, odd)
    done = _run("report", odd, "-o", tmp_path / "page.html")
    assert done.exit_code == 0, done.output
    assert "<title>vgic-bench: run?" in (tmp_path / "page.html").read_text()


def test_report_of_what_is_no_results_folder(tmp_path: Path) -> None:
    done = _run("report", tmp_path / "nowhere", "-o", tmp_path / "page.html")
    assert isinstance(done.exception, UsageError) and done.exception.exit_status == 2
    assert "nowhere" in str(done.exception) and not (tmp_path / "page.html").exists()


def test_plot_writes_every_figure_that_has_data(run_folder: Path, tmp_path: Path) -> None:
    done = _run("plot", run_folder, "-o", tmp_path)
    assert done.exit_code == 0, done.output
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"{name}.{kind}" for name in FIGURES if name != "scaling" for kind in ("svg", "png")}
    for path in tmp_path.glob("*.svg"):
        root = ElementTree.parse(path).getroot()
        assert root.tag.endswith("svg") and "var(" not in path.read_text()
    for path in tmp_path.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")


def test_plot_is_repeatable(run_folder: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        plot(run_folder, tmp_path / folder, ["states", "life"])
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_plot_draws_scaling_of_a_sweep(sweep_folder: Path, tmp_path: Path) -> None:
    assert [path.name for path in plot(sweep_folder, tmp_path, ["scaling"], ["svg"])] == ["scaling.svg"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--figure", "nothing"], "expected one of states"),
        (["--format", "gif"], "expected svg or png"),
        (["--figure", "scaling"], "nothing in it for the figure 'scaling'"),
    ],
)
def test_plot_refuses(run_folder: Path, tmp_path: Path, arguments: list[str], expected: str) -> None:
    done = _run("plot", run_folder, "-o", tmp_path, *arguments)
    assert isinstance(done.exception, UsageError) and expected in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_plot_lists(run_folder: Path) -> None:
    assert set(json.loads(_run("plot", "--list", "--json").stdout)) == set(FIGURES)
    assert isinstance(_run("plot").exception, UsageError)


def test_dollar_signs_and_odd_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    results = synthetic.results(samples=2)
    results.tables["transitions"]["transition"] = results.tables["transitions"]["transition"] + " $x_1$ \x01"
    folder = results.save(tmp_path / "results")
    (path,) = plot(folder, tmp_path / "figures", ["heatmap"], ["svg"])
    assert "$x_1$" in path.read_text()
    ElementTree.parse(path)
