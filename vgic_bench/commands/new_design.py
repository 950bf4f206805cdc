# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench new-design`: a folder to begin a design in."""

from pathlib import Path
from typing import Annotated

import typer

from bench.studies.new_design import new_design as make
from kvmarm.files import check_folder
from vgic_bench.groups import command, new_app
from vgic_bench.options import OUTPUT

app = new_app()

EXAMPLES = ("vgic-bench new-design mine", "vgic-bench new-design mine -o work")


@command(app, "new-design", EXAMPLES)
def new_design(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the design and its package are called.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FOLDER", help="Folder to make it in.", rich_help_panel=OUTPUT),
    ] = Path(),
) -> None:
    """Write the scaffold of a design: a package with its entry point, its checks, a test and a CI workflow.

    It delivers nothing yet and passes `vgic-bench check`, with the reason.
    """
    check_folder(output)
    for path in make(name, output):
        print(path)
    print(f"next: pip install -e {output / name} && vgic-bench check {name}")
