# SPDX-License-Identifier: GPL-2.0-only
"""The maps of docs/architecture.md, drawn from the imports of the code: `python -m tests.draw_maps` writes them anew.

A map is a Mermaid flowchart between two comments. An arrow points from a module to one that it imports; an arrow that
follows from others is left out, so that a map shows how a package is built and not every line of it.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path

from tests.test_layers import LADDER, ROOT, imports, room_of

PAGE = ROOT / "docs" / "architecture.md"
MARKED = re.compile(r"<!-- map of ([\w/]+) -->\n.*?<!-- end of map -->", re.DOTALL)
LADDER_MAP = "ladder"

Arrows = dict[str, set[str]]


def rooms() -> list[str]:
    """Return the packages that are mapped, from the top of the ladder down, those that exist."""
    found = [room for rung in reversed(LADDER) for room in rung]
    return [room for room in found if list((ROOT / room).glob("*.py")) and room != "bench/benchmarks"]


@lru_cache(maxsize=1)
def imported() -> dict[str, frozenset[str]]:
    """Return module -> modules of this project that it imports."""
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for room in rooms()
        for path in (ROOT / room).rglob("*.py")
    }
    result = {}
    for module, path in modules.items():
        names = {name for _, name, _ in imports(ast.parse(path.read_text()))}
        # `from a.b import c` is a module a.b.c, or a name of a.b.
        own = {name if name in modules else name.rpartition(".")[0] for name in names}
        result[module] = frozenset(own & set(modules)) - {module}
    return result


def reduced(arrows: Mapping[str, set[str]]) -> Arrows:
    """Return the arrows without those that follow from others. Raises ValueError for a circle."""

    @cache
    def reach(node: str) -> frozenset[str]:
        if node in walking:
            raise ValueError(f"a circle of imports through {node}")
        walking.add(node)
        below = frozenset().union(*(reach(each) | {each} for each in arrows.get(node, ())))
        walking.discard(node)
        return below

    walking: set[str] = set()
    for each in arrows:
        reach(each)
    return {
        node: {each for each in ends if not any(each in reach(other) for other in ends if other != each)}
        for node, ends in arrows.items()
    }


def inside(room: str) -> Arrows:
    """Return the arrows between the modules of a package, by their names within it."""
    package = room.replace("/", ".")

    def short(module: str) -> str:
        return module.removeprefix(f"{package}.").replace(".", "/")

    return {
        short(module): {short(each) for each in ends if each.startswith(f"{package}.")}
        for module, ends in imported().items()
        if module.startswith(f"{package}.")
    }


def between() -> Arrows:
    """Return the arrows between packages."""
    result: Arrows = {room: set() for room in rooms()}
    for module, ends in imported().items():
        own = room_of(module.split("."))
        for each in ends:
            other = room_of(each.split("."))
            if own in result and other in result and own != other:
                result[own].add(other)
    return result


def below(room: str) -> list[str]:
    """Return the packages that a package imports, from the top of the ladder down."""
    return [other for other in rooms() if other in between()[room]]


def flowchart(arrows: Arrows) -> Iterator[str]:
    """Yield the lines of a Mermaid flowchart; nodes with a slash in their name are drawn in a box of their folder."""
    names = {node: f"n{number}" for number, node in enumerate(sorted(arrows))}
    yield "```mermaid"
    yield "flowchart TD"
    folders: dict[str, list[str]] = {}
    for node in sorted(arrows):
        folders.setdefault(node.rpartition("/")[0], []).append(node)
    for folder, nodes in folders.items():
        boxed = len(folders) > 1 and folder
        if boxed:
            yield f'  subgraph {folder.replace("/", "_")}_["{folder}"]'
        for node in nodes:
            yield f'  {names[node]}["{node.rpartition("/")[2]}"]'
        if boxed:
            yield "  end"
    for node, ends in sorted(reduced(arrows).items()):
        for end in sorted(ends):
            yield f"  {names[node]} --> {names[end]}"
    yield "```"


def map_of(subject: str) -> str:
    """Return the map of a package, or of the ladder, as it stands in the page."""
    if subject == LADDER_MAP:
        lines = list(flowchart(between()))
    else:
        lines = list(flowchart(inside(subject)))
        on = ", ".join(f"`{room}`" for room in below(subject))
        lines += ["", f"Imports: {on}." if on else "Imports nothing of the project."]
    return "\n".join([f"<!-- map of {subject} -->", *lines, "<!-- end of map -->"])


def redrawn(text: str) -> str:
    """Return the page with every map drawn from the code as it is."""
    return MARKED.sub(lambda found: map_of(found[1]), text)


if __name__ == "__main__":
    Path(PAGE).write_text(redrawn(PAGE.read_text()))
