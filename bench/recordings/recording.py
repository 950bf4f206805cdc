# SPDX-License-Identifier: GPL-2.0-only
"""A recording that has been read: what is known of it, and its operations as often as asked."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bench.recordings import events as ev
from bench.recordings.apart import Ranges, within
from bench.recordings.machine.msis import Msis
from bench.recordings.machine.survey import REDIST_SIZE, Survey
from bench.recordings.options import Options
from bench.recordings.placement.common import OPS
from bench.recordings.placement.driver import Chunk, Driver, nothing_expected
from bench.recordings.placement.kvm import place_kvm
from bench.recordings.placement.msi import AS_LPI, AS_SPI, DROPPED, new_msis, set_its_up
from bench.recordings.placement.qemu import place_qemu
from bench.recordings.placement.set_up import enable_everything
from bench.recordings.spool import Spool, window
from kvmarm.config import VmConfig
from kvmarm.trace import Trace

Progress = Callable[[str, int, int], None]
"""Called with a phase ("reading", "placing"), how much is done and the total (0: not known)."""


@dataclass(frozen=True)
class Events:
    """The events of a recording, and what placing them needs.

    spool: the events; survey: what was learnt while they were read; options: the user's. emulated: an emulator's log.
    probed: list registers were recorded, in layout `lr_layout` (2 or 3). roles: int64[threads, 2], see threads.roles;
    verdicts: uint8[:], see timer_states. distributor, redistributors: addresses, -1 unknown. needs_enable: the guest
    enabled its interrupts before the recording starts. msis: what its MSIs were, its: address of the ITS, -1 unknown.
    """

    spool: Spool
    survey: Survey
    options: Options
    emulated: bool
    probed: bool = False
    lr_layout: int = 3
    roles: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    verdicts: np.ndarray = field(default_factory=lambda: np.zeros(1, np.uint8))
    distributor: int = -1
    redistributors: int = -1
    needs_enable: bool = False
    msis: Msis = field(default_factory=Msis)
    its: int = -1


@dataclass
class Recording:
    """A recording that has been read.

    kind: see readers.detect. config: the VM it is converted for. lines: counts of what was read; facts: what was found
    out, in words. not_converted: accesses of an emulator's log by kind. machines: how many VMs the recording holds.
    exits: how many, by what ended the stay; its_accesses: of an ITS's registers. assumed_gic: nothing told the GIC's
    version. source: the events; None for a trace, which is `trace`. msi: what MSIs are placed as, `lpi`, `spi` or
    nothing (see `place_msis_as`).

    Known when `chunks()` ran to its end: placed, the counters of placement.common.COUNTERS; epilogue, number of its
    first operation; apart, the operations that are no part of what was recorded (a trace names its own).
    """

    name: str
    kind: str
    config: VmConfig
    lines: dict[str, int]
    facts: dict[str, str]
    source: Events | None = None
    trace: Trace | None = None
    not_converted: Counter[str] = field(default_factory=Counter)
    machines: int = 1
    exits: dict[str, int] = field(default_factory=dict)
    its_accesses: int = 0
    assumed_gic: bool = False
    msi: str = ""
    apart: Ranges = ()
    placed: dict[str, int] = field(default_factory=dict)
    epilogue: int = 0

    @property
    def lr_layout(self) -> int:
        """Layout of the recorded list registers, 2 or 3."""
        return 3 if self.source is None else self.source.lr_layout

    @property
    def msis(self) -> Msis:
        """The MSIs of the recording."""
        return Msis() if self.source is None else self.source.msis

    def place_msis_as(self, kind: str) -> None:
        """Have `chunks` place MSIs as `lpi` (in a VM with an ITS), as `spi`, or (empty) drop them."""
        if self.source is not None:
            self.msi = kind if len(self.source.msis.rows) else ""
            self.config = replace(self.config, its=int(self.msi == "lpi"))

    def events(self) -> Iterator[np.ndarray]:
        """Yield the events (EVENT[:]) in the order of the file; none of a trace."""
        if self.source is not None:
            yield from self.source.spool.read()

    def close(self) -> None:
        """Delete the temporary file."""
        if self.source is not None:
            self.source.spool.close()

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def chunks(self, progress: Progress | None = None) -> Iterator[Chunk]:
        """Yield the operations. A chunk's arrays are valid until the next is asked for."""
        if self.source is not None:
            yield from self._placed(self.source, progress)
        elif self.trace is not None:
            for start in range(0, len(self.trace.ops), OPS):
                ops = self.trace.ops[start : start + OPS]
                yield Chunk(ops, start + 1, nothing_expected(), within(self.apart, start + 1, len(ops)))

    def _placed(self, source: Events, progress: Progress | None) -> Iterator[Chunk]:
        mode = {"lpi": AS_LPI, "spi": AS_SPI}.get(self.msi, DROPPED)
        msis = new_msis(source.msis, mode, source.its)
        _show_its(msis[2], source, self.config.vcpus)

        def place(events: np.ndarray, position: int, state: Any) -> int:
            if source.emulated:
                return int(place_qemu(events, position, state))
            return int(place_kvm(events, position, state, source.roles, source.verdicts, msis))

        driver = Driver(self.config, place)
        _configure(driver.state, source)
        yield from driver.start()
        if source.needs_enable:
            enable_everything(driver.state)
        set_its_up(driver.state, msis)
        survey = source.survey
        number, seconds = survey.events - int(survey.kinds[ev.LRS]), (survey.last_time - survey.first_time) / 1e9
        whole = f"{self.name} has {number:,} events in {seconds:.3f} seconds"
        done = 0
        arrays = window(source.spool.read(), source.options, survey.first_time, source.distributor, whole)
        for array, inside in arrays:
            if inside:
                driver.open_window()
            yield from driver.place(array)
            done += len(array)
            if progress is not None:
                progress("placing", done, source.spool.rows)
        yield from driver.finish()
        self.placed, self.epilogue, self.apart = driver.counts(), driver.epilogue, driver.apart()


def _show_its(its: Any, source: Events, vcpus: int) -> None:
    """Set which parts of the ITS's set-up the recording shows."""
    controls = source.survey.controls
    its.enabled_by_guest = controls.get(source.its, 0) & 1
    for vcpu in range(vcpus):
        its.lpis_enabled_by_guest[vcpu] = controls.get(source.redistributors + vcpu * REDIST_SIZE, 0) & 1


def _configure(state: Any, source: Events) -> None:
    """Set what the placement has to know of the recording."""
    state.emulated = source.emulated
    state.probed = source.probed
    state.sgi_since = source.survey.sgi_probed_since
    state.distributor = source.distributor
    state.redistributors = source.redistributors
    state.lr_layout = source.lr_layout
    vmcr = source.survey.vmcr
    if vmcr:
        # What the guest's interface was set to in the end: ICH_VMCR_EL2 or GICH_VMCR (IHI 0069 12.4, 0048B 5.3.3).
        v3 = source.lr_layout == 3
        cpu = state.cpu
        cpu["set_pmr"] = (vmcr >> 24) & 0xFF if v3 else ((vmcr >> 27) & 0x1F) << 3
        eoimode = (vmcr >> 9) & 1
        if state.gic == 3:
            cpu["set_bpr"] = (vmcr >> 18) & 7
            cpu["set_control"] = (vmcr & 3 or 2) | eoimode << 9
        else:
            cpu["set_bpr"] = (vmcr >> 21) & 7
            cpu["set_control"] = (vmcr & 3 or 1) | eoimode << 9
