# SPDX-License-Identifier: GPL-2.0-only
"""The public surface of the ground and of the models, and that a `diff -r` of two models shows the redesign.

Read from the sources with `ast`, so that a decorator hides nothing. Public: without a leading underscore.
"""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import vgic_bench
from kvmarm import design, interface
from kvmarm.design import get_design
from kvmarm.el2 import switch
from kvmarm.el2.switch import get_switch

ROOT = Path(__file__).resolve().parent.parent
MODELS = (*design.BUILT_IN.values(), *switch.BUILT_IN.values())
VGICS = tuple(design.BUILT_IN.values())
FILES = sorted(path for layer in ("kvmarm", *MODELS) for path in (ROOT / layer).rglob("*.py"))

# Files that only one of the two VGICs has: what its state makes necessary.
OWN_FILES = {
    "vgic_old": {"bitmap", "lr", "mmio_common", "update"},  # bitmaps, list register words, caches to recompute
    "vgic_new": {
        *("aplist", "mmio_irq", "queue", "regions", "sort"),  # a list per vCPU, its order, who gets it
        *("lpi", "lpi_tables", "its", "its_commands", "its_tables", "mmio_its", "fields"),  # LPIs, which legacy lacks
    },
}
# Functions of a file that both have, in one alone. The legacy VGIC decodes each guest's registers in the module of that
# guest and keeps forwarded interrupts on lists of their own; the redesign dispatches through a table of registers and
# finds and locks one interrupt at a time.
OWN_FUNCTIONS = {
    "vgic_old": {
        "forward": {"search"},
        "mmio_v2": {"read_distributor", "write_distributor"},
        "mmio_v3": {"read_distributor", "write_distributor", "read_redistributor"},
        "sgi": {"dispatch_sgir"},
    },
    "vgic_new": {
        "mmio_v2": {"read", "write", "set_distributor_enable"},
        "mmio_v3": {"read", "write"},
        "sgi": {"write_sgir"},
        "state": {
            "find_irq",
            "find_irq_to_read",
            "is_reserved",
            "lock_ap_list",
            "lock_irq",
            "lock_irq_to_write",
            "unlock_ap_list",
            "unlock_irq",
            "update_level",
        },
    },
}
HEAD = ["Models", "Lock order", "Rules"]
SINCE_FILES = {"its_cache", "vcpus"}  # translations of MSIs that were looked up before; a tree of vCPUs
# What ten years added to a common file, and what they took away: today's VGIC beside the redesign.
SINCE: dict[str, tuple[set[str], set[str]]] = {
    "its_tables": (
        {"clear_entry", "place_of", "place_of_event", "remove_all_collections", "remove_all_devices"},
        {"has_place"},
    ),
    "lpi": (
        {"drop_irq", "drop_reference", "lock_lpi_map", "next_lpi", "release_dropped", "unlock_lpi_map"},
        {"lock_lpi_list", "unlock_lpi_list"},
    ),
    "lpi_tables": ({"invalidate", "invalidate_all", "take_pending_bit", "unlist_lpis"}, set()),
    "queue": ({"request_and_kick"}, set()),
    "state": (
        {
            "is_forwarded_level",
            "is_pending",
            "lock_configuration",
            "physical_line",
            "sends_to_vcpu",
            "set_physical_active",
            "unlock_configuration",
        },
        {"update_level"},
    ),
}
# The two switches: C has what is patched at boot and what the compiler adds in files of their own.
OWN_SWITCH_FILES = {"switch_asm_model": set(), "switch_c_model": {"alternatives", "compiler"}}


def functions(path: Path) -> set[str]:
    """Return the names of a file's public functions."""
    body = ast.parse(path.read_text()).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")}


def modules(package: str) -> dict[str, set[str]]:
    """Return the public functions of each module of a model, by the module's name."""
    return {path.stem: functions(path) for path in (ROOT / package).glob("*.py")}


def public(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Yield the public functions and classes of a module, and the public methods of the latter."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_its_licence_and_what_it_is(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert text.startswith("# SPDX-License-Identifier: GPL-2.0-only\n")
    assert ast.get_docstring(tree), "no docstring at the head"
    assert [f"{node.name}, line {node.lineno}" for node in public(tree.body) if not ast.get_docstring(node)] == []


def test_the_operations_are_the_stubs_of_the_interface() -> None:
    body = ast.parse((ROOT / "kvmarm" / "interface.py").read_text()).body
    stubs = [node for node in body if isinstance(node, ast.FunctionDef) and node.decorator_list]
    names = (*interface.OPERATIONS, *interface.ITS_OPERATIONS)
    assert tuple(node.name for node in stubs) == names
    assert all(ast.unparse(node.decorator_list[0]) == "operation" and len(node.body) == 1 for node in stubs)
    head = inspect.getdoc(interface) or ""
    for name in names:
        parameters = ", ".join(inspect.signature(getattr(interface, name)).parameters)
        assert f"{name}({parameters})" in head, "the signature is not among those at the module's head"


@pytest.mark.parametrize("name", design.BUILT_IN)
def test_a_design_has_every_operation_and_no_other(name: str) -> None:
    loaded = get_design(name)
    assert loaded.name == name
    more = interface.ITS_OPERATIONS if loaded.has_its else ()
    assert set(loaded.functions) == {*interface.OPERATIONS, *more}
    for operation, function in loaded.functions.items():
        plain = getattr(function, "py_func", function)
        own = list(inspect.signature(plain).parameters)
        assert own == list(inspect.signature(getattr(interface, operation)).parameters), operation
        assert plain.__name__ == operation


@pytest.mark.parametrize("name", switch.BUILT_IN)
def test_a_switch_goes_by_its_name(name: str) -> None:
    assert get_switch(name).name == name


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name in VGICS], ids=lambda path: str(path))
def test_a_vgics_file_has_the_head_that_all_have(path: Path) -> None:
    head = ast.get_docstring(ast.parse(path.read_text())) or ""
    parts = head.split("\n\n")
    names = [part.split(":")[0] for part in parts[1:]]
    assert names in (HEAD, [*HEAD, "Work"]), "in this order, no others; Work where the original's cost needs a word"
    assert "\n" not in parts[0] and "Linux" in parts[1]
    assert all(line.startswith(("- ", "  ")) for line in parts[3].splitlines()[1:])


def test_the_two_vgics_have_the_same_files_but_for_their_own() -> None:
    old, new = (set(modules(package)) for package in OWN_FILES)
    assert {"vgic_old": old - new, "vgic_new": new - old} == OWN_FILES


def test_the_two_vgics_do_the_same_job_in_the_same_place() -> None:
    everyone = [modules(package) for package in design.BUILT_IN.values()]
    for operation in (*interface.OPERATIONS, "initialise", "snapshot"):
        # Operations are defined once; a name that a module of its own uses again (is_active of a word) does not count.
        files = [{file for file in side if operation in side[file]} for side in everyone]
        assert set.intersection(*files), f"{operation}: {files}"


def test_today_has_the_files_and_functions_of_the_redesign_but_for_what_is_known() -> None:
    new, now = modules("vgic_new"), modules("vgic_now")
    assert set(now) - set(new) == SINCE_FILES and set(new) <= set(now)
    changes = {file: (now[file] - new[file], new[file] - now[file]) for file in new}
    assert {file: change for file, change in changes.items() if any(change)} == SINCE


@pytest.mark.parametrize("package", OWN_FUNCTIONS)
def test_what_only_one_vgic_has_in_a_common_file_is_known(package: str) -> None:
    other = next(each for each in OWN_FUNCTIONS if each != package)
    own, others = modules(package), modules(other)
    extra = {file: own[file] - others[file] for file in own if file in others}
    assert {file: names for file, names in extra.items() if names} == OWN_FUNCTIONS[package]


def test_the_two_switches_have_the_same_files_but_for_their_own() -> None:
    asm, c = (set(modules(package)) for package in switch.BUILT_IN.values())
    assert {"switch_asm_model": asm - c, "switch_c_model": c - asm} == OWN_SWITCH_FILES


FACE = {
    "compare": "baseline, candidate, meters, minimum_effect",
    "contend": "designs, bodies, threads, guest_time, seconds, vcpus, progress",
    "explain": "target, designs, op, gic, irqs, vcpus, lrs, pending, set_up",
    "gate": "baseline, candidate, budget, meters, partial",
    "life": "designs, platforms, gic, scenarios, irqs, vcpus, lrs, squares",
    "load": "path",
    "platforms": "names, check",
    "replay": "recording, designs, platform, output, progress, options",
    "report": "results, output, baseline",
    "run": "designs, gic, irqs, vcpus, lrs, pending, transitions, catalogue, meters, parts, platforms, processes, "
    "passes, quick, output, progress",
    "sweep": "designs, gic, irqs, vcpus, lrs, pending, live, transitions, catalogue, jobs, output, progress",
    "switches": "platform, options",
    "transitions": "patterns, catalogue",
    "verify": "designs, config, hostile, depth, seconds, progress",
    "workloads": "names, costs, designs, synthetic",
}
"""The Python face: function -> its parameters."""


def test_the_python_face_is_what_users_import() -> None:
    assert {*vgic_bench.__all__} == set(FACE)
    for name, parameters in FACE.items():
        function = getattr(vgic_bench, name)
        assert ", ".join(inspect.signature(function).parameters) == parameters, name
        assert inspect.getdoc(function), name
        assert inspect.signature(function).return_annotation is not inspect.Signature.empty
