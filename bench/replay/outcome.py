# SPDX-License-Identifier: GPL-2.0-only
"""A recording through every design: what it would have cost on each, and how far to trust that.

`replay` returns an `Outcome` that the command prints, writes as JSON or keeps as a results folder. Instructions are
predictions for the real kernel code (bench.meters.weights); time is this host's, of the model.
"""

import contextlib
from collections.abc import Mapping, Sequence
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
from kvmarm.built_in import DEFAULT_DESIGNS
from kvmarm.cycles import event_prices
from kvmarm.design import Design, get_design
from kvmarm.errors import UsageError
from kvmarm.files import atomic_write
from kvmarm.platforms import Platform, load_platform
from kvmarm.trace import format_op

MSI_KINDS = ("lpi", "spi", "both")
"""What MSIs are replayed as: LPIs where the design has an ITS, SPIs, or on designs with an ITS both, a column each."""
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
    designs: Sequence[str] = DEFAULT_DESIGNS,
    output: Path | None = None,
    progress: Progress | None = None,
    platform: str | None = None,
    msi: str = "lpi",
) -> Outcome:
    """Replay one recording (`-`: standard input).

    msi: one of MSI_KINDS, what the recording's MSIs are on designs with LPIs; on others they are SPIs. output: file to
    write the converted trace to. platform: whose prices turn events into cycles; None: one that fits.
    Raises UsageError for anything that is no usable recording, and for a platform with another GIC.
    """
    options = options or Options()
    if msi not in MSI_KINDS:
        raise UsageError(f"--msi {msi}: expected {', '.join(MSI_KINDS)}")
    if platform is not None:
        options = replace(options, gic_unless_told=load_platform(platform).gic)
    with open_recording(path, options, progress) as recording:
        machine, reason = fitting_platform(platform, recording.config.gic, recording.assumed_gic, recording.name)
        runs: dict[str, Run] = {}
        passes = _passes(recording, [get_design(name) for name in designs], msi)
        for number, (kind, columns) in enumerate(passes):
            recording.place_msis_as(kind)
            for label, design in columns:
                prices = event_prices(machine, weights.weights_of(design))
                runs[label] = Run(design, recording.config, prices, recording.lr_layout)
            fed = [runs[label] for label, _ in columns]
            _feed(recording, fed, output if number == len(passes) - 1 else None, progress)
        kinds = {label: kind for kind, columns in passes for label, _ in columns}
        order = [label for name in designs for label in (name, f"{name}/spi") if label in runs]
        return _outcome(recording, {label: runs[label] for label in order}, kinds, machine, reason)


def _passes(recording: Recording, designs: Sequence[Design], msi: str) -> list[tuple[str, list[tuple[str, Design]]]]:
    """Return what MSIs are placed as in each pass over the recording, and its columns: (label, design).

    Without MSIs that is one pass. LPIs come last: what is said of the placement is then of them.
    """
    if not recording.msi:
        return [(recording.msi, [(design.name, design) for design in designs])]
    as_spi = [(design.name, design) for design in designs if msi == "spi" or not design.has_its]
    as_lpi = [(design.name, design) for design in designs if msi != "spi" and design.has_its]
    if msi == "both":
        as_spi += [(f"{design.name}/spi", design) for design in designs if design.has_its]
    return [(kind, columns) for kind, columns in (("spi", as_spi), ("lpi", as_lpi)) if columns]


def _feed(recording: Recording, runs: Sequence[Run], output: Path | None, progress: Progress | None) -> None:
    """Feed the operations of a recording to runs, and write them to `output`."""
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


def _outcome(
    recording: Recording, runs: Mapping[str, Run], kinds: Mapping[str, str], platform: Platform, reason: str
) -> Outcome:
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
        notes=notes(recording, {label: kind for label, kind in kinds.items() if kind}),
        seen=groups["seen"],
        inferred=groups["inferred"],
        dropped=groups["dropped"],
        totals={name: sum(values.values()) for name, values in groups.items()},
        apart={name: placed[name] for name in _APART if placed.get(name)},
        epilogue=recording.epilogue,
        platform=platform.name,
        platform_reason=reason,
        designs={label: side_of(run, recording.kind != detect.TRACE) for label, run in runs.items()},
        switches=world_switches([run for label, run in runs.items() if "/" not in label], platform),
    )
