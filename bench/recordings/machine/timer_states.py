# SPDX-License-Identifier: GPL-2.0-only
"""Whether a guest handled its timer interrupt: its compare value tells.

KVM traces the virtual timer's registers each time it takes a vCPU off a CPU (kvm_timer_save_state). A handler sets the
timer again, so an interrupt that was pending has been taken between two such states when the compare value moved. It
has not when the value did not move: the guest had its interrupts masked. `States` keeps, for each state of a recording,
which of the two holds until the next state of the same thread: one byte per state.
"""

from typing import Any

import numpy as np

from bench.recordings import events as ev
from kvmarm.jit import U64, jit

UNKNOWN, WAITING, HANDLED = range(3)
"""Verdicts: no later state tells; the compare value stays; it moves."""


@jit
def _compare(events: Any, first: Any, verdicts: Any, latest: Any, values: Any) -> Any:
    """Number the TIMER_STATE events of `events` (EVENT[:]) from `first` on; return the next number.

    verdicts: uint8[:], by number. latest, values: int64[:], uint64[:], by thread: number (-1: none) and compare value
    of its latest state.
    """
    number = first
    for index in range(events.shape[0]):
        event = events[index]
        if event.kind != ev.TIMER_STATE or event.thread < 0:
            continue
        before = latest[event.thread]
        if before >= 0:
            verdicts[before] = WAITING if values[event.thread] == event.b else HANDLED
        latest[event.thread] = number
        values[event.thread] = event.b
        event.d = U64(number)
        number += 1
    return number


class States:
    """The verdicts of a recording; `add` takes the events as they come and numbers the states among them."""

    def __init__(self, threads: int) -> None:
        self._verdicts = np.zeros(1 << 12, np.uint8)
        self._count = 0
        self._latest = np.full(threads, -1, np.int64)
        self._values = np.zeros(threads, np.uint64)

    def add(self, events: np.ndarray) -> None:
        """Number the TIMER_STATE events in `events` (EVENT[:], written to) and compare them."""
        room = self._count + len(events)
        if room > len(self._verdicts):
            self._verdicts = np.concatenate([self._verdicts, np.zeros(room, np.uint8)])
        self._count = int(_compare(events.view(np.recarray), self._count, self._verdicts, self._latest, self._values))

    @property
    def verdicts(self) -> np.ndarray:
        """The verdict on the time after each state (uint8[:]), by the state's number."""
        return self._verdicts[: max(self._count, 1)]
