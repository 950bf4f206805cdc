# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench history`: one figure over the stored runs, and where it changed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bench.gate.history import Series
    from bench.gate.steps import Step

MOST_LINES = 12


def history(
    folder: Annotated[Path, typer.Argument(help="The folder that holds the results folders.")] = Path("results"),
    metric: Annotated[
        str, typer.Option("--metric", help="events, instructions, time_ns, or the name of one event.")
    ] = "events",
    transition: Annotated[
        str, typer.Option("--transition", help="A transition's name; * and ? match as in file names.")
    ] = "*",
    designs: Annotated[str, typer.Option("--designs", help="These designs only, separated by commas.")] = "",
    gic: Annotated[int | None, typer.Option("--gic", help="Rows with this GIC version only.")] = None,
    irqs: Annotated[int | None, typer.Option("--irqs", help="Rows with so many INTIDs only.")] = None,
    vcpus: Annotated[int | None, typer.Option("--vcpus", help="Rows with so many vCPUs only.")] = None,
    lrs: Annotated[int | None, typer.Option("--lrs", help="Rows with so many list registers only.")] = None,
    pending: Annotated[int | None, typer.Option("--pending", help="Rows with so many standing pending only.")] = None,
    minimum_effect: Annotated[
        float, typer.Option("--minimum-effect", help="Steps of time smaller than this fraction are none.")
    ] = 0.03,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the series to this .svg, .png or .pdf file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array of series instead.")] = False,
) -> None:
    """Follow a figure over the stored runs and name the runs in which it changed.

    One series is printed run by run; of several, the changes.
    """
    import json
    import sys

    from bench.gate import history as module
    from kvmarm.errors import UsageError

    if not 0 < minimum_effect < 1:
        raise UsageError(f"--minimum-effect {minimum_effect}: expected a fraction between 0 and 1, both excluded")
    given = {"gic": gic, "irqs": irqs, "vcpus": vcpus, "lrs": lrs, "pending": pending}
    fields = {name: value for name, value in given.items() if value is not None}
    chosen = [name.strip() for name in designs.split(",") if name.strip()]
    series, unread = module.history(folder, metric, transition, chosen, fields, minimum_effect)
    for line in unread:
        print(f"vgic-bench: warning: {line}", file=sys.stderr)
    if plot:
        if len(series) > MOST_LINES:
            raise UsageError(
                f"--plot: {len(series)} series are too many for one figure; choose by --transition, --designs, --gic, …"
            )
        module.plot(series, plot)
    if as_json:
        print(json.dumps(module.as_json(series), indent=1))
        return
    _print(series, metric)
    if plot:
        print(plot)


def _print(series: "list[Series]", metric: str) -> None:
    from vgic_bench.console import print_table

    if len(series) == 1:
        [one] = series
        print(f"{metric} of {one.name}")
        steps = {step.index: step for step in one.steps}
        rows = []
        for index, point in enumerate(one.points):
            step = steps.get(index)
            rows.append((point.run, point.commit[:10], f"{point.value:.6g}", _change(step) if step else ""))
        print_table(("run", "commit", f">{metric}", "step"), rows)
        return
    changed = [(one, step) for one in series for step in one.steps]
    runs = {point.run for one in series for point in one.points}
    with_steps = sum(bool(one.steps) for one in series)
    print(f"{metric} over {len(runs)} runs: {len(series)} series, {with_steps} with a change")
    if changed:
        cells = [
            (one.name, one.points[step.index].run, one.points[step.index].commit[:10], _change(step))
            for one, step in changed
        ]
        print_table(("series", "first run after", "commit", "change"), cells)


def _change(step: "Step") -> str:
    ratio = f" ({step.ratio - 1:+.1%})" if step.before else ""
    return f"{step.before:.6g} -> {step.after:.6g}{ratio}"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(history)
