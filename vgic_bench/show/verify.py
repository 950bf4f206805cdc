# SPDX-License-Identifier: GPL-2.0-only
"""What a verification found, as tables."""

from collections.abc import Sequence

from bench.verify.classes import class_name
from bench.verify.report import Report
from bench.verify.results import words_of
from bench.verify.run import Verified
from vgic_bench.console import print_table


def print_verified(verified: Sequence[Verified], new: Sequence[Report] | None = None) -> None:
    """Print each design's signatures and how far its searches came; `new`: what a baseline does not have."""
    for one in verified:
        rows = [
            (class_name(report.code), words_of(report).partition(", ")[2], report.depth, report.count)
            for report in one.signatures()
        ]
        if rows:
            title = f"Design {one.design}: {len(rows)} signatures"
            print_table(("class", "what", ">shortest", ">states"), rows, title=title)
        else:
            print(f"Design {one.design}: no violation")
        advice = one.signatures(advice=True)
        if advice:
            print("Advice, no violations: " + "; ".join(words_of(report) for report in advice))
        print(_extent(one))
        print()
    if new is not None:
        print(f"{len(new)} new signatures against the baseline")
        for report in new:
            print(f"  {report.design}: {words_of(report)}")


def _extent(one: Verified) -> str:
    open_ones = [explored for explored in one.explored if not explored.closed]
    states = sum(explored.states for explored in one.explored)
    transitions = sum(explored.transitions for explored in one.explored)
    text = f"{len(one.explored)} configurations, {states} states, {transitions} transitions"
    if one.interrupted:
        return f"{text}; interrupted: this is what was found so far"
    if not open_ones:
        return f"{text}; all closed: the search was exhaustive"
    names = ", ".join(f"{explored.configuration.name} (depth {explored.depth})" for explored in open_ones)
    return f"{text}; not exhaustive: {names}"


def print_differences(differences: Sequence[tuple[str, str]]) -> None:
    """Print the signatures that only one of two designs has."""
    print_table(("only", "signature"), differences, title=f"{len(differences)} signatures differ")
