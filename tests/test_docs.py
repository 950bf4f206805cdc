# SPDX-License-Identifier: GPL-2.0-only
"""What is not documented does not exist: every command and option of the command line appears in the documentation."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from vgic_bench.main import COMMANDS, build_app

ROOT = Path(__file__).parent.parent
DOCS = {path: path.read_text() for path in sorted((ROOT / "docs").rglob("*.md"))}


def _leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if not children:
        yield name, command
        return
    for child_name, child in children.items():
        yield from _leaves(child, f"{name} {child_name}")


def _section(command: str) -> str:
    """Return the text of the file that documents `command` by a heading."""
    for text in DOCS.values():
        if re.search(rf"^#+ `?{re.escape(command)}`?\s*$", text, re.MULTILINE):
            return text
    return ""


def test_every_command_and_option_is_documented() -> None:
    missing = []
    count = 0
    for name, command in _leaves(typer.main.get_command(build_app()), "vgic-bench"):
        count += 1
        section = _section(name)
        if not section:
            missing.append(f"no heading `{name}` in docs/")
            continue
        for parameter in command.params:
            for option in parameter.opts:
                # The whole word: --gic is not documented by --gic-base.
                if option.startswith("--") and option != "--help" and not re.search(rf"{option}(?![\w-])", section):
                    missing.append(f"{name}: {option}")
        if not (command.help or "").strip():
            missing.append(f"{name}: no help text")
    assert not missing, "\n".join(missing)
    assert count >= len(COMMANDS)


def test_links_lead_somewhere() -> None:
    broken = []
    for path, text in {**DOCS, ROOT / "README.md": (ROOT / "README.md").read_text()}.items():
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if not target.startswith(("http:", "https:")) and not (path.parent / target).exists():
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert not broken, "\n".join(broken)


def test_commands_that_the_documentation_shows_exist() -> None:
    known = {name for name, _ in _leaves(typer.main.get_command(build_app()), "vgic-bench")}
    prefixes = {" ".join(name.split()[:n]) for name in known for n in (1, 2, 3)}
    unknown = []
    for path, text in {**DOCS, ROOT / "README.md": (ROOT / "README.md").read_text()}.items():
        for words in re.findall(r"vgic-bench((?: [a-z][a-z-]+)+)", text):
            first = f"vgic-bench {words.split()[0]}"
            if first not in prefixes:
                unknown.append(f"{path.relative_to(ROOT)}: {first}")
    assert not unknown, "\n".join(unknown)


def test_options_that_the_documentation_shows_exist() -> None:
    app = typer.main.get_command(build_app())
    known = {"--help", *(option for parameter in app.params for option in parameter.opts)}
    for _, command in _leaves(app, "vgic-bench"):
        known.update(option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts))
    unknown = []
    for path, text in {**DOCS, ROOT / "README.md": (ROOT / "README.md").read_text()}.items():
        for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", text):
            # pytest's own, of the benchmark suite, are its plugin's to document.
            if option not in known and not option.startswith("--benchmark-"):
                unknown.append(f"{path.relative_to(ROOT)}: {option}")
    assert not unknown, "\n".join(unknown)
