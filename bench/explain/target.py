# SPDX-License-Identifier: GPL-2.0-only
"""What `vgic-bench explain` is asked about: a transition of the catalogue, a packaged workload, or a trace file."""

import difflib
from pathlib import Path

import numpy as np

from bench import workloads
from bench.catalogue.catalogue import Transition, load_catalogue, select
from bench.catalogue.standard import standard_set_up
from kvmarm.config import VmConfig
from kvmarm.errors import UsageError
from kvmarm.trace import Trace
from kvmarm.trace_read import read_trace


def is_trace(target: str) -> bool:
    """Return whether TARGET means a trace file and not a transition."""
    return target.endswith((".trace", ".xz")) or "/" in target or Path(target).is_file()


def transition_trace(transition: Transition, config: VmConfig, pending: int) -> tuple[Trace, int]:
    """Return the trace of a transition, standard set-up included, and the number of its first own operation (from 1).

    Its last operation is the one that the catalogue measures. Raises UsageError when the transition does not apply to
    the configuration.
    """
    config = transition.place(config)
    effective = transition.effective_pending(config, pending)
    if effective is None:
        raise UsageError(f"transition {transition.name}: does not apply to {config} pending={pending}")
    set_up = standard_set_up(config, effective, transition.scene)
    own = transition.operations(config).copy()
    # `@K` counts from the transition's first line; the set-up comes before it now.
    own["ref"] = np.where(own["ref"] > 0, own["ref"] + len(set_up), 0)
    ops = np.concatenate([set_up, own])
    return Trace(transition.name, config, ops, f"transition {transition.name}"), len(set_up) + 1


def resolve(target: str, config: VmConfig, pending: int) -> tuple[Trace, int, Transition | None]:
    """Return (trace, first operation to explain, transition or None) of a transition, a workload or a trace file.

    Raises UsageError for an unknown name (with the nearest one), or a trace that can't be read.
    """
    if is_trace(target):
        return read_trace(target), 1, None
    catalogue = load_catalogue()
    packaged = {workload.name: workload for workload in workloads.catalogue()}
    if target not in catalogue and target in packaged:
        return packaged[target].load(), 1, None
    if target not in catalogue:
        near = difflib.get_close_matches(target, [*catalogue, *packaged], 1, cutoff=0.4)
        if near and near[0] in packaged:
            raise UsageError(f"unknown transition or workload {target!r}, did you mean {near[0]!r}?")
        # For the error with the nearest name; a group or pattern is not one transition either.
        names = [entry.name for entry in select(catalogue, [target])]
        raise UsageError(
            f"{target!r} names {len(names)} transitions, expected one (such as {names[0]}) or a trace file"
        )
    transition = catalogue[target]
    trace, first = transition_trace(transition, config, pending)
    return trace, first, transition
