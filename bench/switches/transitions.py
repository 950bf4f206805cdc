# SPDX-License-Identifier: GPL-2.0-only
"""Transitions of the world switch: entry, exits by reason, FP trap, idle round trip, live list registers, as data.

The counterpart of the VGIC's catalogue. An entry says what happens and from where to where; `measure` runs it on a
switch and checks that guest and host find their own afterwards. It counts every class, prices it and, for whole round
trips, times the compiled model.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.switches.listing import variants
from bench.switches.names import name_of
from kvmarm.cycles import priced_counts
from kvmarm.el2 import scene
from kvmarm.el2.configuration import Configuration, parse_configuration
from kvmarm.el2.round_trip import encode
from kvmarm.el2.switch import WorldSwitch, model_of
from kvmarm.platforms import Platform

FAMILY = "switch"
GROUP = "world switch"
_TIMED_ROUNDS = 2000
_TIMED_SAMPLES = 7


@dataclass(frozen=True)
class SwitchTransition:
    """One transition. options: keys of a configuration beside GIC and list registers; phases: those it consists of."""

    name: str
    title: str
    before: str
    after: str
    phases: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def live(self) -> int:
        """Live list registers at entry."""
        return int(self.options.get("live_lrs", "0"))

    @property
    def round_trip(self) -> bool:
        """Whether it starts and ends in the host: such a one can be repeated and timed."""
        return self.before == self.after == "host"

    def configuration(self, gic: int, lrs: int) -> Configuration:
        """Return the configuration on a GIC version with so many list registers (implementation to be chosen)."""
        return parse_configuration({"gic": f"v{gic}", "nr_lr": str(lrs), **self.options}, f"transition {self.name}")


def switch_transitions() -> list[SwitchTransition]:
    """Return the catalogue."""
    exits = {
        "hvc": "a hypercall",
        "irq": "a physical interrupt",
        "dabt": "an MMIO access (data abort)",
        "dabt_perm": "a permission fault, whose address has to be translated",
    }
    both = ("entry", "exit")
    found = [
        SwitchTransition("switch_entry", "enter the guest, nothing in the list registers", "host", "guest", ("entry",)),
        *(
            SwitchTransition(
                f"switch_exit_{reason}", f"leave the guest for {why}", "guest", "host", ("exit",), {"exit": reason}
            )
            for reason, why in exits.items()
        ),
        SwitchTransition(
            "switch_fp_trap", "the guest's first FP instruction: FP state changes over", "guest", "guest with FP",
            ("fptrap",), {"fp_used": "1"},
        ),
        SwitchTransition("switch_round_trip_idle", "in and out, nothing in the list registers", "host", "host", both),
    ]  # fmt: skip
    variations: dict[str, tuple[str, dict[str, str]]] = {
        **{f"live_{k}": (f"{k} live list register{'s' * (k > 1)}", {"live_lrs": str(k)}) for k in range(1, 5)},
        "eoi": (
            "a level interrupt ended by the guest, EOI maintenance wanted",
            {"live_lrs": "1", "lr_kind": "eoi_maint+completed"},
        ),
        "ended": ("an interrupt ended by the guest", {"live_lrs": "1", "lr_kind": "completed_by_guest"}),
        "fp": ("the guest uses FP", {"fp_used": "1"}),
        "debug": ("debug registers in use", {"debug": "dirty"}),
        "aarch32": ("a 32-bit guest", {"guest": "aarch32"}),
        "no_timer": ("a VM without a virtual timer", {"timer": "0"}),
    }
    for name, (title, options) in variations.items():
        phases = ("entry", "fptrap", "exit") if "fp_used" in options else both
        transition = SwitchTransition(
            f"switch_round_trip_{name}", f"in and out, {title}", "host", "host", phases, options
        )
        found.append(transition)
    return found


def measure(
    transition: SwitchTransition, gic: int, lrs: int = 4, platforms: Sequence[Platform] = (), timed: bool = False
) -> list[dict[str, Any]]:
    """Measure a transition on every switch, each without and with VHE; none if it needs more list registers.

    One dict per variant: `switch` (`asm`, `c`, `c-vhe`), `counts` (class -> number), `instructions`, `ok` (guest and
    host found their own), `before`, `after`, `time_ns` (least of several samples of the compiled round trip;
    None where not timed), `cycles` (platform name -> term -> cycles; only platforms with this GIC version).
    """
    if transition.live > lrs:
        return []
    results = []
    for title, configuration in variants(transition.configuration(gic, lrs)):
        model = model_of(configuration)
        world = WorldSwitch(model.programs)
        world.configure(configuration)
        before = list(world.machine.state)
        ran = {"entry": world.enter()}
        if configuration.fp_used:
            ran["fptrap"] = world.fp_trap()
        astray = scene.seen_by_guest(world.machine, configuration)
        ran["exit"] = world.exit()
        astray += scene.lost_by_host(before, world.machine, configuration.vhe)
        counts: dict[str, int] = {}
        priced: dict[str, int] = {}
        for phase in transition.phases:
            for into, found in ((counts, ran[phase].counts()), (priced, priced_counts(ran[phase]))):
                for name, number in found.items():
                    into[name] = into.get(name, 0) + number
        results.append(
            {
                "switch": name_of(title),
                "transition": transition.name,
                "gic": gic,
                "live": transition.live,
                "before": transition.before,
                "after": transition.after if not astray else f"{transition.after}, astray: {', '.join(astray[:3])}",
                "ok": not astray,
                "counts": counts,
                "instructions": sum(counts.values()),
                "time_ns": _time(configuration) if timed and transition.round_trip else None,
                "cycles": {
                    platform.name: {name: count * platform.price(name) for name, count in priced.items()}
                    for platform in platforms
                    if platform.gic == gic
                },
            }
        )
    return results


def _time(configuration: Configuration) -> float:
    """Return nanoseconds a round trip of the compiled model: the least of several samples."""
    trip = encode(model_of(configuration).programs, configuration)
    trip.run(10)
    best = float("inf")
    for _ in range(_TIMED_SAMPLES):
        start = time.perf_counter_ns()
        trip.run(_TIMED_ROUNDS)
        best = min(best, (time.perf_counter_ns() - start) / _TIMED_ROUNDS)
    return best
