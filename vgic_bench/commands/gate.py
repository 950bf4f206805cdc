# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench gate`: did a change make a transition cost more? Stored runs, two revisions, its own test."""

import json
import os
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.gate import ci_output, revisions
from bench.gate import run as two_revisions
from bench.gate.budget import load_budget
from bench.gate.compare import METERS
from bench.gate.judge import MEASUREMENT_FAILED, Judgement, gate, judge
from bench.gate.renew import renew
from bench.gate.self_test import names_of
from bench.gate.self_test import self_test as test_gate
from bench.results.folders import check_new_folder
from kvmarm.errors import UsageError
from kvmarm.files import check_file, check_not_input
from kvmarm.text import one_line
from vgic_bench.choices import designs_of
from vgic_bench.groups import Group, command, new_app
from vgic_bench.options import OUTPUT, Designs, Json, SameHost, Transitions, listed
from vgic_bench.options import Meters as MetersOption
from vgic_bench.progress import ProgressBars
from vgic_bench.show.compare import print_judgement, print_self_test


class _CheckByDefault(Group):
    """`gate BASELINE CANDIDATE` is `gate check BASELINE CANDIDATE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `check` before what is no command."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            near = get_close_matches(args[0], self.commands, 1)
            if near and not os.path.exists(args[0]):
                raise UsageError(f"gate {args[0]!r}: no such command or baseline; did you mean {near[0]!r}?")
            args = ["check", *args]
        return super().parse_args(ctx, args)


app = new_app(
    "Fail a build that made a transition cost more: gate BASELINE CANDIDATE, gate run, gate self-test. "
    "Exit status: 0 pass, 1 regressed, 2 usage, 3 inconclusive, 4 no baseline or not comparable, 5 measurement failed.",
    ("vgic-bench gate bench/baselines/counts.json results/mine", "vgic-bench gate run --against main"),
    cls=_CheckByDefault,
)

Budget = Annotated[
    Path | None,
    typer.Option(
        "--budget",
        metavar="FILE",
        help="Budget file (TOML): limits, and changes of counts allowed by name.",
        show_default=False,
    ),
]
Junit = Annotated[
    Path | None,
    typer.Option("--junit", metavar="FILE", help="Also write JUnit XML.", rich_help_panel=OUTPUT, show_default=False),
]
Summary = Annotated[
    Path | None,
    typer.Option(
        "--summary",
        metavar="FILE",
        help="Also append a Markdown summary, as for $GITHUB_STEP_SUMMARY.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
Comment = Annotated[
    Path | None,
    typer.Option(
        "--comment",
        metavar="FILE",
        help="Also write the summary as the body of a comment that a later run replaces.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
Annotate = Annotated[
    bool | None,
    typer.Option(
        "--annotations/--no-annotations",
        help="Print GitHub annotations. [default: in GitHub Actions]",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
MOST_REASONS = 20


@dataclass(frozen=True)
class Forms:
    """The forms that a judgement is asked for in."""

    as_json: bool
    junit: Path | None
    summary: Path | None
    comment: Path | None
    annotate: bool | None


def _report(judgement: Judgement, forms: Forms) -> None:
    """Put the judgement out in every form asked for and exit with its status."""
    if forms.junit:
        ci_output.write_junit(judgement, forms.junit)
    if forms.summary:
        ci_output.append_summary(judgement, forms.summary)
    if forms.comment:
        ci_output.write_comment(judgement, forms.comment)
    if forms.as_json:
        print(json.dumps(judgement.as_json(), indent=1))
    else:
        print_judgement(judgement)
    if judgement.renew and not forms.as_json:
        print(f"changed: renew the baseline with {judgement.renew}")
    if judgement.status:
        for text in judgement.reasons[:MOST_REASONS]:
            print(f"gate: {one_line(text)}", file=sys.stderr)
        if len(judgement.reasons) > MOST_REASONS:
            print(f"gate: and {len(judgement.reasons) - MOST_REASONS} more", file=sys.stderr)
    in_actions = os.environ.get("GITHUB_ACTIONS") == "true"
    if forms.annotate or (forms.annotate is None and in_actions):
        # Workflow commands are read from both streams; standard error keeps --json's output one JSON object.
        for line in ci_output.annotations(judgement):
            print(one_line(line), file=sys.stderr)
    raise typer.Exit(judgement.status)


CHECK_EXAMPLES = (
    "vgic-bench gate bench/baselines/counts.json results/mine",
    "vgic-bench gate check results/before results/after --budget budget.toml --junit gate.xml",
)


@command(app, "check", CHECK_EXAMPLES, "Judge a stored run by another (`gate BASELINE CANDIDATE`).", tables=True)
def check(
    baseline: Annotated[Path, typer.Argument(help="A results folder, counts file or pytest-benchmark JSON.")],
    candidate: Annotated[Path, typer.Argument(help="The run to judge: any of the same.")],
    budget: Budget = None,
    meters: MetersOption = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="The candidate measured less on purpose: judge what it has.")
    ] = False,
    same_host: SameHost = False,
    update: Annotated[
        bool, typer.Option("--update", help="Then renew the baseline: it becomes the candidate. Exit status 0.")
    ] = False,
    as_json: Json = False,
    junit: Junit = None,
    summary: Summary = None,
    comment: Comment = None,
    annotate: Annotate = None,
) -> None:
    """Judge a stored run by another: any changed count fails, and any time that shows a regression.

    `gate BASELINE CANDIDATE` is short for it.
    """
    if update and partial:
        raise UsageError("--update: expected without --partial, a baseline has everything")
    wanted = tuple(listed(meters, "--meters", METERS))
    limits = load_budget(budget)
    forms = Forms(as_json, junit, summary, comment, annotate)
    for path in filter(None, (junit, summary, comment)):
        check_file(path)
        check_not_input(path, baseline, candidate, budget)
    if update and not baseline.exists():
        renew(baseline, candidate)
        print(f"gate: {baseline}: made from {candidate}")
        return
    judgement = gate(baseline, candidate, limits, wanted, partial, same_host)
    if update and judgement.status != MEASUREMENT_FAILED:
        renew(baseline, candidate)
        judgement.renewed()
        print(f"gate: {baseline}: renewed from {candidate}", file=sys.stderr)
    _report(judgement, forms)


RUN_EXAMPLES = (
    "vgic-bench gate run --against main",
    "vgic-bench gate run --against v1.0 --meters events -- --quick --designs new",
)


@command(app, "run", RUN_EXAMPLES, "Measure two revisions side by side, and judge.", tables=True)
def run(
    against: Annotated[str, typer.Option("--against", help="The git revision to judge by.", show_default=False)],
    run_options: Annotated[
        list[str] | None,
        typer.Argument(help="After `--`: options of `vgic-bench run`. [default: --quick]", show_default=False),
    ] = None,
    candidate: Annotated[
        str | None,
        typer.Option("--candidate", help="The git revision to judge. [default: the working tree]", show_default=False),
    ] = None,
    processes: Annotated[
        int, typer.Option("--processes", help="Turns; in each, both revisions are measured once.")
    ] = 12,
    isolated: Annotated[
        bool,
        typer.Option("--isolated", help="Install each revision with its dependencies in a separate environment."),
    ] = False,
    budget: Budget = None,
    meters: MetersOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FOLDER",
            help="Keep the two runs, as baseline and candidate.",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
    junit: Junit = None,
    summary: Summary = None,
    comment: Comment = None,
    annotate: Annotate = None,
) -> None:
    """Build two revisions side by side, measure them turn by turn, and judge.

    In a checkout of vgic-bench each revision is measured by its own sources; in one of a package that brings a design,
    each revision's design by this tool.
    """
    limits, wanted = load_budget(budget), tuple(listed(meters, "--meters", METERS))
    for path in filter(None, (junit, summary, comment)):
        check_file(path)
    for folder in (output / "baseline", output / "candidate") if output else ():
        check_new_folder(folder)
    # Times only: more turns would count the same again, and one turn shows everything about counts.
    turns = processes if "time" in wanted else 1
    arguments = ["--meters", ",".join(wanted), *(run_options or ["--quick"])]

    def say(text: str) -> None:
        print(f"gate: {text}", file=sys.stderr)

    root = revisions.repository()
    two_revisions.check_repository(root)
    with two_revisions.two_trees(root, against, candidate, isolated) as trees, ProgressBars() as progress:
        runs = two_revisions.measure_trees(trees, arguments, turns, say, progress)
    for name, results in zip(("baseline", "candidate"), runs, strict=True):
        if output:
            results.save_new(output / name)
    _report(judge(*runs, limits, wanted), Forms(as_json, junit, summary, comment, annotate))


SELF_TEST = (
    "inject_edge_spi,inject_level_spi_raise,sgi_to_one,flush_empty,flush_p,sync_after_eoi,pending_query,"
    "mmio_write_ISENABLER"
)
TEST_EXAMPLES = ("vgic-bench gate self-test --counts-only", "vgic-bench gate self-test --processes 24")


@command(app, "self-test", TEST_EXAMPLES, "Test the gate on this machine.")
def self_test(
    processes: Annotated[int, typer.Option("--processes", help="Turns that times are measured in.")] = 12,
    deals: Annotated[int, typer.Option("--deals", help="How often the turns are dealt to two sides and judged.")] = 200,
    transitions: Transitions = None,
    designs: Designs = None,
    counts_only: Annotated[bool, typer.Option("--counts-only", help="Test the gate of exact counts only.")] = False,
    budget: Budget = None,
    as_json: Json = False,
) -> None:
    """Test the gate on this machine: equal code must pass, a lock more or 5 % more time must fail.

    By default with eight transitions of all kinds. Exit status 0: trusted; 1: not to be trusted; 3: this machine is too
    noisy for the turns taken.
    """
    names, chosen = names_of(",".join(transitions or [SELF_TEST])), designs_of(designs)
    with ProgressBars() as progress:
        outcome = test_gate(names, chosen, processes, deals, load_budget(budget), not counts_only, progress)
    if as_json:
        print(json.dumps(vars(outcome), indent=1))
    else:
        print_self_test(outcome)
        for line in outcome.lines:
            print(f"gate self-test: {line}", file=sys.stderr)
    raise typer.Exit(outcome.status)
