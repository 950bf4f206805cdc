# SPDX-License-Identifier: GPL-2.0-only
"""The list of workloads as text: the table, what each is, and the costs with their break-even."""

import textwrap
from typing import Any

from vgic_bench.console import PLAIN_WIDTH, print_table, say, shows_all


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
        most=5 if any("costs" in row for row in rows) else 18,
    )
    say()
    note = (
        "MMIO: share of distributor and redistributor accesses among the VGIC's operations. On GICv2 an SGI is one; "
        "most others are what the guest's driver writes as it starts."
    )
    say(textwrap.fill(note, PLAIN_WIDTH))
    say()
    if any("costs" in row for row in rows):
        _show_costs(rows)
    if not shows_all():
        say("what each is, and where from: --all")
        return
    for row in rows:
        say(f"{row['workload']}:")
        for text in (row["what"], f"{row['recorded']}; {row['licence']}"):
            say(textwrap.fill(text, PLAIN_WIDTH, initial_indent="    ", subsequent_indent="    "))


def _show_costs(rows: list[dict[str, Any]]) -> None:
    names = list(rows[0]["costs"]["designs"])
    sides = [side for row in rows for side in row["costs"]["designs"].values() if side is not None]
    priced = all(side["instructions"] is not None for side in sides)
    unit = "instructions" if priced else "events"
    table = []
    for row in rows:
        found = [row["costs"]["designs"][name] for name in names]
        costs = [None if side is None else side[unit] for side in found]
        table.append(
            [
                row["workload"],
                *("no ITS" if cost is None else f"{cost:,.0f}" for cost in costs),
                *("–" if cost is None or not costs[0] else f"{cost / costs[0]:.2f}" for cost in costs[1:]),
                f"{row['mmio_share']:.1%}",
                *([_even(row["costs"]["break_even"], names)] if len(names) == 2 else []),
            ]
        )
    ratios = [f">{name}/{names[0]}" for name in names[1:]]
    last = [">break-even"] if len(names) == 2 else []
    print_table(["workload", *(f">{name} {unit}" for name in names), *ratios, ">MMIO", *last], table, most=6)
    if last:
        say(f"\nBreak-even: the share of MMIO above which {names[0]!r} would cost less.\n")


def _even(even: dict[str, Any] | None, names: list[str]) -> str:
    if even is None:
        return "–"
    if even["break_even"] is None:
        return f"{names[0] if even['wins_always'] == 'first' else names[1]} at any"
    return f"{even['break_even']:.1%}" if even["wins_above"] == "first" else f"below {even['break_even']:.1%}"
