# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench switch`: the two world switches, step by step and side by side."""

import functools
import inspect
import json
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.switches.compare import comparison
from bench.switches.listing import Request, listing, read_requests, step_lists
from bench.switches.sweep import configurations, parse_axes
from bench.switches.sweep import sweep as run_sweep
from bench.system.progress import counted
from kvmarm.el2.configuration import Configuration, parse_configuration
from kvmarm.el2.switch import get_switch
from kvmarm.errors import UsageError
from kvmarm.platforms import load_platform
from vgic_bench.console import print_table
from vgic_bench.groups import command, new_app
from vgic_bench.options import complete_platforms, gic_of, one_of, words
from vgic_bench.progress import ProgressBars
from vgic_bench.show.switches import print_comparison

MACHINE, GUEST = "The machine", "The guest"

app = new_app(
    "The EL2 world switches of Linux 4.4 (asm) and 4.8 (c): steps, comparison, the programs.",
    ("vgic-bench switch compare --live-lrs 0", "vgic-bench switch show --switch asm --phase entry"),
)

Switch = Annotated[
    str, typer.Option("--switch", metavar="NAME", help="The world switch: asm, c, or one found by entry point.")
]


@dataclass(frozen=True)
class _Option:
    """An option that is part of a configuration: what typer is told, its default, its key in recorded runs."""

    annotation: Any
    default: Any
    key: str = ""


def _option(panel: str, help: str, *names: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar)


_KINDS = (
    "What is in them: pending, pending+eoi_maint, pending+hw, eoi_maint+completed (the guest ends them all) or "
    "completed_by_guest (the guest ends the first)."
)
_COMPILERS = "Of the C switch: 'gcc-12.2 -O2', 'gcc-11.3 -O2', with -fno-jump-tables, or 'gcc-12.2 -Os'."
_CONFIGURATION = {
    "gic": _Option(Annotated[str, _option(MACHINE, "GIC version.", "--gic", metavar="2|3")], "2"),
    "nr_lr": _Option(
        Annotated[int, _option(MACHINE, "List registers that the GIC has: 1 to 64 (GICv2), to 16 (GICv3).", "--lrs")], 4
    ),
    "live_lrs": _Option(Annotated[int, _option(GUEST, "List registers in use, from LR0 on.", "--live-lrs")], 1),
    "lr_kind": _Option(Annotated[str, _option(GUEST, _KINDS, "--lr-kind")], "pending"),
    "fp": _Option(
        Annotated[bool, _option(GUEST, "The guest uses FP: an FP trap, and FP state moves.", "--fp/--no-fp")],
        False,
        "fp_used",
    ),
    "fpcr_differs": _Option(
        Annotated[bool, _option(GUEST, "Host and guest have different FPCR values.", "--fpcr-differs")], False
    ),
    "debug": _Option(
        Annotated[
            str,
            _option(GUEST, "Debug registers: clean, dirty, or mdscr_mde (enabled by the guest's MDSCR).", "--debug"),
        ],
        "clean",
    ),
    "guest": _Option(Annotated[str, _option(GUEST, "The guest: aarch64 or aarch32.", "--guest")], "aarch64"),
    "exit": _Option(
        Annotated[str, _option(GUEST, "Why the guest leaves: hvc, irq, dabt (MMIO) or dabt_perm.", "--exit")], "hvc"
    ),
    "timer": _Option(Annotated[bool, _option(GUEST, "The VM has a virtual timer.", "--timer/--no-timer")], True),
    "sre": _Option(
        Annotated[bool, _option(GUEST, "GICv3: the guest uses system registers, or a GICv2 view.", "--sre/--no-sre")],
        True,
        "vgic_sre",
    ),
    "prio_bits": _Option(Annotated[int, _option(MACHINE, "GICv3: priority bits: 5, 6 or 7.", "--prio-bits")], 5),
    "vhe": _Option(
        Annotated[bool, _option(MACHINE, "The host kernel runs in EL2 (not with asm).", "--vhe/--no-vhe")], False
    ),
    "erratum_834220": _Option(
        Annotated[bool, _option(MACHINE, "The CPU has erratum 834220 (HPFAR not reliable).", "--erratum-834220")], False
    ),
    "pan": _Option(Annotated[bool, _option(MACHINE, "The CPU has PAN.", "--pan")], False),
    "hyp_offset_low": _Option(
        Annotated[bool, _option(MACHINE, "EL2 addresses need the second mask.", "--hyp-offset-low")], False
    ),
    "compiler": _Option(Annotated[str, _option(MACHINE, _COMPILERS, "--compiler")], "gcc-12.2 -O2"),
}
"""Parameter -> option: what a configuration is made of, on the command line."""


def _with_configuration(live_lrs: int = 1, vhe: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options of _CONFIGURATION to a command, which reads them from its context.

    live_lrs: the default of that option. vhe: whether the command lets VHE be chosen.
    """
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=live_lrs if name == "live_lrs" else option.default,
            annotation=option.annotation,
        )
        for name, option in _CONFIGURATION.items()
        if vhe or name != "vhe"
    ]

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(function, eval_str=True).parameters

        @functools.wraps(function)
        def with_options(**given: Any) -> None:
            function(**{name: given[name] for name in own})

        keyword = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own.values()]
        with_options.__signature__ = inspect.Signature([*keyword, *added])  # type: ignore[attr-defined]  # what typer reads
        with_options.__annotations__ = {each.name: each.annotation for each in (*keyword, *added)}
        return with_options

    return decorate


def _configuration(switch: str, parameters: dict[str, Any]) -> Configuration:
    """Return the Configuration that a command's parameters describe."""
    values = {o.key or name: parameters[name] for name, o in _CONFIGURATION.items() if name in parameters}
    values["gic"] = f"v{gic_of(values['gic'])}"
    values["implementation"] = get_switch(switch).implementation_name(bool(values.get("vhe")))
    return parse_configuration(values, "options")


STEPS_EXAMPLES = (
    "vgic-bench switch steps --switch c --gic 3 --live-lrs 2",
    "vgic-bench switch steps --configs runs.jsonl --json",
)


@command(app, "steps", STEPS_EXAMPLES, "List what a switch executes, phase by phase.", tables=True)
@_with_configuration(live_lrs=0)
def steps(
    context: typer.Context,
    switch: Switch = "asm",
    configs: Annotated[
        Path | None,
        typer.Option(
            "--configs", help="Configurations, one JSON object per line ('-': standard input).", metavar="FILE"
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print JSON lines: id, implementation, phase, sequence, counts, total."),
    ] = False,
) -> None:
    """List what a switch executes, phase by phase: counts of every class, and the order the hardware sees."""
    if configs is not None:
        requests = read_requests(configs)
    else:
        requests = [Request(_configuration(switch, context.params))]
    for result in step_lists(requests):
        if as_json:
            print(json.dumps(result, separators=(",", ":")))
            continue
        print(f"{result['id']} {result['phase']}: {result['total']} instructions")
        print_table(("class", ">executed"), [(k, n) for k, n in result["counts"].items() if n])
        print("\n".join(_wrap_sequence(result["sequence"])))
        print()


COMPARE_EXAMPLES = ("vgic-bench switch compare --live-lrs 0 --platform xgene",)


@command(app, "compare", COMPARE_EXAMPLES, "Compare the switches in one round trip.", tables=True)
@_with_configuration(vhe=False)
def compare(
    context: typer.Context,
    platform: Annotated[
        list[str] | None,
        typer.Option(
            "--platform",
            metavar="NAME",
            help="Also cycles of this platform (see `vgic-bench platforms`).",
            autocompletion=complete_platforms,
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array, one object per group.")] = False,
) -> None:
    """Compare the switches in one round trip, by register group as in ISCA'16 Table III, and say why they differ."""
    configuration = _configuration("asm", context.params)
    rows = comparison(configuration, one_of(platform, "--platform") if platform else None)
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        print_comparison(rows)


SHOW_EXAMPLES = (
    "vgic-bench switch show --switch asm --phase entry",
    "vgic-bench switch show --switch c --live-lrs 2 --executed",
)


@command(app, "show", SHOW_EXAMPLES, "Print the program of a switch, annotated.")
@_with_configuration()
def show(
    context: typer.Context,
    switch: Switch = "asm",
    phase: Annotated[str, typer.Option("--phase", help="entry, fptrap, exit, or all.")] = "all",
    executed: Annotated[
        bool, typer.Option("--executed", help="Only the lines that this configuration executes.")
    ] = False,
) -> None:
    """Print the program of a switch as the machine's boot leaves it, annotated."""
    phases = ("entry", "fptrap", "exit")
    if phase != "all" and phase not in phases:
        raise UsageError(f"--phase: {phase!r} is not one of {', '.join(phases)}, all")
    configuration = _configuration(switch, context.params)
    for name in phases if phase == "all" else (phase,):
        print("\n".join(listing(configuration, name, executed_only=executed)))
        print()


SWEEP_EXAMPLES = ("vgic-bench switch sweep --vary live_lrs=0..4 --vary fp_used=0,1 --platforms xgene",)


@command(app, "sweep", SWEEP_EXAMPLES, "Execute and time round trips over a grid.", tables=True)
def sweep(
    vary: Annotated[
        list[str] | None,
        typer.Option("--vary", help="An axis: KEY=VALUE,VALUE or KEY=FIRST..LAST, a key of --configs; repeat it."),
    ] = None,
    fix: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE for all points; repeat the option.")] = None,
    rounds: Annotated[int, typer.Option("--rounds", help="Round trips at each point.", min=1)] = 100_000,
    platforms: Annotated[
        list[str] | None,
        typer.Option(
            "--platforms",
            metavar="A,B",
            help="Also cycles of these platforms (see `vgic-bench platforms`).",
            autocompletion=complete_platforms,
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per switch and point.")] = False,
) -> None:
    """Execute many round trips of every switch at every point of a grid; counts are checked on the way."""
    fixed = {key: values[0] for key, values in parse_axes(fix or (), "--set").items()}
    axes = parse_axes(vary or ())
    points = configurations(axes, fixed)
    prices = [load_platform(name) for name in words(platforms)]
    cells = []
    with ProgressBars() as progress:
        for point in counted(points, "points", progress):
            for row in run_sweep([point], rounds, prices):
                if as_json:
                    print(json.dumps(row))
                    continue
                cycles = [f"{row['cycles'][each.name]:,.0f}" if each.name in row["cycles"] else "" for each in prices]
                label = " ".join(f"{key}={getattr(point, key)}" for key in axes) or "default"
                numbers = (row["entry"], row["exit"], row["accesses"], *cycles)
                cells.append((label, row["switch"], *numbers, f"{row['ns']:,.0f}", f"{row['per_second'] / 1e6:.2f}"))
    if not as_json:
        heads = ("point", "switch", ">entry", ">exit", ">seen", *(f">{each.name}" for each in prices), ">ns", ">M/s")
        print_table(heads, cells, most=20)
        print("entry, exit: instructions; seen: by the hardware; M/s: million phases a second")


def _wrap_sequence(sequence: list[tuple[str, str]]) -> list[str]:
    """Set a sequence in lines of at most 80 columns: r and w for reads and writes, names alone for the rest."""
    short = {"sysreg_read": "r:", "sysreg_write": "w:", "gich_read": "r:", "gich_write": "w:"}
    words = " ".join(short.get(klass, "") + name.replace(" ", "_") for klass, name in sequence)
    return textwrap.wrap(words, 78, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
