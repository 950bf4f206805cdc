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
from kvmarm.errnos import ENODEV
from kvmarm.errors import UsageError
from kvmarm.jit import DEBUG, jit
from kvmarm.state import its_by_type, new_vm, with_sources

ENTRY_POINTS = "vgic_bench.designs"
BUILT_IN = {"old": "vgic_old", "new": "vgic_new"}


@dataclass(frozen=True)
class Design:
    """One VGIC design.

    name: what the command line calls it ("old"). title: one line for users. source: the code modelled and its version.
    dtype: the VM record (kvmarm.state.vm_dtype). its_dtype: that of VMs with an ITS, None for a design without LPIs.
    initialise(vm): puts a zeroed, configured record into its reset state.
    functions: one jitted function for each name in kvmarm.interface.OPERATIONS, with LPIs of ITS_OPERATIONS too.
    package: the package that the design comes from, with its jitted code and its weights.json; `package=__name__` in
    the package's __init__.py. Without it, the package of `initialise`.
    bugs: number in `vm.bug` -> "FILE:LINE" of the BUG_ON. limits: other numbers in `vm.bug` -> what the VM's record has
    no room for. snapshot(vm): the state in words, for explanations: key (such
    as "INTID 34" or "vCPU 0 ap_list") -> value, only what differs from rest. world_switch: the switch it shipped with.
    """

    name: str
    title: str
    source: str
    dtype: np.dtype[Any]
    initialise: Callable[[Any], None]
    functions: Mapping[str, Callable[..., Any]]
    bugs: Mapping[int, str] = field(default_factory=dict)
    limits: Mapping[int, str] = field(default_factory=dict)
    its_dtype: np.dtype[Any] | None = None
    snapshot: Callable[[Any], dict[str, str]] = lambda vm: {}
    world_switch: str = "c"
    package: str = ""

    def __post_init__(self) -> None:
        if not self.package:
            module = self.initialise.__module__
            object.__setattr__(self, "package", module.rpartition(".")[0] or module)
        object.__setattr__(self, "dtype", with_sources(self.dtype, self.package))
        if self.its_dtype is not None:
            object.__setattr__(self, "its_dtype", with_sources(self.its_dtype, self.package))

    @property
    def has_its(self) -> bool:
        """Whether the design has LPIs and an ITS."""
        return self.its_dtype is not None

    def create(self, config: VmConfig) -> Any:
        """Return a VM record (numpy.record) in its reset state, as after KVM_DEV_ARM_VGIC_CTRL_INIT.

        Raises UsageError for an ITS that the design does not have.
        """
        dtype = self.its_dtype if config.its else self.dtype
        if dtype is None:
            raise UsageError(f"its=1: design {self.name!r} has no LPIs and no ITS, expected its=0")
        vm = new_vm(dtype, config)
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


@jit
def _signal_no_msi(vm: Any, device: Any, event: Any, observer: Any) -> Any:
    """Answer an MSI for a VM without an ITS."""
    return ENODEV


_WITHOUT_ITS: dict[str, Callable[..., Any]] = {"signal_msi": _signal_no_msi}
"""What operations of the ITS do in a VM that has none."""


def _function(design: Design, operation: str, vm_type: Any) -> Callable[..., Any]:
    if operation in _WITHOUT_ITS and not its_by_type(vm_type):
        return _WITHOUT_ITS[operation]
    return design.functions[operation]


def _by_its_marker(marker: str) -> Design:
    if marker not in _by_marker:
        get_design(marker.removeprefix("design_"))
    return _by_marker[marker]


def design_of(vm: Any) -> Design:
    """Return the design a VM record belongs to."""
    return _by_its_marker(_marker(vm.dtype.names))


def implementation(vm: Any, operation: str) -> Callable[..., Any]:
    """Return the function of `operation` for a VM record; for the interface stubs in plain Python."""
    function = _function(design_of(vm), operation, vm.dtype)
    return traced(operation, function) if DEBUG else function


def implementation_for_type(vm_type: Any, operation: str) -> Callable[..., Any]:
    """Return the jitted function of `operation` for a numba Record type; for the interface stubs while compiling."""
    return _function(_by_its_marker(_marker(vm_type.fields)), operation, vm_type)
