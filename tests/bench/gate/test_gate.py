# SPDX-License-Identifier: GPL-2.0-only
import copy
import json

import pytest

from bench.gate.budget import load_budget
from bench.gate.judge import gate, judge
from bench.results import exchange
from kvmarm.errors import UsageError
from tests.bench.results.sample_results import COUNTS, ENVIRONMENT, results


def with_lock(more=1):
    counts = copy.deepcopy(COUNTS)
    counts["new", "inject_edge"]["lock"] += more
    return counts


def budget(tmp_path, text):
    (tmp_path / "budget.toml").write_text(text)
    return load_budget(tmp_path / "budget.toml")


def test_equal_runs_pass():
    verdict = judge(results(), results())
    assert (verdict.status, verdict.outcome, verdict.reasons, verdict.warnings) == (0, "pass", [], [])


@pytest.mark.parametrize("more", [1, -1])
def test_one_lock_more_or_less_fails(more):
    verdict = judge(results(), results(with_lock(more)))
    assert verdict.status == 1
    [reason] = verdict.reasons
    assert reason.startswith("new inject_edge lock (gic=2 irqs=256") and f"2 -> {2 + more} ({more:+d})" in reason


def test_the_budget_allows_by_name(tmp_path):
    allow = '[[allow]]\ntransition = "inject_*"\nevent = "lock"\nchange = "+1"\nreason = "the list is walked locked"\n'
    limits = budget(tmp_path, allow)
    verdict = judge(results(), results(with_lock()), limits)
    assert verdict.status == 0 and verdict.allowed[0].name == "new inject_edge lock"
    assert "the list is walked locked" in verdict.allowed[0].allowed
    assert judge(results(), results(with_lock(2)), limits).status == 1
    unused = judge(results(), results(), limits)
    assert unused.status == 0 and "allows nothing here" in unused.warnings[0]
    with pytest.raises(UsageError, match="did you mean 'inject_edge'"):
        judge(results(), results(), budget(tmp_path, '[[allow]]\ntransition="inject_egde"\nreason="x"'))


def test_a_changed_state_fails_and_can_be_allowed(tmp_path):
    other = results()
    other.tables["transitions"].loc[0, "after"] = "active"
    assert judge(results(), other).status == 1
    limits = budget(tmp_path, '[[allow]]\ndesign = "old"\ntransition = "flush_empty"\nreason = "corrected"')
    assert judge(results(), other, limits).status == 0


def test_times():
    base = results(seed=1, session="s")
    assert judge(base, results(seed=2, session="s")).status == 0
    slow = judge(base, results(seed=2, session="s", slower={("old", "inject_edge"): 1.05}))
    assert slow.status == 1
    assert "old inject_edge" in slow.reasons[0] and "95 % interval" in slow.reasons[0]
    assert judge(base, results(seed=2, session="s", slower=0.9)).status == 0
    assert judge(base, results(seed=2, session="s", slower=1.5), meters=("events",)).status == 0
    noisy = [results(seed=n, session="s", spread=0.08) for n in (1, 2)]
    doubtful = judge(*noisy)
    assert doubtful.status == 3 and "processes a side would settle it" in " ".join(doubtful.reasons)
    few = [results(seed=n, session="s", processes=2) for n in (1, 2)]
    assert judge(*few).status == 3


def test_a_share_of_inconclusive_rows_may_pass(tmp_path):
    spread = {("new", "sync_empty"): 0.5}
    base, other = (results(seed=seed, session="s", spread=spread) for seed in (1, 2))
    # A summary is judged by itself; here it is as noisy as its noisiest row.
    for run in (base, other):
        run.tables["samples"] = run.tables["samples"].query("design == 'old' or transition == 'sync_empty'")
    lax = judge(base, other, budget(tmp_path, "[time]\ninconclusive_share = 0.5"))
    strict = judge(base, other, budget(tmp_path, "[time]\ninconclusive_share = 0"))
    assert strict.status == 3 and "1 of 3 times are inconclusive" in strict.reasons[0]
    assert lax.status == 0


def test_lost_transitions_and_other_configurations_are_not_comparable():
    fewer = {key: value for key, value in COUNTS.items() if key != ("new", "sync_empty")}
    lost = judge(results(), results(fewer))
    assert lost.status == 4 and "only in the baseline" in lost.reasons[0]
    added = judge(results(fewer), results())
    assert added.status == 0 and "1 transitions have no baseline yet" in added.warnings[0]
    other = results(seed=1, environment=ENVIRONMENT | {"cores": 64})
    assert judge(results(seed=1), other).status == 4
    assert judge(results(seed=1), other, meters=("events",)).status == 0


def test_failed_measurements_come_before_everything():
    assert judge(results(), results(with_lock(), complete=False)).status == 5
    wrong = results()
    wrong.tables["transitions"].loc[0, ["ok", "expected"]] = [False, "active"]
    verdict = judge(results(), wrong)
    assert verdict.status == 5 and "ended in state pending, expected active" in verdict.reasons[0]


def test_files_of_every_kind(tmp_path):
    results(seed=1).save(tmp_path / "run")
    exchange.write_counts(results(), tmp_path / "counts.json")
    exchange.write_pytest_benchmark(results(seed=1), tmp_path / "bench.json")
    exchange.write_pytest_benchmark(results(seed=1, slower=1.5), tmp_path / "slow.json")
    assert gate(tmp_path / "counts.json", tmp_path / "run").status == 0
    assert gate(tmp_path / "bench.json", tmp_path / "bench.json").status == 0
    slow = gate(tmp_path / "bench.json", tmp_path / "slow.json")
    assert slow.status == 1 and all("time" in reason for reason in slow.reasons)


def test_bad_files_have_their_status(tmp_path):
    results().save(tmp_path / "run")
    with pytest.raises(UsageError, match="no baseline") as caught:
        gate(tmp_path / "none", tmp_path / "run")
    assert caught.value.exit_status == 4
    with pytest.raises(UsageError) as caught:
        gate(tmp_path / "run", tmp_path / "none")
    assert caught.value.exit_status == 2
    results().save(tmp_path / "other")
    meta = json.loads((tmp_path / "other" / "meta.json").read_text()) | {"schema": 99}
    (tmp_path / "other" / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(UsageError, match="schema is 99, expected 1") as caught:
        gate(tmp_path / "other", tmp_path / "run")
    assert caught.value.exit_status == 4
    (tmp_path / "run" / "events.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match="truncated") as caught:
        gate(tmp_path / "run", tmp_path / "run")
    assert caught.value.exit_status == 2


def test_json_is_whole():
    data = json.loads(json.dumps(judge(results(seed=1), results(with_lock(), seed=1)).as_json(), allow_nan=False))
    assert data["status"] == 1 and data["failing"] == ["new inject_edge lock"]
    assert len(data["comparison"]["rows"]) == 11
