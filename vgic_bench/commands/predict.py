# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench predict`: instructions of the real code for a list of points."""

from typing import Annotated

import typer


def predict(
    grid: Annotated[
        str,
        typer.Argument(
            metavar="GRID.csv", help="Points: columns design,gic,irqs,vcpus,pending,transition, and lrs if not 4."
        ),
    ],
    output: Annotated[str, typer.Option("--output", "-o", metavar="OUT.csv", help="CSV file to write.")],
) -> None:
    """Predict the instructions of the real kernel code (x86-64, gcc -O2) for each point of a CSV file.

    The output has the grid's columns, `instructions`, and one column for each event that was counted.
    """
    from bench.meters.compile import ensure_compiled
    from bench.meters.predict import designs_of, read_grid, run
    from kvmarm.files import check_file
    from vgic_bench.progress import ProgressBars

    check_file(output)
    ensure_compiled(designs_of(read_grid(grid), grid), ["counting"])
    with ProgressBars() as progress:
        table = run(grid, output, lambda done, total: progress("points", done, total))
    print(f"{len(table)} points: {output}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(predict)
