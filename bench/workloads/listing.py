# SPDX-License-Identifier: GPL-2.0-only
"""The list of workloads: their mix, their cost on two designs, and what share of MMIO would turn the result."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import workloads
from bench.meters import weights
from bench.recordings.placement.driver import Chunk, nothing_expected
from bench.replay.break_even import break_even
from bench.replay.sides import side_of
from bench.replay.stretch import Run
from bench.workloads import Mix, mix_of
from bench.workloads.synthetic import parse_knobs, synthesise
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.files import atomic_write
from kvmarm.trace import Trace, format_trace


@dataclass(frozen=True)
class Entry:
    """A workload to list: its trace, what it is and where it comes from."""

    name: str
    category: str
    what: str
    recorded: str
    probes: bool
    trace: Trace

    @property
    def mix(self) -> Mix:
        """Its operation mix."""
        return mix_of(self.trace.ops, self.trace.config.gic)


def chosen(names: list[str], synthetic: list[str] | None) -> list[Entry]:
    """Return the workloads to list: those named (all when none is and no synthetic one is asked for), then synthetic.

    Raises UsageError for an unknown name or knob.
    """
    picked = [workloads.get(name) for name in names] if names or synthetic else list(workloads.catalogue())
    entries = [Entry(item.name, item.category, item.what, item.recorded, item.probes, item.load()) for item in picked]
    for text in synthetic or []:
        knobs = parse_knobs([item for item in text.split(",") if item])
        what = ", ".join(f"{name} {value:g}" for name, value in asdict(knobs).items() if name in _SHOWN)
        entries.append(Entry(knobs.name, "synthetic", what, "drawn from its knobs", False, synthesise(knobs)))
    return entries


_SHOWN = ("rate", "level", "mmio", "ipi", "timer", "devices", "churn", "seed")


def described(entry: Entry) -> dict[str, Any]:
    """Return an entry as plain data."""
    mix = entry.mix
    config = entry.trace.config
    return {
        "workload": entry.name,
        "category": entry.category,
        "what": entry.what,
        "recorded": entry.recorded,
        "probes": entry.probes,
        "its": bool(config.its),
        "licence": "GPL-2.0-only",
        "gic": config.gic,
        "vcpus": config.vcpus,
        "irqs": config.irqs,
        "lrs": config.lrs,
        "operations": len(entry.trace.ops),
        "vgic_operations": mix.vgic,
        "mmio": mix.mmio,
        "mmio_share": mix.mmio_share,
        "register_share": mix.register_share,
        "set_up_accesses": mix.set_up,
        "counts": mix.counts,
    }


def costed(entry: Entry, designs: list[str]) -> dict[str, Any]:
    """Run a workload on designs; return their cost and, of two, the break-even share of MMIO (None of more).

    The cost is None of a design that has no ITS while the workload has LPIs.
    """
    if len(designs) < 2:
        raise UsageError(f"--designs {','.join(designs)}: expected two designs or more")
    sides = {}
    for name in designs:
        design = get_design(name)
        if entry.trace.config.its and not design.has_its:
            continue
        run = Run(design, entry.trace.config, weights.weights_of(design), timed=False)
        run.feed(Chunk(entry.trace.ops, 1, nothing_expected()), compare_loads=False)
        sides[name] = side_of(run, compared=False)
    even = break_even(*sides.values()) if len(sides) == 2 else None
    return {
        "designs": {
            name: {key: getattr(sides[name], key) for key in ("instructions", "delivered", "spurious", "bug")}
            | {"events": sum(sides[name].events.values())}
            if name in sides
            else None
            for name in designs
        },
        "break_even": None if even is None else asdict(even),
    }


def write_traces(entries: list[Entry], folder: Path) -> None:
    """Write each workload as folder/NAME.trace. Raises UsageError when a file cannot be written."""
    for entry in entries:
        with atomic_write(folder / f"{entry.name}.trace", "w") as file:
            file.write(f"# {entry.what}; {entry.recorded}\n")
            for line in format_trace(entry.trace.config, entry.trace.ops):
                file.write(f"{line}\n")
