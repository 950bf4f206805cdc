# SPDX-License-Identifier: GPL-2.0-only
"""The Python face: lazy, safe beside a user's folders, equal to the commands, and true to its documentation."""

import ast
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import vgic_bench as face
from bench.verify.run import Verified
from kvmarm.errors import UsageError
from tests.cli import ROOT
from tests.cli import vgic_bench as command
from vgic_bench import api

PLAIN = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def python(code: str, folder: Path = ROOT) -> str:
    """Return what a fresh interpreter prints, started in a folder that it looks in first."""
    environment = {**PLAIN, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_import_loads_nothing_heavy() -> None:
    loaded = python("import sys, vgic_bench; print(*sys.modules)").split()
    assert "vgic_bench" in loaded
    assert not {"numba", "numpy", "pandas", "typer", "rich", "vgic_bench.api"}.intersection(loaded)


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'ruin'"):
        face.ruin  # noqa: B018  # the access is what is tested
    assert set(face.__all__) <= set(dir(face))


@pytest.mark.parametrize("first", ["import bench.mine, reports", "from vgic_bench import transitions"])
def test_a_users_own_folders_of_the_same_names_are_left_alone(first: str, tmp_path: Path) -> None:
    for name in ("bench", "reports"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text("ANSWER = 42\n")
        (tmp_path / name / "__init__.py").write_text("")
    code = (
        f"{first}\nfrom vgic_bench import transitions\nimport bench.mine, reports.mine\n"
        "print(len(transitions('flush').table()), bench.mine.ANSWER, reports.mine.ANSWER)"
    )
    found = python(code, tmp_path).split()
    assert found[1:] == ["42", "42"] and int(found[0]) > 1


def test_a_folder_of_data_called_like_a_package_is_no_package(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "reports").mkdir()
    assert int(python("from vgic_bench import transitions; print(len(transitions('flush').table()))", tmp_path)) > 1


def test_explain_is_the_commands() -> None:
    told = json.loads(command("explain", "flush_p", "--json", "--gic", "3", NUMBA_DISABLE_JIT="1").stdout)
    counts = {(part["design"], event): count for part in told["designs"] for event, count in part["counts"].items()}
    table = json.loads(
        python("from vgic_bench import explain; print(explain('flush_p', gic=3).table().to_json(orient='records'))")
    )
    assert {(row["design"], row["event"]): row["count"] for row in table} == counts


def test_a_run_a_comparison_and_a_judgement(tmp_path: Path) -> None:
    code = """
        from vgic_bench import run, compare, gate, load, report
        options = dict(gic=2, transitions="flush_p,inject_edge_spi", meters="events,instructions", parts="transitions")
        one = run("old,new", **options, output="one")
        other = run(["old", "new"], **options)
        table = one.table()
        assert list(table["transition"]) == ["flush_p", "inject_edge_spi"], table
        assert list(table.columns) == ["gic", "transition", "unit", "old", "new", "new/old", "mostly"], table
        assert ((table["new"] / table["old"]) - table["new/old"]).abs().max() < 1e-12
        assert one.folder.name == "one" and other.folder is None
        found = compare(one, other, meters="events")
        assert set(found.table()["verdict"]) == {"unchanged"}, found.table()
        judged = gate("one", other, meters=["events"])
        assert (judged.status, judged.outcome, judged.reasons) == (0, "pass", ())
        assert "<table" in one._repr_html_() and "<table" in judged._repr_html_()
        assert load("one").table("events")["count"].sum() == one.table("events")["count"].sum() > 0
        copy = one.table("events"); copy["count"] = 0
        assert one.table("events")["count"].sum() > 0
        assert report(one, "page.html").read_text().startswith("<!doctype html>")
    """
    python(inspect.cleandoc(code), tmp_path)


def test_a_replay_is_the_commands(tmp_path: Path) -> None:
    trace = tmp_path / "small.trace"
    trace.write_text("config gic=2 vcpus=1 irqs=64 lrs=4\ninject 0 40 1\nflush 0\nack 0\neoi 0 @3\nsync 0\n")
    told = json.loads(command("replay", trace, "--json", NUMBA_DISABLE_JIT="1").stdout)
    code = f"from vgic_bench import replay; print(replay({str(trace)!r}).table().to_json(orient='records'))"
    for row in json.loads(python(code)):
        assert row["events"] == sum(told["designs"][row["design"]]["kinds"][row["kind"]]["events"].values())


def test_a_verification_searches_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def search(designs: list[str], task: Any, progress: Any) -> list[Verified]:
        asked.append((designs, [one.name for one in task.configurations], task.limits.depth))
        return [Verified(design, interrupted=design == "new") for design in designs]

    monkeypatch.setattr(api.verify_compiled, "ensure_compiled", lambda *_: 0.0)
    monkeypatch.setattr(api, "verify_designs", search)
    answer = face.verify("old,new", "forwarded SPI level", depth=3)
    [(designs, configurations, depth)] = asked
    assert (designs, depth) == (["old", "new"], 3)
    assert configurations and all("forwarded SPI level" in name for name in configurations)
    assert not answer.closed and face.verify("old").closed
    assert answer.table().empty and {"design", "signature", "required"} <= set(answer.table().columns)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("run(designs='none')", "'none'"),
        ("run(gic=4)", "expected 2 or 3"),
        ("sweep(irqs='1..')", "irqs"),
        ("replay('nowhere.txt', speed=1)", "unknown option 'speed'"),
        ("compare('nowhere', 'elsewhere')", "nowhere"),
        ("explain('flsh')", "did you mean"),
        ("switches(gic=2, colour='red')", "colour"),
        ("platforms('abacus')", "abacus"),
        ("verify(config='abacus')", "no such configuration"),
    ],
)
def test_bad_input_says_what_was_expected(call: str, reason: str) -> None:
    name, _, arguments = call.partition("(")
    tree = ast.parse(f"f({arguments}", mode="eval").body
    assert isinstance(tree, ast.Call)
    positional: list[Any] = [ast.literal_eval(each) for each in tree.args]
    named = {str(each.arg): ast.literal_eval(each.value) for each in tree.keywords}
    with pytest.raises(UsageError, match=reason):
        getattr(face, name)(*positional, **named)


@pytest.mark.parametrize("module", ["vgic_bench", "vgic_bench.api", "vgic_bench.options"])
def test_docstrings_show_what_happens(module: str) -> None:
    found = python(f"import doctest, importlib; print(doctest.testmod(importlib.import_module({module!r})))")
    failed, attempted = (int(word.partition("=")[2].strip(",)")) for word in found.split("(")[-1].split())
    assert attempted > 0 and failed == 0, found


def test_the_documentation_shows_what_happens() -> None:
    found = python(f"import doctest; print(doctest.testfile({str(ROOT / 'docs' / 'api.md')!r}, module_relative=False))")
    assert "failed=0" in found and "attempted=0" not in found, found


def test_the_documentation_names_every_function() -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    assert [name for name in face.__all__ if f"| `{name}(" not in text] == []


def test_the_example_tells_the_designs_apart() -> None:
    text = python(f"import runpy; runpy.run_path({str(ROOT / 'examples' / 'boot_and_compare.py')!r})")
    rows = {line.split()[0]: line.split()[-2:] for line in text.splitlines() if line[:1].isdigit()}
    assert {"1", "2", "3", "4", "5", "9", "11"} == set(rows)
    assert all(int(new) != int(old) for new, old in rows.values())
    assert text.splitlines()[-1].startswith("Locks taken: ")
    assert len((ROOT / "examples" / "boot_and_compare.py").read_text().splitlines()) <= 36


def test_the_notebook_shows_a_table_for_every_cell(tmp_path: Path) -> None:
    cells = (ROOT / "examples" / "which_design_wins.py").read_text().split("# %% ")[1:]
    code = f"""
        import ast
        space = {{}}
        for cell in {[cell.partition(chr(10))[2] for cell in cells]!r}:
            tree = ast.parse(cell)
            last = tree.body.pop()
            exec(compile(tree, "cell", "exec"), space)
            shown = eval(compile(ast.Expression(last.value), "cell", "eval"), space)
            assert "<table" in shown._repr_html_(), cell
        print(shown.loc["flush_p"].to_numpy().max() < 1 < shown.loc["inject_edge_spi"].to_numpy().min())
    """
    assert len(cells) == 4
    assert python(inspect.cleandoc(code), tmp_path) == "True"
    assert not list(tmp_path.iterdir()), "the sweep left something behind"
