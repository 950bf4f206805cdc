# SPDX-License-Identifier: GPL-2.0-only
"""The list of workloads: their mix, their cost on two designs, and what share of MMIO would turn the result."""

import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import workloads
from bench.workloads import Mix, mix_of
from bench.workloads.synthetic import Knobs, parse_knobs, synthesise
from kvmarm.errors import UsageError
from kvmarm.files import atomic_write
from kvmarm.trace import Trace, format_trace
from vgic_bench.console import PLAIN_WIDTH, print_table


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
    """Run a workload on two designs; return their cost and the break-even share of MMIO."""
    import numpy as np

    from bench.meters import weights
    from bench.recordings.convert import Chunk
    from bench.recordings.placement.kvm import EXPECTED
    from bench.replay.break_even import break_even
    from bench.replay.sides import side_of
    from bench.replay.stretch import Run
    from kvmarm.design import get_design

    if len(designs) != 2:
        raise UsageError(f"--designs {','.join(designs)}: expected two designs")
    sides = {}
    for name in designs:
        design = get_design(name)
        run = Run(design, entry.trace.config, weights.weights_of(design), timed=False)
        run.feed(Chunk(entry.trace.ops, 1, np.zeros(0, EXPECTED)), compare_loads=False)
        sides[name] = side_of(run, compared=False)
    even = break_even(*sides.values())
    return {
        "designs": {
            name: {key: getattr(side, key) for key in ("instructions", "delivered", "spurious", "bug")}
            | {"events": sum(side.events.values())}
            for name, side in sides.items()
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


def show(rows: list[dict[str, Any]]) -> None:
    """Print the list, then what each is."""
    print_table(
        ["workload", "kind", ">GIC", ">vCPUs", ">operations", ">MMIO", ">without SGIs"],
        [
            [
                row["workload"],
                row["category"],
                f"v{row['gic']}",
                row["vcpus"],
                f"{row['operations']:,}",
                f"{row['mmio_share']:.1%}",
                f"{row['register_share']:.1%}",
            ]
            for row in rows
        ],
    )
    print()
    note = (
        "MMIO: share of distributor and redistributor accesses among the VGIC's operations. On GICv2 an SGI is one; "
        "most others are what the guest's driver writes as it starts."
    )
    print(textwrap.fill(note, PLAIN_WIDTH))
    print()
    if any("costs" in row for row in rows):
        _show_costs(rows)
    for row in rows:
        print(f"{row['workload']}:")
        for text in (row["what"], f"{row['recorded']}; {row['licence']}"):
            print(textwrap.fill(text, PLAIN_WIDTH, initial_indent="    ", subsequent_indent="    "))


def _show_costs(rows: list[dict[str, Any]]) -> None:
    names = list(rows[0]["costs"]["designs"])
    priced = all(side["instructions"] is not None for row in rows for side in row["costs"]["designs"].values())
    unit = "instructions" if priced else "events"
    table = []
    for row in rows:
        costs = [row["costs"]["designs"][name][unit] for name in names]
        table.append(
            [
                row["workload"],
                *(f"{cost:,.0f}" for cost in costs),
                f"{costs[1] / costs[0]:.2f}" if costs[0] else "–",
                f"{row['mmio_share']:.1%}",
                _even(row["costs"]["break_even"], names),
            ]
        )
    print_table(["workload", *(f">{name} {unit}" for name in names), ">ratio", ">MMIO", ">break-even"], table)
    print(f"\nBreak-even: the share of MMIO above which {names[0]!r} would be the cheaper one.\n")


def _even(even: dict[str, Any] | None, names: list[str]) -> str:
    if even is None:
        return "–"
    if even["break_even"] is None:
        return f"{names[0] if even['wins_always'] == 'first' else names[1]} at any"
    return f"{even['break_even']:.1%}" if even["wins_above"] == "first" else f"below {even['break_even']:.1%}"


__all__ = ["Entry", "Knobs", "chosen", "costed", "described", "show", "write_traces"]
