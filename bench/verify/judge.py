# SPDX-License-Identifier: GPL-2.0-only
"""The monitors: is what the guest or the VMM just observed something that the architecture allows?

Each sets the verdict of the step under way (bench.verify.machine.flag) where it is not.
"""

from typing import Any

import numpy as np

from bench.verify.classes import (
    OVER_MORE_URGENT,
    PHYSICAL,
    PRIORITY_ORDER,
    UNKNOWN_INTID,
    WITHOUT_CAUSE,
    WRONG_SOURCE,
)
from bench.verify.machine import flag
from bench.verify.records import NONE, NOWHERE, OFF, ON, OTHER, numbers
from bench.verify.reference import acknowledge, bit, has, push, stacked_priority
from kvmarm.gic import FIRST_LPI, SGIS, SPURIOUS, V2_LR_CPUID_SHIFT, V2_LR_INTID_MASK
from kvmarm.jit import U64, U64_0, jit
from kvmarm.lr import lr_intid, lr_is_hw, lr_state

ACTIVE_ALREADY, NOT_ENABLED, NOT_PENDING, DISTRIBUTOR_OFF, NOT_ROUTED = numbers(*range(1, 6))
(_OTHER_PRIORITY,) = numbers(0xFF)


@jit
def instance_of(world: Any, vcpu: Any, intid: Any, sender: Any) -> Any:
    """Return the instance (int64) that `vcpu` knows as `intid` (of `sender`), -1 for none."""
    setup = world.setup
    for x in range(setup.count):
        instance = setup.instance[x]
        if instance.intid != intid or (instance.owner != NOWHERE and instance.owner != vcpu):
            continue
        if instance.sender == NOWHERE or instance.sender == sender:
            return x
    return -1


@jit
def instance_of_value(world: Any, vcpu: Any, value: Any) -> Any:
    """Return the instance (int64) that `value` (int64, of IAR, EOIR or DIR) names, -1 for none."""
    if world.setup.gic == 2:
        return instance_of(world, vcpu, value & V2_LR_INTID_MASK, (value >> V2_LR_CPUID_SHIFT) & 7)
    return instance_of(world, vcpu, value & 0xFFFFFF, NONE)


@jit
def in_list_registers(world: Any, cpuif: Any, vcpu: Any) -> Any:
    """Return the set of instances that are pending in the list registers of the interface."""
    found = U64_0
    gic = world.setup.gic
    for index in range(world.setup.lrs):
        lr = cpuif.lr[index]
        if lr_state(gic, lr) & 1:
            sender = NONE
            if gic == 2 and not lr_is_hw(gic, lr):
                sender = np.int64((lr >> U64(V2_LR_CPUID_SHIFT)) & U64(7))
            x = instance_of(world, vcpu, lr_intid(gic, lr), sender)
            if x >= 0:
                found |= bit(x)
    return found


@jit
def _without_cause(world: Any, vcpu: Any, x: Any) -> Any:
    """Return why `vcpu` must not take `x`, 0 when it may."""
    cpu = world.reference.cpu[vcpu]
    if has(world.reference.active, x):
        return ACTIVE_ALREADY
    if not has(cpu.window_enabled, x):
        return NOT_ENABLED
    if not has(cpu.window_pending, x):
        return NOT_PENDING
    if not has(cpu.window_on, x):
        return DISTRIBUTOR_OFF
    if not has(cpu.window_routed, x):
        return NOT_ROUTED
    return 0


@jit
def _other_source(world: Any, vcpu: Any, x: Any) -> Any:
    """Return an instance of the same SGI from another sender that `vcpu` may take, -1 for none."""
    setup = world.setup
    for other in range(setup.count):
        instance = setup.instance[other]
        same = instance.sender != NOWHERE and instance.owner == vcpu and instance.intid == setup.instance[x].intid
        if same and other != x and _without_cause(world, vcpu, other) == 0:
            return other
    return -1


@jit
def _judge_order(world: Any, vcpu: Any, x: Any) -> None:
    reference = world.reference
    cpu = reference.cpu[vcpu]
    if has(cpu.reordered, x):
        return
    priority = np.int64(reference.priority[x])
    due = cpu.due & ~cpu.reordered & ~bit(x)
    for y in range(world.setup.count):
        if has(due, y) and np.int64(reference.priority[y]) < priority:
            flag(world, PRIORITY_ORDER, x, OFF, OFF)
            return
    for place in range(cpu.depth):
        if priority >= stacked_priority(world, vcpu, place):
            flag(world, OVER_MORE_URGENT, x, OFF, OFF)
            return


@jit
def acknowledged(world: Any, vcpu: Any, value: Any) -> None:
    """Judge what `vcpu` read from IAR (int64) and do to the reference what it did."""
    if value == SPURIOUS:
        return
    setup = world.setup
    x = instance_of_value(world, vcpu, value)
    if x < 0:
        intid = value & V2_LR_INTID_MASK if setup.gic == 2 else value
        if setup.gic == 2 and intid < SGIS:
            first = instance_of_intid(world, vcpu, intid)
            if first >= 0:
                flag(world, WRONG_SOURCE, first, OFF, OFF)
        elif not setup.given or (intid >= setup.irqs and intid < FIRST_LPI):
            flag(world, UNKNOWN_INTID, NONE, OFF, OFF)
        push(world, vcpu, OTHER, _OTHER_PRIORITY, value)
        return
    reason = _without_cause(world, vcpu, x)
    if reason:
        if setup.instance[x].sender != NOWHERE and _other_source(world, vcpu, x) >= 0:
            flag(world, WRONG_SOURCE, x, OFF, OFF)
        flag(world, WITHOUT_CAUSE, x, reason, ON if has(world.reference.cpu[vcpu].kept, x) else OFF)
    else:
        _judge_order(world, vcpu, x)
    acknowledge(world, vcpu, x, value)


@jit
def instance_of_intid(world: Any, vcpu: Any, intid: Any) -> Any:
    """Return the first instance that `vcpu` knows as `intid`, whoever sent it; -1 for none."""
    setup = world.setup
    for x in range(setup.count):
        instance = setup.instance[x]
        if instance.intid == intid and (instance.owner == NOWHERE or instance.owner == vcpu):
            return x
    return -1


@jit
def judge_physical(world: Any, x: Any, place: Any) -> None:
    """The physical interrupt of the forwarded `x` must be active exactly when the reference says so."""
    pintid = world.setup.instance[x].pintid
    if pintid and (np.int64(world.hardware.physical_active[pintid]) != 0) != has(world.reference.physical, x):
        flag(world, PHYSICAL, x, place, OFF)
