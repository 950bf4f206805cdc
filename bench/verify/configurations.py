# SPDX-License-Identifier: GPL-2.0-only
"""The configurations of the small set: the interrupts that a VM has, what may happen to them, and its set-up.

A configuration is described by interrupts and the names of the operations that its alphabet has; `build` makes the
alphabet. Before the search the guest sets triggers, priorities, routes and enables by registers, turns the distributor
on, and each vCPU opens its priority mask. That is part of every reported trace.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.verify import records as r
from bench.verify.access import (
    CTLR_ARE,
    CTLR_ON_V2,
    CTLR_ON_V3,
    ICFGR,
    IPRIORITYR,
    IROUTER,
    ISENABLER,
    ITARGETSR,
)
from bench.verify.drain import PMR_OPEN
from kvmarm import trace
from kvmarm.config import VmConfig
from kvmarm.errors import UsageError
from kvmarm.gic import CTLR_EOIMODE, FIRST_SPI, SGI_FRAME, SGIS, affinity_of
from kvmarm.interface import DISTRIBUTOR

EVERYTHING = (
    "line", "enable", "pend", "active", "block", "dist", "trigger", "prio", "route", "nowhere", "sgi", "source",
)  # fmt: skip
"""Names of groups of operations: lines and firing; ISENABLER and ICENABLER; ISPENDR and ICPENDR; ISACTIVER and
ICACTIVER; WFI; the distributor's enable; ICFGR; IPRIORITYR; routes to each vCPU; routes to nobody; SGIs; SPENDSGIR and
CPENDSGIR."""

URGENT, NORMAL = 0x40, 0x80
"""The two priorities that the alphabet writes."""


EVERY = -1


@dataclass(frozen=True)
class Irq:
    """One interrupt of a configuration. `edge`: trigger of an SPI; `pintid`: forwarded from there; 0: not.

    `target`: the vCPU that an SPI goes to at first, or that an SGI is sent to; EVERY for SGIs to each.
    """

    intid: int
    edge: bool = False
    priority: int = NORMAL
    target: int = 0
    pintid: int = 0


@dataclass(frozen=True)
class Configuration:
    """A small VM and what may happen to it."""

    name: str
    vm: VmConfig
    irqs: tuple[Irq, ...]
    groups: tuple[str, ...]
    eoimode: int = 0
    hostile: bool = False

    def as_hostile(self) -> "Configuration":
        """Return the configuration with the alphabet that breaks rules: only host death and hangs count then."""
        return self if self.hostile else replace(self, name=f"{self.name}, hostile", hostile=True)


Step = tuple[Any, int, int, int]
"""One operation: kind (one of bench.verify.records, int64), vCPU, instance, value."""


@dataclass(frozen=True)
class Instance:
    """One instance (see bench.verify.records)."""

    irq: Irq
    owner: int
    sender: int
    kind: int


def instances(configuration: Configuration) -> list[Instance]:
    """Return the instances of a configuration in the order of their numbers."""
    found = []
    vm = configuration.vm
    for irq in configuration.irqs:
        if irq.intid < SGIS:
            senders = range(vm.vcpus) if vm.gic == 2 else [r.NOWHERE]
            owners = range(vm.vcpus) if irq.target == EVERY else [irq.target]
            found += [Instance(irq, owner, sender, r.SGI) for owner in owners for sender in senders]
            continue
        kind = r.FORWARDED if irq.pintid else r.SPI if irq.intid >= FIRST_SPI else r.PPI
        owners = [r.NOWHERE] if irq.intid >= FIRST_SPI else range(vm.vcpus)
        found += [Instance(irq, owner, r.NOWHERE, kind) for owner in owners]
    return found


def alphabet(configuration: Configuration) -> list[Step]:
    """Return the operations (kind, vcpu, x, value) of a configuration."""
    steps: list[Step] = []
    vcpus = range(configuration.vm.vcpus)
    for vcpu in vcpus:
        steps += [(kind, vcpu, -1, 0) for kind in (r.ENTER, r.EXIT, r.TAKE, r.END)]
        if "block" in configuration.groups:
            steps.append((r.BLOCK, vcpu, -1, 0))
        if "dist" in configuration.groups:
            steps += [(r.DISTRIBUTOR, vcpu, -1, on) for on in (0, 1)]
    for x, instance in enumerate(instances(configuration)):
        steps += _steps_of(configuration, x, instance)
    return steps


def _steps_of(configuration: Configuration, x: int, instance: Instance) -> Iterator[Step]:
    groups = configuration.groups
    irq = instance.irq
    vcpus = range(configuration.vm.vcpus)
    accessing = vcpus if instance.owner == r.NOWHERE else [instance.owner]
    if configuration.eoimode:
        yield from ((r.DROP, vcpu, x, 0) for vcpu in accessing)
    if instance.kind == r.SGI:
        yield from _sgi_steps(configuration, x, instance)
    elif "line" in groups:
        yield r.FIRE if irq.pintid else r.RAISE, 0, x, 0
        if not irq.edge or "trigger" in groups:
            yield r.LOWER, 0, x, 0
    for vcpu in accessing:
        yield from _accesses(groups, vcpu, x, instance)
        if instance.owner == r.NOWHERE:
            yield from _routes(groups, vcpus, vcpu, x)


def _accesses(groups: tuple[str, ...], vcpu: int, x: int, instance: Instance) -> Iterator[Step]:
    pairs = {"enable": (r.ENABLE, r.DISABLE), "pend": (r.SET_PENDING, r.CLEAR_PENDING)}
    pairs["active"] = (r.SET_ACTIVE, r.CLEAR_ACTIVE)
    if instance.sender > 0:  # the senders of a GICv2 SGI share its bits
        return
    for group, kinds in pairs.items():
        # Whether SGIs can be disabled is IMPLEMENTATION DEFINED.
        if group in groups and not (group == "enable" and instance.kind == r.SGI):
            yield from ((kind, vcpu, x, 0) for kind in kinds)
    if "prio" in groups:
        yield from ((r.PRIORITY, vcpu, x, priority) for priority in (URGENT, NORMAL))


def _routes(groups: tuple[str, ...], vcpus: range, vcpu: int, x: int) -> Iterator[Step]:
    if "trigger" in groups:
        yield from ((r.TRIGGER, vcpu, x, edge) for edge in (0, 1))
    if "route" in groups and len(vcpus) > 1:
        yield from ((r.ROUTE, vcpu, x, target) for target in vcpus)
    if "nowhere" in groups:
        yield r.ROUTE, vcpu, x, r.NOWHERE


def _sgi_steps(configuration: Configuration, x: int, instance: Instance) -> Iterator[Step]:
    if "sgi" in configuration.groups:
        senders = range(configuration.vm.vcpus) if instance.sender == r.NOWHERE else [instance.sender]
        yield from ((r.SEND, sender, x, 0) for sender in senders)
    if "source" in configuration.groups and configuration.vm.gic == 2:
        yield from ((kind, instance.owner, x, 0) for kind in (r.SET_SOURCE, r.CLEAR_SOURCE))


def fill_setup(world: Any, configuration: Configuration, reloads: bool) -> None:
    """Write a configuration and its alphabet into the world's set-up record."""
    setup = world.setup
    vm = configuration.vm
    setup.gic, setup.vcpus, setup.irqs, setup.lrs = vm.gic, vm.vcpus, vm.irqs, vm.lrs
    setup.hostile, setup.reloads = configuration.hostile, reloads
    found = instances(configuration)
    setup.count = len(found)
    for x, instance in enumerate(found):
        record = setup.instance[x]
        record.intid, record.owner, record.sender = instance.irq.intid, instance.owner, instance.sender
        record.kind, record.pintid = instance.kind, instance.irq.pintid
    steps = alphabet(configuration)
    if len(steps) > r.MAX_STEPS:
        raise AssertionError(f"{configuration.name}: {len(steps)} operations, expected {r.MAX_STEPS} at most")
    setup.steps = len(steps)
    for number, (kind, vcpu, x, value) in enumerate(steps):
        step = setup.step[number]
        step.kind, step.vcpu, step.x, step.value = kind, vcpu, x, value


def fill_reference(world: Any, configuration: Configuration) -> None:
    """Write the reference state that the set-up leaves."""
    reference = world.reference
    reference.on = ~np.uint64(0)
    for x, instance in enumerate(instances(configuration)):
        own = np.uint64(1 << x)
        reference.enabled |= own
        reference.priority[x] = instance.irq.priority
        if instance.irq.edge or instance.kind == r.SGI:
            reference.edge |= own
        target = instance.owner if instance.owner != r.NOWHERE else instance.irq.target
        reference.cpu[target].routed |= own


def _write(vcpu: int, region: int, offset: int, size: int, value: int) -> tuple[int, ...]:
    return trace.MMIO_W, vcpu, region, offset, size, value


def _frame(vm: VmConfig, intid: int, vcpu: int) -> tuple[int, int]:
    """Return (region, offset added) of the frame that holds the registers of `intid` for `vcpu`."""
    return (vcpu, SGI_FRAME) if vm.gic == 3 and intid < FIRST_SPI else (DISTRIBUTOR, 0)


def set_up(configuration: Configuration) -> np.ndarray:
    """Return the operations (array of kvmarm.trace.OP) that set a configuration up."""
    vm = configuration.vm
    ops: list[tuple[int, ...]] = []
    words: dict[int, int] = {}
    for irq in configuration.irqs:
        vcpus = range(vm.vcpus) if irq.intid < FIRST_SPI else [0]
        for vcpu in vcpus:
            if irq.pintid:
                ops.append((trace.MAP, vcpu, irq.intid, irq.pintid, 0, 0))
            region, base = _frame(vm, irq.intid, vcpu)
            ops.append(_write(vcpu, region, base + IPRIORITYR + irq.intid, 1, irq.priority))
            bit = 1 << irq.intid % 32
            ops.append(_write(vcpu, region, base + ISENABLER + irq.intid // 32 * 4, 4, bit))
        if irq.intid >= FIRST_SPI:
            words[irq.intid // 16] = words.get(irq.intid // 16, 0) | (2 if irq.edge else 0) << irq.intid % 16 * 2
            if vm.gic == 2:
                ops.append(_write(0, DISTRIBUTOR, ITARGETSR + irq.intid, 1, 1 << irq.target))
            else:
                affinity = int(affinity_of(irq.target))
                ops.append(_write(0, DISTRIBUTOR, IROUTER + irq.intid * 8, 8, affinity))
    first = [_write(0, DISTRIBUTOR, ICFGR + word * 4, 4, value) for word, value in sorted(words.items())]
    ops.append(_write(0, DISTRIBUTOR, 0, 4, CTLR_ON_V2 if vm.gic == 2 else CTLR_ON_V3 | CTLR_ARE))
    control = 3 | (CTLR_EOIMODE if configuration.eoimode else 0)
    for vcpu in range(vm.vcpus):
        ops += [(trace.FLUSH, vcpu, 0, 0, 0, 0), (trace.PMR, vcpu, PMR_OPEN, 0, 0, 0)]
        ops += [(trace.CTLR, vcpu, control, 0, 0, 0), (trace.SYNC, vcpu, 0, 0, 0, 0)]
    return np.array([(*op, 0, 0) for op in [*first, *ops]], trace.OP)


_LINE = ("line", "enable", "pend", "active", "block", "dist")
_FORWARDED = ("line", "enable", "block", "dist")
_SPI, _SECOND, _THIRD, _PPI, _SGI, _PINTID = 33, 34, 35, 20, 1, 50


def _one_vcpu(gic: int) -> Iterator[Configuration]:
    vm = VmConfig(gic, 1, 64, 1)
    two = replace(vm, lrs=2)
    edge, level = Irq(_SPI, edge=True), Irq(_SPI)
    ppi, sgi = Irq(_PPI), Irq(_SGI, edge=True)
    yield Configuration("1 vCPU, SPI edge", vm, (edge,), (*_LINE, "trigger"))
    yield Configuration("1 vCPU, SPI level", vm, (level,), (*_LINE, "trigger"))
    yield Configuration("1 vCPU, PPI", vm, (ppi,), _LINE)
    yield Configuration("1 vCPU, forwarded SPI edge", vm, (replace(edge, pintid=_PINTID),), _FORWARDED)
    yield Configuration("1 vCPU, forwarded SPI level", vm, (replace(level, pintid=_PINTID),), _FORWARDED)
    yield Configuration("1 vCPU, forwarded PPI", vm, (replace(ppi, pintid=_PINTID),), _FORWARDED)
    urgent = Irq(_SECOND, edge=True, priority=URGENT)
    yield Configuration("1 vCPU, two edge SPIs", vm, (edge, urgent), ("line", "block"))
    yield Configuration("1 vCPU, two level SPIs, 2 LRs", two, (level, replace(urgent, edge=False)), ("line", "block"))
    third = Irq(_THIRD, edge=True, priority=0xC0)
    yield Configuration("1 vCPU, three edge SPIs, 2 LRs", two, (edge, urgent, third), ("line", "block"))
    yield Configuration("1 vCPU, SGI", vm, (sgi,), ("sgi", "pend", "source", "block"))
    yield Configuration("1 vCPU, SPI level, EOImode 1", vm, (level,), ("line", "enable", "block"), eoimode=1)
    yield Configuration("1 vCPU, SPI and SGI", vm, (edge, replace(sgi, priority=URGENT)), ("line", "sgi", "block"))
    yield Configuration("1 vCPU, SPI and PPI", vm, (edge, replace(ppi, priority=URGENT)), ("line", "block"))
    yield Configuration("1 vCPU, SPI level, hostile", vm, (level,), (*_LINE, "trigger"), hostile=True)


def _two_vcpus(gic: int) -> Iterator[Configuration]:
    vm = VmConfig(gic, 2, 64, 1)
    edge, level, sgi = Irq(_SPI, edge=True), Irq(_SPI), Irq(_SGI, edge=True, target=1)
    routes = ("line", "route", "enable", "block")
    yield Configuration("2 vCPUs, SPI edge", vm, (edge,), (*routes, "pend"))
    yield Configuration("2 vCPUs, SPI level", vm, (level,), routes)
    yield Configuration("2 vCPUs, SPI level, trigger", vm, (replace(level, target=1),), ("line", "enable", "trigger"))
    yield Configuration("2 vCPUs, SPI edge, nowhere", vm, (edge,), ("line", "route", "nowhere"))
    yield Configuration("2 vCPUs, SPI level, nowhere", vm, (level,), ("line", "route", "nowhere"))
    yield Configuration("2 vCPUs, SGI", vm, (sgi,), ("sgi", "pend", "source", "block"))
    yield Configuration("2 vCPUs, SGI, 2 LRs", replace(vm, lrs=2), (sgi,), ("sgi", "block"))


def small_set(gics: Iterable[int] = (2, 3)) -> list[Configuration]:
    """Return the small set: 21 configurations for each GIC version."""
    found = []
    for gic in gics:
        for configuration in (*_one_vcpu(gic), *_two_vcpus(gic)):
            found.append(replace(configuration, name=f"GICv{gic}, {configuration.name}"))
    return found


_KINDS = {
    "spi-edge": Irq(_SPI, edge=True),
    "spi-level": Irq(_SECOND, priority=URGENT),
    "ppi": Irq(_PPI),
    "sgi": Irq(_SGI, edge=True, target=EVERY),
    "forwarded-edge": Irq(_THIRD, edge=True, pintid=_PINTID),
    "forwarded-level": Irq(_THIRD, pintid=_PINTID),
}


def large(gic: int) -> Configuration:
    """Return the configuration of random runs: more than a search can exhaust, with every operation."""
    irqs = tuple(_KINDS[name] for name in ("spi-edge", "spi-level", "ppi", "sgi", "forwarded-level"))
    return Configuration(f"GICv{gic}, 2 vCPUs, everything", VmConfig(gic, 2, 64, 2), irqs, EVERYTHING)


def _check_names(field: str, names: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"--config: {field}: {unknown[0]!r}: expected some of {', '.join(known)}")


def chosen(text: str) -> list[Configuration]:
    """Return the configurations that --config names: part of a name of the small set, or gic=… vcpus=… lrs=… irqs=….

    irqs: names with commas (spi-edge, spi-level, ppi, sgi, forwarded-edge, forwarded-level); groups=… names groups of
    operations, eoimode=1. Raises UsageError.
    """
    if "=" not in text:
        found = [configuration for configuration in small_set() if text.lower() in configuration.name.lower()]
        if text.lower() == "small-set":
            found = small_set()
        if not found:
            known = ", ".join(configuration.name for configuration in small_set())
            raise UsageError(f"--config {text!r}: no such configuration in the small set: {known}")
        return found
    given = {"gic": "2", "vcpus": "1", "lrs": "1", "irqs": "spi-edge", "groups": ",".join(EVERYTHING), "eoimode": "0"}
    for word in text.split():
        name, _, value = word.partition("=")
        if name not in given:
            raise UsageError(f"--config: field {name!r}: expected one of {', '.join(given)}")
        given[name] = value
    numbers = [given[name] for name in ("gic", "vcpus", "lrs", "eoimode")]
    if not all(number.isdigit() for number in numbers):
        raise UsageError("--config: gic, vcpus, lrs, eoimode: expected numbers")
    names, groups = given["irqs"].split(","), given["groups"].split(",")
    _check_names("irqs", names, list(_KINDS))
    _check_names("groups", groups, EVERYTHING)
    gic, vcpus, lrs, eoimode = map(int, numbers)
    if vcpus > 4:
        raise UsageError(f"--config: vcpus={vcpus}: expected 4 at most")
    irqs = tuple(_KINDS[name] for name in dict.fromkeys(names))
    return [Configuration(text, VmConfig(gic, vcpus, 64, lrs), irqs, tuple(groups), eoimode)]
