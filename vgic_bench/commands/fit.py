# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench fit`: event weights from instructions counted in the real code, and how well they fit."""

from typing import Annotated

import typer


def fit(
    costs: Annotated[
        str | None,
        typer.Argument(
            metavar="COSTS.csv",
            help="Counted instructions: design,gic,irqs,vcpus,pending,transition,instructions, and lrs if not 4. "
            "Default: the packaged counts of the Linux 4.4 and 4.8 code.",
            show_default=False,
        ),
    ] = None,
    designs: Annotated[str, typer.Option(help="Designs to fit, separated by commas.")] = "old,new",
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Write NAME.weights.json for each design into a folder."),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Replace the weights.json in each design's package with the new weights.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print weights and errors as JSON.")] = False,
) -> None:
    """Fit each design's instructions per event to counts of the real code, and report the error by transition."""
    import importlib.resources
    import json
    from pathlib import Path

    from bench.engine.designs import named_designs
    from bench.meters.compile import ensure_compiled
    from bench.meters.fit import fit as fit_design
    from bench.meters.fit import geometric_mean_error, save_weights
    from bench.meters.weights import WEIGHTS_FILE
    from kvmarm.design import get_design
    from kvmarm.files import check_folder
    from vgic_bench.console import print_table

    if output:
        check_folder(output)
    path = Path(costs) if costs else Path(str(importlib.resources.files("bench") / "data" / "kernel-cost.csv"))
    chosen = [get_design(name) for name in named_designs(designs)]
    ensure_compiled([design.name for design in chosen], ["counting"])
    documents = {}
    for design in chosen:
        weights, table = fit_design(design.name, path)
        targets = [Path(output) / f"{design.name}.{WEIGHTS_FILE}"] if output else []
        if write:
            targets.append(Path(str(importlib.resources.files(design.package) / WEIGHTS_FILE)))
        for target in targets:
            save_weights(target, weights, table, path.name)
        by_transition = table.groupby("transition", sort=False)["error"].agg(["count", "mean", "min", "max"])
        geometric, worst = geometric_mean_error(table), float(table["error"].abs().max())
        if as_json:
            documents[design.name] = {
                "weights": weights,
                "geometric_mean_error": geometric,
                "worst_error": worst,
                "transitions": by_transition.to_dict("index"),
                "written": [str(target) for target in targets],
            }
            continue
        print_table(
            ["event", ">instructions"],
            [(name, f"{weight:.2f}") for name, weight in weights.items() if weight],
            title=f"{design.name}: {design.title}",
        )
        print_table(
            ["transition", ">points", ">mean error", ">least", ">most"],
            [
                (name, int(row["count"]), f"{row['mean']:+.1%}", f"{row['min']:+.1%}", f"{row['max']:+.1%}")
                for name, row in by_transition.iterrows()
            ],
        )
        print(f"{design.name}: {len(table)} points, geometric mean error {geometric:.2%}, worst {worst:.1%}")
        for target in targets:
            print(f"weights: {target}")
        print()
    if as_json:
        print(json.dumps(documents, indent=1))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(fit)
