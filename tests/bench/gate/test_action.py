# SPDX-License-Identifier: GPL-2.0-only
"""The composite action's script, out of action.yml, run by bash with a `vgic-bench` that notes its arguments."""

import os
import re
import shutil
import subprocess
import textwrap

import pytest

from tests.cli import ROOT

ACTION = (ROOT / "action.yml").read_text()

STUB = """#!/usr/bin/env bash
printf '%s|' "$@" >>"$RUNNER_TEMP/calls"
echo >>"$RUNNER_TEMP/calls"
case "$1" in run) exit "${RUN_STATUS:-0}";; *) exit "${GATE_STATUS:-0}";; esac
"""


def step(name):
    """Return the script of a step and the names in its `env`."""
    block = re.search(rf"    - name: {name}\n(.*?)(?=\n    - |\Z)", ACTION, re.DOTALL).group(1)
    script = textwrap.dedent(block.split("run: |\n")[1])
    return script, re.findall(r"^        (\w+): \$", block, re.MULTILINE)


@pytest.fixture
def run(tmp_path):
    stub = tmp_path / "vgic-bench" / "bin" / "vgic-bench"
    stub.parent.mkdir(parents=True)
    stub.write_text(STUB)
    stub.chmod(0o755)
    script, names = step("Measure and judge")

    def run(**given):
        defaults = dict.fromkeys(names, "") | {"RUN": "--meters events", "METERS": "events"}
        assert set(given) <= {*names, "RUN_STATUS", "GATE_STATUS"}
        files = {"GITHUB_OUTPUT": str(tmp_path / "out"), "GITHUB_STEP_SUMMARY": "summary.md"}
        environment = {**os.environ, **defaults, **files, "RUNNER_TEMP": str(tmp_path), **given}
        (tmp_path / "calls").write_text("")
        # As GitHub runs `shell: bash`.
        command = [shutil.which("bash"), "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
        calls = [line.split("|")[:-1] for line in (tmp_path / "calls").read_text().splitlines()]
        return done.returncode, calls, (tmp_path / "out").read_text()

    return run


def test_a_stored_baseline(run, tmp_path):
    status, (measured, gate), out = run(BASELINE="a b.json", RUN="--gic 2 --quick", BUDGET="budget.toml")
    assert status == 0 and "status=0" in out
    candidate = f"{tmp_path}/vgic-bench-results/candidate"
    assert measured == ["run", "--gic", "2", "--quick", "-o", candidate]
    assert gate[:2] == ["gate", "check"] and gate[-3:] == ["--", "a b.json", candidate]
    assert gate[gate.index("--budget") + 1] == "budget.toml" and "--annotations" in gate


def test_a_revision(run):
    status, [gate], _ = run(AGAINST="main", METERS="time", RUN="--quick")
    assert status == 0 and gate[:4] == ["gate", "run", "--against", "main"] and gate[-2:] == ["--", "--quick"]


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5])
def test_the_status_is_the_gates(run, code):
    status, _, out = run(BASELINE="b", GATE_STATUS=str(code))
    assert status == code and f"status={code}" in out
    status, _, out = run(BASELINE="b", GATE_STATUS=str(code), ALLOW_INCONCLUSIVE="true")
    assert status == (0 if code == 3 else code) and f"status={code}" in out


def test_a_failed_run_is_judged_when_it_wrote_results_and_ends_the_job_otherwise(run):
    status, calls, _ = run(BASELINE="b", RUN_STATUS="5", GATE_STATUS="5")
    assert status == 5 and len(calls) == 2
    status, calls, out = run(BASELINE="b", RUN_STATUS="2")
    assert status == 2 and len(calls) == 1 and "status=2" in out


def test_inputs_reach_scripts_by_the_environment_only():
    for block in re.findall(r"run: \|\n((?:        .*\n|\n)+)", ACTION):
        assert "${{" not in block


def test_every_input_is_used_and_declared():
    declared = set(re.findall(r"^  ([a-z-]+):\n    description", ACTION.split("outputs:")[0], re.MULTILINE))
    assert declared == set(re.findall(r"inputs\.([a-z-]+)", ACTION))


def test_workflows_name_files_that_exist():
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        for path in re.findall(r"baseline: (\S+)|run: (\.ci/\S+)", workflow.read_text()):
            assert (ROOT / (path[0] or path[1])).exists(), path
