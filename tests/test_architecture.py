# SPDX-License-Identifier: GPL-2.0-only
"""docs/architecture.md is true: its maps are the code's imports, every package has one, the ladder is the test's."""

import re

import pytest

from tests.draw_maps import LADDER_MAP, MARKED, PAGE, inside, redrawn, reduced, rooms
from tests.test_layers import LADDER, ROOT

TEXT = PAGE.read_text()


def test_the_maps_are_drawn_from_the_code() -> None:
    assert redrawn(TEXT) == TEXT, "run `python -m tests.draw_maps`"


def test_every_package_has_a_map_and_a_sentence() -> None:
    assert [found[1] for found in MARKED.finditer(TEXT)] == [LADDER_MAP, *rooms()]
    for room in rooms():
        section = TEXT.partition(f"\n### {room}\n")[2].partition("<!-- map of ")[0]
        assert section.strip().endswith("."), f"{room}: no sentence says what it is"


def test_the_ladder_is_the_one_that_is_held() -> None:
    shown = TEXT.partition("## The rule")[2].partition("The models are never imported")[0]
    lines = [line for line in shown.splitlines() if line.startswith("    ")]
    known = {room for rung in LADDER for room in rung}
    named = [{word for word in line.split() if word in known} for line in lines]
    assert named == [set(rung) for rung in reversed(LADDER)]


def test_paths_that_the_page_names_exist() -> None:
    for path in re.findall(r"`((?:bench|kvmarm|reports|vgic_\w+|tests|switch_\w+)/[\w./*]+)`", TEXT):
        assert list(ROOT.glob(path.rstrip("/"))), path


@pytest.mark.parametrize("arrows", [{"a": {"b"}, "b": {"a"}}, {"a": {"b"}, "b": {"c"}, "c": {"a"}}])
def test_a_circle_is_found(arrows: dict[str, set[str]]) -> None:
    with pytest.raises(ValueError, match="circle"):
        reduced(arrows)


def test_an_arrow_that_follows_is_left_out() -> None:
    assert reduced({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": {"b"}, "b": {"c"}, "c": set()}


def test_a_map_knows_the_modules() -> None:
    assert "exchange" in inside("bench/results") and "formats/csv" in inside("bench/results")["exchange"]
