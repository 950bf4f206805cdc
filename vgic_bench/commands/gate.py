# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench gate`: did it become dearer? Two runs judged, two revisions built and judged, and the gate's own test."""

import os
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from kvmarm.errors import UsageError

if TYPE_CHECKING:
    from bench.gate.judge import Judgement


class _CheckByDefault(TyperGroup):
    """`gate BASELINE CANDIDATE` is `gate check BASELINE CANDIDATE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            near = get_close_matches(args[0], self.commands, 1)
            if near and not os.path.exists(args[0]):
                raise UsageError(f"gate {args[0]!r}: no such command or baseline; did you mean {near[0]!r}?")
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

    from bench.gate import ci_output as output_ci
    from vgic_bench.show.compare import print_comparison

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
    partial: Annotated[
        bool, typer.Option("--partial", help="The candidate measured less on purpose: judge what it has.")
    ] = False,
    as_json: Annotated[bool, JSON] = False,
    junit: Annotated[Path | None, JUNIT] = None,
    summary: Annotated[Path | None, SUMMARY] = None,
    annotate: Annotated[bool | None, ANNOTATE] = None,
) -> None:
    """Judge a stored run by another: any changed count fails, and any time that shows a regression.

    `gate BASELINE CANDIDATE` is short for it.
    """
    from bench.gate.budget import load_budget
    from bench.gate.judge import gate

    judgement = gate(baseline, candidate, load_budget(budget), _meters(meters), partial)
    _report(judgement, as_json, junit, summary, annotate)


@gate_app.command("run")
def run(
    against: Annotated[str, typer.Option("--against", help="The git revision to judge by.", show_default=False)],
    run_options: Annotated[
        list[str] | None,
        typer.Argument(help="After `--`: options of `vgic-bench run` [default: --quick].", show_default=False),
    ] = None,
    candidate: Annotated[
        str | None, typer.Option("--candidate", help="The git revision to judge [default: the working tree].")
    ] = None,
    processes: Annotated[
        int, typer.Option("--processes", help="Turns; in each, both revisions are measured once.")
    ] = 12,
    isolated: Annotated[
        bool,
        typer.Option("--isolated", help="Install each revision with its dependencies in an environment of its own."),
    ] = False,
    budget: Annotated[Path | None, BUDGET] = None,
    meters: Annotated[str, METERS] = "events,time",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Keep the two runs here, as baseline and candidate.")
    ] = None,
    as_json: Annotated[bool, JSON] = False,
    junit: Annotated[Path | None, JUNIT] = None,
    summary: Annotated[Path | None, SUMMARY] = None,
    annotate: Annotated[bool | None, ANNOTATE] = None,
) -> None:
    """Build two revisions side by side, measure them turn by turn, and judge.

    Run it in a checkout of vgic-bench. Each revision is measured by its own sources.
    """
    from bench.gate import revisions
    from bench.gate.budget import load_budget
    from bench.gate.judge import judge
    from bench.gate.run import measure_trees, two_trees
    from bench.results.folders import check_new_folder
    from kvmarm.files import check_file
    from vgic_bench.progress import ProgressBars

    limits, wanted = load_budget(budget), _meters(meters)
    for path in filter(None, (junit, summary)):
        check_file(path)
    for folder in (output / "baseline", output / "candidate") if output else ():
        check_new_folder(folder)
    # Times only: more turns would count the same again, and one turn shows everything about counts.
    turns = processes if "time" in wanted else 1
    arguments = ["--meters", ",".join(wanted), *(run_options or ["--quick"])]
    with two_trees(revisions.repository(), against, candidate, isolated) as trees, ProgressBars() as progress:
        runs = measure_trees(trees, arguments, turns, lambda text: print(f"gate: {text}", file=sys.stderr), progress)
    for name, results in zip(("baseline", "candidate"), runs, strict=True):
        if output:
            results.save(output / name, replace=True)
    _report(judge(*runs, limits, wanted), as_json, junit, summary, annotate)


@gate_app.command("self-test")
def self_test(
    processes: Annotated[int, typer.Option("--processes", help="Turns that times are measured in.")] = 12,
    deals: Annotated[int, typer.Option("--deals", help="How often the turns are dealt to two sides and judged.")] = 200,
    transitions: Annotated[
        str, typer.Option("--transitions", help="Transitions to use, separated by commas.")
    ] = "inject_edge_spi,inject_level_spi_raise,sgi_to_one,flush_empty,flush_p,sync_after_eoi,pending_query,"
    "mmio_write_ISENABLER",
    designs: Annotated[str, typer.Option("--designs", help="Designs to use, separated by commas.")] = "old,new",
    counts_only: Annotated[bool, typer.Option("--counts-only", help="Test the gate of exact counts only.")] = False,
    budget: Annotated[Path | None, BUDGET] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Test the gate on this machine: equal code must pass, a lock more or 5 % more time must fail.

    Exit status 0: trusted; 1: not to be trusted; 3: this machine is too noisy for the turns taken.
    """
    import json

    from bench.engine.designs import named_designs
    from bench.gate.budget import load_budget
    from bench.gate.self_test import SLOWDOWN, names_of
    from bench.gate.self_test import self_test as test
    from vgic_bench.progress import ProgressBars

    names, chosen = names_of(transitions), named_designs(designs)
    with ProgressBars() as progress:
        outcome = test(names, chosen, processes, deals, load_budget(budget), not counts_only, progress)
    if as_json:
        print(json.dumps(vars(outcome), indent=1))
        raise typer.Exit(outcome.status)
    says = {True: "yes", False: "NO"}
    print(f"equal counts pass:            {says[outcome.counts_silent]}")
    print(f"one lock more fails:          {says[outcome.counts_fired]}")
    if outcome.deals:
        print(f"equal times called regressed: {outcome.alarms} of {outcome.deals} deals of {outcome.turns} turns")
        print(f"{SLOWDOWN:.0%} more time fails:           {outcome.fired} of {outcome.deals} deals")
    if outcome.median_shift is not None:
        print(f"equal code, as measured:      differs by {outcome.median_shift:.2%} (median over transitions)")
    for line in outcome.lines:
        print(f"gate self-test: {line}", file=sys.stderr)
    raise typer.Exit(outcome.status)


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(gate_app, name="gate")
