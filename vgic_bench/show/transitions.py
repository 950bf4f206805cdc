# SPDX-License-Identifier: GPL-2.0-only
"""Transitions in full: how they are set up, what is measured, the states before and after, and why designs differ."""

from collections.abc import Mapping

from bench.catalogue.catalogue import Transition, typed
from bench.switches.transitions import GROUP, SwitchTransition
from kvmarm.config import VmConfig


def print_transition(entry: Transition, config: VmConfig) -> None:
    """Print a transition of the VGICs, as it is in a configuration."""
    config = entry.place(config)
    print(f"{entry.name} ({entry.typed_group})")
    print(f"  {entry.title}")
    if config.gic in entry.gics and config.vcpus >= entry.least_vcpus:
        *set_up, operation = entry.trace(config)
        for line in set_up:
            print(f"    set up     {line}")
        print(f"    measured   {operation}")
    else:
        print(f"    not for GICv{config.gic} with {config.vcpus} vCPUs; as written:")
        for line in entry.lines:
            print(f"    {line}")
    print(f"    INTID {entry.watch_intid}  {_states(entry.before)}  ->  {_states(entry.after)}")
    if entry.why:
        print(f"    because {entry.why}")
    print()


def print_switch_transition(entry: SwitchTransition) -> None:
    """Print a transition of the world switches."""
    print(f"{entry.name} ({typed(GROUP)})\n  {entry.title}")
    print(f"    phases     {', '.join(entry.phases)}")
    print(f"    {entry.before}  ->  {entry.after}\n")


def _states(states: Mapping[str, str]) -> str:
    if list(states) == ["default"]:
        return str(states["default"])
    return ", ".join(f"{'any other' if name == 'default' else name}: {state}" for name, state in states.items())
