# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench predict`: instructions of the real code for a list of points."""

from pathlib import Path
from typing import Annotated

import typer

from bench.meters import compile as compiled
from bench.meters.predict import designs_of, read_grid, run
from kvmarm.files import check_file, check_not_input
from vgic_bench.groups import command, new_app
from vgic_bench.progress import ProgressBars

app = new_app()

EXAMPLES = ("vgic-bench predict grid.csv -o predicted.csv",)


@command(app, "predict", EXAMPLES)
def predict(
    grid: Annotated[
        Path,
        typer.Argument(
            metavar="GRID.csv",
            help="Points: columns design,gic,irqs,vcpus,pending,transition, and lrs if not 4; or of LPIs: "
            "lpis,devices,position,op, and design if not new.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.csv", help="CSV file to write.")],
) -> None:
    """Predict the instructions of the real kernel code (x86-64, gcc -O2) for each point of a CSV file.

    The output has the grid's columns, `instructions`, and one column for each event that was counted.
    """
    check_file(output)
    check_not_input(output, grid)
    points = read_grid(str(grid))
    designs = designs_of(points, str(grid))
    with ProgressBars() as progress:
        compiled.ensure_compiled(designs, ["lpis" if "op" in points.columns else "counting"], progress)
        table = run(str(grid), str(output), lambda done, total: progress("points", done, total))
    print(f"{len(table)} points: {output}")
