# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench gate`: did it become dearer? Two runs judged, two revisions built and judged, and the gate's own test."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from bench.gate import Judgement


class _CheckByDefault(TyperGroup):
    """`gate BASELINE CANDIDATE` is `gate check BASELINE CANDIDATE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["check", *args]
        return super().parse_args(ctx, args)


gate_app = typer.Typer(
    cls=_CheckByDefault,
    no_args_is_help=True,
    help="Fail a build that made something dearer: gate BASELINE CANDIDATE, gate run, gate self-test. "
    "Exit status: 0 pass, 1 regressed, 2 usage, 3 inconclusive, 4 no baseline or not comparable, 5 measurement failed.",
)

METERS = typer.Option("--meters", help="Judge by these only, separated by commas: events, time.")
BUDGET = typer.Option("--budget", help="Budget file (TOML): limits, and changes of counts allowed by name.")
JSON = typer.Option("--json", help="Print one JSON object instead of the table.")
JUNIT = typer.Option("--junit", help="Also write JUnit XML to this file.")
SUMMARY = typer.Option("--summary", help="Also append a Markdown summary to this file, as for $GITHUB_STEP_SUMMARY.")
ANNOTATE = typer.Option("--annotations/--no-annotations", help="Print GitHub annotations (default: in GitHub Actions).")


def _report(
    judgement: "Judgement", as_json: bool, junit: Path | None, summary: Path | None, annotate: bool | None
) -> None:
    """Put the judgement out in every form asked for and exit with its status."""
    import json

    from bench import output_ci
    from bench.compare_table import print_comparison

    if junit:
        output_ci.write_junit(judgement, junit)
    if summary:
        output_ci.append_summary(judgement, summary)
    if as_json:
        print(json.dumps(judgement.as_json(), indent=1))
    else:
        print_comparison(judgement.comparison)
        for row in judgement.allowed:
            print(f"allowed: {row.name}: {row.allowed}")
        for text in judgement.warnings:
            print(f"warning: {text}")
        print(f"gate: {judgement.outcome}")
    if judgement.status:
        most = 20
        for text in judgement.reasons[:most]:
            print(f"gate: {text}", file=sys.stderr)
        if len(judgement.reasons) > most:
            print(f"gate: and {len(judgement.reasons) - most} more", file=sys.stderr)
    in_actions = os.environ.get("GITHUB_ACTIONS") == "true"
    if annotate or (annotate is None and in_actions):
        # Workflow commands are read from both streams; standard error keeps --json's output one JSON object.
        for line in output_ci.annotations(judgement):
            print(line, file=sys.stderr)
    raise typer.Exit(judgement.status)


def _meters(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


@gate_app.command("check")
def check(
    baseline: Annotated[Path, typer.Argument(help="A results folder, counts file or pytest-benchmark JSON.")],
    candidate: Annotated[Path, typer.Argument(help="The run to judge: any of the same.")],
    budget: Annotated[Path | None, BUDGET] = None,
    meters: Annotated[str, METERS] = "events,time",
    as_json: Annotated[bool, JSON] = False,
    junit: Annotated[Path | None, JUNIT] = None,
    summary: Annotated[Path | None, SUMMARY] = None,
    annotate: Annotated[bool | None, ANNOTATE] = None,
) -> None:
    """Judge a stored run by another: any changed count fails, and any time that shows a regression.

    `gate BASELINE CANDIDATE` is short for it.
    """
    from bench.budget import load_budget
    from bench.gate import gate

    _report(gate(baseline, candidate, load_budget(budget), _meters(meters)), as_json, junit, summary, annotate)


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(gate_app, name="gate")
