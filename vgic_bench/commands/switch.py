# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench switch`: the two world switches, step by step and side by side."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

switch_app = typer.Typer(
    help="The EL2 world switches of Linux 4.4 (asm) and 4.8 (c): steps, comparison, the programs.", no_args_is_help=True
)

Switch = Annotated[str, typer.Option("--switch", help="The world switch: asm, c, or one found by entry point.")]


@dataclass(frozen=True)
class _Option:
    """An option that is part of a configuration: what typer is told, its default, its key in recorded runs."""

    annotation: Any
    default: Any
    key: str = ""


_CONFIGURATION = {
    "gic": _Option(Annotated[str, typer.Option("--gic", help="The GIC: v2 or v3.")], "v2"),
    "nr_lr": _Option(
        Annotated[int, typer.Option("--nr-lr", help="List registers that the GIC has: 1 to 64 (v2), to 16 (v3).")], 4
    ),
    "live_lrs": _Option(Annotated[int, typer.Option("--live-lrs", help="List registers in use, from LR0 on.")], 1),
    "lr_kind": _Option(
        Annotated[
            str,
            typer.Option(
                "--lr-kind",
                help="What is in them: pending, pending+eoi_maint, pending+hw, eoi_maint+completed (the guest ends "
                "them all) or completed_by_guest (the guest ends the first).",
            ),
        ],
        "pending",
    ),
    "fp": _Option(
        Annotated[bool, typer.Option("--fp/--no-fp", help="The guest uses FP: an FP trap, and FP state moves.")],
        False,
        "fp_used",
    ),
    "fpcr_differs": _Option(
        Annotated[bool, typer.Option("--fpcr-differs", help="Host and guest have different FPCR values.")], False
    ),
    "debug": _Option(
        Annotated[
            str,
            typer.Option("--debug", help="Debug registers: clean, dirty, or mdscr_mde (enabled by the guest's MDSCR)."),
        ],
        "clean",
    ),
    "guest": _Option(Annotated[str, typer.Option("--guest", help="The guest: aarch64 or aarch32.")], "aarch64"),
    "exit": _Option(
        Annotated[str, typer.Option("--exit", help="Why the guest leaves: hvc, irq, dabt (MMIO) or dabt_perm.")], "hvc"
    ),
    "timer": _Option(Annotated[bool, typer.Option("--timer/--no-timer", help="The VM has a virtual timer.")], True),
    "sre": _Option(
        Annotated[
            bool,
            typer.Option("--sre/--no-sre", help="GICv3: the guest uses system registers, or a GICv2 view."),
        ],
        True,
        "vgic_sre",
    ),
    "prio_bits": _Option(Annotated[int, typer.Option("--prio-bits", help="GICv3: priority bits: 5, 6 or 7.")], 5),
    "vhe": _Option(
        Annotated[bool, typer.Option("--vhe/--no-vhe", help="The host kernel runs in EL2 (not with asm).")], False
    ),
    "erratum_834220": _Option(
        Annotated[bool, typer.Option("--erratum-834220", help="The CPU has erratum 834220 (HPFAR not reliable).")],
        False,
    ),
    "pan": _Option(Annotated[bool, typer.Option("--pan", help="The CPU has PAN.")], False),
    "hyp_offset_low": _Option(
        Annotated[bool, typer.Option("--hyp-offset-low", help="EL2 addresses need the second mask.")], False
    ),
    "compiler": _Option(
        Annotated[
            str,
            typer.Option(
                "--compiler",
                help="Of the C switch: 'gcc-12.2 -O2', 'gcc-11.3 -O2', with -fno-jump-tables, or 'gcc-12.2 -Os'.",
            ),
        ],
        "gcc-12.2 -O2",
    ),
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
        def command(**given: Any) -> None:
            function(**{name: given[name] for name in own})

        keyword = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own.values()]
        command.__signature__ = inspect.Signature([*keyword, *added])  # type: ignore[attr-defined]  # what typer reads
        command.__annotations__ = {each.name: each.annotation for each in (*keyword, *added)}
        return command

    return decorate


def _configuration(switch: str, parameters: dict[str, Any]) -> Any:
    """Return the Configuration that a command's parameters describe."""
    from kvmarm.el2.configuration import parse_configuration
    from kvmarm.el2.switch import get_switch

    values = {o.key or name: parameters[name] for name, o in _CONFIGURATION.items() if name in parameters}
    values["implementation"] = get_switch(switch).implementation_name(bool(values.get("vhe")))
    return parse_configuration(values, "options")


@switch_app.command("steps")
@_with_configuration(live_lrs=0)
def steps(
    context: typer.Context,
    switch: Switch = "asm",
    configs: Annotated[
        Path | None,
        typer.Option("--configs", help="Configurations, one JSON object a line ('-': standard input).", metavar="FILE"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line: id, implementation, phase, sequence, counts, total.")
    ] = False,
) -> None:
    """List what a switch executes, phase by phase: counts of every class, and the order the hardware sees."""
    import json

    from bench.switches.listing import Request, read_requests, step_lists
    from vgic_bench.console import print_table

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


@switch_app.command("compare")
@_with_configuration(vhe=False)
def compare(
    context: typer.Context,
    platform: Annotated[
        str, typer.Option("--platform", help="Price it in cycles of this platform (see `vgic-bench platforms`).")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array, one object a group.")] = False,
) -> None:
    """Compare the switches in one round trip, by register group as in ISCA'16 Table III, and say why they differ."""
    import json

    from bench.switches.compare import comparison
    from vgic_bench.show.switches import print_comparison

    configuration = _configuration("asm", context.params)
    rows = comparison(configuration, platform or None)
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        print_comparison(rows)


@switch_app.command("show")
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
    from bench.switches.listing import listing
    from kvmarm.errors import UsageError

    phases = ("entry", "fptrap", "exit")
    if phase != "all" and phase not in phases:
        raise UsageError(f"--phase: {phase!r} is not one of {', '.join(phases)}, all")
    configuration = _configuration(switch, context.params)
    for name in phases if phase == "all" else (phase,):
        print("\n".join(listing(configuration, name, executed_only=executed)))
        print()


@switch_app.command("sweep")
def sweep(
    vary: Annotated[
        list[str] | None,
        typer.Option("--vary", help="An axis: KEY=VALUE,VALUE or KEY=FIRST..LAST, a key of --configs; repeat it."),
    ] = None,
    fix: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE for all points; repeat the option.")] = None,
    rounds: Annotated[int, typer.Option("--rounds", help="Round trips at each point.", min=1)] = 100_000,
    platform: Annotated[
        list[str] | None, typer.Option("--platform", help="Also cycles of this platform; repeat the option.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, one for each switch and point.")
    ] = False,
) -> None:
    """Execute many round trips of every switch at every point of a grid; counts are checked on the way."""
    import json

    from bench.switches.sweep import configurations, parse_axes
    from bench.switches.sweep import sweep as run_sweep
    from bench.system.progress import counted
    from kvmarm.platforms import load_platform
    from vgic_bench.console import print_table
    from vgic_bench.progress import ProgressBars

    fixed = {key: values[0] for key, values in parse_axes(fix or (), "--set").items()}
    axes = parse_axes(vary or ())
    points = configurations(axes, fixed)
    prices = [load_platform(name) for name in platform or ()]
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
        print_table(heads, cells)
        print("entry, exit: instructions; seen: by the hardware; M/s: million phases a second")


def _wrap_sequence(sequence: list[tuple[str, str]]) -> list[str]:
    """Set a sequence in lines of at most 80 columns: r and w for reads and writes, names alone for the rest."""
    import textwrap

    short = {"sysreg_read": "r:", "sysreg_write": "w:", "gich_read": "r:", "gich_write": "w:"}
    words = " ".join(short.get(klass, "") + name.replace(" ", "_") for klass, name in sequence)
    return textwrap.wrap(words, 78, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def register(app: typer.Typer) -> None:
    """Add `vgic-bench switch`."""
    app.add_typer(switch_app, name="switch")
