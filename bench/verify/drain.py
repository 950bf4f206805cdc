# SPDX-License-Identifier: GPL-2.0-only
"""What is asked of each new state: does what the registers read contradict it, and does all that must come, come?

The *drain* is what the VM does when left alone: only it says that something never comes. *Hold* asks whether a more
urgent interrupt preempts. Both wear the state out; the search restores it.
"""

from typing import Any

import numpy as np

from bench.verify.access import ISACTIVER, ISENABLER, ISPENDR, read_bit
from bench.verify.classes import (
    ACTIVE_FOR_EVER,
    IS_ACTIVE,
    LIVELOCK,
    LOST,
    NEVER_SLEEPS,
    NO_PREEMPTION,
    NOT_KICKED,
    NOT_WOKEN,
    PHYSICAL,
    REGISTER,
    STRANDED,
    WAKES_FOR_NOTHING,
    signature_of,
)
from bench.verify.machine import CTLR, ISACTIVE, PMR, do
from bench.verify.records import (
    ASLEEP,
    DRAINING,
    FORCING,
    HOLDING,
    IN,
    KICKED,
    MAX_FOUND,
    NONE,
    NOWHERE,
    OFF,
    ON,
    READING,
    RESTING,
    numbers,
)
from bench.verify.reference import (
    bit,
    certainly_pending,
    has,
    may_deliver,
    must_deliver,
    possibly_pending,
    refresh,
    stacked_instance,
    stacked_priority,
)
from bench.verify.step import ADVICE_KICK, ADVICE_PENDING, ask, drive, drop, end, go_in, go_out, take, wake
from kvmarm import cpuif as interface_registers
from kvmarm.gic import SGIS, SPURIOUS
from kvmarm.jit import U64_0, jit

ROUNDS = 24
"""Rounds of a drain, and acknowledges of one round: running out of either is a livelock."""
(PMR_OPEN,) = numbers(0xF8)
_PENDR, _ACTIVER, _ENABLER, _AT_REST = numbers(0, 1, 2, 1)


@jit
def record(world: Any, code: Any) -> None:
    """Count a signature (int64); the first to have it is kept: breadth first, so by a shortest path."""
    search = world.search
    for index in range(search.found):
        found = world.found[index]
        if found.code == code:
            found.count += 1
            return
    if search.found < MAX_FOUND:
        found = world.found[search.found]
        found.code = code
        found.count = 1
        found.parent = search.state
        found.step = world.step
        found.depth = search.depth
        found.logged = world.logged
        search.found += 1


@jit
def record_advice(world: Any) -> None:
    """Count the advice of the step just done."""
    if world.advice & ADVICE_PENDING:
        record(world, signature_of(world, WAKES_FOR_NOTHING, NONE, OFF, OFF))
    if world.advice & ADVICE_KICK:
        record(world, signature_of(world, WAKES_FOR_NOTHING, NONE, ON, OFF))


@jit
def _touched(world: Any) -> Any:
    touched = U64_0
    for vcpu in range(world.setup.vcpus):
        touched |= world.reference.cpu[vcpu].touched
    return touched


@jit
def _of_one_register_bit(world: Any, x: Any) -> Any:
    """Return the set of instances that share the register bit of `x`: the senders of a GICv2 SGI."""
    own = world.setup.instance[x]
    shared = U64_0
    for other in range(world.setup.count):
        instance = world.setup.instance[other]
        if instance.intid == own.intid and instance.owner == own.owner:
            shared |= bit(other)
    return shared


@jit
def _compare(world: Any, x: Any, register: Any, read: Any, must: Any, may: Any, stopped: Any) -> None:
    if (read and not may) or (must and not read):
        record(world, signature_of(world, REGISTER, x, register, read | stopped << 1))


@jit
def _read_registers(world: Any, memory: Any, x: Any, reader: Any, stopped: Any) -> None:
    """Compare the three registers' bits of `x`, as `reader` reads them, with the reference."""
    shared = _of_one_register_bit(world, x)
    reference = world.reference
    if _touched(world) & shared == U64_0:
        read = read_bit(world, memory, reader, x, ISPENDR)
        must = certainly_pending(world) & shared != U64_0
        _compare(world, x, _PENDR, read, must, possibly_pending(world) & shared != U64_0, stopped)
        read = read_bit(world, memory, reader, x, ISACTIVER)
        active = reference.active & shared != U64_0
        _compare(world, x, _ACTIVER, read, active, active, stopped)
    if world.setup.instance[x].intid >= SGIS:
        read = read_bit(world, memory, reader, x, ISENABLER)
        enabled = has(reference.enabled, x)
        _compare(world, x, _ENABLER, read, enabled, enabled, stopped)


@jit
def read_all(world: Any, memory: Any) -> None:
    """Read ISPENDR, ISACTIVER and ISENABLER by a vCPU that is out, `isactive` when all are; record contradictions."""
    world.phase = READING
    world.verdict.cls = 0
    reader, stopped = NONE, ON
    for vcpu in range(world.setup.vcpus):
        if world.reference.cpu[vcpu].status & IN:
            stopped = OFF
        elif reader < 0:
            reader = vcpu
    for x in range(world.setup.count):
        instance = world.setup.instance[x]
        vcpu = reader
        if instance.owner != NOWHERE:
            vcpu = NONE if world.reference.cpu[instance.owner].status & IN else instance.owner
        if vcpu < 0 or world.fatal:
            continue
        if instance.sender <= 0:
            _read_registers(world, memory, x, vcpu, stopped)
        if instance.pintid and stopped:
            do(world, memory, ISACTIVE, max(instance.owner, 0), instance.intid, OFF)
            answer = np.int64(world.result.value)
            if (answer != 0) != has(world.reference.active, x):
                record(world, signature_of(world, IS_ACTIVE, x, OFF, answer))


@jit
def _quiet(world: Any, memory: Any, vcpu: Any) -> None:
    """The guest's handler of what is on top of the stack: quiets the device, EOI, DIR."""
    x = stacked_instance(world, vcpu, world.reference.cpu[vcpu].depth - 1)
    if has(world.reference.line & ~world.reference.edge, x):
        drive(world, memory, x, OFF)
    end(world, memory, vcpu)
    _drop_all(world, memory, vcpu)
    refresh(world)


@jit
def _drop_all(world: Any, memory: Any, vcpu: Any) -> None:
    cpu = world.reference.cpu[vcpu]
    if cpu.dropped != U64_0:
        for x in range(world.setup.count):
            if has(cpu.dropped, x):
                drop(world, memory, vcpu, x)


@jit
def _serve(world: Any, memory: Any, vcpu: Any) -> Any:
    """A vCPU in the guest serves all that it gets; return how many it took, ROUNDS for too many."""
    cpu = world.reference.cpu[vcpu]
    if world.setup.given:
        open_mask(world, memory, vcpu)
    while cpu.depth > 0 and not world.fatal:
        _quiet(world, memory, vcpu)
    _drop_all(world, memory, vcpu)
    taken = 0
    while taken < ROUNDS and not world.fatal and world.verdict.cls == 0:
        value = take(world, memory, vcpu)
        refresh(world)
        if value == SPURIOUS:
            return taken
        _quiet(world, memory, vcpu)
        taken += 1
    return taken


@jit
def open_mask(world: Any, memory: Any, vcpu: Any) -> None:
    """The guest lets every priority and both groups through, if it does not."""
    cpu = world.hardware.cpu[vcpu]
    if cpu.pmr != PMR_OPEN:
        do(world, memory, PMR, vcpu, PMR_OPEN, OFF)
    if cpu.ctlr & 3 != 3:
        do(world, memory, CTLR, vcpu, cpu.ctlr | 3, OFF)


@jit
def _wants_to_leave(world: Any, vcpu: Any) -> Any:
    """Return whether something makes the vCPU leave the guest: a kick or a maintenance interrupt."""
    if world.reference.cpu[vcpu].status & KICKED:
        return True
    cpu = world.hardware.cpu[vcpu]
    gic = world.setup.gic
    return interface_registers.misr(cpu, gic, interface_registers.eisr(cpu, gic)) != U64_0


@jit
def _settle(world: Any, memory: Any, forced: Any) -> Any:
    """Rounds over the vCPUs until two bring nothing; return whether that came to be.

    forced 0: a vCPU that sleeps sleeps on, one in the guest leaves only for a reason. 1: all enter, serve and exit.
    """
    idle = 0
    for _ in range(ROUNDS):
        brought = 0
        for vcpu in range(world.setup.vcpus):
            cpu = world.reference.cpu[vcpu]
            if cpu.status & ASLEEP:
                continue
            world.kicked = U64_0
            if cpu.status & IN == 0:
                go_in(world, memory, vcpu)
            if not world.fatal:
                taken = _serve(world, memory, vcpu)
                if taken == ROUNDS:
                    return False
                brought += taken
            if not world.fatal and (forced or _wants_to_leave(world, vcpu)):
                go_out(world, memory, vcpu)
            if world.fatal or world.verdict.cls:
                return True
            refresh(world)
            if world.kicked != U64_0:
                wake(world, memory)
        idle = 0 if brought else idle + 1
        if idle == 2:
            return True
    return False


@jit
def _never_delivered(world: Any, memory: Any, x: Any, vcpu: Any) -> Any:
    """Return the class of what must come to `vcpu` and never does: by what the registers read of it."""
    if read_bit(world, memory, vcpu, x, ISACTIVER):
        return ACTIVE_FOR_EVER
    return STRANDED if read_bit(world, memory, vcpu, x, ISPENDR) else LOST


@jit
def _at_rest(world: Any, memory: Any) -> Any:
    """At rest after every EOI nothing is active but what software made so; return whether that is right."""
    right = True
    reference = world.reference
    for x in range(world.setup.count):
        instance = world.setup.instance[x]
        asked = instance.sender <= 0 and reference.active & _of_one_register_bit(world, x) == U64_0
        if asked and read_bit(world, memory, max(instance.owner, 0), x, ISACTIVER):
            record(world, signature_of(world, ACTIVE_FOR_EVER, x, OFF, OFF))
            right = False
        if instance.pintid:
            active = np.int64(world.hardware.physical_active[instance.pintid]) != 0
            if active != has(reference.physical, x):
                record(world, signature_of(world, PHYSICAL, x, _AT_REST, OFF))
                right = False
    for vcpu in range(world.setup.vcpus):
        if may_deliver(world, vcpu) == U64_0 and ask(world, memory, vcpu):
            record(world, signature_of(world, NEVER_SLEEPS, NONE, OFF, OFF))
    return right


@jit
def _judge_rest(world: Any, memory: Any, late: Any, late_class: Any) -> Any:
    """Everybody is out and nothing comes any more: what must have come, and what came late."""
    right = True
    for vcpu in range(world.setup.vcpus):
        missing = must_deliver(world, vcpu)
        for x in range(world.setup.count):
            if has(missing, x):
                cls = _never_delivered(world, memory, x, vcpu)
                record(world, signature_of(world, cls, x, OFF, OFF))
                right = False
    if not right:
        return False
    if late >= 0:
        record(world, signature_of(world, late_class, late, OFF, OFF))
        right = False
    return _at_rest(world, memory) and right


@jit
def drain(world: Any, memory: Any) -> Any:
    """Leave the VM alone and see whether all that must come comes; record what does not; return whether all is right.

    A contradiction on the way ends it: the search meets that one by itself.
    """
    world.phase = DRAINING
    world.verdict.cls = 0
    settled = _settle(world, memory, OFF)
    if world.fatal or world.verdict.cls:
        return True
    late, late_class = NONE, OFF
    for vcpu in range(world.setup.vcpus):
        missing = must_deliver(world, vcpu)
        for x in range(world.setup.count):
            if late < 0 and has(missing, x):
                late = x
                late_class = NOT_WOKEN if world.reference.cpu[vcpu].status & ASLEEP else NOT_KICKED
    world.phase = FORCING
    for vcpu in range(world.setup.vcpus):
        cpu = world.reference.cpu[vcpu]
        cpu.status &= ~ASLEEP
        if cpu.status & IN and not world.fatal:
            go_out(world, memory, vcpu)
    if not world.fatal:
        settled = _settle(world, memory, ON) and settled
    if world.fatal or world.verdict.cls:
        return True
    if not settled:
        record(world, signature_of(world, LIVELOCK, NONE, OFF, OFF))
        return False
    world.phase = RESTING
    return _judge_rest(world, memory, late, late_class)


@jit
def _more_urgent(world: Any, vcpu: Any) -> Any:
    """Return an instance that must come to `vcpu` and is more urgent than all it has taken, -1 for none."""
    cpu = world.reference.cpu[vcpu]
    due = must_deliver(world, vcpu)
    if cpu.depth == 0 or due == U64_0:
        return -1
    for x in range(world.setup.count):
        if has(due, x):
            over = True
            for place in range(cpu.depth):
                if np.int64(world.reference.priority[x]) >= stacked_priority(world, vcpu, place):
                    over = False
            if over:
                return x
    return -1


@jit
def holder(world: Any) -> Any:
    """Return a vCPU that must be preempted by something more urgent, -1 for none."""
    for vcpu in range(world.setup.vcpus):
        if not world.reference.cpu[vcpu].status & ASLEEP and _more_urgent(world, vcpu) >= 0:
            return vcpu
    return -1


@jit
def _everybody(world: Any, memory: Any, inside: Any) -> None:
    """Every vCPU that is awake is made to enter (1) or exit (0)."""
    for vcpu in range(world.setup.vcpus):
        cpu = world.reference.cpu[vcpu]
        if world.fatal or cpu.status & ASLEEP:
            continue
        if inside and not cpu.status & IN:
            go_in(world, memory, vcpu)
        elif not inside and cpu.status & IN:
            go_out(world, memory, vcpu)
    refresh(world)


@jit
def hold(world: Any, memory: Any, vcpu: Any) -> None:
    """With something more urgent than all that `vcpu` has taken: it must get something without an EOI."""
    world.phase = HOLDING
    world.verdict.cls = 0
    x = _more_urgent(world, vcpu)
    _everybody(world, memory, OFF)
    for _ in range(2):
        if not world.fatal:
            _everybody(world, memory, ON)
        if world.fatal or take(world, memory, vcpu) != SPURIOUS:
            return
        _everybody(world, memory, OFF)
    if not world.fatal:
        record(world, signature_of(world, NO_PREEMPTION, x, OFF, OFF))
