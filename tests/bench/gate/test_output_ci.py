# SPDX-License-Identifier: GPL-2.0-only
import copy
from xml.etree import ElementTree

from bench.gate.ci_output import annotations, append_summary, markdown, write_junit
from bench.gate.judge import judge
from tests.bench.results.sample_results import COUNTS, results


def failing(name="inject_edge"):
    counts = {(design, name if t == "inject_edge" else t): dict(own) for (design, t), own in COUNTS.items()}
    more = copy.deepcopy(counts)
    more["new", name]["lock"] += 1
    return judge(results(counts), results(more))


def parsed(judgement, tmp_path):
    write_junit(judgement, tmp_path / "gate.xml")
    return ElementTree.parse(tmp_path / "gate.xml").getroot().find("testsuite")


def test_junit_counts_agree_with_its_cases(tmp_path):
    suite = parsed(failing(), tmp_path)
    assert suite.attrib["tests"] == str(len(suite.findall("testcase"))) == "7"
    assert suite.attrib["failures"] == str(len(suite.findall("*/failure"))) == "1"
    assert "2 -> 3 (+1)" in suite.find("*/failure").text
    assert parsed(judge(results(), results()), tmp_path).attrib["failures"] == "0"
    error = parsed(judge(results(), results({})), tmp_path)
    assert error.attrib["errors"] == "1" and "holds no transitions" in error.find("*/error").text
    doubtful = parsed(judge(*(results(seed=n, spread=0.2, session="s") for n in (1, 2))), tmp_path)
    assert doubtful.attrib["failures"] == "0" and int(doubtful.attrib["skipped"]) > 1


def test_names_are_escaped_everywhere(tmp_path):
    judgement = failing('<b>|`"]]>\x01&%\n::error::')
    suite = parsed(judgement, tmp_path)
    assert '<b>|`"]]>\ufffd&%' in suite.find("*/failure").text
    text = markdown(judgement)
    assert "<b>" not in text and "&lt;b>\\|\\`" in text
    assert all(line.startswith("::error title=") and "\n" not in line for line in annotations(judgement))
    assert "%0A" in annotations(judgement)[0] and "%25" in annotations(judgement)[0]


def test_markdown_says_what_the_gate_says(tmp_path):
    text = markdown(failing())
    assert text.startswith("## ❌ vgic-bench gate: regressed\n")
    assert "| new inject\\_edge | lock | 2 | 3 | +1 | regressed |" in text
    assert "| transition | meter | baseline |" in text
    append_summary(judge(results(), results()), tmp_path / "summary.md")
    append_summary(failing(), tmp_path / "summary.md")
    written = (tmp_path / "summary.md").read_text()
    assert "## ✅ vgic-bench gate: pass" in written and "## ❌" in written


def test_annotations_are_errors_only_when_something_failed():
    assert annotations(judge(results(), results())) == []
    assert annotations(failing())[0].startswith("::error title=vgic-bench gate%3A regressed::new inject_edge lock")
    doubtful = annotations(judge(*(results(seed=n, spread=0.2, session="s") for n in (1, 2))))
    assert doubtful and all(line.startswith("::warning") for line in doubtful)
    many = {key: {name: count + 1 for name, count in own.items()} for key, own in COUNTS.items()}
    many["old", "flush_empty"] |= {f"event{n}": 1 for n in range(20)}
    lines = annotations(judge(results(), results(many)))
    assert len(lines) == 10 and lines[-1].endswith("more")
