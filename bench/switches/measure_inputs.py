# SPDX-License-Identifier: GPL-2.0-only
"""What a price list is measured from: recordings of a KVM host and outputs of kvm-unit-tests' micro-bench."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from bench.recordings.convert import open_recording
from bench.switches import host_times, micro_bench
from kvmarm.errors import UsageError

_MOST_TEXT = 1 << 20


@dataclass
class Inputs:
    """What was read: `runs`, each run of each micro-bench test; `timed`, figures of recordings.

    timed: (kind of host_times, recording, mean ns, standard error, samples). tick: ns of the timer's tick. gic: version
    that a recording tells, 0 where none does. sources: the files.
    """

    runs: dict[str, list[micro_bench.Average]] = field(default_factory=dict)
    timed: list[tuple[str, str, float, float, int]] = field(default_factory=list)
    tick: float = 0.0
    gic: int = 0
    sources: list[str] = field(default_factory=list)


def read_inputs(paths: Sequence[str]) -> Inputs:
    """Read recordings and micro-bench outputs. Raises UsageError for a file that is neither, or has no figure."""
    inputs = Inputs()
    for path in paths:
        text = _text(path)
        if text is not None and micro_bench.is_output(text):
            inputs.tick = max(inputs.tick, micro_bench.resolution(text))
            for name, averages in micro_bench.parse(text, path).items():
                inputs.runs.setdefault(name, []).extend(averages)
            inputs.sources.append(PurePath(path).name)
        else:
            _read_recording(path, inputs)
    return inputs


def is_micro_bench(path: str) -> bool:
    """Return whether a file is an output of micro-bench; anything else is read as a recording."""
    text = _text(path)
    return text is not None and micro_bench.is_output(text)


def _text(path: str) -> str | None:
    """Return the start of a file as text, None when it is none."""
    if path == "-":
        return None
    try:
        with open(path, "rb") as file:
            return file.read(_MOST_TEXT).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        # A recording's reader says what is wrong with it.
        return None


def _read_recording(path: str, inputs: Inputs) -> None:
    with open_recording(path) as recording:
        samples = host_times.host_times(recording)
        name = PurePath(recording.name).name
        if not recording.assumed_gic:
            inputs.gic = recording.config.gic
    if not samples:
        raise UsageError(
            f"{path}: no exit in it can be timed, expected a KVM recording with hypercalls, system registers, GIC "
            "accesses or devices in user space, or the output of kvm-unit-tests' micro-bench"
        )
    inputs.timed += [(kind, name, *host_times.middle_mean(values), len(values)) for kind, values in samples.items()]
    inputs.sources.append(name)
