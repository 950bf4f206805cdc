# SPDX-License-Identifier: GPL-2.0-only
import csv
from importlib.resources import files
from pathlib import Path

import pytest

from bench.catalogue.catalogue import STATES, cost_transitions, load_catalogue, parse_catalogue, select
from bench.studies.options import Options, resolve
from kvmarm.config import VmConfig
from kvmarm.errors import UsageError

TEN_LINES = """
[[transition]]
name = "reroute_pending"
group = "mine"
title = "a pending SPI is disabled, routed away and enabled again"
set_up = ["inject 0 34 1", "set ICENABLER 34", "route 34 {last}"]
operation = "set ISENABLER 34"
watch = "34"
before = "pending"
after = "pending"
"""


def test_every_entry_compiles_for_every_configuration_it_applies_to() -> None:
    for config in (VmConfig(2, 1, 64, 1), VmConfig(2, 8, 1024, 4), VmConfig(3, 1, 64, 1), VmConfig(3, 40, 512, 16)):
        for entry in load_catalogue().values():
            if entry.effective_pending(config, 0) is not None:
                assert len(entry.operations(config)) == len(entry.set_up) + 1
                entry.watched(config)


def test_every_measured_transition_of_the_real_code_is_in_the_catalogue() -> None:
    with (files("bench") / "data" / "kernel-cost.csv").open() as file:
        named = {row["transition"] for row in csv.DictReader(file)}
    assert named == set(cost_transitions())


def test_the_edges_cover_every_state_of_every_kind_of_interrupt() -> None:
    names = set(load_catalogue())
    kinds = ("spi_edge", "spi_level", "ppi", "sgi", "timer", "hw_spi_edge", "hw_spi_level")
    every_state = ("raise", "raise_running", "flush", "sync", "query", "disable", "enable", "set_pending", "set_active",
                   "clear_pending", "clear_active", "priority")  # fmt: skip
    for kind in kinds:
        for state in STATES:
            suffix = f"{kind}_{state.replace('+', '_')}"
            assert not [edge for edge in every_state if f"{edge}_{suffix}" not in names]
        for edge in ("eoi", "eoi_drop", "dir", "sync_done"):
            assert {f"{edge}_{kind}_active", f"{edge}_{kind}_active_pending"} <= names
        assert f"ack_{kind}_pending" in names


def test_where_designs_differ_a_reason_is_given() -> None:
    differing = [entry for entry in load_catalogue().values() if len({*entry.after.values()}) > 1]
    assert differing
    assert all(len(entry.why) > 20 for entry in differing)


def test_a_transition_of_ones_own_takes_ten_lines(tmp_path: Path) -> None:
    assert len(TEN_LINES.strip().splitlines()) <= 10
    own = tmp_path / "mine.toml"
    own.write_text(TEN_LINES)
    chosen = select(load_catalogue([own]), ["mine"])
    assert [entry.name for entry in chosen] == ["reroute_pending"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("before", "beforehand"), "before is missing"),
        (('group = "mine"', 'group = "mine"\nwatches = "34"'), "did you mean 'watch'"),
        (('after = "pending"', 'after = "waiting"'), "state 'waiting': expected one of inactive, pending"),
        (('after = "pending"', 'after = {old = "pending", new = "active"}'), "expected `why`"),
        (('watch = "34"', 'watch = "34"\nstanding = "some"'), "standing 'some'"),
        (("[[transition]]", "[[transition"), "not TOML"),
        (("[[transition]]", "[other]"), "no [[transition]]"),
    ],
)
def test_a_wrong_file_is_named_with_what_was_expected(change: tuple[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=r"mine\.toml") as caught:
        parse_catalogue(TEN_LINES.replace(*change, 1), "mine.toml")
    assert says in str(caught.value)


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(TEN_LINES.replace("reroute_pending", "flush_p"))
    with pytest.raises(UsageError, match=r"flush_p: the name is taken by cost\.toml"):
        load_catalogue([own])
    with pytest.raises(UsageError, match="cannot be read"):
        load_catalogue([tmp_path / "absent.toml"])


def test_choosing_by_name_group_and_pattern() -> None:
    catalogue = load_catalogue()
    assert [entry.name for entry in select(catalogue, ["flush_p,sync_idle"])] == ["flush_p", "sync_idle"]
    assert {entry.group for entry in select(catalogue, ["overflow"])} == {"overflow"}
    assert all(entry.name.startswith("eoi_") for entry in select(catalogue, ["eoi_*"]))
    assert len(select(catalogue, [])) == len(catalogue)
    with pytest.raises(UsageError, match="did you mean 'flush_empty'"):
        select(catalogue, ["flush_emty"])


def test_what_an_entry_needs() -> None:
    catalogue = load_catalogue()
    small = VmConfig(2, 1, 64, 4)
    assert catalogue["flush_empty"].effective_pending(small, 1) is None
    assert catalogue["flush_p"].effective_pending(small, 28) == 28
    assert catalogue["flush_p"].effective_pending(small, 29) is None
    assert catalogue["overflow_flush"].effective_pending(small, 0) == 5
    assert catalogue["migrate_sync"].effective_pending(small, 0) is None
    assert catalogue["sgi_active_again"].effective_pending(VmConfig(3, 4, 64, 4), 0) is None


ENTRY = {
    "name": '"mine"',
    "group": '"own"',
    "title": '"t"',
    "operation": '"flush 0"',
    "watch": '"34"',
    "before": '"inactive"',
    "after": '"inactive"',
}


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("name", "3", "name 3: expected text"),
        ("name", '"a,b"', "could not be chosen"),
        ("title", '""', "title '': expected text"),
        ("operation", "[]", "operation .*: expected text"),
        ("set_up", "3", "set_up 3: expected a list"),
        ("set_up", '"flush 0"', "set_up 'flush 0': expected a list"),
        ("watch", "[34]", "watch .*: expected INTID"),
        ("vcpus", '"2"', "vcpus '2': expected a whole number"),
        ("lrs", "0", "lrs 0: expected a whole number"),
        ("gic", "4", "gic 4: expected 2, 3"),
        ("after", "{}", "after: expected a state"),
    ],
)
def test_a_key_of_the_wrong_form_is_named(key: str, value: str, reason: str) -> None:
    text = "[[transition]]\n" + "".join(f"{name} = {ENTRY[name]}\n" for name in ENTRY if name != key)
    parse_catalogue(text + (f"{key} = {ENTRY[key]}\n" if key in ENTRY else ""), "mine.toml")
    with pytest.raises(UsageError, match=rf"mine\.toml: transition .*{reason}"):
        parse_catalogue(f"{text}{key} = {value}\n", "mine.toml")


@pytest.mark.parametrize("text", ["transition = 3", "[transition]\nname = 'x'", "edge = [1]", "[[edge]]\nkinds = 3"])
def test_what_is_no_table_of_entries_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"mine\.toml: "):
        parse_catalogue(text, "mine.toml")


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [("operation", '"bogus 0"', "bogus"), ("watch", '"99999"', "no INTID 99999"), ("watch", '"27@4"', "of vCPU 4")],
)
def test_lines_of_ones_own_are_checked_before_anything_is_compiled(
    key: str, value: str, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[[transition]]\n" + "".join(f"{k} = {v}\n" for k, v in (ENTRY | {key: value}).items()))
    with pytest.raises(UsageError, match=reason):
        resolve(Options(catalogue=[str(path)], transitions=["mine"]))
