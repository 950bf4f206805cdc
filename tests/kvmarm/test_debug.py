# SPDX-License-Identifier: GPL-2.0-only
"""Debugging: assertions of locks, bounds checks and the log in plain Python; not one instruction in compiled code.

The tests that need debugging run in a process of their own, started by the last test.
"""

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kvmarm import design, interface
from kvmarm.config import VmConfig
from kvmarm.design import get_design
from kvmarm.jit import DEBUG, JIT_ENABLED, U64

ROOT = Path(__file__).resolve().parents[2]
CONFIG = VmConfig(gic=3, vcpus=2, irqs=64, lrs=4)
SAYS_SO = re.compile(r"locks?\s+(?:is|are)\s+held")
debugging = pytest.mark.skipif(not DEBUG, reason="asks for VGIC_BENCH_DEBUG=1: run by the last test of this file")
compiled = pytest.mark.skipif(not JIT_ENABLED, reason="looks at compiled code")


def asserted(node: ast.FunctionDef) -> list[ast.stmt]:
    """Return a function's calls of assert_held: after its docstring, `noinline`, a count, the names of the records."""
    start = [ast.unparse(statement) for statement in node.body]
    found = [number for number, text in enumerate(start) if text.removeprefix("locks.").startswith("assert_held(")]
    before = start[1 : max(found, default=0)]
    names = re.compile(r"\w+ = vm\.\w+(\[\w+\])?|(locks\.)?assert_held\([\w.]+\)|events\.count\(.*\)|noinline\(\)")
    assert all(names.fullmatch(text) for text in before), f"{node.name}: something is done before the lock is checked"
    return [node.body[number] for number in found]


def functions() -> list[tuple[str, str, ast.FunctionDef]]:
    """Return (module, design, function) for each function of the built-in designs."""
    return [
        (f"{package}.{path.stem}", name, node)
        for name, package in design.BUILT_IN.items()
        for path in sorted((ROOT / package).glob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    ]


CHECKED = [each for each in functions() if asserted(each[2])]
NAMES = [f"{module}.{node.name}" for module, _, node in CHECKED]


def test_a_function_asserts_the_locks_that_its_docstring_says_are_held() -> None:
    assert len(CHECKED) > 40
    for module, _, node in functions():
        text = " ".join((ast.get_docstring(node) or "").split())
        assert bool(SAYS_SO.search(text)) == bool(asserted(node)), f"{module}.{node.name}"
        calls = sum(isinstance(part, ast.Call) and "assert_held" in ast.unparse(part.func) for part in ast.walk(node))
        assert calls == len(asserted(node)), f"{module}.{node.name}: not at the top"


def arguments(vm: Any, function: Any) -> list[Any]:
    records = {"vm": vm, "observer": None, "irq": vm.irq[32] if "irq" in vm.dtype.names else None}
    names = inspect.signature(function).parameters
    return [records[name] if name in records else np.int64(32 if name == "slot" else 0) for name in names]


@debugging
@pytest.mark.parametrize(("module", "name", "node"), CHECKED, ids=NAMES)
def test_a_lock_that_is_not_held_is_caught(module: str, name: str, node: ast.FunctionDef) -> None:
    vm = get_design(name).create(replace(CONFIG, its=int(get_design(name).has_its)))
    function = getattr(importlib.import_module(module), node.name)
    with pytest.raises(AssertionError, match="the lock is not held"):
        function(*arguments(vm, function))


@debugging
@pytest.mark.parametrize(("name", "module"), [("old", "vgic_old.flush"), ("new", "vgic_new.flush")])
def test_a_flush_that_forgets_its_lock_is_caught(name: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    vm = get_design(name).create(CONFIG)
    for offset, value in ((0, 2), (0x104, 0xFFFFFFFF)):
        interface.mmio_write(vm, 0, interface.DISTRIBUTOR, offset, 4, U64(value), None)
    interface.inject(vm, 0, 40, 1, None)
    for lock in ("acquire", "release", "lock_ap_list", "unlock_ap_list"):
        if hasattr(importlib.import_module(module), lock):
            monkeypatch.setattr(f"{module}.{lock}", lambda *ignored: None)
    if name == "old":
        vm.on_cpu[0, 0] = 1
    with pytest.raises(AssertionError, match="the lock is not held"):
        interface.flush(vm, 0, None)


@debugging
@pytest.mark.parametrize("name", design.BUILT_IN)
def test_an_index_out_of_bounds_is_refused(name: str) -> None:
    vm = get_design(name).create(CONFIG)
    for array in (vm.image[1].lr, vm.vcpu, vm.image["hcr"]):
        with pytest.raises(IndexError):
            array[-1]
        with pytest.raises(IndexError):
            array[np.int64(len(array))] = 0
    vm.image[1].lr[3] = 7
    assert vm.image["lr"][1, 3] == 7, "a checked record is a view of the same memory"


@debugging
def test_operations_are_logged(tmp_path: Path) -> None:
    code = """
        from kvmarm import interface
        from kvmarm.config import VmConfig
        from kvmarm.design import get_design
        from kvmarm.events import new_caller
        vm = get_design("new").create(VmConfig(gic=3, vcpus=2, irqs=64, lrs=4))
        from kvmarm.events import new_caller
        from kvmarm.jit import U64
        caller = new_caller()
        interface.mmio_write(vm, 0, interface.DISTRIBUTOR, 0, 4, U64(2), caller)
        interface.mmio_write(vm, 0, interface.DISTRIBUTOR, 0x104, 4, U64(0xFFFFFFFF), caller)
        interface.inject(vm, 1, 40, 1, caller)
        interface.mmio_read(vm, 0, interface.DISTRIBUTOR, 0x204, 4, caller)
        interface.inject(vm, 1, 99, 1, None)
    """
    wanted = [
        "mmio_write vcpu=0 region=-1 offset=0 size=4 value=0x2 -> 1",
        "mmio_write vcpu=0 region=-1 offset=260 size=4 value=0xffffffff -> 1",
        "inject vcpu=1 intid=40 level=1 -> 0 kicks=0",
        "mmio_read vcpu=0 region=-1 offset=516 size=4 -> 1,0x100",
        "inject vcpu=1 intid=99 level=1 -> -22",
    ]
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == wanted
    file = tmp_path / "operations.log"
    environment = {**os.environ, "VGIC_BENCH_DEBUG_LOG": str(file)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert (file.read_text().splitlines(), done.stderr) == (wanted, "")


def assembly(function: Any, signature: tuple[Any, ...], *, with_assertions: bool) -> str:
    """Return the machine code of a jitted function, compiled now, its symbols numbered in order of appearance."""
    import numba

    tree = ast.parse(textwrap.dedent(inspect.getsource(function.py_func)))
    node = tree.body[0]
    assert isinstance(node, ast.FunctionDef)
    node.decorator_list = []
    if not with_assertions:
        gone = asserted(node)
        node.body = [statement for statement in node.body if statement not in gone]
    space = dict(function.py_func.__globals__)
    exec(compile(tree, "<model>", "exec"), space)
    again = numba.njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True)(space[node.name])
    again.compile(signature)
    symbols: dict[str, str] = {}
    text = again.inspect_asm(again.signatures[0])
    lines = [line for line in text.splitlines() if re.match(r"\t[a-z]|\.?L\w+:", line)]  # instructions, labels
    return re.sub(r"\b_?_ZN\w+|\.const\.\S+", lambda m: symbols.setdefault(m[0], f"s{len(symbols)}"), "\n".join(lines))


@compiled
@pytest.mark.parametrize(
    ("name", "where", "function"),
    [
        ("new", "vgic_new.aplist", "append"),
        ("new", "vgic_new.queue", "target_oracle"),
        ("new", "vgic_new.queue", "queue_and_unlock"),
        ("old", "vgic_old.bitmap", "mark_deliverable"),
        ("old", "vgic_old.update", "update_state"),
    ],
)
def test_compiled_code_is_the_same_without_the_assertions(name: str, where: str, function: str) -> None:
    from numba import typeof, types

    vm = get_design(name).create(CONFIG)
    jitted = getattr(importlib.import_module(where), function)
    known = {"vm": typeof(vm), "observer": types.none, "irq": typeof(vm.irq[32]) if name == "new" else None}
    signature = tuple(known.get(each, types.int64) for each in inspect.signature(jitted.py_func).parameters)
    with_them = assembly(jitted, signature, with_assertions=True)
    assert len(with_them.splitlines()) > 20
    assert assembly(jitted, signature, with_assertions=False) == with_them


@pytest.mark.skipif(DEBUG, reason="this is that process")
def test_debugging() -> None:
    environment = {**os.environ, "VGIC_BENCH_DEBUG": "1"}
    code = "from kvmarm import jit; assert jit.DEBUG and not jit.JIT_ENABLED"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-3000:]
