# SPDX-License-Identifier: GPL-2.0-only
"""Platform files: what is refused, that the built-in ones are whole, and the cycles meter on them."""

from pathlib import Path

import numpy as np
import pytest

from kvmarm.cycles import cost_of, event_prices, switch_cost, switch_cost_by_group, vgic_cost
from kvmarm.el2.switch import WorldSwitch, model_of
from kvmarm.errors import UsageError
from kvmarm.events import EVENT_COUNT, event_names
from kvmarm.platforms import PRICES, TERMS, load_platform, platform_names
from tests.switch_models.recorded import configuration

SHIPPED = Path(__file__).parents[2] / "kvmarm" / "platforms"


@pytest.mark.parametrize("name", platform_names())
def test_shipped_platforms_say_where_every_price_comes_from(name: str) -> None:
    platform = load_platform(name)
    assert platform.name == name
    assert set(platform.prices) == set(PRICES)
    assert set(platform.terms) == set(TERMS)
    for price in (*platform.prices.values(), *platform.terms.values()):
        assert price.source and price.derivation, price.name
    assert any(check.use == "prediction" for check in platform.checks)


def test_a_file_of_ones_own_is_found_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text((SHIPPED / "xgene.toml").read_text().replace('name = "xgene"', 'name = "mine"', 1))
    assert load_platform(str(path)).name == "mine"
    assert load_platform(str(path)).price("gich_read") == load_platform("xgene").price("gich_read")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[prices.store]", "[prices.shop]", "prices.shop: unknown"),
        ("cycles = 3.34", "cycles = -3.34", "prices.store: cycles: -3.34 is negative"),
        ("cycles = 3.34\n", "", "prices.store: cycles: missing"),
        ("cycles = 3.34", 'cycles = "3.34"', "prices.store: cycles: expected a number"),
        ("cycles = 3.34", "cycles = nan", "prices.store: cycles: expected a number"),
        ("gic = 2", "gic = 5", "gic: 5 is not 2 or 3"),
        ("gic = 2\n", "", "gic: missing"),
        ('use = "fit"', 'use = "hope"', "use: 'hope' is not one of fit, prediction"),
        ('certainty = "fitted"', 'certainty = "sure"', "certainty: 'sure' is not one of measured"),
        ("clock_ghz = 2.4", "clock_ghz = ", "not TOML"),
        ("clock_ghz = 2.4", "clock_ghz = 0", "clock_ghz: expected more than 0"),
    ],
)
def test_bad_files_are_refused_with_file_and_field(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    text = (SHIPPED / "xgene.toml").read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError, match=message) as caught:
        load_platform(str(path))
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("terms = 5", "terms: expected an array"),
        ("parts = 3", "parts: expected an array"),
        ("instructions = 4", "instructions: expected a table"),
        ('instructions = {flush_empty = "x"}', "instructions: flush_empty: expected a number"),
        ("note = 3", "note: expected text"),
        ('parts = [{switch = "c", times = "x"}]', r"parts\[0\]: times: expected a whole number"),
        ('parts = [{switch = "c", phases = 3}]', r"parts\[0\]: phases: expected an array"),
        ('parts = [{switch = "c", groups = "all"}]', r"parts\[0\]: groups: expected an array"),
        ('parts = [{switch = "c", options = 3}]', r"parts\[0\]: options: expected a table"),
    ],
)
def test_a_check_of_the_wrong_form_is_refused(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    check = ["[[checks]]", 'name = "x"', "published = 1", 'source = "s"', 'certainty = "read"', 'use = "prediction"']
    text = (SHIPPED / "xgene.toml").read_text()
    path.write_text("\n".join([text, *check, line, ""]))
    with pytest.raises(UsageError, match=message):
        load_platform(str(path))


def test_a_missing_price_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    text = (SHIPPED / "xgene.toml").read_text()
    start = text.index("[prices.lock]")
    path.write_text(text[:start] + text[text.index("[", start + 1) :])
    with pytest.raises(UsageError, match=r"prices\.lock: missing"):
        load_platform(str(path))


def test_unknown_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown platform 'xgen' .*known: cortex-a15"):
        load_platform("xgen")
    with pytest.raises(UsageError, match="cannot be read"):
        load_platform(str(tmp_path / "none.toml"))


def test_a_switch_costs_the_sum_of_its_instructions() -> None:
    platform = load_platform("xgene")
    options = configuration(live_lrs=1)
    ran = WorldSwitch(model_of(options).programs).run(options)
    counts = ran["exit"].counts()
    cost = switch_cost(platform, ran["exit"])
    assert cost.terms["gich_read"] == pytest.approx(counts["gich_read"] * platform.price("gich_read"))
    assert cost.terms["store"] == pytest.approx((counts["gpr_save"] + counts["mem_store"]) * platform.price("store"))
    assert cost.terms["trap"] == platform.price("trap")
    groups = switch_cost_by_group(platform, ran.values())
    both = switch_cost(platform, ran["entry"]) + cost
    assert sum(groups.values()) == pytest.approx(both.total)


def test_gicv3_registers_have_prices_of_their_own() -> None:
    platform = load_platform("neoverse-n1")
    options = configuration(gic="v3", implementation="c48-vhe", live_lrs=1)
    cost = switch_cost(platform, WorldSwitch(model_of(options).programs).run(options)["entry"])
    # ICH_VTR and ICC_SRE read; VMCR, HCR, AP0R, AP1R, LR0 and ICC_SRE written
    assert cost.terms["ich_read"] == 2 * platform.price("ich_read")
    assert cost.terms["ich_write"] == 6 * platform.price("ich_write")
    assert "trap" not in cost.terms


def test_vgic_events_are_priced_by_their_instructions_and_atomics() -> None:
    platform = load_platform("cortex-a15")
    weights = np.zeros(EVENT_COUNT)
    names = event_names()
    weights[names.index("lock")], weights[names.index("list_step")] = 10, 4
    cost = vgic_cost(platform, {"lock": 2, "list_step": 3, "kick": 1}, weights)
    assert cost.terms == {
        "instructions: lock": 20 * platform.price("instruction"),
        "instructions: list_step": 12 * platform.price("instruction"),
        "lock atomics": 2 * platform.price("lock"),
        "host: kick": platform.term("kick"),
    }
    counts = np.zeros(EVENT_COUNT)
    for name, count in {"lock": 2, "list_step": 3, "kick": 1}.items():
        counts[names.index(name)] = count
    assert counts @ event_prices(platform, weights) == pytest.approx(cost.total)


def test_a_design_without_weights_has_one_instruction_an_event() -> None:
    platform = load_platform("xgene")
    cost = vgic_cost(platform, {"list_step": 3}, None)
    assert cost.terms == {"events: list_step": 3 * platform.price("instruction")}


def test_nothing_costs_nothing() -> None:
    assert cost_of(load_platform("xgene"), {}).total == 0
