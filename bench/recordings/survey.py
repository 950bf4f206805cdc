# SPDX-License-Identifier: GPL-2.0-only
"""What must be known of a recording before its first event can be placed, gathered while it is read.

GIC version, number of interrupts, where the GIC's frames are, which probes are there, what the guest set its interface
to. None of it is in a recording as such; each follows from what the guest did, by the rules in the functions below.
"""

from dataclasses import dataclass, field

import numpy as np

from bench.recordings import events as ev
from kvmarm.gic import FIRST_RESERVED

PAGE = 16
"""Frames are told apart by 64 KiB pages."""
_MOST_ADDRESSES = 1 << 17
TYPER, PIDR2_V3 = 0x4, 0xFFE8
_SET_UP_FIRST, _SET_UP_END = 0x180, 0x800
"""GICD_ICENABLER to GICD_IPRIORITYR."""
_FIRST_V3_OFFSET = 0x1000
_REDIST_ONLY = frozenset({0x14, PIDR2_V3})
"""GICR_WAKER and GICR_PIDR2."""
DIST_SIZE, REDIST_SIZE = 0x10000, 0x20000

KNOWN = {"kvmtool": 0x3FFF0000, "qemu": 0x08000000}
"""Distributor base by VMM."""
QEMU_REDIST_OFFSET = 0xA0000


@dataclass
class Survey:
    """Facts of one recording; `add` takes the events as they come."""

    events: int = 0
    kinds: np.ndarray = field(default_factory=lambda: np.zeros(64, np.int64))
    addresses: dict[tuple[int, int], int] = field(default_factory=dict)
    typer: dict[int, int] = field(default_factory=dict)
    enabling: set[int] = field(default_factory=set)
    highest_vcpu: int = -1
    highest_intid: int = 0
    highest_region: int = -1
    frame_typer: int = -1
    frame_enabled: bool = False
    list_registers: int = 0
    wide_lrs: bool = False
    vmcr: int = 0
    first_time: int = -1
    last_time: int = 0

    def add(self, events: np.ndarray) -> None:
        """Take an array of EVENT into account."""
        if not len(events):
            return
        kind = events["kind"]
        self.events += len(events)
        self.kinds += np.bincount(kind, minlength=64)[:64]
        times = events["time"][(kind != ev.LOST)]
        if len(times):
            if self.first_time < 0:
                self.first_time = int(times[0])
            self.last_time = max(self.last_time, int(times.max()))
        self.highest_vcpu = max(self.highest_vcpu, int(events["vcpu"].max()))
        lines = events[(kind == ev.LINE) | (kind == ev.Q_LINE)]
        shared = lines["a"][lines["a"] < FIRST_RESERVED]
        if len(shared):
            self.highest_intid = max(self.highest_intid, int(shared.max()))
        self._add_mmio(events[(kind == ev.GPA_READ) | (kind == ev.GPA_WRITE)])
        self._add_frames(events[(kind == ev.FRAME_READ) | (kind == ev.FRAME_WRITE)])
        probes = events[(kind == ev.LR_ENTRY) | (kind == ev.LR_EXIT)]
        if len(probes):
            self.list_registers = max(self.list_registers, int(probes["n"].max()))
            masked = probes["c"][(probes["c"] >> np.uint64(24)) != 0]
            if len(masked):
                self.vmcr = int(masked[-1])
            registers = events[kind == ev.LRS]
            for part in "abcd":
                self.wide_lrs = self.wide_lrs or bool((registers[part] >> np.uint64(32)).any())

    def _add_mmio(self, accesses: np.ndarray) -> None:
        if not len(accesses) or len(self.addresses) > _MOST_ADDRESSES:
            return
        writes = (accesses["kind"] == ev.GPA_WRITE).astype(np.uint64)
        combined, counts = np.unique(accesses["a"] << np.uint64(1) | writes, return_counts=True)
        for entry, count in zip(combined.tolist(), counts.tolist(), strict=True):
            key = (entry >> 1, entry & 1)
            self.addresses[key] = self.addresses.get(key, 0) + count
        reads = accesses[(writes == 0) & ((accesses["a"] & np.uint64(0xFFFF)) == TYPER)]
        for address, value in zip(reads["a"].tolist(), reads["c"].tolist(), strict=True):
            self.typer.setdefault(address, value)
        starts = accesses[(writes == 1) & ((accesses["a"] & np.uint64(0xFFFF)) == 0) & (accesses["c"] != 0)]
        self.enabling.update(np.unique(starts["a"]).tolist())

    def _add_frames(self, accesses: np.ndarray) -> None:
        if not len(accesses):
            return
        self.highest_region = max(self.highest_region, int(accesses["n"].max()))
        distributor = accesses[accesses["n"] == ev.NO_REGION]
        reads = distributor[(distributor["kind"] == ev.FRAME_READ) & (distributor["a"] == TYPER)]
        if len(reads) and self.frame_typer < 0:
            self.frame_typer = int(reads["c"][0])
        writes = distributor[(distributor["kind"] == ev.FRAME_WRITE) & (distributor["a"] == 0)]
        self.frame_enabled = self.frame_enabled or bool((writes["c"] & np.uint64(3)).any())

    def hits(self, base: int, size: int) -> int:
        """Return how many recorded accesses fall into [base, base + size)."""
        return sum(count for (address, _), count in self.addresses.items() if base <= address < base + size)

    def distributor(self, vmm: str | None, likely_qemu: bool) -> int:
        """Return the distributor's base address, -1 when no recorded access looks like one.

        That of the VMM named; else a known VMM's where interrupts were set up; else any page where they were.
        """
        if vmm is not None:
            return KNOWN[vmm]
        order = ("qemu", "kvmtool") if likely_qemu else ("kvmtool", "qemu")
        for name in order:
            if self._looks_like_distributor(KNOWN[name]):
                return KNOWN[name]
        pages = sorted({address >> PAGE for address, _ in self.addresses})
        found = [page << PAGE for page in pages if self._looks_like_distributor(page << PAGE)]
        if found:
            return max(found, key=lambda base: self.hits(base, DIST_SIZE))
        for name in order:
            if self.hits(KNOWN[name], DIST_SIZE):
                return KNOWN[name]
        return -1

    def _looks_like_distributor(self, base: int) -> bool:
        # TYPER read, and interrupts set up: a serial port and a virtio device have registers at 0, 4 and 8 too, but
        # nobody writes so far behind.
        read_type = (base + TYPER, 0) in self.addresses
        return read_type and any(
            written and _SET_UP_FIRST <= address - base < _SET_UP_END for address, written in self.addresses
        )

    def redistributors(self, distributor: int, vcpus: int) -> int:
        """Return the first redistributor's base address, -1 when none was accessed.

        Below the distributor, one after another (kvmtool), or at QEMU virt's fixed place. Devices may be there as well
        (virtio above kvmtool's distributor, a v2m frame below it): registers that only a redistributor has must have
        been accessed.
        """
        if distributor < 0:
            return -1
        candidates = (distributor - vcpus * REDIST_SIZE, distributor + QEMU_REDIST_OFFSET)
        for base in sorted(candidates, key=lambda base: -self.hits(base, vcpus * REDIST_SIZE)):
            offsets = {
                (address - base) % REDIST_SIZE
                for address, _ in self.addresses
                if base <= address < base + vcpus * REDIST_SIZE
            }
            if any(offset in _REDIST_ONLY or 0x10080 <= offset < 0x10E00 for offset in offsets):
                return base
        return -1

    def gic_version(self, distributor: int, vcpus: int) -> int:
        """Return 3 when anything only a GICv3 guest does was recorded, else 2."""
        if self.kinds[[ev.SGI_TRAP, ev.SGI_VALUE, ev.Q_SGI1R, ev.Q_GROUP1, ev.Q_ICC_CONTROL]].any():
            return 3
        if self.highest_region >= 0 or self.redistributors(distributor, vcpus) >= 0:
            return 3
        late = distributor + _FIRST_V3_OFFSET
        if distributor >= 0 and self.hits(late, DIST_SIZE - _FIRST_V3_OFFSET):
            return 3
        if distributor < 0 and vcpus > 8:
            return 3
        return 2

    def interrupts(self, distributor: int) -> int:
        """Return the number of INTIDs: what GICD_TYPER said, at least 64 and enough for every line that changed."""
        typer = self.typer.get(distributor + TYPER, -1) if distributor >= 0 else -1
        told = ((typer & 31) + 1) * 32 if typer >= 0 else 64
        return max(64, min(1024, told), (self.highest_intid // 32 + 1) * 32)
