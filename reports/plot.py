# SPDX-License-Identifier: GPL-2.0-only
"""The figures of a report as files: the same drawings as in the page, in light colours."""

from collections.abc import Iterable
from pathlib import Path

from kvmarm.errors import UsageError
from kvmarm.files import atomic_write
from reports import svg
from reports.data import Report
from reports.figures import FIGURES, draw

FORMATS = ("svg", "png")


def plot(
    results_folder: str | Path, output_folder: str | Path, names: Iterable[str] = (), formats: Iterable[str] = FORMATS
) -> list[Path]:
    """Write figures of a results folder as NAME.svg and NAME.png; return the paths written.

    `names`: keys of reports.figures.FIGURES, none for all that the results have data for. Raises UsageError for an
    unknown name or format, for a named figure without data, and when there is nothing to draw at all.
    """
    wanted, kinds = list(names), list(formats)
    for name in wanted:
        if name not in FIGURES:
            raise UsageError(f"figure {name!r}: expected one of {', '.join(FIGURES)}")
    for kind in kinds:
        if kind not in FORMATS:
            raise UsageError(f"format {kind!r}: expected {' or '.join(FORMATS)}")
    report = Report(results_folder)
    written = []
    for name in wanted or FIGURES:
        figure = draw(name, report)
        if figure is None:
            if wanted:
                raise UsageError(f"{results_folder}: nothing in it for the figure {name!r} ({FIGURES[name]})")
            continue
        for kind in kinds:
            path = Path(output_folder) / f"{name}.{kind}"
            data = svg.to_svg(figure).encode() if kind == "svg" else svg.to_png(figure)
            with atomic_write(path) as file:
                file.write(data)
            written.append(path)
    if not written:
        raise UsageError(
            f"{results_folder}: nothing in it to draw, expected measured transitions, workloads or a switch table"
        )
    return written
