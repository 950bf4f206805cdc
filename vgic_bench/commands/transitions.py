# SPDX-License-Identifier: GPL-2.0-only
"""`vgic-bench transitions`: the catalogue, listed and explained."""

import json
from typing import Annotated, Any

import typer


def transitions(
    patterns: Annotated[
        list[str] | None, typer.Argument(help="Names, groups or patterns (*, ?); none for all.", show_default=False)
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Each in full: the trace lines and the states before and after.")
    ] = False,
    gic: Annotated[int, typer.Option(help="GIC version that --show writes the trace lines for.")] = 2,
    vcpus: Annotated[int, typer.Option(help="vCPUs that --show writes the trace lines for.")] = 4,
    irqs: Annotated[int, typer.Option(help="INTIDs that --show writes the trace lines for.")] = 256,
    lrs: Annotated[int, typer.Option(help="List registers that --show writes the trace lines for.")] = 4,
    catalogue: Annotated[
        list[str] | None, typer.Option("--catalogue", help="A TOML file with more transitions; may be repeated.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Run each on every design and compare the states; status 1 if one differs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the state transitions that can be measured, or show how one is set up and what is expected."""
    from bench.catalogue.catalogue import load_catalogue, select
    from kvmarm.config import VmConfig

    wanted = patterns or []
    switches = _switches(wanted)
    own = [pattern for pattern in wanted if not _switches([pattern])]
    chosen = select(load_catalogue(catalogue or ()), own) if own or not wanted else []
    config = VmConfig(gic, vcpus, irqs, lrs)
    if check:
        _check(chosen, config)
        return
    if as_json:
        entries = [_as_dict(entry, config) for entry in chosen]
        print(json.dumps([*entries, *(_switch_as_dict(entry) for entry in switches)], indent=1))
    elif show:
        for entry in chosen:
            _show(entry, config)
        for entry in switches:
            print(f"{entry.name} (world switch)\n  {entry.title}")
            print(f"    phases     {', '.join(entry.phases)}")
            print(f"    {entry.before}  ->  {entry.after}\n")
    else:
        from vgic_bench.console import print_table

        rows = [(entry.name, entry.group, entry.title) for entry in chosen]
        rows += [(entry.name, "world switch", entry.title) for entry in switches]
        print_table(["transition", "group", "what happens"], rows)
        print(f"{len(rows)} transitions; `vgic-bench transitions NAME --show` for one in full")


def _as_dict(entry: Any, config: Any) -> dict[str, Any]:
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


def _switches(patterns: list[str]) -> list[Any]:
    """Return the world switch's transitions that the patterns name, all for none."""
    import fnmatch

    from bench.switches.transitions import GROUP, switch_transitions

    words = [word for pattern in patterns for word in pattern.split(",") if word]
    return [
        entry
        for entry in switch_transitions()
        if not words or any(word == GROUP or fnmatch.fnmatchcase(entry.name, word) for word in words)
    ]


def _switch_as_dict(entry: Any) -> dict[str, Any]:
    return {
        "name": entry.name,
        "group": "world switch",
        "title": entry.title,
        "phases": list(entry.phases),
        "options": dict(entry.options),
        "before": entry.before,
        "after": entry.after,
    }


def _states(states: Any) -> str:
    if list(states) == ["default"]:
        return str(states["default"])
    return ", ".join(f"{'any other' if name == 'default' else name}: {state}" for name, state in states.items())


def _show(entry: Any, config: Any) -> None:
    print(f"{entry.name} ({entry.group})")
    print(f"  {entry.title}")
    if config.gic in entry.gics and config.vcpus >= entry.least_vcpus:
        *set_up, operation = entry.trace(config)
        for line in set_up:
            print(f"    set up     {line}")
        print(f"    measured   {operation}")
    else:
        print(f"    not for GICv{config.gic} with {config.vcpus} vCPUs; as written:")
        for line in entry.lines:
            print(f"    {line}")
    print(f"    INTID {entry.watch_intid}  {_states(entry.before)}  ->  {_states(entry.after)}")
    if entry.why:
        print(f"    because {entry.why}")
    print()


def _check(chosen: Any, config: Any) -> None:
    from bench.meters.compile import ensure_compiled
    from bench.meters.events import differences, measure_all
    from kvmarm.design import BUILT_IN, get_design

    ensure_compiled(BUILT_IN, ["counting"])
    points = [point for name in BUILT_IN for point in measure_all(get_design(name), config, 0, chosen)]
    wrong = differences(points)
    for line in wrong:
        print(line)
    print(f"{len(points)} checked, {len(wrong)} not as expected")
    if wrong:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(transitions)
