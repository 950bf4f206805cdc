# SPDX-License-Identifier: GPL-2.0-only
"""Synthetic workloads: a map with knobs on which a recording can be placed.

A workload is drawn event by event from the knobs' shares by a seeded generator, then placed as a recording would be
(bench.recordings.placement.qemu: exits around accesses, kicks for what becomes deliverable), so that it is legal by
construction and costs what such work costs. Time does not exist: the rate is interrupts for each exit of another kind.
"""

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from bench.recordings import events as ev
from bench.recordings.events import EVENT
from bench.recordings.placement.driver import Driver
from bench.recordings.placement.qemu import place_qemu
from kvmarm.config import VmConfig
from kvmarm.errors import UsageError
from kvmarm.gic import TIMER
from kvmarm.trace import Trace

SPI_BASE = 32
_PRIORITY = 0xA0A0A0A0


@dataclass(frozen=True)
class Knobs:
    """What a synthetic workload is made of; shares are 0..1.

    events: guest-visible events drawn. rate: share of events that are interrupts (the rest are exits for other
    reasons). level: share of device interrupts that are level-triggered. mmio: share of the other exits that access the
    distributor. ipi: share of interrupts that are SGIs. timer: share that are the timer's. devices: SPIs in use. churn:
    share of device interrupts before which the interrupt moves to another vCPU.
    """

    gic: int = 3
    vcpus: int = 4
    irqs: int = 256
    lrs: int = 4
    events: int = 2000
    rate: float = 0.5
    level: float = 0.5
    mmio: float = 0.02
    ipi: float = 0.2
    timer: float = 0.4
    devices: int = 8
    churn: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        VmConfig(self.gic, self.vcpus, self.irqs, self.lrs)
        for name in ("rate", "level", "mmio", "ipi", "timer", "churn"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise UsageError(f"{name}={value:g}: expected a share, 0..1")
        if self.ipi + self.timer > 1:
            raise UsageError(f"ipi={self.ipi:g} timer={self.timer:g}: expected at most 1 together")
        if not 1 <= self.devices <= self.irqs - SPI_BASE:
            raise UsageError(f"devices={self.devices}: expected 1..{self.irqs - SPI_BASE} with irqs={self.irqs}")
        if self.seed < 0:
            raise UsageError(f"seed={self.seed}: expected 0 or more")
        if self.events < 1:
            raise UsageError(f"events={self.events}: expected at least 1")

    @property
    def name(self) -> str:
        """A name that states every knob that differs from its default."""
        default = {item.name: item.default for item in fields(self)}
        changed = [f"{key}={value:g}" for key, value in asdict(self).items() if value != default[key]]
        return "synthetic" + ("-" + ",".join(changed) if changed else "")


def parse_knobs(items: list[str]) -> Knobs:
    """Return knobs from `name=value` items. Raises UsageError for unknown names and bad values."""
    types: dict[str, Any] = {item.name: float if isinstance(item.default, float) else int for item in fields(Knobs)}
    given: dict[str, Any] = {}
    for item in items:
        name, _, text = item.partition("=")
        if name not in types:
            raise UsageError(f"knob {item!r}: expected one of {', '.join(types)}")
        try:
            given[name] = types[name](text)
        except ValueError:
            raise UsageError(f"knob {item!r}: expected a number") from None
    return Knobs(**given)


class _Guest:
    """The guest's side: draws events, keeps which interrupts it holds."""

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs
        self.random = np.random.default_rng(knobs.seed)
        self.rows: list[tuple[int, ...]] = []
        self.edge = {SPI_BASE + index for index in range(knobs.devices) if index >= round(knobs.level * knobs.devices)}
        self.targets = {SPI_BASE + index: index % knobs.vcpus for index in range(knobs.devices)}

    def add(self, kind: int, vcpu: int, region: int = 0, a: int = 0, b: int = 0, c: int = 0) -> None:
        self.rows.append((0, kind, -1, vcpu, region, a, b, c, 0))

    def write(self, vcpu: int, offset: int, value: int, region: int = ev.NO_REGION, size: int = 4) -> None:
        self.add(ev.FRAME_WRITE, vcpu, region, offset, size, value)

    def set_up(self) -> None:
        """What a guest's driver writes before it takes interrupts."""
        knobs = self.knobs
        v2 = knobs.gic == 2
        for first in range(SPI_BASE, SPI_BASE + knobs.devices, 4):
            self.write(0, 0x400 + first, _PRIORITY)
        for first in range(SPI_BASE, SPI_BASE + knobs.devices, 16):
            bits = sum(2 << 2 * (intid - first) for intid in self.edge if first <= intid < first + 16)
            self.write(0, 0xC00 + first // 4, bits)
        for intid in sorted(self.targets):
            self.route(0, intid, self.targets[intid])
        for first in range(SPI_BASE, SPI_BASE + knobs.devices, 32):
            count = min(32, SPI_BASE + knobs.devices - first)
            self.write(0, 0x100 + first // 8, (1 << count) - 1)
        self.write(0, 0, 1 if v2 else 0x12)
        for vcpu in range(knobs.vcpus):
            region, base = (ev.NO_REGION, 0) if v2 else (vcpu, 0x10000)
            for offset in range(0x400, 0x420, 4):
                self.write(vcpu, base + offset, _PRIORITY, region)
            self.write(vcpu, base + 0x100, 1 << TIMER | 0xFFFF, region)
            self.add(ev.Q_PMR, vcpu, a=0xF0)
            self.add(ev.Q_CONTROL if v2 else ev.Q_GROUP1, vcpu, a=1)

    def route(self, vcpu: int, intid: int, target: int) -> None:
        if self.knobs.gic == 2:
            self.write(vcpu, 0x800 + intid, 1 << target, size=1)
        else:
            self.write(vcpu, 0x6000 + 8 * intid, (target & 15) | target >> 4 << 8, size=8)

    def take(self, vcpu: int, value: int) -> None:
        """Acknowledge and complete one interrupt, then find that nothing is left."""
        self.add(ev.Q_ACK, vcpu, a=value)
        if value & 0x3FF == TIMER:
            self.add(ev.Q_LINE, vcpu, a=TIMER, b=0)
        elif value in self.targets and value not in self.edge:
            self.add(ev.Q_LINE, -1, a=value, b=0)
        self.add(ev.Q_EOI, vcpu, a=value)
        self.add(ev.Q_ACK, vcpu, a=1023)

    def draw(self) -> None:
        """One event."""
        knobs, random = self.knobs, self.random
        vcpu = int(random.integers(knobs.vcpus))
        if random.random() >= knobs.rate:
            if random.random() < knobs.mmio:
                first = int(random.integers(SPI_BASE, SPI_BASE + knobs.devices)) & ~3
                self.add(ev.FRAME_READ, vcpu, ev.NO_REGION, 0x400 + first, 4, _PRIORITY)
            else:
                self.add(ev.Q_EXIT, vcpu)
            return
        kind = random.random()
        if kind < knobs.ipi and knobs.vcpus > 1:
            target = (vcpu + 1 + int(random.integers(knobs.vcpus - 1))) % knobs.vcpus
            if knobs.gic == 2:
                self.write(vcpu, 0xF00, 1 << (16 + target) | 1)
                self.take(target, 1 | vcpu << 10)
            else:
                value = 1 << 24 | (target >> 4) << 16 | 1 << (target & 15)
                self.add(ev.Q_SGI1R, vcpu, a=value)
                self.take(target, 1)
        elif kind < knobs.ipi + knobs.timer:
            self.add(ev.Q_LINE, vcpu, a=TIMER, b=1)
            self.take(vcpu, TIMER)
        else:
            intid = SPI_BASE + int(random.integers(knobs.devices))
            if random.random() < knobs.churn:
                self.targets[intid] = int(random.integers(knobs.vcpus))
                self.route(vcpu, intid, self.targets[intid])
            self.add(ev.Q_LINE, -1, a=intid, b=1)
            if intid in self.edge:
                self.add(ev.Q_LINE, -1, a=intid, b=0)
            self.take(self.targets[intid], intid)


def _events(knobs: Knobs) -> np.ndarray:
    guest = _Guest(knobs)
    guest.set_up()
    for _ in range(knobs.events):
        guest.draw()
    return np.array(guest.rows, EVENT).view(np.recarray)


def _place(events: np.ndarray, config: VmConfig) -> Iterator[np.ndarray]:
    driver = Driver(config, place_qemu)
    for chunk in itertools.chain(driver.start(), driver.place(events), driver.finish()):
        # The next chunk takes its place.
        yield np.array(chunk.ops)


def synthesise(knobs: Knobs) -> Trace:
    """Return the workload that the knobs describe; the same knobs give the same trace."""
    config = VmConfig(knobs.gic, knobs.vcpus, knobs.irqs, knobs.lrs)
    return Trace(knobs.name, config, np.concatenate(list(_place(_events(knobs), config))))
