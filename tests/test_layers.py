# SPDX-License-Identifier: GPL-2.0-only
"""A folder is a layer and imports point downwards only: reports > bench > the four models > kvmarm.

Two seams are deliberate. kvmarm's tables of designs and of world switches load the built-in models by name when first
asked for one, as they load any other by its entry point: kvmarm holds their names, never their modules. And a command
of the command line may end in a report, so `bench/commands/*` may import `reports` inside a function; nothing else in
`bench` may, and no command at its top, where it would slow every start.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmarm import design
from kvmarm.el2 import switch

ROOT = Path(__file__).resolve().parent.parent
MODELS = (*design.BUILT_IN.values(), *switch.BUILT_IN.values())
RANK = {"kvmarm": 0, **dict.fromkeys(MODELS, 1), "bench": 2, "reports": 3}
NAMES = {*design.BUILT_IN, *design.BUILT_IN.values(), *switch.BUILT_IN, *switch.BUILT_IN.values()}
FILES = sorted(path for layer in RANK for path in (ROOT / layer).rglob("*.py"))


def imports(tree: ast.AST, inside: bool = False) -> Iterator[tuple[int, str, bool]]:
    """Yield (line, module, whether inside a function) of each import; a dynamic one counts like any other."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import, expected the full name"
            yield node.lineno, str(node.module), inside
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            # The constant beginning of what is loaded; a name that is not constant comes from a table, not from here.
            first = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
            if isinstance(first, ast.Constant):
                yield node.lineno, str(first.value), inside
        yield from imports(node, inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


def allowed(importer: Path, module: str, inside: bool) -> bool:
    """Return whether the file, relative to the root, may import the module there."""
    own, other = importer.parts[0], module.split(".")[0]
    if other == "tests":
        return False
    if other not in RANK or other == own or RANK[other] < RANK[own]:
        return True
    seam = importer.parts[:2] == ("bench", "commands") or importer == Path("vgic_bench/report_page.py")
    return other == "reports" and seam and inside


def named_designs(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of each comparison with the name of a built-in design or switch, and each such `case`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            sides = [node.value]
        else:
            continue
        for side in sides:
            # A collection of names is as much a comparison with them; a subscript such as row["c"] is a column.
            members = side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]
            for member in members:
                if isinstance(member, ast.Constant) and member.value in NAMES:
                    yield node.lineno if isinstance(node, ast.Compare) else node.value.lineno, str(member.value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    relative = path.relative_to(ROOT)
    wrong = [
        f"{relative}:{line} imports {module}"
        for line, module, inside in imports(ast.parse(path.read_text()))
        if not allowed(relative, module, inside)
    ]
    assert wrong == []


@pytest.mark.parametrize("layer", ["bench", "reports"])
def test_nobody_asks_which_design_it_has_in_hand(layer: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} compares with {name!r}"
        for path in FILES
        if path.relative_to(ROOT).parts[0] == layer
        for line, name in named_designs(ast.parse(path.read_text()))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("kvmarm/x.py", "import vgic_old.state"),
        ("vgic_old/x.py", "from vgic_new import state"),
        ("switch_c_model/x.py", "import vgic_new"),
        ("vgic_new/x.py", "def f():\n    from bench.studies.run import execute"),
        ("bench/x.py", "def f():\n    import reports"),
        ("bench/x.py", "import importlib\nimportlib.import_module('reports')"),
        ("bench/x.py", "from importlib import import_module\nimport_module(f'reports.{name}')"),
        ("bench/commands/x.py", "import reports.svg"),
        ("reports/x.py", "from tests import parse"),
    ],
)
def test_an_import_upwards_or_sideways_is_found(importer: str, source: str) -> None:
    assert not all(allowed(Path(importer), module, inside) for _, module, inside in imports(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    ["if name == 'old': pass", "x = 'c' != name", "name in ('asm', 'c')", "match n:\n    case 'new': pass"],
)
def test_a_question_for_a_design_is_found(source: str) -> None:
    assert list(named_designs(ast.parse(source)))


def test_a_column_called_like_a_design_is_no_question() -> None:
    assert not list(named_designs(ast.parse("rows['c'] != 0")))
