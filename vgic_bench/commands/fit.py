# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench fit`: event weights from instructions counted in the real code, and how well they fit."""

import importlib.resources
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from bench.meters import compile as compiled
from bench.meters.fit import fit as fit_design
from bench.meters.fit import geometric_mean_error, quality, save_weights
from bench.meters.fit_lpis import fit_lpis, has_rows, is_lpi_costs, others_of
from bench.meters.fit_time import check_clock
from bench.meters.weights import WEIGHTS_FILE, document_of
from kvmarm.design import Design, get_design
from kvmarm.errors import UsageError
from kvmarm.files import check_folder
from vgic_bench.choices import designs_of
from vgic_bench.groups import command, new_app
from vgic_bench.options import OUTPUT, Designs, Json
from vgic_bench.progress import ProgressBars
from vgic_bench.show.fit import print_fit, print_times

app = new_app()

TIMED = ("old", "new")
"""Designs whose times are packaged."""

EXAMPLES = ("vgic-bench fit", "vgic-bench fit --time", "vgic-bench fit counted.csv --designs old -o weights")


@command(app, "fit", EXAMPLES, tables=True)
def fit(
    costs: Annotated[
        Path | None,
        typer.Argument(
            metavar="COSTS.csv",
            help="Counted instructions: design,gic,irqs,vcpus,pending,transition,instructions, and lrs if not 4; or "
            "lpis,devices,position,op,instructions, and design if not new. Default: the packaged counts of the Linux "
            "4.4, 4.8 and 6.18 code.",
            show_default=False,
        ),
    ] = None,
    designs: Designs = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Write NAME.weights.json for each design.",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Replace the weights.json in each design's package with the new weights.")
    ] = False,
    time: Annotated[
        bool,
        typer.Option(
            "--time",
            help="Fit nothing: time two designs and compare with the real code's ns. COSTS.csv then has ns instead of "
            "instructions; default: the packaged times of the Linux 4.4 and 4.8 code on two machines.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Fit each design's instructions per event to counts of the real code, and report the error by transition."""
    if output:
        check_folder(output)
    if time:
        _check_time(costs, designs, output, write, as_json)
        return
    chosen = [get_design(name) for name in designs_of(designs)]
    for design in chosen:
        if write and design.package is None:
            raise UsageError(f"--write: design {design.name!r} has no package to write into, expected --output FOLDER")
    with ProgressBars() as progress:
        code = (["counting"] if costs is None or not is_lpi_costs(costs) else []) + ["lpis"]
        compiled.ensure_compiled([design.name for design in chosen], code, progress)
    documents: dict[str, Any] = {}
    for design in chosen:
        document, tables = _fit(design, costs)
        targets = _targets(design, output, write)
        for target in targets:
            save_weights(target, document)
        found = {"weights": document["weights"], "written": [str(target) for target in targets]}
        parts = {name: _errors(table) for name, table in tables.items()}
        if as_json:
            documents[design.name] = found | parts.get("points", {})
            if "lpis" in parts:
                documents[design.name]["lpis"] = parts["lpis"]
        else:
            print_fit(design, found, parts)
    if as_json:
        print(json.dumps(documents, indent=1))


def _check_time(costs: Path | None, designs: list[str] | None, output: Path | None, write: bool, as_json: bool) -> None:
    if output or write:
        raise UsageError("--time finds no weights: expected neither --output nor --write")
    names = designs_of(designs) if designs else list(TIMED)
    if len(names) != 2:
        raise UsageError(f"--designs {','.join(names)}: expected two designs to compare the times of")
    with ProgressBars() as progress:
        compiled.ensure_compiled(names, ["counting", "timing"], progress)
        check = check_clock((names[0], names[1]), _data(), costs, lambda done, total: progress("time", done, total))
    if as_json:
        print(json.dumps(asdict(check), indent=1))
    else:
        print_times(check)


def _data() -> Path:
    return Path(str(importlib.resources.files("bench") / "data"))


def _fit(design: Design, costs: Path | None) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Return what weights.json is to hold, and the rows with errors by kind of points, of a fit to one table or all."""
    data = _data()
    if costs is not None and is_lpi_costs(costs):
        document = dict(document_of(design))
        document["weights"] = others_of(document.get("weights", {}))
        lpi_costs: Path | None = costs
        tables = {}
    else:
        path = costs or _packaged_costs(data, design.name)
        weights, table = fit_design(design.name, path, None if costs else _recounted(data, path))
        document, tables = {**quality(table, path.name), "weights": weights}, {"points": table}
        lpi_costs = data / "its-cost.csv" if costs is None and has_rows(data / "its-cost.csv", design.name) else None
    if lpi_costs is not None:
        own, tables["lpis"] = fit_lpis(design.name, lpi_costs, document["weights"])
        document |= {"lpis": quality(tables["lpis"], lpi_costs.name), "weights": document["weights"] | own}
    return document, tables


def _packaged_costs(data: Path, design: str) -> Path:
    """Return the packaged table that has points of a design, the first one when none has."""
    tables = [data / "kernel-cost.csv", *sorted(data.glob("kernel-cost-*.csv"))]
    return next((path for path in tables if has_rows(path, design)), tables[0])


def _recounted(data: Path, table: Path) -> tuple[Path, Path, str] | None:
    """Return the tables that tell the build of a packaged table from that of the first, None for the first itself."""
    first = data / "kernel-cost.csv"
    return None if table == first else (first, data / "kernel-cost-new-recount.csv", "new")


def _errors(table: pd.DataFrame) -> dict[str, Any]:
    """Return the errors of a fit, in all and by transition or operation."""
    by = "transition" if "transition" in table.columns else "op"
    return {
        "points": len(table),
        "geometric_mean_error": geometric_mean_error(table),
        "worst_error": float(table["error"].abs().max()),
        "transitions": table.groupby(by, sort=False)["error"].agg(["count", "mean", "min", "max"]).to_dict("index"),
    }


def _targets(design: Design, output: Path | None, write: bool) -> list[Path]:
    """Return the files that a design's weights are written to."""
    targets = [output / f"{design.name}.{WEIGHTS_FILE}"] if output else []
    if write:
        targets.append(Path(str(importlib.resources.files(str(design.package)) / WEIGHTS_FILE)))
    return targets
