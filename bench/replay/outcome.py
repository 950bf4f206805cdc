# SPDX-License-Identifier: GPL-2.0-only
"""A recording through every design: what it would have cost on each, and how far to trust that.

`replay` returns an `Outcome` that the command prints, writes as JSON or keeps as a results folder. Instructions are
predictions for the real kernel code (bench.meters.weights); time is this host's, of the model.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.meters import weights
from bench.recordings.convert import open_recording
from bench.recordings.options import Options
from bench.recordings.placement.common import COUNTERS
from bench.recordings.readers import detect
from bench.recordings.recording import Progress, Recording
from bench.recordings.write import header, trailer
from bench.replay.platform import fitting_platform
from bench.replay.sides import Side, SwitchCost, side_of, world_switches
from bench.replay.stretch import Run
from bench.replay.subject import exits_text, notes
from kvmarm.cycles import event_prices
from kvmarm.design import get_design
from kvmarm.files import atomic_write
from kvmarm.platforms import Platform, load_platform
from kvmarm.trace import format_op

_APART = ("maps", "set_up", "before_window", "epilogue")
"""Counters of operations that are no part of the recording."""


@dataclass(frozen=True)
class Outcome:
    """What a replay says. lines: counts of what was read; facts: what was found out, in words.

    seen, inferred, dropped: counters of operations and events by name (bench.recordings.placement.common), totals:
    their sums. apart: operations that are run and not priced, by name. notes: what of the recording is not modelled.
    platform_reason: why the platform is that one. switches: entries and exits on each world switch.
    """

    recording: str
    kind: str
    config: dict[str, int]
    lines: dict[str, int]
    facts: dict[str, str]
    notes: list[str]
    seen: dict[str, int]
    inferred: dict[str, int]
    dropped: dict[str, int]
    totals: dict[str, int]
    apart: dict[str, int]
    epilogue: int
    platform: str
    platform_reason: str
    designs: dict[str, Side]
    switches: list[SwitchCost]

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as plain data, for JSON."""
        return asdict(self)


def replay(
    path: str,
    options: Options | None = None,
    designs: Sequence[str] = ("old", "new"),
    output: Path | None = None,
    progress: Progress | None = None,
    platform: str | None = None,
) -> Outcome:
    """Replay one recording (`-`: standard input).

    output: file to write the converted trace to. platform: whose prices turn events into cycles; None: one that fits.
    Raises UsageError for anything that is no usable recording, and for a platform with another GIC.
    """
    options = options or Options()
    if platform is not None:
        options = replace(options, gic_unless_told=load_platform(platform).gic)
    with open_recording(path, options, progress) as recording:
        machine, reason = fitting_platform(platform, recording.config.gic, recording.assumed_gic, recording.name)
        runs = []
        for name in designs:
            design = get_design(name)
            prices = event_prices(machine, weights.weights_of(design))
            runs.append(Run(design, recording.config, prices, recording.lr_layout))
        compare = recording.kind != detect.TRACE
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(atomic_write(output)) if output is not None else None
            if file is not None:
                file.write(f"{header(recording)}\nconfig {recording.config}\n".encode())
            for chunk in recording.chunks(progress):
                if file is not None:
                    file.write("".join(f"{format_op(op)}\n" for op in chunk.ops).encode())
                for run in runs:
                    run.feed(chunk, compare)
            if file is not None:
                file.write(trailer(recording))
        return _outcome(recording, runs, machine, reason)


def _outcome(recording: Recording, runs: list[Run], platform: Platform, reason: str) -> Outcome:
    placed = recording.placed
    groups: dict[str, dict[str, int]] = {"seen": {}, "inferred": {}, "dropped": {}}
    for group, name, _ in COUNTERS:
        if placed.get(name):
            groups[group][name] = placed[name]
    for kind, count in sorted(recording.not_converted.items()):
        groups["dropped"][kind] = count
    config = recording.config
    facts = dict(recording.facts)
    if recording.exits:
        facts["exits"] = exits_text(recording.exits)
    return Outcome(
        recording=recording.name,
        kind=recording.kind,
        config={"gic": config.gic, "vcpus": config.vcpus, "irqs": config.irqs, "lrs": config.lrs},
        lines=recording.lines,
        facts=facts,
        notes=notes(recording),
        seen=groups["seen"],
        inferred=groups["inferred"],
        dropped=groups["dropped"],
        totals={name: sum(values.values()) for name, values in groups.items()},
        apart={name: placed[name] for name in _APART if placed.get(name)},
        epilogue=recording.epilogue,
        platform=platform.name,
        platform_reason=reason,
        designs={run.design.name: side_of(run, recording.kind != detect.TRACE) for run in runs},
        switches=world_switches(runs, platform),
    )
