# SPDX-License-Identifier: GPL-2.0-only
"""The composite action's script, out of action.yml, run by bash with a `vgic-bench` that notes its arguments."""

import os
import re
import shutil
import subprocess
import textwrap

import pytest

from bench.gate.ci_output import COMMENT_MARK, write_comment
from bench.gate.judge import judge
from tests.bench.results.sample_results import results
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


def test_what_is_asked_for_reaches_the_gate(run):
    _, [_, gate], _ = run(BASELINE="b", SAME_HOST="true", PARTIAL="true", PROCESSES="7")
    assert {"--same-host", "--partial"} <= set(gate) and "--processes" not in gate
    _, [gate], _ = run(AGAINST="main", SAME_HOST="true", PARTIAL="true", PROCESSES="7")
    assert gate[gate.index("--processes") + 1] == "7" and not {"--same-host", "--partial"} & set(gate)


GH = """#!/usr/bin/env bash
printf '%s|' "$@" >>"$RUNNER_TEMP/calls"
echo >>"$RUNNER_TEMP/calls"
if [[ "$2" == --paginate ]]; then printf '%s' "$EARLIER"; fi
"""


@pytest.mark.parametrize(
    ("earlier", "last"), [("", "POST|comments"), ("7\n9\n", "PATCH|one/7")], ids=["first", "replaced"]
)
def test_one_comment_is_kept_up_to_date(tmp_path, earlier, last):
    folder = tmp_path / "vgic-bench-results"
    folder.mkdir()
    write_comment(judge(results(), results()), folder / "comment.md")
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    script, _ = step("Comment")
    assert "        COMMENTS: repos/" in ACTION and "        ONE: repos/" in ACTION
    given = {"COMMENTS": "comments", "ONE": "one", "EARLIER": earlier, "RUNNER_TEMP": str(tmp_path)}
    environment = {**os.environ, **given, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [shutil.which("bash"), "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    subprocess.run(command, env=environment, check=True)
    asked, written = (tmp_path / "calls").read_text().splitlines()
    assert COMMENT_MARK in asked
    assert f"--method|{last}|--field|body=@{folder}/comment.md|" in written


def test_the_cache_key_comes_from_what_is_installed(tmp_path):
    script, _ = step("Install")
    keys = []
    for line in ("kvmarm/a.py,sha256=1,1", "kvmarm/a.py,sha256=1,1", "kvmarm/a.py,sha256=2,1"):
        packages = tmp_path / "vgic-bench" / "lib" / "python3.12" / "site-packages"
        for name in ("vgic_bench-1.0", "numba-0.61", "llvmlite-0.44"):
            (packages / f"{name}.dist-info").mkdir(parents=True, exist_ok=True)
            (packages / f"{name}.dist-info" / "RECORD").write_text(f"{line}\n{name}/__pycache__/a.pyc,,\n")
        lines = [line for line in script.splitlines() if "records" in line]
        output = tmp_path / "out"
        output.write_text("")
        environment = {**os.environ, "RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(output)}
        subprocess.run([shutil.which("bash"), "-eo", "pipefail", "-c", "\n".join(lines)], env=environment, check=True)
        keys.append(re.fullmatch(r"key=([0-9a-f]{16})\n", output.read_text())[1])
    assert keys[0] == keys[1] != keys[2]
    assert "steps.install.outputs.key" in ACTION and "hashFiles" not in ACTION


def test_actions_are_of_fixed_versions():
    for file in (ROOT / "action.yml", *(ROOT / ".github" / "workflows").glob("*.yml")):
        for used in re.findall(r"^[^#\n]*uses: (.+)$", file.read_text(), re.MULTILINE):
            assert used == "./" or re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", used), (file, used)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_the_scripts_are_clean():
    for name in ("Install", "Measure and judge", "Comment"):
        script = "#!/usr/bin/env bash\nset -eo pipefail\n" + step(name)[0]
        done = subprocess.run(["shellcheck", "-"], input=script, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


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
