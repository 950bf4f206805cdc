# SPDX-License-Identifier: GPL-2.0-only
"""A folder is a layer: imports point down the ladder, only the front door prints, heavy imports are lazy in one place.

kvmarm's tables of designs and of world switches load the built-in models by name when first asked for one, as they
load any other by its entry point: kvmarm holds their names, never their modules.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmarm import design
from kvmarm.el2 import switch

ROOT = Path(__file__).resolve().parent.parent
MODELS = (*design.BUILT_IN.values(), *switch.BUILT_IN.values())
LADDER: tuple[tuple[str, ...], ...] = (
    ("kvmarm",),
    MODELS,
    ("bench/system",),
    ("bench/recordings", "bench/catalogue", "bench/results"),
    ("bench/engine",),
    ("bench/meters",),
    ("bench/switches",),
    ("bench/replay",),
    ("bench/workloads",),
    ("bench/explain", "bench/verify"),
    ("bench/studies", "bench/contention", "bench/benchmarks"),
    ("bench/gate",),
    ("reports",),
    ("vgic_bench",),
)
"""Bottom to top. A room imports rooms of lower rungs only; rooms on one rung do not import each other."""
RANK = {room: number for number, rung in enumerate(LADDER) for room in rung}
NAMES = {*design.BUILT_IN, *design.BUILT_IN.values(), *switch.BUILT_IN, *switch.BUILT_IN.values()}
FILES = sorted(path for layer in {room.split("/")[0] for room in RANK} for path in (ROOT / layer).rglob("*.py"))
SHIM = Path("bench/cli.py")
"""The command line's former name: it leads up to the front door, and nothing imports it."""
FRONT_DOOR = "vgic_bench"
LAZY = {
    "bench/results/environment.py": "metadata are read without numba; only a run's own need it",
    "bench/meters/compile.py": "the parent looks at stamps; only a compiling process loads the harness",
    "bench/replay/compile.py": "the parent looks at stamps; only a compiling process loads the readers",
    "bench/workloads/__init__.py": "workloads are listed without numba; only one that is loaded is scanned",
    "reports/__init__.py": "`reports` is imported to find its parts, most of which need no page",
    "reports/document.py": "the comparison loads the statistics, which a page without a baseline does not need",
    "vgic_bench/commands/platforms.py": "platforms are listed without the readers of recordings",
    "vgic_bench/commands/replay.py": "only a replay that keeps its results loads pandas",
    "vgic_bench/options.py": "the names to complete are found when a shell asks for them",
}
"""File -> why it imports the project inside a function. Every such file is here, each import counts."""
LAZY_MOST = 15
LINES_MOST = 400
LONG: set[str] = set()
"""Files still to be split."""


def room_of(parts: tuple[str, ...] | list[str]) -> str | None:
    """Return the room that a file's or module's path lies in; None outside of the project and above the rooms."""
    for length in (2, 1):
        if "/".join(parts[:length]) in RANK:
            return "/".join(parts[:length])
    return None


def imports(tree: ast.AST, inside: bool = False) -> Iterator[tuple[int, str, bool]]:
    """Yield (line, module or name in it, whether inside a function) of each import; a dynamic one counts too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import, expected the full name"
            yield from ((node.lineno, f"{node.module}.{alias.name}", inside) for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            # The constant beginning of what is loaded; a name that is not constant comes from a table, not from here.
            first = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
            if isinstance(first, ast.Constant):
                yield node.lineno, str(first.value), inside
        yield from imports(node, inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


def lazily_imported(function: ast.FunctionDef) -> Iterator[tuple[int, str, bool]]:
    """Yield the project's imports inside a function, one entry per statement."""
    for node in ast.walk(function):
        if isinstance(node, ast.ImportFrom):
            yield node.lineno, f"{node.module}.{node.names[0].name}", True
        elif isinstance(node, ast.Import):
            yield node.lineno, node.names[0].name, True


def allowed(importer: Path, module: str) -> bool:
    """Return whether the file, relative to the root, may import the module."""
    parts = module.split(".")
    if parts[0] == "tests":
        return False
    own, other = room_of(importer.parts), room_of(parts)
    if other is None or own == other or importer == SHIM:
        return True
    return own is not None and RANK[other] < RANK[own]


def prints(tree: ast.AST) -> Iterator[int]:
    """Yield the line of each call of print, write to a standard stream, or import of rich."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "print",
            "sys.stdout.write",
            "sys.stderr.write",
            "typer.echo",
        ):
            yield node.lineno
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            if any(name.split(".")[0] == "rich" for name in names):
                yield node.lineno


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
        for line, module, _ in imports(ast.parse(path.read_text()))
        if not allowed(relative, module)
    ]
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_front_door_prints(path: Path) -> None:
    relative = path.relative_to(ROOT)
    wrong = [f"{relative}:{line}" for line in prints(ast.parse(path.read_text()))]
    assert relative.parts[0] == FRONT_DOOR or wrong == []


def test_imports_inside_functions_are_those_on_the_list() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in FILES
        for statement in ast.walk(ast.parse(path.read_text()))
        if isinstance(statement, ast.FunctionDef)
        for _, module, _ in lazily_imported(statement)
        if room_of(module.split("."))
    ]
    assert set(found) == set(LAZY)
    assert len(found) <= LAZY_MOST


def test_files_can_be_held_in_mind() -> None:
    wrong = {
        str(path.relative_to(ROOT)): lines for path in FILES if (lines := path.read_text().count("\n")) > LINES_MOST
    }
    assert set(wrong) <= LONG, wrong


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
        ("bench/engine/x.py", "from bench.meters import weights"),
        ("bench/results/x.py", "from bench.recordings.events import KIND"),
        ("bench/studies/x.py", "from bench.gate.compare import compare"),
        ("bench/gate/x.py", "def f():\n    import reports"),
        ("bench/gate/x.py", "import importlib\nimportlib.import_module('reports')"),
        ("bench/gate/x.py", "from importlib import import_module\nimport_module(f'reports.{name}')"),
        ("bench/x.py", "import bench.engine"),
        ("reports/x.py", "from vgic_bench import console"),
        ("reports/x.py", "from tests import parse"),
    ],
)
def test_an_import_upwards_or_sideways_is_found(importer: str, source: str) -> None:
    assert not all(allowed(Path(importer), module) for _, module, _ in imports(ast.parse(source)))


def test_an_import_inside_a_function_is_found() -> None:
    found = list(imports(ast.parse("def f():\n    from bench.studies.run import execute")))
    assert found == [(2, "bench.studies.run.execute", True)]


@pytest.mark.parametrize(
    "source", ["print(1)", "def f():\n    from rich.table import Table", "import rich", "sys.stderr.write('x')"]
)
def test_a_print_is_found(source: str) -> None:
    assert list(prints(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    ["if name == 'old': pass", "x = 'c' != name", "name in ('asm', 'c')", "match n:\n    case 'new': pass"],
)
def test_a_question_for_a_design_is_found(source: str) -> None:
    assert list(named_designs(ast.parse(source)))


def test_a_column_called_like_a_design_is_no_question() -> None:
    assert not list(named_designs(ast.parse("rows['c'] != 0")))
