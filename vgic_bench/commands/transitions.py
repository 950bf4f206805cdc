# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench transitions`: the catalogue, listed and explained."""

import fnmatch
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from bench.catalogue.catalogue import Transition, load_catalogue, select, typed
from bench.meters import compile as compiled
from bench.meters.events import differences, measure_all
from bench.switches.transitions import GROUP, SwitchTransition, switch_transitions
from kvmarm.config import VmConfig
from kvmarm.design import BUILT_IN, get_design
from vgic_bench.console import print_table, say
from vgic_bench.groups import command, new_app
from vgic_bench.options import Catalogue, Gic, Irqs, Json, Lrs, Vcpus, complete_transitions, gic_of
from vgic_bench.progress import ProgressBars
from vgic_bench.show.transitions import print_switch_transition, print_transition

app = new_app()

EXAMPLES = (
    "vgic-bench transitions",
    "vgic-bench transitions mmio_read 'flush_*'",
    "vgic-bench transitions flush_p --show --gic 3",
)


@command(app, "transitions", EXAMPLES, tables=True)
def transitions(
    patterns: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names, groups (mmio_read) or patterns (*, ?); none for all.",
            autocompletion=complete_transitions,
            show_default=False,
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Each in full: the trace lines and the states before and after.")
    ] = False,
    gic: Gic = "2",
    vcpus: Vcpus = 4,
    irqs: Irqs = 256,
    lrs: Lrs = 4,
    catalogue: Catalogue = None,
    check: Annotated[
        bool, typer.Option("--check", help="Run each on every design and compare the states; status 1 if one differs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the state transitions that can be measured, or show how one is set up and what is expected."""
    wanted = patterns or []
    switches = _switches(wanted)
    own = [pattern for pattern in wanted if not _switches([pattern])]
    others = [typed(GROUP), *(entry.name for entry in switch_transitions())]
    chosen = select(load_catalogue(catalogue or ()), own, others) if own or not wanted else []
    config = VmConfig(gic_of(gic), vcpus, irqs, lrs)
    if check:
        _check(chosen, config)
        return
    if as_json:
        entries = [_as_dict(entry, config) for entry in chosen]
        print(json.dumps([*entries, *(_switch_as_dict(entry) for entry in switches)], indent=1))
    elif show:
        for entry in chosen:
            print_transition(entry, config)
        for switch in switches:
            print_switch_transition(switch)
    else:
        rows = [(entry.name, entry.typed_group, entry.title) for entry in chosen]
        rows += [(entry.name, typed(GROUP), entry.title) for entry in switches]
        print_table(["transition", "group", "~what happens"], rows, most=20)
        say(f"{len(rows)} transitions; `vgic-bench transitions NAME --show` for one in full")


def _as_dict(entry: Transition, config: VmConfig) -> dict[str, Any]:
    config = entry.place(config)
    applies = config.gic in entry.gics and config.vcpus >= entry.least_vcpus
    return {
        "name": entry.name,
        "group": entry.group,
        "title": entry.title,
        "gic": list(entry.gics),
        "vcpus": entry.least_vcpus,
        "set_up": list(entry.set_up),
        "operation": entry.operation,
        "trace": entry.trace(config) if applies else None,
        "watch": entry.watch_intid,
        "before": dict(entry.before),
        "after": dict(entry.after),
        "why": entry.why,
    }


def _switches(patterns: Sequence[str]) -> list[SwitchTransition]:
    """Return the world switch's transitions that the patterns name, all for none."""
    words = [word for pattern in patterns for word in pattern.split(",") if word]
    return [
        entry
        for entry in switch_transitions()
        if not words or any(typed(word) == typed(GROUP) or fnmatch.fnmatchcase(entry.name, word) for word in words)
    ]


def _switch_as_dict(entry: SwitchTransition) -> dict[str, Any]:
    return {
        "name": entry.name,
        "group": GROUP,
        "title": entry.title,
        "phases": list(entry.phases),
        "options": dict(entry.options),
        "before": entry.before,
        "after": entry.after,
    }


def _check(chosen: Sequence[Transition], config: VmConfig) -> None:
    with ProgressBars() as progress:
        of_lpis = [entry for entry in chosen if entry.lpis]
        compiled.ensure_compiled(BUILT_IN, ["counting", *["lpis"] * bool(of_lpis)], progress)
    others = [entry for entry in chosen if not entry.lpis]
    places = [(config, others)] + [(replace(config, gic=3, its=1), of_lpis)] * bool(of_lpis)
    points = [
        point for name in BUILT_IN for place, some in places for point in measure_all(get_design(name), place, 0, some)
    ]
    wrong = differences(points)
    for line in wrong:
        print(line)
    print(f"{len(points)} checked, {len(wrong)} not as expected")
    if wrong:
        raise typer.Exit(1)
