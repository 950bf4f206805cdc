# SPDX-License-Identifier: GPL-2.0-only
"""What a VGIC design is to the rest of the project, and the table of designs.

The two built-in designs are named here and loaded when first asked for. Another design comes by the entry point group
`vgic_bench.designs`: an entry NAME = "package:DESIGN" whose object is a `Design`.
"""

import difflib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kvmarm.config import VmConfig
from kvmarm.debug import traced
from kvmarm.errors import UsageError
from kvmarm.jit import DEBUG
from kvmarm.state import new_vm, with_sources

ENTRY_POINTS = "vgic_bench.designs"
BUILT_IN = {"old": "vgic_old", "new": "vgic_new"}


@dataclass(frozen=True)
class Design:
    """One VGIC design.

    name: what the command line calls it ("old"). title: one line for users. source: the code modelled and its version.
    dtype: the VM record (kvmarm.state.vm_dtype). initialise(vm): puts a zeroed, configured record into its reset state.
    functions: one jitted function for each name in kvmarm.interface.OPERATIONS.
    package: the package that the design comes from, with its jitted code and its weights.json; `package=__name__` in
    the package's __init__.py. Without it, the package of `initialise`.
    bugs: number in `vm.bug` -> "FILE:LINE" of the BUG_ON. snapshot(vm): the state in words, for explanations: key (such
    as "INTID 34" or "vCPU 0 ap_list") -> value, only what differs from rest. world_switch: the switch it shipped with.
    """

    name: str
    title: str
    source: str
    dtype: np.dtype[Any]
    initialise: Callable[[Any], None]
    functions: Mapping[str, Callable[..., Any]]
    bugs: Mapping[int, str] = field(default_factory=dict)
    snapshot: Callable[[Any], dict[str, str]] = lambda vm: {}
    world_switch: str = "c"
    package: str = ""

    def __post_init__(self) -> None:
        if not self.package:
            module = self.initialise.__module__
            object.__setattr__(self, "package", module.rpartition(".")[0] or module)
        object.__setattr__(self, "dtype", with_sources(self.dtype, self.package))

    def create(self, config: VmConfig) -> Any:
        """Return a VM record (numpy.record) in its reset state, as after KVM_DEV_ARM_VGIC_CTRL_INIT."""
        vm = new_vm(self.dtype, config)
        self.initialise(vm)
        return vm


_loaded: dict[str, Design] = {}
_by_marker: dict[str, Design] = {}


def _marker(names: Any) -> str:
    for name in names:
        if name.startswith("design_"):
            return str(name)
    raise TypeError("not a VM record: its dtype has no design_… marker field")


def register(design: Design) -> Design:
    """Add a design to the table (a design of the same name is replaced) and return it."""
    _loaded[design.name] = design
    _by_marker[_marker(design.dtype.names)] = design
    return design


def design_names() -> list[str]:
    """Return the names of all designs, built-in ones first, then those found by entry point."""
    from importlib.metadata import entry_points

    found = [entry.name for entry in entry_points(group=ENTRY_POINTS)]
    names = [*BUILT_IN, *sorted(found), *_loaded]
    return list(dict.fromkeys(names))


def get_design(name: str) -> Design:
    """Return the design called `name`. Raises UsageError with the nearest name when there is none."""
    if name in _loaded:
        return _loaded[name]
    if name in BUILT_IN:
        return register(importlib.import_module(BUILT_IN[name]).DESIGN)
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name == name:
            design = entry.load()
            if not isinstance(design, Design):
                raise UsageError(f"design {name!r}: entry point {entry.value} is not a kvmarm.design.Design")
            return register(design)
    near = difflib.get_close_matches(name, design_names(), 1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"unknown design {name!r}{hint} (known: {', '.join(design_names())})")


def _by_its_marker(marker: str) -> Design:
    if marker not in _by_marker:
        get_design(marker.removeprefix("design_"))
    return _by_marker[marker]


def design_of(vm: Any) -> Design:
    """Return the design a VM record belongs to."""
    return _by_its_marker(_marker(vm.dtype.names))


def implementation(vm: Any, operation: str) -> Callable[..., Any]:
    """Return the function of `operation` for a VM record; for the interface stubs in plain Python."""
    function = design_of(vm).functions[operation]
    return traced(operation, function) if DEBUG else function


def implementation_for_type(vm_type: Any, operation: str) -> Callable[..., Any]:
    """Return the jitted function of `operation` for a numba Record type; for the interface stubs while compiling."""
    return _by_its_marker(_marker(vm_type.fields)).functions[operation]
