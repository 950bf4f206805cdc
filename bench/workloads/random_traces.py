# SPDX-License-Identifier: GPL-2.0-only
"""Random legal traces: every operation, register, access size and odd offset, in any configuration.

The generator knows what the trace format calls legal and nothing of what a design does with it. It keeps out what the
format keeps out: accesses whose outcome in the original depends on memory beyond its arrays.
"""

import random

from kvmarm import gic as arch
from kvmarm.config import VmConfig


def random_config(rng: random.Random) -> VmConfig:
    """Return a configuration, small ones more often: they collide more."""
    gic = rng.choice((2, 3))
    vcpus = rng.randint(1, 8) if gic == 2 else rng.choice((1, 2, 3, 4, 5, 8, 15, 16, 17, 33, 64))
    lrs = rng.choice((1, 2, 3, 4, 4, 4, 8, 16, 33, 64)) if gic == 2 else rng.choice((1, 2, 4, 4, 4, 8, 16))
    return VmConfig(gic=gic, vcpus=vcpus, irqs=32 * rng.choice((2, 2, 3, 4, 8, 8, 13, 31, 32)), lrs=lrs)


class TraceMaker:
    """Makes one random trace; `lines` is the text, line by line."""

    def __init__(self, seed: int, operations: int = 400, config: VmConfig | None = None) -> None:
        self.rng = random.Random(seed)
        self.config = config or random_config(self.rng)
        self.lines = [f"config {self.config}"]
        self.in_guest = [False] * self.config.vcpus
        self.acked: list[list[int]] = [[] for _ in range(self.config.vcpus)]
        self.reads: list[int] = []
        self.mapped: dict[tuple[int, int], int] = {}
        # Few INTIDs, so that states meet.
        spis = range(arch.FIRST_SPI, min(self.config.irqs, arch.FIRST_RESERVED))
        self.spis = sorted(self.rng.sample(spis, min(len(spis), self.rng.choice((3, 8, 20, 60)))))
        self.private = self.rng.sample(range(16), 4) + self.rng.sample(range(16, 32), 4)
        self._forward_some()
        self._set_up()
        while len(self.lines) <= operations:
            self._operation()
        for vcpu in range(self.config.vcpus):
            if self.in_guest[vcpu]:
                self._emit(f"sync {vcpu}")

    def text(self) -> str:
        """Return the trace as text."""
        return "\n".join(self.lines) + "\n"

    def _emit(self, line: str) -> int:
        self.lines.append(line)
        return len(self.lines) - 1

    def _vcpu(self, in_guest: bool | None = None) -> int | None:
        choices = [v for v in range(self.config.vcpus) if in_guest is None or self.in_guest[v] == in_guest]
        return self.rng.choice(choices) if choices else None

    def _intid(self) -> int:
        return self.rng.choice(self.spis if self.rng.random() < 0.7 else self.private)

    def _forward_some(self) -> None:
        for pintid in self.rng.sample(range(16, 1020), self.rng.choice((0, 0, 2, 5))):
            intid = self.rng.choice([i for i in self.private if i >= 16] + self.spis)
            vcpu = self.rng.randrange(self.config.vcpus) if intid < 32 else 0
            self._emit(f"map {vcpu} {intid} {pintid}")
            self.mapped[(vcpu, intid)] = pintid

    def _set_up(self) -> None:
        rng, v3 = self.rng, self.config.gic == 3
        if rng.random() < 0.9:
            self._emit(f"mmio_w 0 d 0x0 4 {'0x12' if v3 else '0x1'}")
        for intid in self.spis:
            if rng.random() < 0.8:
                self._register_bit("d", 0x100, intid)
            if rng.random() < 0.5:
                self._emit(f"mmio_w 0 d {0x400 + intid:#x} 1 {rng.choice((0, 0x20, 0x80, 0xA0, 0xA4, 0xF8)):#x}")
            if rng.random() < 0.5:
                self._emit(f"mmio_w 0 d {0xC00 + intid // 16 * 4:#x} 4 {rng.getrandbits(32):#x}")
            if rng.random() < 0.6:
                self._route(intid)
        for vcpu in range(self.config.vcpus):
            frame, base = (f"r{vcpu}", 0x10000) if v3 else ("d", 0)
            if rng.random() < 0.8:
                self._emit(f"mmio_w {vcpu} {frame} {base + 0x100:#x} 4 {rng.choice((0xFFFFFFFF, 0x0F0F0000)):#x}")

    def _register_bit(self, region: str, base: int, intid: int) -> None:
        vcpu = self._vcpu(in_guest=False)
        if vcpu is not None:
            self._emit(f"mmio_w {vcpu} {region} {base + intid // 32 * 4:#x} 4 {1 << intid % 32:#x}")

    def _route(self, intid: int) -> None:
        vcpu = self._vcpu(in_guest=False)
        if vcpu is None:
            return
        rng, vcpus = self.rng, self.config.vcpus
        target = rng.randrange(vcpus)
        if self.config.gic == 2:
            mask = 1 << target | (rng.getrandbits(8) & ((1 << vcpus) - 1) if rng.random() < 0.3 else 0)
            self._emit(f"mmio_w {vcpu} d {0x800 + intid:#x} 1 {0 if rng.random() < 0.1 else mask:#x}")
            return
        affinity = target & 15 | target >> 4 << 8
        if rng.random() < 0.2:
            affinity = rng.choice((0xFF, 0x10000, 0x80000000, 0x01000000 | affinity, 0xABCDEF))
        offset, size = 0x6000 + 8 * intid, rng.choice((4, 8, 8))
        if size == 4 and rng.random() < 0.3:
            offset += 4
        if size == 8 and rng.random() < 0.3:
            affinity |= rng.getrandbits(32) << 32
        self._emit(f"mmio_w {vcpu} d {offset:#x} {size} {affinity:#x}")

    def _operation(self) -> None:
        rng = self.rng
        choice = rng.choices(
            (self._inject, self._mmio, self._sgi, self._enter, self._leave, self._ack, self._finish, self._interface,
             self._query, self._phys, self._route_some),
            (22, 16, 8, 14, 14, 16, 12, 3, 5, 2, 3),
        )[0]  # fmt: skip
        choice()

    def _route_some(self) -> None:
        self._route(self.rng.choice(self.spis))

    def _inject(self) -> None:
        rng = self.rng
        level = rng.choice((0, 1, 1))
        if self.mapped and rng.random() < 0.35:
            vcpu, intid = rng.choice(list(self.mapped))
            name = "injectm" if rng.random() < 0.9 else "inject"
            self._emit(f"{name} {vcpu} {intid} {level}")
            return
        intid = self._intid()
        if intid < 16:
            intid = rng.choice((16 + intid, 1020, self.config.irqs, 0xFFFFFFFF, 8191))
        name = "injectm" if rng.random() < 0.04 and intid < min(self.config.irqs, 1020) else "inject"
        vcpu = rng.randrange(self.config.vcpus) if intid < 32 else 0
        self._emit(f"{name} {vcpu} {intid} {level}")

    def _sgi(self) -> None:
        rng, vcpu = self.rng, self._vcpu(in_guest=False)
        if vcpu is None:
            return
        intid = rng.choice(self.private[:4])
        if self.config.gic == 2:
            targets = rng.getrandbits(8) & ((1 << self.config.vcpus) - 1)
            value = rng.choice((0, 0, 0, 1, 2, 3)) << 24 | targets << 16 | intid
            self._emit(f"mmio_w {vcpu} d 0xf00 4 {value:#x}")
            return
        value = intid << 24 | rng.getrandbits(16)
        value |= rng.randrange(1 + self.config.vcpus // 16) << 16
        if rng.random() < 0.2:
            value |= 1 << 40
        if rng.random() < 0.15:
            value |= rng.choice((1 << 32, 1 << 48, 0xFF << 16, 3 << 44))
        self._emit(f"sgi1r {vcpu} {value:#x}")

    def _enter(self) -> None:
        vcpu = self._vcpu(in_guest=False)
        if vcpu is None:
            return
        self._emit(f"flush {vcpu}")
        self.in_guest[vcpu] = True
        if self.rng.random() < 0.5:
            self._emit(f"pmr {vcpu} {self.rng.choice((0xF8, 0xFF, 0xF0, 0x80)):#x}")
            self._emit(f"ctlr {vcpu} {self.rng.choice((3, 3, 3, 0x203, 0x203, 1, 2)):#x}")

    def _leave(self) -> None:
        vcpu = self._vcpu(in_guest=True)
        if vcpu is not None:
            self._emit(f"sync {vcpu}")
            self.in_guest[vcpu] = False

    def _ack(self) -> None:
        vcpu = self._vcpu(in_guest=True)
        if vcpu is not None:
            self.acked[vcpu].append(self._emit(f"ack {vcpu}"))

    def _finish(self) -> None:
        rng, vcpu = self.rng, self._vcpu(in_guest=True)
        if vcpu is None:
            return
        name = rng.choice(("eoi", "eoi", "eoi", "dir"))
        if self.acked[vcpu] and rng.random() < 0.9:
            number = self.acked[vcpu].pop(rng.choice((-1, -1, 0)))
            self._emit(f"{name} {vcpu} @{number}")
            if rng.random() < 0.3:
                self._emit(f"dir {vcpu} @{number}")
        else:
            self._emit(f"{name} {vcpu} {rng.choice((self._intid(), self._intid() | 1 << 10, 1023)):#x}")

    def _interface(self) -> None:
        vcpu = self._vcpu(in_guest=True)
        if vcpu is not None:
            name = self.rng.choice(("pmr", "ctlr", "bpr"))
            value = {
                "pmr": self.rng.getrandbits(8),
                "ctlr": self.rng.choice((3, 0x203)),
                "bpr": self.rng.getrandbits(3),
            }
            self._emit(f"{name} {vcpu} {value[name]:#x}")

    def _query(self) -> None:
        vcpu = self._vcpu(in_guest=False)
        if vcpu is None or self.rng.random() < 0.4:
            vcpu = self.rng.randrange(self.config.vcpus)
            intid = max(self._intid(), 16)
            self._emit(f"isactive {vcpu} {intid}")
        else:
            self._emit(f"pending {vcpu}")

    def _phys(self) -> None:
        pintid = self.rng.choice(list(self.mapped.values()) or [40])
        self._emit(f"phys {pintid} {self.rng.getrandbits(1)}")

    def _mmio(self) -> None:
        rng, vcpu = self.rng, self._vcpu(in_guest=False)
        if vcpu is None:
            return
        v3 = self.config.gic == 3
        if v3 and rng.random() < 0.45:
            region, table = f"r{rng.randrange(self.config.vcpus)}", arch.REDISTRIBUTOR
            frame = arch.REDISTRIBUTOR_SIZE
        else:
            region, table = "d", arch.DISTRIBUTOR_V3 if v3 else arch.DISTRIBUTOR_V2
            frame = arch.DISTRIBUTOR_SIZE[self.config.gic]
        size = rng.choice((1, 2, 4, 4, 4, 4, 8))
        first, length, name, bits = rng.choice(table)
        if rng.random() < 0.05:
            offset = rng.randrange(0, frame, size)
        elif bits and length > 4:
            intid = self._intid() if region == "d" else rng.choice(self.private)
            offset = first + intid * bits // 8 % length
        else:
            offset = first + rng.randrange(0, max(length, size), size)
        offset = offset // size * size
        if not self._defined(region, offset, size, name):
            return
        if rng.random() < 0.4:
            self.reads.append(self._emit(f"mmio_r {vcpu} {region} {offset:#x} {size}"))
            return
        value = rng.getrandbits(8 * size)
        if bits == 1:
            value &= rng.getrandbits(8 * size)
        if "ITARGETSR" in name:
            value &= int.from_bytes(bytes([(1 << self.config.vcpus) - 1 & 0xFF]) * size, "little")
        if "SGIR" in name and "PEND" not in name:
            value &= 0x03FF800F & ~(0xFF << 16) | ((1 << self.config.vcpus) - 1 & 0xFF) << 16
        if "GICD_CTLR" in name and rng.random() < 0.8:
            value = 0x12 if v3 else 1
        shown = f"@{rng.choice(self.reads)}" if self.reads and rng.random() < 0.04 and bits == 1 else f"{value:#x}"
        self._emit(f"mmio_w {vcpu} {region} {offset:#x} {size} {shown}")

    def _defined(self, region: str, offset: int, size: int, name: str) -> bool:
        """Whether the original defines the outcome (what it does not is kept out of traces by the format)."""
        irqs = self.config.irqs
        if region != "d":
            return True
        if 0x6000 <= offset < 0x8000 and self.config.gic == 3 and (offset - 0x6000) // 8 >= irqs:
            return False
        if self.config.gic == 2 and 0xF00 <= offset < 0xF30 and size != 4:
            return False
        # An 8-byte access to a bitmap register that straddles `irqs`.
        if size == 8 and 0x080 <= offset < 0xC00:
            bits = 1 if offset < 0x400 else 8
            first = (offset & (0x7F if bits == 1 else 0x3FF)) * 8 // bits
            return first + 64 // bits <= irqs
        return True
