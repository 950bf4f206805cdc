# SPDX-License-Identifier: GPL-2.0-only
"""The monitors over a given trace: its first contradiction, with a drain at its end.

Several accesses without an entry between are taken. From the first operation that software may not do, only the death
and the hanging of the host count. What the VM's registers say at reset (triggers, routes, which SGIs are enabled) is
taken from the design: the architecture leaves it open. Instances are those that the trace makes pending or active, at
most 62 at a time: a trace with more is gone through several times.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.engine.runner import DONE
from bench.verify import classes as c
from bench.verify import decode
from bench.verify import records as r
from bench.verify import reference as ref
from bench.verify.classes import signature_of
from bench.verify.decode import Access, Field
from bench.verify.drain import PMR_OPEN, drain, hold, holder
from bench.verify.judge import instance_of, instance_of_value
from bench.verify.machine import operate
from bench.verify.memory import Memory
from bench.verify.step import ask, deactivated, drive, end, go_in, go_out, take
from kvmarm import trace as t
from kvmarm.design import Design
from kvmarm.gic import FIRST_RESERVED, FIRST_SPI, SGIS, SPURIOUS
from kvmarm.interface import DISTRIBUTOR
from kvmarm.trace import Trace

_ON, _OFF = np.int64(1), np.int64(0)


@dataclass(frozen=True)
class Finding:
    """The first contradiction: number of the operation and signature; None and None for nothing."""

    operation: int | None = None
    code: int | None = None


def fields_of(config: Any, op: Any, value: int) -> list[Field]:
    """Return what a register write does; nothing for any other operation or one that software may not do."""
    kind = int(op["kind"])
    if kind == t.SGI1R:
        return list(decode.sgi_v3(config.vcpus, int(op["vcpu"]), value))
    if kind != t.MMIO_W:
        return []
    size = int(op["c"])
    access = Access(int(op["vcpu"]), int(op["a"]), int(op["b"]), size, value & (1 << 8 * size) - 1)
    try:
        return list(decode.fields(config.gic, config.vcpus, access))
    except decode.NotAllowed:
        return []


class Monitor:
    """One pass over a trace with at most 62 instances."""

    def __init__(self, trace: Trace, design: Design, instances: list[tuple[int, int, int]]) -> None:
        self.trace, self.design = trace, design
        self.memory = Memory(design, trace.config)
        self.world = self.memory.world
        self.words = self.memory.words
        self.lawful = True
        self.values = [0] * (len(trace.ops) + 1)
        self._set_up(instances)

    def _set_up(self, instances: list[tuple[int, int, int]]) -> None:
        setup, config = self.world.setup, self.trace.config
        setup.gic, setup.vcpus, setup.irqs, setup.lrs = config.gic, config.vcpus, config.irqs, config.lrs
        setup.given, setup.count = 1, len(instances)
        reference = self.world.reference
        for x, (intid, owner, sender) in enumerate(instances):
            record = setup.instance[x]
            record.intid, record.owner, record.sender = intid, owner, sender
            record.kind = r.SGI if intid < SGIS else r.PPI if intid < FIRST_SPI else r.SPI
            own = np.uint64(1 << x)
            if intid < SGIS or self._read(x, 0xC00 + intid // 16 * 4, 4) >> (intid % 16 * 2 + 1) & 1:
                reference.edge |= own
            if self._read(x, 0x100 + intid // 32 * 4, 4) >> intid % 32 & 1:
                reference.enabled |= own
            reference.priority[x] = self._read(x, 0x400 + intid, 1)
            if owner >= 0:
                reference.cpu[owner].routed |= own
            else:
                self._route_at_reset(x, intid)
        if self._load(0, DISTRIBUTOR, 0, 4) >> (config.gic - 2) & 1:
            reference.on = ~np.uint64(0)

    def _route_at_reset(self, x: int, intid: int) -> None:
        config = self.trace.config
        if config.gic == 2:
            mask = self._load(0, DISTRIBUTOR, 0x800 + intid, 1)
        else:
            affinity = self._load(0, DISTRIBUTOR, 0x6000 + intid * 8, 8)
            write = Access(0, DISTRIBUTOR, 0x6000 + intid * 8, 8, affinity)
            mask = next(decode.fields(3, config.vcpus, write)).value
        self._targets(x, mask or self._seen_at_reset(intid))

    def _seen_at_reset(self, intid: int) -> int:
        """Return who is kicked (a bit each) when an SPI without a route is enabled and injected in a fresh VM.

        The architecture leaves open where an SPI goes before its route is written, and what the register then reads.
        """
        memory = Memory(self.design, self.trace.config)
        world = memory.world
        bit, word = np.uint64(1 << intid % 32), intid // 32 * 4
        switch = np.uint64(1 << self.trace.config.gic - 2)
        for op in (
            (t.MMIO_W, 0, DISTRIBUTOR, 0, 4, switch),
            (t.MMIO_W, 0, DISTRIBUTOR, 0x100 + word, 4, bit),
            (t.INJECT, 0, intid, 1, 0, 0),
        ):
            world.op.kind, world.op.vcpu, world.op.a, world.op.b, world.op.c, world.op.value = op
            operate(world, memory.words)
        kicked = int(world.kicked)
        return kicked if kicked.bit_count() == 1 else 0

    def _targets(self, x: int, mask: int) -> None:
        ref.route(self.world, np.int64(x), r.NOWHERE)
        for vcpu in range(self.trace.config.vcpus):
            if mask >> vcpu & 1:
                self.world.reference.cpu[vcpu].routed |= np.uint64(1 << x)

    def _load(self, vcpu: int, region: int, offset: int, size: int) -> int:
        op = self.world.op
        op.kind, op.vcpu, op.a, op.b, op.c, op.value = t.MMIO_R, vcpu, region, offset, size, 0
        operate(self.world, self.words)
        return int(self.world.result.value)

    def _read(self, x: int, offset: int, size: int) -> int:
        owner = int(self.world.setup.instance[x].owner)
        if owner < 0:
            return self._load(0, DISTRIBUTOR, offset, size)
        if self.trace.config.gic == 3:
            return self._load(owner, owner, offset + 0x10000, size)
        return self._load(owner, DISTRIBUTOR, offset, size)

    # Operations.

    def run(self, operations: int) -> Finding:
        """Do the first `operations` of the trace; return the first contradiction on the way."""
        world = self.world
        for number in range(1, operations + 1):
            op = self.trace.ops[number - 1]
            world.verdict.cls = 0
            value = self.values[int(op["ref"])] if op["ref"] else int(op["value"])
            self._do(op, value)
            self.values[number] = int(world.result.value)
            if not world.fatal and world.status == DONE and self.memory.locks_held():
                return Finding(number, int(c.HOST_HANGS) | int(r.NO_KIND) << 8 | 2 << 12)
            if world.verdict.cls and (self.lawful or world.fatal):
                verdict = world.verdict
                parts = (np.int64(verdict[name]) for name in ("cls", "x", "reason", "detail"))
                return Finding(number, int(signature_of(world, *parts)))
            ref.refresh(world)
        return Finding()

    def _plain(self, op: Any, value: int) -> None:
        own = self.world.op
        for name in ("kind", "vcpu", "a", "b", "c"):
            own[name] = op[name]
        own.value = value
        operate(self.world, self.words)

    def _do(self, op: Any, value: int) -> None:
        world, words = self.world, self.words
        kind, vcpu = int(op["kind"]), np.int64(op["vcpu"])
        if kind == t.FLUSH:
            go_in(world, words, vcpu)
        elif kind == t.SYNC:
            go_out(world, words, vcpu)
        elif kind == t.ACK:
            take(world, words, vcpu)
        elif kind in (t.EOI, t.DIR):
            self._end(op, kind, vcpu, value)
        elif kind in (t.INJECT, t.INJECTM):
            self._inject(op, vcpu, value)
        elif kind == t.PENDING:
            answer = ask(world, words, vcpu)
            world.reference.cpu[int(vcpu)].status = 0 if answer else r.ASLEEP
        elif kind == t.MMIO_R:
            self._plain(op, value)
            self._judge_read(op)
        elif kind in (t.MMIO_W, t.SGI1R):
            self._write(op, value)
        else:
            self._plain(op, value)
            self._other(op, kind, vcpu)

    def _end(self, op: Any, kind: int, vcpu: Any, value: int) -> None:
        """EOIR and DIR: the last acknowledged, or what was EOIed; anything else software may not write."""
        world = self.world
        cpu = world.reference.cpu[int(vcpu)]
        intid = value & (0x3FF if self.trace.config.gic == 2 else 0xFFFFFF)
        if FIRST_RESERVED <= intid <= SPURIOUS:
            self._plain(op, value)
        elif kind == t.EOI and cpu.depth and int(ref.stacked_value(world, vcpu)) & 0x1FFF == value & 0x1FFF:
            end(world, self.words, vcpu)
        else:
            x = int(instance_of_value(world, vcpu, np.int64(value & 0xFFFFFF)))
            self._plain(op, value)
            if kind == t.DIR and x >= 0 and int(cpu.dropped) >> x & 1:
                deactivated(world, vcpu, np.int64(x))
            elif kind == t.EOI or x >= 0:
                self.lawful = False

    def _inject(self, op: Any, vcpu: Any, value: int) -> None:
        intid = np.int64(op["a"])
        x = instance_of(self.world, vcpu, intid, r.NOWHERE)
        mapped = x >= 0 and self.world.setup.instance[int(x)].pintid != 0
        if x < 0 or intid < SGIS or mapped != (int(op["kind"]) == t.INJECTM):
            self._plain(op, value)
        else:
            drive(self.world, self.words, np.int64(x), np.int64(op["b"]))

    def _other(self, op: Any, kind: int, vcpu: Any) -> None:
        world, setup, reference = self.world, self.world.setup, self.world.reference
        if kind == t.PHYS:
            for x in range(setup.count):
                if setup.instance[x].pintid == op["a"]:
                    own = np.uint64(1 << x)
                    reference.physical = reference.physical | own if op["b"] else reference.physical & ~own
            return
        x = int(instance_of(world, vcpu, np.int64(op["a"]), r.NOWHERE)) if kind in (t.MAP, t.UNMAP, t.ISACTIVE) else -1
        if x < 0:
            return
        instance = setup.instance[x]
        if kind == t.MAP and world.result.rc == 0:
            instance.pintid, instance.kind = op["b"], r.FORWARDED
        elif kind == t.UNMAP and world.result.rc == 0:
            instance.pintid, instance.kind = 0, r.PPI if instance.owner >= 0 else r.SPI
        elif kind == t.ISACTIVE and instance.pintid and self._stopped() and self.lawful:
            answer = int(world.result.value)
            if (answer != 0) != self._has(reference.active, x):
                self._flag(c.IS_ACTIVE, x, 0, answer)

    # Registers.

    def _has(self, word: Any, x: int) -> bool:
        return bool(int(word) >> x & 1)

    def _flag(self, cls: Any, x: int, reason: int, detail: int) -> None:
        verdict = self.world.verdict
        if verdict.cls == 0:
            verdict.cls, verdict.x, verdict.reason, verdict.detail = cls, x, reason, detail

    def _stopped(self) -> bool:
        cpus = self.world.reference.cpu[: self.trace.config.vcpus]
        return not (cpus["status"] & int(r.IN)).any()

    def _matching(self, field: Field) -> list[int]:
        """Return the instances that a field of a register concerns."""
        setup, found = self.world.setup, []
        for x in range(setup.count):
            instance = setup.instance[x]
            same = instance.intid == field.intid and (instance.owner < 0 or instance.owner == field.owner)
            if same and (field.sender < 0 or instance.sender < 0 or instance.sender == field.sender):
                found.append(x)
        return found

    def _write(self, op: Any, value: int) -> None:
        config = self.trace.config
        self._plain(op, value)
        if self.world.fatal:
            return
        if int(op["kind"]) == t.MMIO_W:
            size = int(op["c"])
            access = Access(int(op["vcpu"]), int(op["a"]), int(op["b"]), size, value & (1 << 8 * size) - 1)
            try:
                found = list(decode.fields(config.gic, config.vcpus, access))
            except decode.NotAllowed:
                self.lawful = False
                return
        else:
            found = list(decode.sgi_v3(config.vcpus, int(op["vcpu"]), value))
        for field in found:
            if field.what == "on":
                self.world.reference.on = ~np.uint64(0) if field.value else np.uint64(0)
                continue
            for x in self._matching(field):
                self._apply(field, x, np.int64(op["vcpu"]))

    def _apply(self, field: Field, x: int, vcpu: Any) -> None:
        """Do to the reference what a written field does to instance `x`."""
        world, reference = self.world, self.world.reference
        own, number = np.uint64(1 << x), np.int64(x)
        what = field.what
        sgi_v2 = self.trace.config.gic == 2 and field.intid < SGIS
        if what == "priority":
            ref.prioritise(world, number, np.int64(field.value))
        elif what == "targets":
            self._targets(x, field.value)
        elif what == "trigger":
            self._trigger(field, x, vcpu)
        elif not field.value:
            return
        elif what in ("enable", "disable"):
            if field.intid < SGIS:
                self._adopt_enable(x)
            else:
                reference.enabled = reference.enabled | own if what == "enable" else reference.enabled & ~own
        elif what in ("send", "source") or (what == "pend" and not sgi_v2):
            ref.latch(world, number)
        elif what == "unsource" or (what == "unpend" and not sgi_v2):
            ref.unlatch(world, number)
        elif what in ("activate", "deactivate") and (what == "activate") != self._has(reference.active, x):
            if not ref.others_out(world, vcpu) or ref.stacked_anywhere(world, number):
                self.lawful = False
            reference.active = reference.active ^ own

    def _adopt_enable(self, x: int) -> None:
        """Whether SGIs can be disabled is IMPLEMENTATION DEFINED: take what the design made of it."""
        status = self.world.reference.cpu[int(self.world.setup.instance[x].owner)].status
        if not status & r.IN:
            own = np.uint64(1 << x)
            intid = int(self.world.setup.instance[x].intid)
            enabled = self._read(x, 0x100, 4) >> intid & 1
            reference = self.world.reference
            reference.enabled = reference.enabled | own if enabled else reference.enabled & ~own

    def _trigger(self, field: Field, x: int, vcpu: Any) -> None:
        reference = self.world.reference
        if self._has(reference.edge, x) == bool(field.value):
            return
        if self._has(reference.enabled | ref.possibly_pending(self.world), x):
            self.lawful = False
        for other in range(self.trace.config.vcpus):
            cpu = reference.cpu[other]
            if other != vcpu and self._has(cpu.window_pending & cpu.window_routed, x):
                self.lawful = False
        reference.edge = reference.edge ^ np.uint64(1 << x)

    def _judge_read(self, op: Any) -> None:
        """Compare what the trace reads from ISPENDR, ISACTIVER and ISENABLER with the reference."""
        world, reference, config = self.world, self.world.reference, self.trace.config
        access = Access(int(op["vcpu"]), int(op["a"]), int(op["b"]), int(op["c"]), int(world.result.value))
        if not self.lawful or not world.result.handled:
            return
        touched = int(np.bitwise_or.reduce(reference.cpu["touched"][: config.vcpus]))
        must_words = (int(ref.certainly_pending(world)), int(reference.active), int(reference.enabled))
        may_words = (int(ref.possibly_pending(world)), int(reference.active), int(reference.enabled))
        for _, (register, field) in decode.reads_of(config.gic, access):
            shared = self._matching(field)
            inside = field.owner >= 0 and reference.cpu[max(field.owner, 0)].status & r.IN
            mask = sum(1 << x for x in shared)
            if not shared or inside or (register < 2 and touched & mask) or (register == 2 and field.intid < SGIS):
                continue
            if (field.value and not may_words[register] & mask) or (must_words[register] & mask and not field.value):
                self._flag(c.REGISTER, shared[0], register, field.value | int(self._stopped()) << 1)

    # The end.

    def at_end(self) -> list[int]:
        """Return the signatures that holding and draining the present state show."""
        world, words = self.world, self.words
        if not self.lawful or world.fatal:
            return []
        kept = words.copy()
        codes: list[int] = []
        vcpu = int(holder(world))
        if vcpu >= 0 and self._open(vcpu):
            world.search.found = 0
            hold(world, words, np.int64(vcpu))
            codes += self._found()
            words[:] = kept
        world.search.found = 0
        for vcpu in range(self.trace.config.vcpus):
            cpu = world.reference.cpu[vcpu]
            if cpu.status == r.ASLEEP | r.KICKED and ask(world, words, np.int64(vcpu)):
                cpu.status = 0
        drain(world, words)
        if world.verdict.cls:
            parts = (np.int64(world.verdict[name]) for name in ("cls", "x", "reason", "detail"))
            codes.append(int(signature_of(world, *parts)))
        codes += self._found()
        return codes

    def _found(self) -> list[int]:
        codes = [int(found["code"]) for found in self.world.found[: self.world.search.found]]
        return [code for code in codes if not c.is_advice(code)]

    def _open(self, vcpu: int) -> bool:
        """Return whether priorities of the vCPU preempt as the reference compares them."""
        cpu = self.world.hardware.cpu[vcpu]
        return bool(cpu.pmr == PMR_OPEN and cpu.bpr <= 2)
