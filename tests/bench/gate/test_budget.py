# SPDX-License-Identifier: GPL-2.0-only
import pytest

from bench.gate.budget import Budget, load_budget, nearest
from bench.results.statistics import Policy
from kvmarm.errors import UsageError


def written(tmp_path, text):
    file = tmp_path / "budget.toml"
    file.write_text(text)
    return file


def test_defaults():
    assert load_budget(None) == Budget(Policy(0.03, 0.1, 0.01, 0.9), 0.1, ())


def test_everything_is_read(tmp_path):
    budget = load_budget(
        written(
            tmp_path,
            """
            [time]
            minimum_effect = 0.05
            inconclusive_share = 0
            [[allow]]
            transition = "inject_*"
            event = "lock"
            change = "+1"
            reason = "one more"
            [[allow]]
            design = "new"
            reason = "rewritten"
            """,
        )
    )
    assert budget.policy == Policy(minimum_effect=0.05) and budget.inconclusive_share == 0
    one, two = budget.allowances
    fields = {"transition": "inject_edge", "design": "old", "event": "lock"}
    assert one.matches(fields, 1) and not one.matches(fields, 2) and not one.matches(fields | {"event": "kick"}, 1)
    assert not two.matches(fields, 1) and two.matches(fields | {"design": "new"}, -7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[time", "not TOML"),
        ("[tmie]", r"unknown key 'tmie'; did you mean 'time'\?"),
        ("time = 3", r"expected a table \[time\]"),
        ("[time]\nminimum_efect = 0.1", r"\[time\]: unknown key 'minimum_efect'; did you mean 'minimum_effect'"),
        ("[time]\nminimum_effect = 3", r"minimum_effect=3: expected a number between 0 and 1"),
        ("[time]\nsignificance = true", "significance=True: expected a number"),
        ("[time]\ninconclusive_share = 2", "expected a number from 0 to 1"),
        ("allow = 3", r"expected tables \[\[allow\]\]"),
        ('[[allow]]\ntransition = "x"', r"\[\[allow\]\] 1: reason=None: expected text"),
        ('[[allow]]\nreason = "x"', "names nothing"),
        ('[[allow]]\nreason = "x"\nevent = 3', "event=3: expected text"),
        ('[[allow]]\nreason = "x"\nevent = "lock"\nchange = "more"', "change='more': expected a signed number"),
        ('[[allow]]\nreason = "x"\nevents = "lock"', "unknown key 'events'; did you mean 'event'"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(UsageError, match=message) as caught:
        load_budget(written(tmp_path, text))
    assert "budget.toml" in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load_budget(tmp_path / "none.toml")


def test_unknown_transitions_get_a_suggestion(tmp_path):
    budget = load_budget(written(tmp_path, '[[allow]]\ntransition = "flush_emtpy"\nreason = "x"'))
    with pytest.raises(UsageError, match=r"transition 'flush_emtpy' is unknown; did you mean 'flush_empty'\?"):
        budget.check_names({"flush_empty", "sync_empty"})
    budget.check_names({"flush_emtpy"})
    assert nearest("zzz", {"abc"}) == ""
