# SPDX-License-Identifier: GPL-2.0-only
"""A replay's outcome as text: tables of at most 80 columns, the verdict first."""

import textwrap

from bench.recordings.placement import common as placing
from bench.replay.break_even import break_even
from bench.replay.outcome import Outcome
from bench.replay.sides import Side, SwitchCost, measure_of
from vgic_bench.console import PLAIN_WIDTH, manner, print_table, say, shows_all

_TEXTS = {name: text for _, name, text in placing.COUNTERS}
_DIFFERENCES = 8


def _say(text: str, indent: int = 0) -> None:
    """Print text within the width of a page; lines after the first are set in further."""
    lead = " " * indent
    say(textwrap.fill(text, PLAIN_WIDTH, initial_indent=lead, subsequent_indent=lead + "    "))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _ratio(old: float | None, new: float | None) -> str:
    return f"{new / old:.2f}" if old and new is not None else "–"


def show(outcome: Outcome, details: bool = False) -> None:
    """Print one outcome of a replay. details: every counter and difference, not only the sums."""
    config = outcome.config
    say(f"{outcome.recording}: {outcome.kind}, {outcome.lines.get('lines', 0):,} lines")
    size = f"{config['irqs']} INTIDs, {config['vcpus']} vCPUs, {config['lrs']} list registers"
    _say(f"a GICv{config['gic']} with {size}", 2)
    _verdict(outcome)
    details = details or manner.everything
    every = details or shows_all()
    if every:
        for name, fact in outcome.facts.items():
            _say(f"{name}: {fact}", 2)
        _say(f"prices: {outcome.platform} ({outcome.platform_reason})", 2)
    _provenance(outcome, details)
    _kinds(outcome.designs)
    _life(outcome.designs)
    if every:
        _switches(outcome.switches, outcome.platform)
        _checks(outcome.designs, details)
    else:
        say("facts, world switch, checks against the recording: --all")


def _provenance(outcome: Outcome, details: bool) -> None:
    lines = outcome.lines
    if lines.get("unknown") or lines.get("malformed"):
        bad = lines.get("unknown", 0) + lines.get("malformed", 0)
        _say(f"{bad:,} lines not understood, skipped", 2)
    if lines.get("lost_markers"):
        lost = f"{lines['lost_events']:,}" if lines.get("lost_events") else "some"
        _say(f"warning: the recorder lost {lost} events ({lines['lost_markers']} markers): figures are too low", 2)
    if lines.get("out_of_order"):
        _say(f"warning: {lines['out_of_order']:,} events are older than the one before: not in the order of time", 2)
    if lines.get("overwritten"):
        _say(f"warning: {lines['overwritten']:,} entries were overwritten: the recording starts in the middle", 2)
    totals = outcome.totals
    say(f"  seen {totals['seen']:,}, inferred {totals['inferred']:,}, dropped {totals['dropped']:,}")
    for group, counts in (("seen", outcome.seen), ("inferred", outcome.inferred), ("dropped", outcome.dropped)):
        for name, count in counts.items():
            if details or (group != "seen" and count > 0):
                _say(f"{group:<8} {count:>9,}  {_TEXTS.get(name, name)}", 4)
    apart = next(iter(outcome.designs.values())).apart.operations
    if apart:
        _say(f"{apart:,} operations are no part of the recording (set-up, epilogue): run, and counted in no figure", 2)


def _verdict(outcome: Outcome) -> None:
    remarks = "".join(f"; {note}" for note in outcome.notes)
    if len(outcome.designs) != 2 or not all(side.measure for side in outcome.designs.values()):
        if remarks:
            _say(remarks.removeprefix("; "))
        return
    (old_name, old), (new_name, new) = outcome.designs.items()
    unit = "instructions" if old.instructions is not None else "events"
    before, after = old.measure, new.measure
    figures = f"{old_name} {before:,.0f}, {new_name} {after:,.0f}"
    _say(f"In VGIC {unit} {new_name!r} costs {after / before:.2f} times what {old_name!r} does: {figures}{remarks}")
    even = break_even(old, new)
    if even is not None:
        share = f"MMIO is {even.share:.1%} of the VGIC's operations"
        if even.break_even is not None:
            winner = old_name if even.wins_above == "first" else new_name
            _say(f"{share}; above {even.break_even:.1%} {winner!r} would be cheaper")
        else:
            winner = old_name if even.wins_always == "first" else new_name
            _say(f"{share}; {winner!r} is cheaper at any share")


def _kinds(designs: dict[str, Side]) -> None:
    names = list(designs)
    kinds = {kind: row.operations for side in designs.values() for kind, row in side.kinds.items()}
    priced = all(side.instructions is not None for side in designs.values())
    unit = "instructions" if priced else "events"
    compared = len(names) == 2
    rows = []
    costs = {
        kind: [measure_of(side.kinds[kind]) if kind in side.kinds else None for side in designs.values()]
        for kind in kinds
    }
    for kind in sorted(kinds, key=lambda kind: -max(cost or 0 for cost in costs[kind])):
        if any(costs[kind]):
            ratio = [_ratio(*costs[kind])] if compared else []
            rows.append([kind, f"{kinds[kind]:,}", *map(_number, costs[kind]), *ratio])
    totals = [side.measure for side in designs.values()]
    first = next(iter(designs.values()))
    rows.append(["total", f"{first.operations:,}", *map(_number, totals), *([_ratio(*totals)] if compared else [])])
    headings = ["operation", ">number", *(f">{name} {unit}" for name in names)]
    print_table([*headings, f">{names[1]}/{names[0]}"] if compared else headings, rows, most=5)


def _life(designs: dict[str, Side]) -> None:
    rows = []

    def row(label: str, *values: str) -> None:
        rows.append([label, *values])

    sides = list(designs.values())
    row("entries", *(f"{side.entries:,}" for side in sides))
    row("interrupts delivered", *(f"{side.delivered:,}" for side in sides))
    row("acknowledged spurious", *(f"{side.spurious:,}" for side in sides))
    row("kicks", *(f"{side.kicks:,}" for side in sides))
    waits = [side.latency for side in sides]
    row("raised to ack, operations (mean)", *(_mean(wait.operations_mean) for wait in waits))
    row("raised to ack, operations (most)", *(_number(wait.operations_most) for wait in waits))
    row("raised to ack, VGIC cycles (mean)", *(_number(wait.cycles_mean) for wait in waits))
    row("raised to ack, VGIC cycles (most)", *(_number(wait.cycles_most) for wait in waits))
    row("time of the model here, ms", *(_mean(side.time_ns and side.time_ns / 1e6) for side in sides))
    row("MMIO among VGIC operations", *(f"{side.mmio_share:.1%}" for side in sides))
    for name, side in designs.items():
        if side.bug:
            row(f"{name}: the host dies", side.bug)
    print_table(["life", *(f">{name}" for name in designs)], rows, most=6)


def _mean(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def _switches(rows: list[SwitchCost], platform: str) -> None:
    if not rows:
        return
    titles = list(dict.fromkeys(row.switch for row in rows))
    names = list(dict.fromkeys(row.design for row in rows))
    table = {(row.design, row.switch): row for row in rows}
    say(f"\nVGIC and world switch together, cycles on {platform}:\n")
    print_table(
        ["world switch", *(f">{name}" for name in names), ">per round trip", ">instructions"],
        [
            [
                title,
                *(f"{table[name, title].total_cycles:,.0f}" for name in names),
                _number(table[names[0], title].cycles / max(1, table[names[0], title].round_trips)),
                _number(table[names[0], title].instructions / max(1, table[names[0], title].round_trips)),
            ]
            for title in titles
        ],
    )
    _say(f"(a round trip: entry and exit of the switch alone, with the list registers of {names[0]!r})")
    say()


def _checks(designs: dict[str, Side], details: bool) -> None:
    for name, side in designs.items():
        check = side.list_registers
        if check:
            _say(
                f"{name}: {check['equal']:,} of {check['entries']:,} entries hold the SGIs and timers recorded "
                f"({check['mismatch_rate']:.2%} differ)"
            )
            for reason, count in check["reasons"].items():
                _say(f"{count:>6,}  {reason}", 4)
            for first in check["first"][: None if details else 2]:
                _say(f"first: operation {first['operation']}, vCPU {first['vcpu']}, INTID {first['intid']}", 6)
            if "lpis" in check:
                _say(f"{name}: {check['lpis_equal']:,} of {check['lpis']:,} LPIs recorded in list registers are there")
                for first in check["lpis_first"][: None if details else 2]:
                    _say(f"first: operation {first['operation']}, vCPU {first['vcpu']}, INTID {first['intid']}", 6)
        loads = side.loads
        if loads and loads["loads"]:
            _say(
                f"{name}: {loads['equal']:,} of {loads['loads']:,} register loads returned what was recorded, "
                f"{loads['unexplained']:,} differences unexplained"
            )
            grouped: dict[tuple[str, str, str], int] = {}
            for row in loads["differences"]:
                key = (row["register"], row["category"], row["reason"])
                grouped[key] = grouped.get(key, 0) + row["count"]
            shown = list(grouped.items())
            for (register, category, reason), count in shown if details else shown[:_DIFFERENCES]:
                _say(f"{count:>6,}  {register}: {category}: {reason}", 4)
            if not details and len(shown) > _DIFFERENCES:
                say(f"    … {len(shown) - _DIFFERENCES} more registers with --details")
