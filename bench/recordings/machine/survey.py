# SPDX-License-Identifier: GPL-2.0-only
"""What must be known of a recording before its first event can be placed, gathered while it is read.

GIC version, number of interrupts, where the GIC's frames are, which probes are there, what the guest set its interface
to. None of it is in a recording as such; each follows from what the guest did, by the rules in the functions below.
"""

from dataclasses import dataclass, field

import numpy as np

from bench.recordings import events as ev
from kvmarm.gic import FIRST_RESERVED

_MOST_ADDRESSES = 1 << 17
TYPER, REDIST_TYPER, WAKER, SGIR, PIDR2_V3 = 0x4, 0x8, 0x14, 0xF00, 0xFFE8
_SET_UP_FIRST, _SET_UP_END = 0x180, 0x800
"""GICD_ICENABLER to GICD_IPRIORITYR."""
_ROUTERS, _ROUTERS_SIZE = 0x6100, 0x1F00
"""GICD_IROUTER."""
SGI_FRAME, _GROUPS, _PRIORITIES = 0x10000, 0x80, 0x400
"""A redistributor's second frame; GICD_ and GICR_IGROUPR, IPRIORITYR."""
_IDBITS = 0x1F << 19
"""GICD_TYPER.IDbits, a GICv3's: zeroes in KVM's GICv2."""
_AFFINITY = 0x12
"""GICD_CTLR.ARE and EnableGrp1A, as a GICv3's driver sets them; a GICv2's sets EnableGrp0 alone, bit 0."""
_TARGETS, _TARGETS_END, _PIDR2_V2 = 0x820, 0xC00, 0xFE8
"""GICD_ITARGETSR of SPIs; GICD_PIDR2 of a GICv2."""
_LAST = 0x10
"""GICR_TYPER.Last: no redistributor follows."""
_MOST_REDISTRIBUTORS = 512
_TRAP_TO_VALUE = 1_000_000
"""ns between an SGI's trap and the probe of its value, at most."""
_SGIR_BITS = 0x03FF800F
"""GICD_SGIR: filter, targets, NSATT, INTID."""
DIST_SIZE, REDIST_SIZE, _V2_SIZE = 0x10000, 0x20000, 0x1000

KNOWN = {"kvmtool": 0x3FFF0000, "qemu": 0x08000000}
"""Distributor base by VMM."""
QEMU_REDIST_OFFSET, _QEMU_ITS_OFFSET = 0xA0000, 0x80000
ITS_SIZE, _TRANSLATER = 0x20000, 0x10040
"""GITS_TRANSLATER, where devices write."""

_EXITS = {
    0x00: "UNKNOWN", 0x01: "WFx", 0x07: "FP_ASIMD", 0x12: "HVC32", 0x13: "SMC32", 0x16: "HVC64", 0x17: "SMC64",
    0x18: "SYS64", 0x19: "SVE", 0x1A: "ERET", 0x20: "IABT_LOW", 0x24: "DABT_LOW", 0x30: "BREAKPT_LOW",
    0x32: "SOFTSTP_LOW", 0x34: "WATCHPT_LOW", 0x3C: "BRK64", ev.EXIT_INTERRUPT: "IRQ", ev.EXIT_UNKNOWN: "not printed",
}  # fmt: skip
"""Names of exception classes (ESR_EL2.EC) as kvm_exit prints them."""


@dataclass
class Survey:
    """Facts of one recording; `add` takes the events as they come.

    exits: exits of a KVM recording by what ended the stay (see events.EXIT). controls: what was written to the first
    register of a page, by address, OR-ed. filled_lrs: a list register held an interrupt.
    """

    events: int = 0
    kinds: np.ndarray = field(default_factory=lambda: np.zeros(64, np.int64))
    addresses: dict[tuple[int, int], int] = field(default_factory=dict)
    typer: dict[int, int] = field(default_factory=dict)
    redist_typer: dict[int, int] = field(default_factory=dict)
    software_interrupts: dict[int, int] = field(default_factory=dict)
    highest_vcpu: int = -1
    highest_intid: int = 0
    highest_region: int = -1
    frame_typer: int = -1
    frame_enabled: bool = False
    list_registers: int = 0
    wide_lrs: bool = False
    group1_lrs: bool = False
    filled_lrs: bool = False
    frame_targets: bool = False
    exits: np.ndarray = field(default_factory=lambda: np.zeros(ev.EXIT_UNKNOWN + 1, np.int64))
    controls: dict[int, int] = field(default_factory=dict)
    vmcr: int = 0
    first_time: int = -1
    last_time: int = -1
    backwards: int = 0
    sgi_probed_since: int = 1 << 62

    def add(self, events: np.ndarray) -> None:
        """Take an array of EVENT into account."""
        if not len(events):
            return
        kind = np.ascontiguousarray(events["kind"])
        self.events += len(events)
        counts = np.bincount(kind, minlength=64)[:64]
        self.kinds += counts
        times = events["time"][kind != ev.LOST] if counts[ev.LOST] else np.ascontiguousarray(events["time"])
        if len(times):
            if self.first_time < 0:
                self.first_time = int(times[0])
            self.backwards += int(np.count_nonzero(times[1:] < times[:-1])) + int(times[0] < self.last_time)
            self.last_time = int(times[-1])
        self.highest_vcpu = max(self.highest_vcpu, int(events["vcpu"].max()))
        lines = events["a"][kind == (ev.LINE if counts[ev.LINE] else ev.Q_LINE)]
        shared = lines[lines < FIRST_RESERVED]
        if len(shared):
            self.highest_intid = max(self.highest_intid, int(shared.max()))
        self._add_mmio(events[(kind == ev.GPA_READ) | (kind == ev.GPA_WRITE)])
        if counts[ev.FRAME_READ] or counts[ev.FRAME_WRITE]:
            self._add_frames(events[(kind == ev.FRAME_READ) | (kind == ev.FRAME_WRITE)])
        if counts[ev.EXIT]:
            classes = np.minimum(events["a"][kind == ev.EXIT], np.uint64(ev.EXIT_UNKNOWN)).astype(np.int64)
            self.exits += np.bincount(classes, minlength=len(self.exits))
        if counts[ev.SGI_VALUE]:
            sgis = events["time"][kind == ev.SGI_VALUE]
            # The trap of the first one comes before its value.
            self.sgi_probed_since = min(self.sgi_probed_since, int(sgis[0]) - _TRAP_TO_VALUE)
        if counts[ev.LR_ENTRY] or counts[ev.LR_EXIT]:
            probes = events[(kind == ev.LR_ENTRY) | (kind == ev.LR_EXIT)]
            self.list_registers = max(self.list_registers, int(probes["n"].max()))
            masked = probes["c"][(probes["c"] >> np.uint64(24)) != 0]
            if len(masked):
                self.vmcr = int(masked[-1])
            registers = events[kind == ev.LRS]
            for part in "abcd":
                self.wide_lrs = self.wide_lrs or bool((registers[part] >> np.uint64(32)).any())
                self.filled_lrs = self.filled_lrs or bool(registers[part].any())
                self.group1_lrs = self.group1_lrs or bool((registers[part] >> np.uint64(60) & np.uint64(1)).any())

    def _add_mmio(self, accesses: np.ndarray) -> None:
        if not len(accesses) or len(self.addresses) > _MOST_ADDRESSES:
            return
        writes = (accesses["kind"] == ev.GPA_WRITE).astype(np.uint64)
        combined, counts = np.unique(accesses["a"] << np.uint64(1) | writes, return_counts=True)
        for entry, count in zip(combined.tolist(), counts.tolist(), strict=True):
            key = (entry >> 1, entry & 1)
            self.addresses[key] = self.addresses.get(key, 0) + count
        reads = accesses[writes == 0]
        for kept, mask, offset in ((self.typer, 0xFFF, TYPER), (self.redist_typer, 0xFFFF, REDIST_TYPER)):
            chosen = reads[(reads["a"] & np.uint64(mask)) == offset]
            for address, value in zip(chosen["a"].tolist(), chosen["c"].tolist(), strict=True):
                kept.setdefault(address, value)
        sgis = accesses[(writes == 1) & ((accesses["a"] & np.uint64(0xFFF)) == SGIR)]
        for address in sgis["a"][(sgis["c"] & ~np.uint64(_SGIR_BITS)) == 0].tolist():
            self.software_interrupts[address - SGIR] = self.software_interrupts.get(address - SGIR, 0) + 1
        starts = accesses[(writes == 1) & ((accesses["a"] & np.uint64(0xFFF)) == 0) & (accesses["c"] != 0)]
        for address, value in np.unique(starts[["a", "c"]]).tolist():
            self.controls[address] = self.controls.get(address, 0) | value

    def _add_frames(self, accesses: np.ndarray) -> None:
        if not len(accesses):
            return
        self.highest_region = max(self.highest_region, int(accesses["n"].max()))
        distributor = accesses[accesses["n"] == ev.NO_REGION]
        reads = distributor[(distributor["kind"] == ev.FRAME_READ) & (distributor["a"] == TYPER)]
        if len(reads) and self.frame_typer < 0:
            self.frame_typer = int(reads["c"][0])
        writes = distributor[(distributor["kind"] == ev.FRAME_WRITE) & (distributor["a"] == 0)]
        offsets = distributor["a"][distributor["kind"] == ev.FRAME_WRITE]
        self.frame_targets = self.frame_targets or bool(((offsets >= _TARGETS) & (offsets < _TARGETS_END)).any())
        self.frame_enabled = self.frame_enabled or bool((writes["c"] & np.uint64(3)).any())

    def hits(self, base: int, size: int) -> int:
        """Return how many recorded accesses fall into [base, base + size)."""
        return sum(count for (address, _), count in self.addresses.items() if base <= address < base + size)

    def distributor(self, vmm: str | None, likely_qemu: bool) -> int:
        """Return the distributor's base address, -1 when no recorded access looks like one.

        That of the VMM named; else a known VMM's where interrupts were set up; else any page where they were; else a
        page where software interrupts were sent; else a known VMM's that was accessed at all.
        """
        if vmm is not None:
            return KNOWN[vmm]
        order = [KNOWN[name] for name in (("qemu", "kvmtool") if likely_qemu else ("kvmtool", "qemu"))]
        identified = [address - TYPER for address in self.typer]
        found = [base for base in identified if self._set_up(base)]
        for base in order:
            if base in found:
                return base
        if found:
            return max(found, key=lambda base: (self._set_up(base), -base))
        sending = {base: count for base, count in self.software_interrupts.items() if count > 1}
        if sending:
            return max(sending, key=lambda base: (base in order, sending[base]))
        for base in order:
            if self.hits(base, _V2_SIZE) or self.hits(base + _ROUTERS, _ROUTERS_SIZE):
                return base
        return -1

    def _set_up(self, base: int) -> int:
        # How many registers were written that set interrupts up. A serial port and a virtio device have registers at 0,
        # 4 and 8 too, and virtio some up to 0xa4; but nobody writes further behind, or to virtio's first register.
        written = [offset for offset in range(_GROUPS, _SET_UP_END) if (base + offset, 1) in self.addresses]
        return len(written) if written and (written[-1] >= _SET_UP_FIRST or (base, 1) in self.addresses) else 0

    def _accessed(self) -> dict[int, set[int]]:
        """Return what was accessed by page of 64 KiB: address of the page -> offset * 2 + 1 for a write."""
        pages: dict[int, set[int]] = {}
        for address, written in self.addresses:
            pages.setdefault(address & ~0xFFFF, set()).add((address & 0xFFFF) << 1 | written)
        return pages

    def redistributors(self, distributor: int, vcpus: int) -> int:
        """Return the first redistributor's base address, -1 when none was accessed.

        Just below the distributor, one after another (kvmtool, Firecracker, crosvm, Cloud Hypervisor), at QEMU virt's
        fixed place, or wherever a pair of frames was used as one. Devices may be there as well (virtio above kvmtool's
        distributor, a v2m frame below it): registers that only a redistributor has must have been accessed.
        """
        if distributor < 0:
            return -1
        pages = self._accessed()
        nothing: set[int] = set()

        def wakes(base: int) -> bool:
            # Read: a virtio device has a write-only register at GICR_WAKER's offset.
            return WAKER << 1 in pages.get(base, nothing)

        def enables(base: int) -> bool:
            frame = pages.get(base + SGI_FRAME, nothing)
            return any(entry & 1 and _GROUPS << 1 <= entry < SGIR << 1 for entry in frame)

        # Each vCPU of a guest that starts reads GICR_TYPER from the first frame on until it finds its own.
        lowest, scanned = -1, -1
        for index in range(1, _MOST_REDISTRIBUTORS + 1):
            base = distributor - index * REDIST_SIZE
            if wakes(base) or enables(base):
                lowest = base
                scanned = base if base + REDIST_TYPER in self.redist_typer else -1
            elif index > vcpus and base not in pages:
                break
        if lowest >= 0:
            return scanned if scanned >= 0 else min(lowest, distributor - vcpus * REDIST_SIZE)
        fixed = distributor + QEMU_REDIST_OFFSET
        if any(wakes(base) or enables(base) for base in range(fixed, fixed + vcpus * REDIST_SIZE, REDIST_SIZE)):
            return fixed
        # Elsewhere it takes what no other device has: GICR_TYPER read, GICR_IPRIORITYR0 and 1 written (virtio's are
        # read-only there).
        priorities = {offset << 1 | 1 for offset in (_PRIORITIES, _PRIORITIES + 4)}
        alike = [base for base in pages if priorities <= pages.get(base + SGI_FRAME, nothing)]
        return min((base for base in alike if REDIST_TYPER << 1 in pages[base] and base != distributor), default=-1)

    def created(self, distributor: int, redistributors: int, gic: int) -> int:
        """Return how many vCPUs the GIC was created for, as it told the guest (1 when it did not).

        A GICv2 says so in GICD_TYPER. Of a GICv3's redistributors the last one does, in GICR_TYPER; where they lie just
        below the distributor there are as many as find room.
        """
        if gic == 2:
            typer = self.typer.get(distributor + TYPER, 0) if distributor >= 0 else 0
            return (typer >> 5 & 7) + 1
        if redistributors < 0:
            return 1
        room = (distributor - redistributors) // REDIST_SIZE
        if 1 <= room <= _MOST_REDISTRIBUTORS and (distributor - redistributors) % REDIST_SIZE == 0:
            return room
        count = 0
        while (told := self.redist_typer.get(redistributors + count * REDIST_SIZE + REDIST_TYPER)) is not None:
            count += 1
            if told & _LAST or count == _MOST_REDISTRIBUTORS:
                break
        return max(count, 1)

    def gic_version(self, distributor: int, vcpus: int) -> int:
        """Return 3 or 2 when anything that only a guest with such a GIC does was recorded, 0 when nothing tells it."""
        if self._of_version_3(distributor, vcpus):
            return 3
        return 2 if self._of_version_2(distributor) else 0

    def _of_version_3(self, distributor: int, vcpus: int) -> bool:
        if self.kinds[[ev.SGI_TRAP, ev.SGI_VALUE, ev.OTHER_SGI, ev.Q_SGI1R, ev.Q_GROUP1, ev.Q_ICC_CONTROL]].any():
            return True
        if self.highest_region >= 0 or (self.frame_typer >= 0 and self.frame_typer & _IDBITS):
            return True
        if self.redistributors(distributor, vcpus) >= 0:
            return True
        if distributor >= 0:
            routed = self.hits(distributor + _ROUTERS, _ROUTERS_SIZE)
            if distributor % DIST_SIZE == 0 and ((distributor + PIDR2_V3, 0) in self.addresses or routed):
                return True
            if self.typer.get(distributor + TYPER, 0) & _IDBITS or self.controls.get(distributor, 0) & _AFFINITY:
                return True
        # A KVM guest's interrupts are of Group 1 with a GICv3, of Group 0 with a GICv2 unless it says otherwise.
        return self.group1_lrs

    def _of_version_2(self, distributor: int) -> bool:
        # A GICv3 has no GICC_CTLR and, with affinity routing, neither GICD_SGIR nor GICD_ITARGETSR.
        if self.kinds[ev.Q_CONTROL] or self.frame_typer >= 0 or self.frame_targets:
            return True
        if self.filled_lrs:
            return True
        if distributor < 0:
            return False
        targets = any((distributor + offset, 1) in self.addresses for offset in range(_TARGETS, _TARGETS_END))
        return (
            targets
            or self.software_interrupts.get(distributor, 0) > 0
            or distributor + TYPER in self.typer
            or (distributor + _PIDR2_V2, 0) in self.addresses
            or self.controls.get(distributor, 0) & 3 == 1
        )

    def its_accesses(self, distributor: int, redistributors: int) -> int:
        """Return how many accesses went to an ITS: QEMU virt's, or just below kvmtool's redistributors."""
        if distributor == KNOWN["qemu"]:
            return self.hits(distributor + _QEMU_ITS_OFFSET, ITS_SIZE)
        return self.hits(redistributors - ITS_SIZE, ITS_SIZE) if 0 < redistributors < distributor else 0

    def its_base(self, distributor: int, redistributors: int, translater: int) -> int:
        """Return the address of the ITS: that which MSIs were written to, else where VMMs put it, else -1."""
        if translater > 0:
            return translater - _TRANSLATER
        if distributor == KNOWN["qemu"]:
            return distributor + _QEMU_ITS_OFFSET
        return redistributors - ITS_SIZE if 0 < redistributors < distributor else -1

    def exit_names(self) -> dict[str, int]:
        """Return how many exits there were by what ended the stay, the most frequent first."""
        found = {
            _EXITS.get(number, f"EC {number:#04x}"): int(self.exits[number])
            for number in np.flatnonzero(self.exits).tolist()
        }
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def interrupts(self, distributor: int) -> int:
        """Return the number of INTIDs: what GICD_TYPER said, at least 64 and enough for every line that changed."""
        typer = self.typer.get(distributor + TYPER, -1) if distributor >= 0 else -1
        told = ((typer & 31) + 1) * 32 if typer >= 0 else 64
        return max(64, min(1024, told), (self.highest_intid // 32 + 1) * 32)
