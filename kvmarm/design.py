# SPDX-License-Identifier: GPL-2.0-only
"""What a VGIC design is to the rest of the project, and the table of designs.

The built-in designs are named here and loaded when first asked for. Another design comes by the entry point group
`vgic_bench.designs`: an entry NAME = "package:DESIGN" whose object is a `Design`.
"""

import difflib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from typing import Any

import numpy as np

from kvmarm.built_in import DESIGNS as BUILT_IN
from kvmarm.config import VmConfig
from kvmarm.debug import traced
from kvmarm.errnos import ENODEV
from kvmarm.errors import UsageError
from kvmarm.jit import DEBUG, jit
from kvmarm.sources import sources_hash
from kvmarm.state import its_by_type, new_vm, with_sources

ENTRY_POINTS = "vgic_bench.designs"


@dataclass(frozen=True)
class Design:
    """One VGIC design.

    name: what the command line calls it ("old"). title: one line for users. source: the code modelled and its version.
    dtype: the VM record (kvmarm.state.vm_dtype). its_dtype: that of VMs with an ITS, None for a design without LPIs.
    To both a field is added that is named by a hash of all sources that the functions' modules import.
    initialise(vm): puts a zeroed, configured record into its reset state.
    functions: one jitted function for each name in kvmarm.interface.OPERATIONS, with LPIs of ITS_OPERATIONS too.
    bugs: number in `vm.bug` -> "FILE:LINE" of the BUG_ON. limits: other numbers in `vm.bug` -> what the VM's record has
    no room for. snapshot(vm): the state in words, for explanations: key (such
    as "INTID 34" or "vCPU 0 ap_list") -> value, only what differs from rest. world_switch: the switch it shipped with.
    weights: instructions per event, if they are not in a file. package: the name of the package that holds
    `weights.json` and `prior.toml`, None for a design without. origin: where it comes from, for users; the table of
    designs fills in both for what came by entry point.
    scratch: fields of the record ("vcpu.waiting", "vcpu.cache.2") that no operation reads before it writes them.
    reloads: an entry loads every register of the interface, so that what they hold while the vCPU is out has no effect.
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
    weights: Mapping[str, float] | None = None
    package: str | None = None
    origin: str = ""
    scratch: tuple[str, ...] = ()
    reloads: bool = False

    def __post_init__(self) -> None:
        """Key the record by the sources of the functions."""
        plain = [getattr(function, "py_func", function) for function in self.functions.values()]
        sources = sources_hash(function.__module__ for function in (*plain, self.initialise))
        object.__setattr__(self, "dtype", with_sources(self.dtype, sources))
        if self.its_dtype is not None:
            object.__setattr__(self, "its_dtype", with_sources(self.its_dtype, sources))

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


_MARKER = "design_"
_loaded: dict[str, Design] = {}
_by_marker: dict[str, Design] = {}


def _marker(names: Any) -> str:
    for name in names:
        if name.startswith(_MARKER):
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


def _loaded_from(entry: EntryPoint) -> Design:
    """Load the design of an entry point. Raises UsageError for one that cannot be loaded or is none."""
    where = f"design {entry.name!r}: entry point {entry.value}"
    try:
        design = entry.load()
    except Exception as error:  # somebody else's module may raise anything
        raise UsageError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(design, Design):
        raise UsageError(f"{where} is not a kvmarm.design.Design")
    if design.name != entry.name:
        raise UsageError(f"{where} calls itself {design.name!r}, expected {entry.name!r}")
    if _marker(design.dtype.names) != f"{_MARKER}{entry.name}":
        raise UsageError(f"{where}: the VM record is not of vm_dtype({entry.name!r}, …), expected the design's name")
    package = design.package
    if package is None:
        top = entry.module.split(".")[0]
        spec = find_spec(top)
        package = top if spec is not None and spec.submodule_search_locations is not None else None
    origin = f"{entry.dist.name} {entry.dist.version}, {entry.value}" if entry.dist is not None else entry.value
    return replace(design, package=package, origin=design.origin or origin)


def get_design(name: str) -> Design:
    """Return the design called `name`. Raises UsageError with the nearest name when there is none."""
    if name in _loaded:
        return _loaded[name]
    if name in BUILT_IN:
        return register(importlib.import_module(BUILT_IN[name]).DESIGN)
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name == name:
            return register(_loaded_from(entry))
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
        get_design(marker.removeprefix(_MARKER))
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
