# SPDX-License-Identifier: GPL-2.0-only
"""The command line as its users' habits expect it: panels, examples, one spelling per idea, lists, completion."""

import shlex
import subprocess
import sys
from typing import Any

import pytest
import typer.main

from kvmarm.errors import UsageError
from tests.cli import ROOT, assert_refused, vgic_bench
from vgic_bench.groups import ALIASES
from vgic_bench.main import COMMANDS, build_app
from vgic_bench.options import MOST_VALUES, gics_of, numbers_of, one_of, words

APP: Any = typer.main.get_command(build_app())
LEAVES = {
    f"vgic-bench {name}" + (f" {inner}" if inner else ""): leaf
    for name, command in APP.commands.items()
    for inner, leaf in (getattr(command, "commands", None) or {"": command}).items()
}
GROUPS = {f"vgic-bench {name}": command for name, command in APP.commands.items() if hasattr(command, "commands")}
HEAVY = ("numba", "numpy", "pandas", "pyarrow", "matplotlib", "scipy", "joblib", "distributed", "rich")


def context(command: Any, arguments: str) -> Any:
    """Return the context of a command's parsed arguments."""
    return command.make_context("vgic-bench", shlex.split(arguments), resilient_parsing=False)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_list_of_commands_is_in_panels_and_uncut(option: str) -> None:
    done = vgic_bench(option)
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for entry in COMMANDS:
        assert f"{entry.panel}:" in lines
        assert any(line.split() == [entry.name, *entry.help.split()] for line in lines), entry.name


def test_help_loads_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "vgic_bench", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer.core" in loaded
    assert not loaded.intersection(HEAVY)


def test_the_version_is_the_packages() -> None:
    done = vgic_bench("--version")
    assert done.stdout.startswith("vgic-bench ") and done.stdout.split()[1][0].isdigit()


@pytest.mark.parametrize("name", [*LEAVES, *GROUPS])
def test_help_ends_with_examples_that_can_be_parsed(name: str) -> None:
    command = (LEAVES | GROUPS)[name]
    lines = command.get_help(context_of(command, name)).splitlines()
    examples = lines[lines.index("Examples:") + 1 :]
    assert examples
    for line in examples:
        [before, _, after] = line.strip().partition("vgic-bench ")
        assert not before or before.endswith("| "), line
        words = after.partition(" > ")[0]
        leaf = max((each for each in LEAVES if f"vgic-bench {words} ".startswith(f"{each} ")), key=len, default="")
        if leaf:
            context(LEAVES[leaf], f"vgic-bench {words}".removeprefix(leaf))
        else:
            # `gate BASELINE CANDIDATE` is short for `gate check`.
            assert words.startswith("gate "), line


def context_of(command: Any, name: str) -> Any:
    """Return a context to write a command's help in."""
    return command.context_class(command, info_name=name, terminal_width=80)


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_lists_its_commands_uncut(name: str) -> None:
    done = vgic_bench(*name.split()[1:], "-h")
    assert max(len(line) for line in done.stdout.split("Examples:")[0].splitlines()) <= 80
    for inner, command in GROUPS[name].commands.items():
        assert any(line.split() == [inner, *command.short_help.split()] for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("command", "old", "parameter", "value"),
    [
        ("life", "--design old --design new", "designs", ["old", "new"]),
        ("life", "--platform xgene --platform seattle", "platforms", ["xgene", "seattle"]),
        ("life", "--scenario level --scenario idle --gic 2 --gic 3", "scenarios", ["level", "idle"]),
        ("switch steps", "--nr-lr 16 --gic v3", "nr_lr", 16),
        ("switch compare", "--platforms xgene", "platform", ["xgene"]),
        ("switch sweep", "--platform xgene", "platforms", ["xgene"]),
        ("plot", "x --figure states --figure life", "figures", ["states", "life"]),
        ("run", "--design old,new --platform xgene", "designs", ["old,new"]),
        ("trace run", "x.trace --designs old -o out", "design", ["old"]),
        ("replay", "x --platforms xgene", "platform", ["xgene"]),
    ],
)
def test_other_spellings_are_accepted_and_not_shown(command: str, old: str, parameter: str, value: Any) -> None:
    leaf = LEAVES[f"vgic-bench {command}"]
    given = context(leaf, old).params[parameter]
    assert (list(given) if isinstance(given, list | tuple) else given) == value
    shown = leaf.get_help(context_of(leaf, command)).split("Examples:")[0].split()
    hidden = {alias for options in leaf.params for each in options.opts for alias in ALIASES.get(each, ())}
    assert hidden and not hidden.intersection(shown)


def test_the_page_of_an_explanation_has_its_old_name(tmp_path: Any) -> None:
    done = vgic_bench("explain", "flush_p", "--html", tmp_path / "page.html", NUMBA_DISABLE_JIT="1")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_every_option_of_an_idea_has_one_spelling() -> None:
    spelled = {option for leaf in LEAVES.values() for parameter in leaf.params for option in parameter.opts}
    for old in ("--nr-lr", "--scenario", "--figure", "--irq", "--vcpu"):
        assert old not in spelled
    for leaf in LEAVES.values():
        for parameter in leaf.params:
            if "--designs" in parameter.opts or "--platforms" in parameter.opts:
                assert parameter.multiple and parameter.metavar == "A,B"
            if "--gic" in parameter.opts:
                assert parameter.metavar in ("2|3", "2,3")


def test_lists_of_numbers() -> None:
    assert numbers_of("1,2,2,8", "--x") == (1, 2, 8)
    assert numbers_of("2..5", "--x") == (2, 3, 4, 5)
    for form in ("64..1024x2", "64..1024*2"):
        assert numbers_of(form, "--x") == (64, 128, 256, 512, 1024)
    assert numbers_of(f"1..{MOST_VALUES}", "--x")[-1] == MOST_VALUES
    assert numbers_of(7, "--x") == numbers_of([7, 7], "--x") == (7,)
    for wrong in ("a", "1..", "8..1", "1..8x1", "0..8x2", "1..99999999999", "", "1,,2", "1..8x", "1..8y2"):
        with pytest.raises(UsageError, match="--x"):
            numbers_of(wrong, "--x")


def test_lists_of_words_and_versions() -> None:
    assert words(["old, new", "third"]) == ["old", "new", "third"]
    assert gics_of("2,v3,3") == gics_of(["2", "3"]) == [2, 3]
    assert one_of(["old"], "--design") == "old"
    for wrong in ("4", "v", "", "2,"):
        with pytest.raises(UsageError, match="expected 2 or 3"):
            gics_of(wrong)
    with pytest.raises(UsageError, match="--design old,new: expected one name"):
        one_of("old,new", "--design")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("mmio_raed", "mmio_read"),
        ("mmio writ", "mmio_write"),
        ("flsh", "flush"),
        ("world_swich", "world_switch"),
        ("raise_spi", "raise_spi\\*"),
        ("inject_edge_sp", "inject_edge_spi"),
    ],
)
def test_a_mistyped_group_or_transition_gets_the_right_suggestion(typed: str, meant: str) -> None:
    for command in ("run -t {} -o never", "transitions {}"):
        with pytest.raises(UsageError, match=f"did you mean '{meant}'\\?"):
            APP.main([typed if word == "{}" else word for word in command.split()], standalone_mode=False)


def test_a_group_can_be_typed() -> None:
    by_name = vgic_bench("transitions", "mmio_read").stdout
    assert by_name == vgic_bench("transitions", "mmio read").stdout
    assert "mmio_read_CTLR" in by_name and "mmio_write" not in by_name


def test_a_mistyped_command_gets_a_suggestion() -> None:
    assert_refused(vgic_bench("replai"), "No such command 'replai'", "'replay'")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vgic-bench re", {"replay", "record", "results", "report"}),
        ("vgic-bench life --designs old,n", {"old,new"}),
        ("vgic-bench life --platforms xg", {"xgene"}),
    ],
)
def test_a_shell_completes(line: str, expected: set[str]) -> None:
    position = str(len(line.split()) - 1)
    done = vgic_bench(_VGIC_BENCH_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=position)
    assert expected <= set(done.stdout.split())


def test_completing_a_command_loads_none_of_them() -> None:
    script = (
        "import os, sys; from vgic_bench.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    environment = {"_VGIC_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": "vgic-bench r", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert "run" in done.stdout.split()
    assert not {f"vgic_bench.commands.{entry.name}" for entry in COMMANDS}.intersection(done.stderr.split())
