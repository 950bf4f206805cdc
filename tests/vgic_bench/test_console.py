# SPDX-License-Identifier: GPL-2.0-only
"""Tables: one row is one line at every width and in a pipe, every name and figure whole; one screen without --all."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.results.store import Results
from reports import answer
from reports.data import Report
from tests.reports import synthetic
from tests.reports.test_designs import with_designs
from vgic_bench import console
from vgic_bench.show import compare, history, life, platforms, replay, results, run, switches, workloads


class Terminal(io.StringIO):
    """Standard output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _manner() -> Iterator[None]:
    yield
    console.manner.form, console.manner.everything = "table", False


def shown(monkeypatch: pytest.MonkeyPatch, width: int | None, call: Any) -> list[str]:
    """Return the lines that a call prints at a terminal so wide, in a pipe for None."""
    out = Terminal() if width else io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setenv("COLUMNS", str(width or 80))
    monkeypatch.setenv("TERM", "xterm")
    call()
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()


ROWS = [
    ["mmio_write_ISENABLER_x32", "334/305/257", "1,971", "word_and 459->0 and much more that nobody has to read"],
    ["a name [with] spaces", "?/4", "7", ""],
    ["n", "–", "1,234,567,890", "short"],
]
HEADS = ["transition", ">ns each", ">old, instructions of the kernel", "~mostly"]


@pytest.mark.parametrize("width", [40, 60, 80, 160, None])
def test_names_and_figures_stay_whole_on_one_line(width: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, width, lambda: console.print_table(HEADS, ROWS, "Costs"))
    assert lines[0] == "Costs"
    for row in ROWS:
        [line] = [line for line in lines if line.startswith(f"{row[0]} ") and row[2] in line]
        assert all(figure in line for figure in row[1:3])
        assert width is not None or line.rstrip().endswith(row[3]), "in a pipe prose is whole too"
    if width in (60, 80):
        assert max(len(line.rstrip()) for line in lines) <= max(width, 60) + 8 and "…" in "".join(lines)


@pytest.mark.parametrize("form", ["tsv", "md", "json"])
def test_the_forms_for_programs_have_every_cell(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    console.manner.form = form
    lines = shown(monkeypatch, 60, lambda: console.print_table(HEADS, ROWS, "Costs", most=1))
    if form == "json":
        [document] = map(json.loads, lines)
        assert [list(row.values()) for row in document["rows"]] == ROWS
    else:
        own = [re.split(r"\t| \| ?", line.strip("| ")) for line in lines]
        assert all(any([c.strip() for c in row if c] == [c.strip() for c in line if c] for line in own) for row in ROWS)


def test_one_screen_unless_every_row_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def call() -> None:
        console.print_table(["n"], [[f"row{k}"] for k in range(30)], most=5)

    assert len(shown(monkeypatch, None, call)) == 31, "what reads a pipe gets every row"
    cut = [line.rstrip() for line in shown(monkeypatch, 80, call)]
    assert cut[1:] == [*(f"row{k}" for k in range(5)), "… 25 more of 30 rows: --all"]
    console.manner.everything = True
    assert len(shown(monkeypatch, 80, call)) == 31


def _answer(made: Results, folder: Path) -> Any:
    outcome: Any = SimpleNamespace(results=made, unexpected=[], failures=[])
    return lambda: run.print_run(outcome, folder, None)


@pytest.mark.parametrize("width", [80, None])
@pytest.mark.parametrize("names", [("old", "new"), ("new", "old"), ("old", "new", "now")])
def test_a_run_ends_with_one_screen_that_answers(
    names: tuple[str, ...], width: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = synthetic.results(samples=0) if names == ("old", "new") else with_designs(*names)
    folder = made.save(tmp_path / "run")
    made = Results.load(folder)
    lines = shown(monkeypatch, width, _answer(made, folder))
    assert len(lines) <= console.SCREEN, "\n".join(lines)
    text = " ".join(lines)
    report = Report(folder)
    for sentence in answer.verdict(report):
        assert sentence in text
    for pair in report.pairs:
        first = answer.groups(pair)[0]
        [line] = [line for line in lines if line.startswith(f"{first.name}  ")]
        assert all(f"{ratio:.2f}" in line for ratio in first.ratios.values())
    assert str(folder) in text


def test_every_row_is_there_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = synthetic.results(samples=0)
    folder = made.save(tmp_path / "run")
    made = Results.load(folder)
    made.meta["configuration"] |= {"vcpus": 4, "lrs": 4}
    console.manner.everything = True
    lines = shown(monkeypatch, 60, _answer(made, folder))
    table = made.tables["transitions"]
    for name, figure in zip(table["transition"], table["instructions"], strict=True):
        if figure == figure:
            assert any(name in line and f"{figure:,.0f}" in line for line in lines), name


def test_no_module_prints_tables_in_a_way_of_its_making() -> None:
    for module in (compare, history, life, platforms, replay, results, run, switches, workloads):
        text = Path(module.__file__).read_text()
        assert "print_table(" in text and "rich" not in re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE)
