# SPDX-License-Identifier: GPL-2.0-only
"""The model against published figures: fitted ones must come out, predictions are what they are."""

import json
from dataclasses import replace

import pytest

from bench.switches.listing import direction_of
from bench.switches.platform_checks import evaluate
from bench.switches.platform_fit import fit
from kvmarm.errors import UsageError
from kvmarm.platforms import load_platform, platform_names
from tests.cli import assert_refused, vgic_bench


@pytest.mark.parametrize("name", platform_names())
def test_prices_reproduce_what_they_were_fitted_on(name: str) -> None:
    platform = load_platform(name)
    for outcome in (evaluate(platform, check) for check in platform.checks):
        if outcome.check.use == "fit":
            assert abs(outcome.error) < 0.005, outcome.check.name
        assert outcome.modelled == pytest.approx(sum(outcome.cost.terms.values()))


def test_named_terms_are_in_the_sum_by_name() -> None:
    platform = load_platform("xgene")
    checks = {check.name: check for check in platform.checks}
    with_c = evaluate(platform, checks["hypercall, C switch"])
    assert with_c.cost.terms["term: run_loop"] == platform.term("run_loop")
    assert with_c.cost.terms["gich_read"] == platform.price("gich_read")
    assert with_c.check.use == "prediction"
    with_asm = evaluate(platform, checks["hypercall, assembly switch"])
    assert with_asm.cost.terms["gich_read"] == pytest.approx(11 * platform.price("gich_read"))


@pytest.mark.parametrize("name", platform_names())
def test_fitting_anew_gives_the_prices_of_the_file(name: str) -> None:
    platform = load_platform(name)
    fitted = fit(platform)
    assert {each.name for each in fitted} == {
        price.name for price in (*platform.prices.values(), *platform.terms.values()) if price.certainty == "fitted"
    }
    for each in fitted:
        assert each.solved == pytest.approx(each.in_file, rel=0.01), each.name


def test_too_few_figures_are_refused() -> None:
    platform = load_platform("xgene")
    fewer = replace(platform, checks=platform.checks[:3])
    with pytest.raises(UsageError, match="3 figures to fit do not determine"):
        fit(fewer)


def test_directions() -> None:
    assert direction_of("entry", "host EL1 system registers") == "save"
    assert direction_of("exit", "host EL1 system registers") == "restore"
    assert direction_of("exit", "guest FP registers") == "save"
    assert direction_of("fptrap", "guest FP registers") == "restore"
    assert direction_of("exit", "virtual timer") == "save"


def test_platforms_command() -> None:
    listed = json.loads(vgic_bench("platforms", "--json").stdout)
    assert [row["name"] for row in listed] == list(platform_names())
    checked = vgic_bench("platforms", "xgene", "--check", "--terms")
    assert all(len(line) <= 80 for line in vgic_bench("platforms", "--check").stdout.splitlines())
    assert checked.returncode == 0, checked.stderr
    assert "hypercall, C switch" in checked.stdout and "2,729" in checked.stdout
    assert all(len(line) <= 80 for line in checked.stdout.splitlines())
    rows = json.loads(vgic_bench("platforms", "seattle", "--check", "--json").stdout)
    assert {row["use"] for row in rows} == {"fit", "prediction"}
    assert "estimated" in vgic_bench("platforms", "neoverse-n1", "--prices").stdout


def test_platforms_command_refuses_bad_files() -> None:
    assert_refused(vgic_bench("platforms", "vax"), "unknown platform 'vax'")
    assert_refused(vgic_bench("platforms", "--check", "--fit"), "expected one of them")


def test_fit_command() -> None:
    rows = json.loads(vgic_bench("platforms", "xgene", "--fit", "--json").stdout)
    assert {row["name"] for row in rows} >= {"gich_read", "sysreg_write", "run_loop"}
    assert "gich_read" in vgic_bench("platforms", "seattle", "--fit").stdout
