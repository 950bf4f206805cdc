# SPDX-License-Identifier: GPL-2.0-only
"""One step: an operation of the alphabet on the design, under the monitors.

A trapped access is one step: the vCPU leaves the guest, the access is emulated, and afterwards it can only enter: a
guest cannot make two accesses, or an access and a WFI, without having been entered between.
"""

from typing import Any

import numpy as np

from bench.verify.access import access
from bench.verify.judge import acknowledged, in_list_registers, judge_physical
from bench.verify.machine import ACK, DIR, EOI, FLUSH, INJECT, INJECTM, PENDING, PHYS, SYNC, do, do_value
from bench.verify.records import (
    ASLEEP,
    BLOCK,
    CLEAR_ACTIVE,
    DROP,
    END,
    ENTER,
    EXIT,
    FIRE,
    FIRST_ACCESS,
    IN,
    LAST_ACCESS,
    LOWER,
    OFF,
    ON,
    OTHER,
    RAISE,
    SET_ACTIVE,
    TAKE,
    TRIGGER,
)
from bench.verify.reference import (
    bit,
    deactivate,
    enter,
    has,
    leave,
    may_deliver,
    others_out,
    pop,
    possibly_pending,
    refresh,
    set_line,
    stacked_anywhere,
    stacked_instance,
    stacked_value,
)
from kvmarm.gic import CTLR_EOIMODE
from kvmarm.jit import U64, U64_0, jit

ADVICE_PENDING, ADVICE_KICK, ADVICE_SLEEP = 1, 2, 4
"""Bits of `world.advice`: answered pending, kicked, or never lets its vCPU sleep, for nothing."""


@jit
def _may_access(world: Any, step: Any) -> Any:
    kind = step.kind
    x = step.x
    if kind == SET_ACTIVE or kind == CLEAR_ACTIVE:
        if world.setup.hostile:
            return True
        return others_out(world, step.vcpu) and not (kind == CLEAR_ACTIVE and stacked_anywhere(world, x))
    if kind == TRIGGER and not world.setup.hostile:
        reference = world.reference
        if has(reference.enabled | possibly_pending(world), x) or has(reference.edge, x) == (step.value != 0):
            return False
        for other in range(world.setup.vcpus):
            cpu = reference.cpu[other]
            if other != step.vcpu and has(cpu.window_pending & cpu.window_routed, x):
                return False
    return True


@jit
def allowed(world: Any, step: Any) -> Any:
    """Return whether software and devices may do `step` (a record of STEP) now."""
    reference = world.reference
    kind = step.kind
    x = step.x
    if kind == RAISE:
        return has(reference.edge, x) or not has(reference.line, x)
    if kind == LOWER:
        return has(reference.line, x)
    if kind == FIRE:
        return not has(reference.physical, x)
    cpu = reference.cpu[step.vcpu]
    if kind == ENTER:
        return cpu.status & (IN | ASLEEP) == 0
    if cpu.status & IN == 0:
        return False
    if kind == END:
        return cpu.depth > 0
    if kind == DROP:
        return has(cpu.dropped, x)
    if kind >= FIRST_ACCESS and kind <= LAST_ACCESS:
        return _may_access(world, step)
    return True


@jit
def go_in(world: Any, memory: Any, vcpu: Any) -> None:
    """The vCPU enters the guest."""
    do(world, memory, FLUSH, vcpu, OFF, OFF)
    if world.fatal:
        return
    enter(world, vcpu)
    cpu = world.reference.cpu[vcpu]
    cpu.kept &= in_list_registers(world, world.hardware.cpu[vcpu], vcpu)


@jit
def go_out(world: Any, memory: Any, vcpu: Any) -> None:
    """The vCPU leaves the guest."""
    world.reference.cpu[vcpu].kept = in_list_registers(world, world.hardware.cpu[vcpu], vcpu)
    do(world, memory, SYNC, vcpu, OFF, OFF)
    leave(world, vcpu)


@jit
def take(world: Any, memory: Any, vcpu: Any) -> Any:
    """The guest reads IAR; return the value (int64)."""
    do(world, memory, ACK, vcpu, OFF, OFF)
    value = np.int64(world.result.value)
    acknowledged(world, vcpu, value)
    return value


@jit
def deactivated(world: Any, vcpu: Any, x: Any) -> None:
    """The guest deactivated instance `x`: see whether its physical interrupt followed."""
    deactivate(world, vcpu, x)
    if not world.setup.hostile:
        judge_physical(world, x, OFF)


@jit
def end(world: Any, memory: Any, vcpu: Any) -> None:
    """The guest writes EOIR with what it acknowledged last."""
    x = stacked_instance(world, vcpu, world.reference.cpu[vcpu].depth - 1)
    do_value(world, memory, EOI, vcpu, U64(stacked_value(world, vcpu)))
    pop(world, vcpu)
    if x == OTHER:
        return
    if world.hardware.cpu[vcpu].ctlr & CTLR_EOIMODE:
        world.reference.cpu[vcpu].dropped |= bit(x)
    else:
        deactivated(world, vcpu, x)


@jit
def drop(world: Any, memory: Any, vcpu: Any, x: Any) -> None:
    """The guest writes DIR for instance `x`, which it has EOIed."""
    instance = world.setup.instance[x]
    value = instance.intid
    if instance.sender >= 0:
        value |= instance.sender << 10
    do_value(world, memory, DIR, vcpu, U64(value))
    deactivated(world, vcpu, x)


@jit
def drive(world: Any, memory: Any, x: Any, level: Any) -> None:
    """A device drives the line of instance `x`."""
    instance = world.setup.instance[x]
    vcpu = max(instance.owner, 0)
    kind = INJECTM if instance.pintid else INJECT
    do(world, memory, kind, vcpu, instance.intid, level)
    set_line(world, x, level)


@jit
def fire(world: Any, memory: Any, x: Any) -> None:
    """The physical interrupt behind the forwarded `x` fires: the host leaves it active and injects."""
    do(world, memory, PHYS, OFF, world.setup.instance[x].pintid, ON)
    world.reference.physical |= bit(x)
    drive(world, memory, x, ON)


@jit
def ask(world: Any, memory: Any, vcpu: Any) -> Any:
    """The VMM asks whether `vcpu` has something to take; return the answer (int64)."""
    do(world, memory, PENDING, vcpu, OFF, OFF)
    answer = np.int64(world.result.value)
    if answer and may_deliver(world, vcpu) == U64_0:
        world.advice |= ADVICE_PENDING
    return answer


@jit
def wake(world: Any, memory: Any) -> None:
    """Each vCPU kicked by the step under way: one that sleeps looks again whether it has something to take."""
    kicked = world.kicked
    for vcpu in range(min(world.setup.vcpus, 64)):
        if not has(kicked, vcpu) or world.fatal:
            continue
        if may_deliver(world, vcpu) == U64_0:
            world.advice |= ADVICE_KICK
        cpu = world.reference.cpu[vcpu]
        if cpu.status & ASLEEP:
            cpu.status = ASLEEP
            if ask(world, memory, vcpu):
                cpu.status = 0


@jit
def _guest(world: Any, memory: Any, step: Any) -> None:
    kind = step.kind
    vcpu = step.vcpu
    if kind == ENTER:
        go_in(world, memory, vcpu)
    elif kind == TAKE:
        take(world, memory, vcpu)
    elif kind == END:
        end(world, memory, vcpu)
    elif kind == DROP:
        drop(world, memory, vcpu, step.x)
    else:
        go_out(world, memory, vcpu)
        if world.fatal or kind == EXIT:
            return
        if kind == BLOCK:
            if not ask(world, memory, vcpu):
                world.reference.cpu[vcpu].status = ASLEEP
        else:
            access(world, memory, step)


@jit
def take_step(world: Any, memory: Any, number: Any) -> None:
    """Do step `number` of the alphabet, which is allowed; the verdict and the advice are in `world`."""
    step = world.setup.step[number]
    world.verdict.cls = 0
    world.advice = 0
    world.kicked = U64_0
    kind = step.kind
    if kind == RAISE:
        drive(world, memory, step.x, ON)
    elif kind == LOWER:
        drive(world, memory, step.x, OFF)
    elif kind == FIRE:
        fire(world, memory, step.x)
    else:
        _guest(world, memory, step)
    if world.fatal:
        return
    refresh(world)
    if world.kicked != U64_0:
        wake(world, memory)
    if world.setup.hostile:
        forget(world)


@jit
def forget(world: Any) -> None:
    """Switch the reference off, but for what says which step is possible: states that differ in it alone merge."""
    reference = world.reference
    reference.enabled = U64_0
    reference.edge = U64_0
    reference.active = U64_0
    reference.must = U64_0
    reference.may = U64_0
    reference.on = ~U64_0
    for x in range(world.setup.count):
        reference.extra[x] = 0
        reference.priority[x] = 0
    for vcpu in range(world.setup.vcpus):
        cpu = reference.cpu[vcpu]
        cpu.status &= IN | ASLEEP
        cpu.window_pending = U64_0
        cpu.window_enabled = U64_0
        cpu.window_routed = U64_0
        cpu.window_on = U64_0
        cpu.due = U64_0
        cpu.touched = U64_0
        cpu.reordered = U64_0
        cpu.kept = U64_0
        cpu.routed = U64_0
