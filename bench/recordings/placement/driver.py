# SPDX-License-Identifier: GPL-2.0-only
"""The loop around a placement: events in, chunks of operations out, with the start and the end that every trace has.

A `Driver` holds one conversion. Its generators are run in order: `start`, `place` for each array of events, `finish`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.recordings.apart import Ranges, within
from bench.recordings.events import EVENT
from bench.recordings.placement.common import COUNTERS, EXPECTED, OPS, epilogue, map_timers, new_state, window_opens
from kvmarm.config import VmConfig

Place = Callable[[np.ndarray, int, Any], int]
"""A placement: events, index of the first to place, state; returns the index of the first one not placed."""
_NEVER = 1 << 62


@dataclass
class Chunk:
    """Operations `ops` (OP[:]) numbered from `first`, and what the probes recorded at some of their entries.

    expected: EXPECTED[:], in the order of the operations. apart: for each operation whether it is no part of what was
    recorded: set-up that no event shows, set-up before a window, the epilogue. Such operations are run and not priced.
    None: no operation is.
    """

    ops: np.ndarray
    first: int
    expected: np.ndarray
    apart: np.ndarray | None = None


def nothing_expected() -> np.ndarray:
    """Return no recorded list registers (EXPECTED[:])."""
    return np.zeros(0, EXPECTED).view(np.recarray)


class Driver:
    """One conversion of events to operations. state: a record of placement.common.STATE.

    epilogue: number of its first operation, 0 before `finish`. A chunk's arrays are valid until the next is asked for.
    """

    def __init__(self, config: VmConfig, place: Place) -> None:
        self.state = new_state(config.gic, config.vcpus, config.irqs, config.lrs)
        self.epilogue = 0
        self._vcpus = config.vcpus
        self._place = place
        self._set_up = _NEVER
        self._rest = np.zeros(0, EVENT)

    def start(self) -> Iterator[Chunk]:
        """Forward the timers."""
        vcpu = 0
        while (vcpu := int(map_timers(self.state, vcpu))) < self._vcpus:
            yield self._chunk()

    def open_window(self) -> None:
        """All operations so far are set-up, and no part of what was recorded; those that follow are. Once only."""
        if self._set_up == _NEVER:
            self._set_up = int(self.state.total)
            window_opens(self.state)

    def place(self, array: np.ndarray) -> Iterator[Chunk]:
        """Place events (EVENT[:]); what needs events that are still to come is kept for the next call."""
        state = self.state
        events = (np.concatenate([self._rest, array]) if len(self._rest) else array).view(np.recarray)
        position = 0
        while position < len(events):
            after = int(self._place(events, position, state))
            if int(state.count) > OPS // 2 or after == position:
                if int(state.count) == 0:
                    break
                yield self._chunk()
            position = after
        self._rest = np.array(events[position:])

    def finish(self) -> Iterator[Chunk]:
        """Take every vCPU out and show what is still deliverable."""
        if int(self.state.count):
            yield self._chunk()
        self.epilogue = int(self.state.total) + 1
        self._set_up = min(self._set_up, self.epilogue - 1)
        vcpu = -1
        while (vcpu := int(epilogue(self.state, vcpu))) < self._vcpus:
            yield self._chunk()
        yield self._chunk()

    def counts(self) -> dict[str, int]:
        """Return the counters by name."""
        return {name: int(self.state[f"n_{name}"]) for _, name, _ in COUNTERS}

    def apart(self) -> Ranges:
        """Return the operations so far that are no part of what was recorded."""
        own = self.state.cpu[["set_up_from", "set_up_to"]][: self._vcpus].tolist()
        ranges = [(1, self._set_up), *sorted((first, last) for first, last in own if first > self._set_up)]
        if self.epilogue:
            ranges.append((self.epilogue, _NEVER))
        total = int(self.state.total)
        return tuple((first, min(last, total)) for first, last in ranges if first <= min(last, total))

    def _chunk(self) -> Chunk:
        state = self.state
        count = int(state.count)
        first = int(state.total) - count + 1
        expected = state.expected[: int(state.found)].view(np.recarray)
        chunk = Chunk(state.ops[:count], first, expected, within(self.apart(), first, count))
        state.count = 0
        state.found = 0
        return chunk
