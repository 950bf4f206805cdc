# SPDX-License-Identifier: GPL-2.0-only
"""A world switch: the one interface of every implementation, and the table of implementations.

An implementation is a `SwitchModel`; its heart is a function from `Boot` to the programs of the phases. `WorldSwitch`
runs them on an EL2 machine: configure, enter, FP trap, exit. The built-in models are named here and loaded when first
asked for; another comes by the entry point group `vgic_bench.switches`: NAME = "package:SWITCH".
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from kvmarm.built_in import SWITCHES as BUILT_IN
from kvmarm.el2 import scene
from kvmarm.el2.configuration import VHE_SUFFIX, Boot, Configuration
from kvmarm.el2.instructions import Program
from kvmarm.el2.machine import Executed, Machine
from kvmarm.errors import UsageError

Builder = Callable[[Boot], dict[str, Program]]
"""Makes the programs of the phases `entry`, `fptrap` and `exit` for a machine. Raises UsageError for what it lacks."""

ENTRY_POINTS = "vgic_bench.switches"


@dataclass(frozen=True)
class SwitchModel:
    """One implementation of the world switch.

    name: what the command line calls it. implementation: its name in recorded runs, with VHE followed by `-vhe`.
    title, source: for users. vhe: whether it can run with VHE. programs: the builder.
    """

    name: str
    implementation: str
    title: str
    source: str
    vhe: bool
    programs: Builder

    def implementation_name(self, vhe: bool) -> str:
        """Return the name of recorded runs. Raises UsageError for VHE where there is none."""
        if vhe and not self.vhe:
            raise UsageError(f"switch {self.name!r} ({self.title}) has no VHE; expected --no-vhe, or --switch c")
        return self.implementation + (VHE_SUFFIX if vhe else "")


@lru_cache(maxsize=1)
def switch_names() -> tuple[str, ...]:
    """Return the names of all world switches, built-in ones first."""
    from importlib.metadata import entry_points

    return tuple(dict.fromkeys([*BUILT_IN, *sorted(entry.name for entry in entry_points(group=ENTRY_POINTS))]))


@lru_cache
def get_switch(name: str) -> SwitchModel:
    """Return the world switch called `name`. Raises UsageError when there is none."""
    if name in BUILT_IN:
        model = importlib.import_module(BUILT_IN[name]).SWITCH
        assert isinstance(model, SwitchModel)
        return model
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name == name:
            model = entry.load()
            if not isinstance(model, SwitchModel):
                raise UsageError(f"switch {name!r}: entry point {entry.value} is not a kvmarm.el2.switch.SwitchModel")
            return model
    raise UsageError(f"unknown world switch {name!r} (known: {', '.join(switch_names())})")


def model_of(configuration: Configuration, where: str = "configuration") -> SwitchModel:
    """Return the model of a configuration's implementation. Raises UsageError for unknown ones and VHE without it."""
    names = []
    for model in map(get_switch, switch_names()):
        name = model.implementation
        if configuration.implementation == name + (VHE_SUFFIX if configuration.vhe else ""):
            if configuration.vhe and not model.vhe:
                raise UsageError(f"{where}: vhe: {name} ({model.title}) has no VHE; expected vhe=0, or the C switch")
            return model
        names += [name] + ([name + VHE_SUFFIX] if model.vhe else [])
    wrong = configuration.implementation
    raise UsageError(f"{where}: implementation: {wrong!r} is not one of {', '.join(names)}")


class WorldSwitch:
    """One implementation on one machine.

    >>> switch.configure(configuration)      # the machine as booted, the host and the guest in place
    >>> switch.enter(); switch.fp_trap(); switch.exit("irq")
    """

    def __init__(self, builder: Builder) -> None:
        self.machine = Machine()
        self.configuration = Configuration()
        self.programs: dict[str, Program] = {}
        self._builder = builder

    def configure(self, configuration: Configuration) -> None:
        """Boot a machine for a configuration, host running. Raises UsageError for what the implementation lacks."""
        self.programs = boot_programs(self._builder, configuration.boot)
        self.configuration = configuration
        scene.set_up(self.machine, configuration)

    def enter(self) -> Executed:
        """Switch from the host into the guest."""
        return self.machine.run(self.programs["entry"])

    def fp_trap(self) -> Executed:
        """The guest, after entry, uses FP for the first time: trap, change FP state, return to it."""
        self.machine.apply(scene.fp_trap_event())
        return self.machine.run(self.programs["fptrap"])

    def exit(self, reason: str | None = None) -> Executed:
        """The guest does what `lr_kind` says and leaves for a reason; switch back to the host."""
        self.machine.apply(scene.guest_work(self.configuration))
        self.machine.apply(scene.exit_event(self.configuration, reason or self.configuration.exit))
        return self.machine.run(self.programs["exit"])

    def run(self, configuration: Configuration) -> dict[str, Executed]:
        """Configure, then execute each phase of the configuration in order."""
        self.configure(configuration)
        phases = {"entry": self.enter()}
        if configuration.fp_used:
            phases["fptrap"] = self.fp_trap()
        phases["exit"] = self.exit()
        return phases


@lru_cache(maxsize=128)
def boot_programs(builder: Builder, boot: Boot) -> dict[str, Program]:
    """Return an implementation's programs for a machine, made once."""
    return builder(boot)
