# SPDX-License-Identifier: GPL-2.0-only
"""Trapped accesses of the alphabet: the register that each writes, and what it does to the reference.

Register map: IHI 0048B 4.3, IHI 0069 12.8 to 12.11. On GICv3 a private interrupt's registers are in the redistributor
of its vCPU; on GICv2 they are banked, and the vCPU that has them makes the access.
"""

from typing import Any

import numpy as np

from bench.verify.machine import MMIO_R, MMIO_W, SGI1R, do_value, operate
from bench.verify.records import (
    CLEAR_ACTIVE,
    CLEAR_PENDING,
    CLEAR_SOURCE,
    DISABLE,
    DISTRIBUTOR,
    ENABLE,
    NOWHERE,
    OFF,
    ON,
    PRIORITY,
    ROUTE,
    SEND,
    SET_ACTIVE,
    SET_PENDING,
    SET_SOURCE,
    TRIGGER,
    numbers,
)
from bench.verify.reference import bit, has, latch, prioritise, route, unlatch
from kvmarm import interface
from kvmarm.gic import SGI1R_INTID_SHIFT, SGI_FRAME, SGIS
from kvmarm.jit import U64, U64_0, jit
from kvmarm.mpidr import vcpu_affinity

ISENABLER, ICENABLER, ISPENDR, ICPENDR = numbers(0x100, 0x180, 0x200, 0x280)
ISACTIVER, ICACTIVER, IPRIORITYR, ITARGETSR, ICFGR = numbers(0x300, 0x380, 0x400, 0x800, 0xC00)
SGIR, CPENDSGIR, SPENDSGIR, IROUTER = numbers(0xF00, 0xF10, 0xF20, 0x6000)
_BYTE, _WORD, _DOUBLE = numbers(1, 4, 8)
CTLR_ON_V2, CTLR_ON_V3, CTLR_ARE = 1, 2, 0x10
NO_AFFINITY = 0xFE00
"""An affinity that no vCPU of a small VM has: Aff1 is 254."""


@jit
def _address(world: Any, x: Any, register: Any) -> None:
    """Set region and offset of the operation to `register` of the frame that has instance `x`."""
    op = world.op
    owner = world.setup.instance[x].owner
    op.a = interface.DISTRIBUTOR
    op.b = register
    if world.setup.gic == 3 and owner != NOWHERE:
        op.a = owner
        op.b = register + SGI_FRAME


@jit
def set_bit(world: Any, memory: Any, vcpu: Any, x: Any, register: Any) -> None:
    """The vCPU writes the bit of instance `x` to a register of one bit per interrupt."""
    intid = world.setup.instance[x].intid
    op = world.op
    _address(world, x, register + intid // 32 * 4)
    op.kind = MMIO_W
    op.vcpu = vcpu
    op.c = 4
    op.value = bit(intid % 32)
    operate(world, memory)


@jit
def read_bit(world: Any, memory: Any, vcpu: Any, x: Any, register: Any) -> Any:
    """Return the bit (int64) of instance `x` as the vCPU reads it."""
    intid = world.setup.instance[x].intid
    op = world.op
    _address(world, x, register + intid // 32 * 4)
    op.kind = MMIO_R
    op.vcpu = vcpu
    op.c = 4
    op.value = U64_0
    operate(world, memory)
    return 1 if has(world.result.value, intid % 32) else 0


@jit
def _write(world: Any, memory: Any, vcpu: Any, size: Any, value: Any) -> None:
    op = world.op
    op.kind = MMIO_W
    op.vcpu = vcpu
    op.c = size
    op.value = U64(value)
    operate(world, memory)


@jit
def _trigger(world: Any, memory: Any, step: Any) -> None:
    """The whole word of ICFGR, with the triggers of the other interrupts that it holds."""
    x = step.x
    reference = world.reference
    if step.value:
        reference.edge |= bit(x)
    else:
        reference.edge &= ~bit(x)
    word = world.setup.instance[x].intid // 16
    value = OFF
    for other in range(world.setup.count):
        intid = world.setup.instance[other].intid
        if intid // 16 == word and (has(reference.edge, other) or (other == x and step.value != 0)):
            value |= 2 << intid % 16 * 2
    _address(world, x, ICFGR + word * 4)
    _write(world, memory, step.vcpu, _WORD, value)


@jit
def _send(world: Any, memory: Any, step: Any) -> None:
    """An SGI to one vCPU, the owner of instance `x`."""
    instance = world.setup.instance[step.x]
    target = instance.owner
    if world.setup.gic == 2:
        world.op.a = interface.DISTRIBUTOR
        world.op.b = SGIR
        _write(world, memory, step.vcpu, _WORD, 1 << (16 + target) | instance.intid)
    else:
        value = instance.intid << SGI1R_INTID_SHIFT | 1 << (target & 15) | (target >> 4) << 16
        do_value(world, memory, SGI1R, step.vcpu, U64(value))
    latch(world, step.x)


@jit
def _route(world: Any, memory: Any, step: Any) -> None:
    intid = world.setup.instance[step.x].intid
    target = step.value
    world.op.a = interface.DISTRIBUTOR
    if world.setup.gic == 2:
        world.op.b = ITARGETSR + intid
        _write(world, memory, step.vcpu, _BYTE, OFF if target == NOWHERE else ON << target)
    else:
        world.op.b = IROUTER + intid * 8
        affinity = np.int64(NO_AFFINITY)
        if target != NOWHERE:
            affinity = np.int64(vcpu_affinity(target))
        _write(world, memory, step.vcpu, _DOUBLE, affinity)
    route(world, step.x, target)


@jit
def _distributor(world: Any, memory: Any, step: Any) -> None:
    world.op.a = interface.DISTRIBUTOR
    world.op.b = 0
    value = step.value * CTLR_ON_V2 if world.setup.gic == 2 else step.value * CTLR_ON_V3 | CTLR_ARE
    _write(world, memory, step.vcpu, _WORD, value)
    world.reference.on = ~U64_0 if step.value else U64_0


@jit
def _source(world: Any, memory: Any, step: Any) -> None:
    """SPENDSGIR or CPENDSGIR of the accessing vCPU: a byte per SGI, a bit per sender; written as a word."""
    instance = world.setup.instance[step.x]
    world.op.a = interface.DISTRIBUTOR
    world.op.b = (SPENDSGIR if step.kind == SET_SOURCE else CPENDSGIR) + instance.intid // 4 * 4
    _write(world, memory, step.vcpu, _WORD, 1 << (instance.intid % 4 * 8 + instance.sender))
    if step.kind == SET_SOURCE:
        latch(world, step.x)
    else:
        unlatch(world, step.x)


@jit
def _bit_access(world: Any, memory: Any, step: Any) -> None:
    kind = step.kind
    x = step.x
    reference = world.reference
    register = ISACTIVER
    if kind == ENABLE:
        register = ISENABLER
        reference.enabled |= bit(x)
    elif kind == DISABLE:
        register = ICENABLER
        reference.enabled &= ~bit(x)
    elif kind == SET_PENDING or kind == CLEAR_PENDING:
        register = ISPENDR if kind == SET_PENDING else ICPENDR
        # ISPENDR0 and ICPENDR0 ignore SGIs on GICv2.
        if world.setup.gic == 3 or world.setup.instance[x].intid >= SGIS:
            if kind == SET_PENDING:
                latch(world, x)
            else:
                unlatch(world, x)
    elif kind == SET_ACTIVE:
        reference.active |= bit(x)
    elif kind == CLEAR_ACTIVE:
        register = ICACTIVER
        reference.active &= ~bit(x)
    set_bit(world, memory, step.vcpu, x, register)


@jit
def access(world: Any, memory: Any, step: Any) -> None:
    """The trapped access `step` (a record of STEP): the register write and the reference's change."""
    kind = step.kind
    if kind == PRIORITY:
        _address(world, step.x, IPRIORITYR + world.setup.instance[step.x].intid)
        _write(world, memory, step.vcpu, _BYTE, step.value)
        prioritise(world, step.x, step.value)
    elif kind == ROUTE:
        _route(world, memory, step)
    elif kind == TRIGGER:
        _trigger(world, memory, step)
    elif kind == DISTRIBUTOR:
        _distributor(world, memory, step)
    elif kind == SEND:
        _send(world, memory, step)
    elif kind == SET_SOURCE or kind == CLEAR_SOURCE:
        _source(world, memory, step)
    else:
        _bit_access(world, memory, step)
