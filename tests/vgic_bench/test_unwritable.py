# SPDX-License-Identifier: GPL-2.0-only
"""Output that cannot be written is refused before anything is compiled, measured or read."""

from pathlib import Path
from typing import Any

import pytest
import typer.main

from bench.gate.ci_output import append_summary
from bench.results.folders import check_new_folder
from kvmarm.errors import UsageError
from vgic_bench.main import build_app

NOWHERE = "/proc/vgic-bench/out"
"""Not even root makes files there, whatever its permissions say."""

WORK = (
    "bench.meters.compile.ensure_compiled",
    "bench.studies.run.execute",
    "bench.replay.compile.ensure_compiled",
    "bench.replay.outcome.replay",
    "bench.engine.trace_files.run_file",
    "bench.studies.trace_cost.write_trace_costs",
    "bench.explain.target.resolve",
    "bench.gate.run.two_trees",
    "reports.build",
)


def refused(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    """Run a command that must not come to its work; return what it was refused for."""

    def work(*_: object, **__: object) -> None:
        pytest.fail("the work began")

    for name in WORK:
        monkeypatch.setattr(name, work)
    with pytest.raises(UsageError) as error:
        typer.main.get_command(build_app()).main([str(each) for each in arguments], standalone_mode=False)
    return str(error.value)


@pytest.mark.parametrize(
    "command",
    [
        "run -o",
        "run --quick --no-html -o",
        "sweep -o",
        "replay x.ftrace -o",
        "replay x.ftrace --results",
        "report results -o",
        "trace run x.trace --design old -o",
        "trace cost x.trace -o",
        "predict grid.csv -o",
        "fit -o",
        "explain inject_edge_spi --html",
        "explain inject_edge_spi --perfetto",
        "gate run --against HEAD -o",
        "gate run --against HEAD --junit",
        "gate run --against HEAD --summary",
    ],
)
def test_it_is_refused_first(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    message = refused(monkeypatch, *command.split(), NOWHERE)
    assert message.startswith(NOWHERE) and "cannot be written" in message


def test_two_recordings_are_not_written_to_one_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    message = refused(monkeypatch, "replay", "monday/boot.txt", "tuesday/boot.txt.gz", "-o", tmp_path)
    assert message == f"{tmp_path / 'boot.trace'}: two recordings would be written there, expected different file names"


def test_a_folder_that_holds_something_is_not_a_new_one(tmp_path: Path) -> None:
    check_new_folder(tmp_path)
    check_new_folder(tmp_path / "new" / "run")
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(UsageError, match="already exists"):
            check_new_folder(path)


def test_a_summary_that_cannot_be_written_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.gate.ci_output.markdown", lambda judgement: "")
    judgement: Any = None
    with pytest.raises(UsageError, match="cannot be written"):
        append_summary(judgement, NOWHERE)
