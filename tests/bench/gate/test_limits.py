# SPDX-License-Identifier: GPL-2.0-only
"""Limits per event, the word for what only got better, renewing a baseline, and hosts."""

from pathlib import Path

import pytest

from bench.gate.budget import Limit, load_budget
from bench.gate.ci_output import COMMENT_MARK, write_comment, write_junit
from bench.gate.foreign import designs_in
from bench.gate.judge import FAIL, NO_BASELINE, PASS, gate, judge
from bench.gate.renew import renew
from bench.results import exchange
from kvmarm.errors import UsageError
from tests.bench.results.sample_results import COUNTS, results

FLUSH = ("old", "flush_empty")


def changed(**events: int) -> dict[tuple[str, str], dict[str, int]]:
    """Return COUNTS with other counts of one transition."""
    return COUNTS | {FLUSH: COUNTS[FLUSH] | events}


def limited(folder: Path, text: str) -> Path:
    """Write a budget with one limit on words read."""
    path = folder / "budget.toml"
    path.write_text(f'[[limit]]\nevent = "word_read"\nlimit = "{text}"\nreason = "it may vary"\n')
    return path


@pytest.mark.parametrize(
    ("text", "count", "status"),
    [
        ("at most 5", 5, PASS),
        ("at most 5", 6, FAIL),
        ("+1", 5, PASS),
        ("+1", 6, FAIL),
        ("+25 %", 5, PASS),
        ("+24%", 5, FAIL),
    ],
)
def test_a_limit_stands_for_being_the_same(text: str, count: int, status: int, tmp_path: Path) -> None:
    budget = load_budget(limited(tmp_path, text))
    assert judge(results(), results(changed(word_read=count)), budget).status == status


def test_an_absolute_limit_holds_for_what_did_not_change(tmp_path: Path) -> None:
    verdict = judge(results(), results(), load_budget(limited(tmp_path, "at most 3")))
    assert verdict.status == FAIL and ": 4 -> 4 (" in verdict.reasons[0] and "at most 3" in verdict.reasons[0]


@pytest.mark.parametrize("text", ["5", "at least 5", "at most x", "+x %", "-5 %", "at most ١"])
def test_what_is_no_limit_is_said(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\[\[limit\]\] 1: limit='.*': expected 'at most 5'"):
        load_budget(limited(tmp_path, text))


def test_a_share_of_nothing_is_nothing() -> None:
    assert not Limit({}, "+5 %", "", "", share=0.05).holds(0, 1)


def test_what_only_got_better_is_changed_and_renewed(tmp_path: Path) -> None:
    before, after = results().save(tmp_path / "before"), results(changed(word_read=3)).save(tmp_path / "after")
    exchange.write_counts(results(), tmp_path / "counts.json")
    for baseline in (before, tmp_path / "counts.json"):
        verdict = gate(baseline, after)
        assert (verdict.status, verdict.outcome) == (FAIL, "changed")
        assert verdict.renew == f"vgic-bench gate check {baseline} {after} --update"
        renew(baseline, after)
        assert gate(baseline, after).status == PASS
    assert gate(tmp_path / "counts.json", results(changed(word_read=5)).save(tmp_path / "worse")).outcome == "regressed"


def test_a_failure_says_what_failed(tmp_path: Path) -> None:
    verdict = judge(results(), results(changed(lock=2)))
    write_junit(verdict, tmp_path / "junit.xml")
    assert 'message="old flush_empty lock' in (tmp_path / "junit.xml").read_text()
    write_comment(verdict, tmp_path / "comment.md")
    assert (tmp_path / "comment.md").read_text().startswith(f"{COMMENT_MARK}\n## ")


def test_a_meter_that_is_lost_is_no_pass() -> None:
    timed, counted = results(seed=1), results()
    assert judge(timed, counted).status == NO_BASELINE
    assert judge(timed, counted, partial=True).status == PASS
    assert judge(counted, timed).status == PASS


def test_designs_of_a_package_are_found_by_its_entry_points(tmp_path: Path) -> None:
    about = tmp_path / "mine-1.dist-info"
    about.mkdir()
    (about / "entry_points.txt").write_text("[console_scripts]\nx = y:z\n\n[vgic_bench.designs]\nmine = mine:DESIGN\n")
    assert designs_in(tmp_path) == ("mine",)
