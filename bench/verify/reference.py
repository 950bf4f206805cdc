# SPDX-License-Identifier: GPL-2.0-only
"""The reference: how the architecture's state of a small VM changes, and what may be observed of it.

Sources: IHI 0048B (GICv2) 3.2, 4.3, 4.4; IHI 0069 (GICv3) 4.1, 4.8, 12; KVM's contract for kicks and WFI. A change
becomes visible to a running vCPU at latest at its next entry: hence each vCPU's windows, a component each.
All functions work on `world.reference`; sets of instances are uint64.
"""

from typing import Any

import numpy as np

from bench.verify.records import IN, KICKED, MAX_STACK, NOWHERE
from kvmarm.jit import U64, U64_0, U64_1, jit


@jit
def bit(x: Any) -> Any:
    """Return the set (uint64) that holds instance `x` alone."""
    return U64_1 << U64(x)


@jit
def has(word: Any, x: Any) -> Any:
    """Return whether instance `x` is in the set `word`."""
    return (word >> U64(x)) & U64_1 != U64_0


@jit
def certainly_pending(world: Any) -> Any:
    """Return the set of instances that are pending: the latch, or the line of a level."""
    reference = world.reference
    return reference.must | (reference.line & ~reference.edge)


@jit
def possibly_pending(world: Any) -> Any:
    """Return the set of instances that may be pending."""
    reference = world.reference
    return reference.may | (reference.line & ~reference.edge)


@jit
def must_deliver(world: Any, vcpu: Any) -> Any:
    """Return the set of what `vcpu` must be delivered sooner or later."""
    reference = world.reference
    present = certainly_pending(world) & reference.enabled & reference.on & ~reference.active
    return present & reference.cpu[vcpu].routed


@jit
def may_deliver(world: Any, vcpu: Any) -> Any:
    """Return the set of what `vcpu` may be delivered now."""
    reference = world.reference
    present = possibly_pending(world) & reference.enabled & reference.on & ~reference.active
    return present & reference.cpu[vcpu].routed


@jit
def refresh(world: Any) -> None:
    """After an operation: the windows of each vCPU in the guest grow by the present, what is due shrinks by it."""
    reference = world.reference
    possible = possibly_pending(world)
    for vcpu in range(world.setup.vcpus):
        cpu = reference.cpu[vcpu]
        if cpu.status & IN:
            cpu.window_pending |= possible
            cpu.window_enabled |= reference.enabled
            cpu.window_routed |= cpu.routed
            cpu.window_on |= reference.on
            cpu.due &= must_deliver(world, vcpu)


@jit
def enter(world: Any, vcpu: Any) -> None:
    """The vCPU enters the guest: its windows open with the present."""
    reference = world.reference
    cpu = reference.cpu[vcpu]
    cpu.status = IN
    cpu.window_pending = possibly_pending(world)
    cpu.window_enabled = reference.enabled
    cpu.window_routed = cpu.routed
    cpu.window_on = reference.on
    cpu.due = must_deliver(world, vcpu)


@jit
def leave(world: Any, vcpu: Any) -> None:
    """The vCPU leaves the guest: its windows close, and so does what only it could deliver apart."""
    reference = world.reference
    cpu = reference.cpu[vcpu]
    cpu.status &= ~(IN | KICKED)
    cpu.window_pending = U64_0
    cpu.window_enabled = U64_0
    cpu.window_routed = U64_0
    cpu.window_on = U64_0
    cpu.due = U64_0
    cpu.touched = U64_0
    cpu.reordered = U64_0
    held = U64_0
    for other in range(world.setup.vcpus):
        running = reference.cpu[other]
        held |= running.window_pending & running.window_routed
    for x in range(world.setup.count):
        if not has(held, x):
            reference.extra[x] = 0


@jit
def latch(world: Any, x: Any) -> None:
    """An edge, an SGI or a write of ISPENDR: pending; apart from one that a running vCPU may hold already."""
    reference = world.reference
    holders = 0
    for vcpu in range(world.setup.vcpus):
        cpu = reference.cpu[vcpu]
        if has(cpu.window_pending & cpu.window_routed, x):
            holders += 1
    if np.int64(reference.extra[x]) < holders:
        reference.extra[x] = np.int64(reference.extra[x]) + 1
    reference.must |= bit(x)
    reference.may |= bit(x)


@jit
def unlatch(world: Any, x: Any) -> None:
    """A write of ICPENDR or CPENDSGIR: not pending any more; the windows stay."""
    reference = world.reference
    reference.must &= ~bit(x)
    reference.may &= ~bit(x)
    reference.extra[x] = 0


@jit
def set_line(world: Any, x: Any, level: Any) -> None:
    """A device drives the line of `x`: a level follows it, an edge latches a rise."""
    reference = world.reference
    if has(reference.edge, x):
        if level:
            latch(world, x)
    elif level:
        reference.line |= bit(x)
    else:
        reference.line &= ~bit(x)


@jit
def acknowledge(world: Any, vcpu: Any, x: Any, value: Any) -> None:
    """The vCPU took `x`: active, no longer pending but for further edges; `value` is what it read."""
    reference = world.reference
    own = bit(x)
    reference.must &= ~own
    extra = np.int64(reference.extra[x])
    if extra:
        reference.may |= own
        reference.extra[x] = extra - 1
    else:
        reference.may &= ~own
    reference.active |= own
    for other in range(world.setup.vcpus):
        reference.cpu[other].window_pending &= ~own
    push(world, vcpu, x, np.int64(reference.priority[x]), value)
    reference.cpu[vcpu].touched |= own


@jit
def push(world: Any, vcpu: Any, x: Any, priority: Any, value: Any) -> None:
    """Put `value` (int64, as read from IAR) of instance `x` on the stack of what the vCPU has acknowledged.

    A design that loses active priorities can be acknowledged without end: a full stack forgets its oldest entry, and
    with the hostile alphabet a value is there once.
    """
    cpu = world.reference.cpu[vcpu]
    if world.setup.hostile:
        for place in range(cpu.depth):
            if cpu.stack[place] & U64(0xFFFFFFFF) == U64(value):
                return
    if cpu.depth == MAX_STACK:
        cpu.depth -= 1
        for place in range(cpu.depth):
            cpu.stack[place] = cpu.stack[place + 1]
    cpu.stack[cpu.depth] = U64(value) | U64(x) << U64(32) | U64(priority) << U64(48)
    cpu.depth += 1


@jit
def stacked_value(world: Any, vcpu: Any) -> Any:
    """Return the value (int64) on top of the vCPU's stack."""
    cpu = world.reference.cpu[vcpu]
    return np.int64(cpu.stack[cpu.depth - 1] & U64(0xFFFFFFFF))


@jit
def stacked_instance(world: Any, vcpu: Any, place: Any) -> Any:
    """Return the instance (int64) at `place` of the vCPU's stack."""
    return np.int64((world.reference.cpu[vcpu].stack[place] >> U64(32)) & U64(0xFFFF))


@jit
def stacked_priority(world: Any, vcpu: Any, place: Any) -> Any:
    """Return the priority (int64) that the interrupt at `place` of the stack had when it was acknowledged."""
    return np.int64(world.reference.cpu[vcpu].stack[place] >> U64(48))


@jit
def pop(world: Any, vcpu: Any) -> None:
    """Take the top off the vCPU's stack."""
    cpu = world.reference.cpu[vcpu]
    cpu.depth -= 1
    cpu.stack[cpu.depth] = U64_0


@jit
def deactivate(world: Any, vcpu: Any, x: Any) -> None:
    """The vCPU deactivated `x`; a forwarded one's physical interrupt with it."""
    reference = world.reference
    reference.active &= ~bit(x)
    reference.physical &= ~bit(x)
    cpu = reference.cpu[vcpu]
    cpu.touched |= bit(x)
    cpu.dropped &= ~bit(x)
    instance = world.setup.instance[x]
    # A private physical interrupt whose line is still high fires on this CPU at once.
    if instance.pintid and instance.owner == vcpu and has(reference.line & ~reference.edge, x):
        cpu.status |= KICKED


@jit
def route(world: Any, x: Any, target: Any) -> None:
    """SPI `x` goes to the vCPU `target` from now on, or NOWHERE."""
    reference = world.reference
    for vcpu in range(world.setup.vcpus):
        reference.cpu[vcpu].routed &= ~bit(x)
    if target != NOWHERE:
        reference.cpu[target].routed |= bit(x)


@jit
def prioritise(world: Any, x: Any, priority: Any) -> None:
    """The priority of `x` is written; a vCPU in the guest may see it late."""
    reference = world.reference
    reference.priority[x] = priority
    for vcpu in range(world.setup.vcpus):
        cpu = reference.cpu[vcpu]
        if cpu.status & IN:
            cpu.reordered |= bit(x)


@jit
def stacked_anywhere(world: Any, x: Any) -> Any:
    """Return whether a vCPU has `x` acknowledged or dropped and not yet deactivated."""
    for vcpu in range(world.setup.vcpus):
        cpu = world.reference.cpu[vcpu]
        if has(cpu.dropped, x):
            return True
        for place in range(cpu.depth):
            if stacked_instance(world, vcpu, place) == x:
                return True
    return False


@jit
def others_out(world: Any, vcpu: Any) -> Any:
    """Return whether every vCPU but `vcpu` is out of the guest."""
    inside = 0
    for other in range(world.setup.vcpus):
        if other != vcpu and world.reference.cpu[other].status & IN:
            inside += 1
    return inside == 0
