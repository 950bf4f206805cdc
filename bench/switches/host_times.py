# SPDX-License-Identifier: GPL-2.0-only
"""What a KVM host did between a guest's exit and its next entry, timed by a recording's own time stamps.

`host_times` returns samples in ns by kind of stay in the host. They hold the host's own work alone: the world switch
lies outside of the two trace points. Every event that is traced in between costs time as well, so these are upper
bounds, and of a guest under emulation they mean nothing.
"""

from dataclasses import dataclass, field

import numpy as np

from bench.recordings import events as ev
from bench.recordings.recording import Events, Recording
from kvmarm.gic import FIRST_SPI

KINDS = {
    "exit": "an exit that needs little: a hypercall, else a system register that is no SGI",
    "gic_mmio": "a distributor or redistributor access",
    "user_mmio": "an access that a device in user space answers",
    "sgi_to_exit": "from an SGI to its target's exit by an interrupt",
}
"""Kinds of samples. The first three last from kvm_exit to kvm_entry."""
_HVC, _SYS, _DATA_ABORT = 0x16, 0x18, 0x24
_LONGEST = 1_000_000
"""ns: who waited longer was scheduled out, or had its target woken."""
_DIST_SIZE, _REDIST_SIZE = 0x10000, 0x20000


@dataclass
class _Thread:
    """A vCPU as its events go by. exit_time: of its latest exit, -1 while it is in the guest."""

    exit_time: int = -1
    reason: int = ev.EXIT_UNKNOWN
    accesses: list[bool] = field(default_factory=list)
    other: bool = False
    entered: bool = False


class _Reader:
    def __init__(self, source: Events, vcpus: int) -> None:
        self.samples: dict[str, list[int]] = {name: [] for name in (*KINDS, "hvc", "sys")}
        self.source = source
        self.vcpus = vcpus
        self.vcpu_of: list[int] = source.roles[:, 0].tolist()
        self.threads: dict[int, _Thread] = {}
        self.sgi = (-1, -1)

    def _of_gic(self, address: int) -> bool:
        distributor, redistributors = self.source.distributor, self.source.redistributors
        if distributor >= 0 and 0 <= address - distributor < _DIST_SIZE:
            return True
        size = self.vcpus * _REDIST_SIZE
        return redistributors >= 0 and 0 <= address - redistributors < size

    def add(self, events: np.ndarray) -> None:
        names = ("time", "kind", "thread", "a", "b")
        for time, kind, thread, a, b in zip(*(events[name].tolist() for name in names), strict=True):
            vcpu = self.vcpu_of[thread] if 0 <= thread < len(self.vcpu_of) else -1
            if vcpu < 0:
                continue
            state = self.threads.setdefault(vcpu, _Thread())
            if kind == ev.EXIT:
                self._exit(vcpu, state, time, a)
            elif kind == ev.ENTRY:
                self._entry(state, time, bool(b))
            elif kind in (ev.GPA_READ, ev.GPA_WRITE):
                state.accesses.append(self._of_gic(a))
                if kind == ev.GPA_WRITE and a == self.source.distributor + 0xF00:
                    self.sgi = time, vcpu
            elif kind in (ev.SGI_TRAP, ev.SGI_VALUE):
                state.other = True
                if kind == ev.SGI_TRAP:
                    self.sgi = time, vcpu
            elif kind == ev.LINE:
                state.other = state.other or a >= FIRST_SPI

    def _exit(self, vcpu: int, state: _Thread, time: int, reason: int) -> None:
        sent, sender = self.sgi
        # With two vCPUs an SGI has one target; among more the value would have to tell.
        if sent >= 0 and vcpu != sender and reason == ev.EXIT_INTERRUPT and state.entered:
            if self.vcpus == 2 and 0 < time - sent <= _LONGEST:
                self.samples["sgi_to_exit"].append(time - sent)
            self.sgi = (-1, -1)
        state.exit_time, state.reason, state.accesses, state.other, state.entered = time, reason, [], False, False

    def _entry(self, state: _Thread, time: int, user: bool) -> None:
        spent = time - state.exit_time
        if state.exit_time >= 0 and 0 <= spent <= _LONGEST and not state.other:
            if state.reason == _DATA_ABORT and len(state.accesses) == 1:
                if state.accesses[0] and not user:
                    self.samples["gic_mmio"].append(spent)
                elif user:
                    self.samples["user_mmio"].append(spent)
            elif state.reason in (_HVC, _SYS) and not state.accesses and not user:
                self.samples["hvc" if state.reason == _HVC else "sys"].append(spent)
        state.exit_time, state.entered = -1, True


def host_times(recording: Recording) -> dict[str, np.ndarray]:
    """Return the samples in ns (int64[:]) of each kind that the recording has."""
    if recording.source is None or recording.source.emulated:
        return {}
    reader = _Reader(recording.source, recording.config.vcpus)
    for events in recording.events():
        reader.add(events)
    samples = reader.samples
    samples["exit"] = samples["hvc"] if len(samples["hvc"]) >= len(samples["sys"]) // 10 else samples["sys"]
    return {name: np.array(samples[name], np.int64) for name in KINDS if samples[name]}


def middle_mean(samples: np.ndarray) -> tuple[float, float]:
    """Return the mean of the middle half of samples and its standard error.

    Stays that something interrupted are left out; time stamps of whole µs are averaged. The error counts the stamps'
    resolution.
    """
    ordered = np.sort(samples)
    quarter = len(ordered) // 4
    middle = ordered[quarter : len(ordered) - quarter]
    resolution = 1000.0 if not (ordered % 1000).any() else 1.0
    spread = float(np.std(middle)) + resolution / np.sqrt(6)
    return float(np.mean(middle)), spread / float(np.sqrt(len(middle)))
