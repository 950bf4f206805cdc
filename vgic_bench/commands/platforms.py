# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench platforms`: the price lists in cycles, and the published figures they were checked against."""

import json
from pathlib import Path
from typing import Annotated

import typer

from bench.replay.compile import ensure_compiled
from bench.switches.platform_file import platform_toml
from kvmarm.errors import UsageError
from kvmarm.files import atomic_write, check_file
from kvmarm.platforms import load_platform, platform_names
from vgic_bench.groups import command, new_app
from vgic_bench.options import Json, gic_of
from vgic_bench.progress import ProgressBars
from vgic_bench.show import platforms as tables

app = new_app()

EXAMPLES = (
    "vgic-bench platforms",
    "vgic-bench platforms --check",
    "vgic-bench platforms --measure micro-bench.txt --clock 2.6 -o mine.toml",
)
MEASURING = "With --measure"


@command(app, "platforms", EXAMPLES, tables=True)
def platforms(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Platforms by name, or files of your own; none for all. With --measure: recordings of a KVM host, or "
            "outputs of kvm-unit-tests' micro-bench.",
            metavar="PLATFORM…",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the model with published figures, with the error of each.")
    ] = False,
    prices: Annotated[
        bool, typer.Option("--prices", help="List every price with its certainty, source and derivation.")
    ] = False,
    fit: Annotated[
        bool, typer.Option("--fit", help="Solve the fitted prices again from the figures they were fitted on.")
    ] = False,
    terms: Annotated[bool, typer.Option("--terms", help="With --check: what each modelled figure is made of.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Make a price list of recordings or micro-bench outputs.")
    ] = False,
    clock: Annotated[
        float | None,
        typer.Option(
            "--clock",
            metavar="GHZ",
            help="The CPU's clock. [default: the base's]",
            rich_help_panel=MEASURING,
            show_default=False,
        ),
    ] = None,
    gic: Annotated[
        str | None,
        typer.Option(
            "--gic",
            metavar="2|3",
            help="GIC version. [default: as recorded, else the base's]",
            rich_help_panel=MEASURING,
            show_default=False,
        ),
    ] = None,
    vhe: Annotated[
        bool | None,
        typer.Option(
            "--vhe/--no-vhe",
            help="Whether the host's kernel runs with VHE. [default: with a GICv3]",
            rich_help_panel=MEASURING,
            show_default=False,
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="NAME",
            help="Platform for the prices that no figure tells. [default: one with that GIC]",
            rich_help_panel=MEASURING,
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write the price list here, a .toml file.",
            rich_help_panel=MEASURING,
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the platforms with their prices, check them against published figures, or measure your own machine.

    Prices were fitted on some figures (use: fit); the others are predictions, whose errors are as they come out.
    """
    if check + prices + fit + measure > 1:
        raise UsageError(
            "platforms: --check, --prices, --fit and --measure are different answers; expected one of them"
        )
    given = (None if gic is None else gic_of(gic), vhe, clock)
    if measure:
        _measure(names or [], output, base, given, as_json)
        return
    if any(option is not None for option in (output, base, *given)):
        raise UsageError("platforms: -o, --clock, --gic, --vhe and --base go with --measure")
    chosen = [load_platform(name) for name in names or platform_names()]
    make = tables.list_rows
    if check:
        make = tables.check_rows
    elif prices:
        make = tables.price_rows
    elif fit:
        make = tables.fit_rows
    rows = make(chosen)
    if as_json:
        print(json.dumps(rows, indent=1))
    elif check:
        tables.print_checks(rows, terms)
    elif prices:
        tables.print_prices(rows)
    elif fit:
        tables.print_fits(rows)
    else:
        tables.print_list(rows)


def _measure(
    paths: list[str],
    output: Path | None,
    base: str | None,
    given: tuple[int | None, bool | None, float | None],
    as_json: bool,
) -> None:
    """Measure a platform. given: its GIC version, VHE and clock, as far as the user named them."""
    # Reads recordings with numba, which no other list needs.
    from bench.switches import measure

    if not paths:
        raise UsageError("platforms --measure: expected recordings of a KVM host, or outputs of micro-bench")
    if output is not None:
        if output.suffix != ".toml":
            raise UsageError(f"{output}: expected a file name that ends in .toml, as platforms have")
        check_file(output)
    start = None if base is None else load_platform(base)
    if measure.holds_recordings(paths):
        with ProgressBars() as progress:
            ensure_compiled((), progress)
    inputs = measure.read(paths)
    name = "measured" if output is None else output.stem
    machine, start = measure.machine_of(name, inputs, start, *given)
    measured = measure.measure(measure.figures_of(inputs, machine), machine, start, inputs.sources)
    if output is not None:
        with atomic_write(output, "w") as file:
            file.write(platform_toml(measured.platform))
    rows = measure.rows(measured)
    if as_json:
        found = {"name": name, "assumptions": list(machine.assumptions), "scale": measured.scale, "figures": rows}
        print(json.dumps(found | {"prices": tables.price_rows([measured.platform])}, indent=1))
        return
    tables.print_measured(rows, machine.assumptions, measured)
    if output is None:
        print("The price list is not kept: name a file with -o NAME.toml")
    else:
        print(f"price list: {output} (vgic-bench platforms {output} --prices)")
