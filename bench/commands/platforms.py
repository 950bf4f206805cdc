# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench platforms`: the price lists in cycles, and the published figures they were checked against."""

from typing import Annotated

import typer


def platforms(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Platforms by name, or files of your own; none for all.", metavar="PLATFORM…"),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Hold the model against published figures, with the error of each.")
    ] = False,
    prices: Annotated[
        bool, typer.Option("--prices", help="List every price with its certainty, source and derivation.")
    ] = False,
    terms: Annotated[bool, typer.Option("--terms", help="With --check: what each modelled figure is made of.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array instead of tables.")] = False,
) -> None:
    """List the platforms with their prices, or check them against published figures.

    Prices were fitted on some figures (use: fit); the others are predictions, whose errors are as they come out.
    """
    import json

    from bench.platform_tables import check_rows, list_rows, price_rows, print_checks, print_list, print_prices
    from kvmarm.platforms import load_platform, platform_names

    chosen = [load_platform(name) for name in names or platform_names()]
    if check:
        rows = check_rows(chosen)
        show = lambda: print_checks(rows, terms)  # noqa: E731
    elif prices:
        rows = price_rows(chosen)
        show = lambda: print_prices(rows)  # noqa: E731
    else:
        rows = list_rows(chosen)
        show = lambda: print_list(rows)  # noqa: E731
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        show()


def register(app: typer.Typer) -> None:
    """Add `vgic-bench platforms`."""
    app.command("platforms")(platforms)
