# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench platforms`: the price lists in cycles, and the published figures they were checked against."""

import json
from typing import Annotated

import typer

from kvmarm.errors import UsageError
from kvmarm.platforms import load_platform, platform_names
from vgic_bench.groups import command, new_app
from vgic_bench.options import Json
from vgic_bench.show import platforms as tables

app = new_app()

EXAMPLES = ("vgic-bench platforms", "vgic-bench platforms --check", "vgic-bench platforms xgene --prices")


@command(app, "platforms", EXAMPLES)
def platforms(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Platforms by name, or files of your own; none for all.", metavar="PLATFORM…"),
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
    as_json: Json = False,
) -> None:
    """List the platforms with their prices, or check them against published figures.

    Prices were fitted on some figures (use: fit); the others are predictions, whose errors are as they come out.
    """
    if check + prices + fit > 1:
        raise UsageError("platforms: --check, --prices and --fit are different answers; expected one of them")
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
