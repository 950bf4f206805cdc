# SPDX-License-Identifier: GPL-2.0-only
"""A world switch: the one interface of both implementations.

An implementation is a function from `Boot` to the programs of its phases. `WorldSwitch` runs them on an EL2 machine:
configure, enter, FP trap, exit.
"""

from collections.abc import Callable
from functools import lru_cache

from kvmarm.el2 import scene
from kvmarm.el2.configuration import Boot, Configuration
from kvmarm.el2.machine import Executed, Machine
from kvmarm.el2.program import Program

Builder = Callable[[Boot], dict[str, Program]]
"""Makes the programs of the phases `entry`, `fptrap` and `exit` for a machine. Raises UsageError for what it lacks."""


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
        scene.fp_trap_event(self.machine)
        return self.machine.run(self.programs["fptrap"])

    def exit(self, reason: str | None = None) -> Executed:
        """The guest does what `lr_kind` says and leaves for a reason; switch back to the host."""
        scene.run_guest(self.machine, self.configuration)
        scene.exit_event(self.machine, self.configuration, reason or self.configuration.exit)
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
