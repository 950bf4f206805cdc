# SPDX-License-Identifier: GPL-2.0-only
"""Placement of what a guest did with an emulated GIC: an order of guest accesses and line changes without exits.

Rules, besides those in `placing`:

- A distributor or redistributor access, or a write of ICC_SGI1R_EL1, is an exit: sync, the access, flush.
- CPU interface accesses (GICC, ICC) happen in the guest. An acknowledge that came back spurious is completed at once:
  on another design it may return something. EOI and DIR take the value that their acknowledge returns here (`@K`).
- What makes an interrupt deliverable to a vCPU that is in the guest kicks it, at once: sync, flush. That is: a line
  that rises, an SGI, a pending or enable bit written. A falling line does not. A line that is still high when its
  interrupt is deactivated rises anew.
- Shared interrupts are driven with `inject 0 INTID LEVEL`, private ones other than the virtual timer likewise with
  their vCPU.

To know what is deliverable the placement keeps the enable, pending and target registers as the guest wrote them.
"""

from typing import Any

import numpy as np

from bench.recordings import events as ev
from bench.recordings.placement.common import (
    ACK_KEYS,
    G_COUNT,
    G_DIST_ENABLED,
    G_GIC,
    G_IRQS,
    G_VCPUS,
    N_GUEST,
    N_ILLEGAL,
    N_INJECT,
    N_NO_VCPU,
    N_PLACED,
    N_RANGE,
    N_SGI,
    N_SPURIOUS_EOIS,
    N_UNCHANGED,
    ROOM,
    access,
    emit,
    emit_value,
    enter,
    leave,
    legal_access,
)  # fmt: skip
from bench.recordings.placement.tracking import sgi_to, track_write
from kvmarm.gic import FIRST_RESERVED, TIMER
from kvmarm.jit import U64, jit
from kvmarm.trace import ACK, BPR, CTLR, DIR, EOI, INJECT, PMR, SGI1R


@jit
def _ensure_inside(ops: Any, g: Any, cpus: Any, vcpu: Any) -> None:
    if cpus[vcpu].in_guest == 0:
        enter(ops, g, cpus, vcpu)
        g[N_PLACED] += 1


@jit
def _kick(ops: Any, g: Any, cpus: Any, vcpu: Any) -> None:
    if cpus[vcpu].in_guest != 0:
        leave(ops, g, cpus, vcpu)
        enter(ops, g, cpus, vcpu)
        g[N_PLACED] += 2


@jit
def _private_deliverable(cpus: Any, vcpu: Any, bit: Any) -> Any:
    cpu = cpus[vcpu]
    mask = 1 << bit
    level = (cpu.levels & mask) != 0 or (bit == TIMER and cpu.line != 0)
    held = (cpu.running & mask) != 0
    return (cpu.enabled & mask) != 0 and not held and (level or (cpu.latched & mask) != 0)


@jit
def _shared_deliverable(spis: Any, intid: Any) -> Any:
    spi = spis[intid]
    return spi.enabled != 0 and spi.active == 0 and (spi.level != 0 or spi.latched != 0)


@jit
def _kick_shared(ops: Any, g: Any, cpus: Any, spis: Any, intid: Any, writer: Any) -> None:
    target = spis[intid].target
    if g[G_DIST_ENABLED] and target < g[G_VCPUS] and target != writer and _shared_deliverable(spis, intid):
        _kick(ops, g, cpus, target)


@jit
def _kick_after_write(ops: Any, g: Any, cpus: Any, spis: Any, vcpu: Any, first: Any, count: Any, owner: Any) -> None:
    for intid in range(first, min(first + count, FIRST_RESERVED)):
        if intid >= 32:
            _kick_shared(ops, g, cpus, spis, intid, vcpu)
        elif owner != vcpu and g[G_DIST_ENABLED] and _private_deliverable(cpus, owner, intid):
            _kick(ops, g, cpus, owner)


@jit
def _kick_sgi_targets(ops: Any, g: Any, cpus: Any, vcpu: Any, value: Any) -> None:
    """Kick the vCPUs that a GICD_SGIR or ICC_SGI1R_EL1 value names, in ascending order, the sender never."""
    for target in range(g[G_VCPUS]):
        intid = sgi_to(g[G_GIC], vcpu, value, target)
        if intid >= 0 and target != vcpu and (cpus[target].enabled >> intid) & 1 != 0:
            _kick(ops, g, cpus, target)


@jit
def _line(ops: Any, g: Any, cpus: Any, spis: Any, vcpu: Any, intid: Any, level: Any) -> None:
    if intid == TIMER:
        if vcpu < 0:
            g[N_NO_VCPU] += 1
            return
        cpu = cpus[vcpu]
        if level == cpu.line:
            g[N_UNCHANGED] += 1
        elif level == cpu.told:
            # It came and went before a sample.
            g[N_UNCHANGED] += 2
        cpu.line = level
        if level != 0 and (cpus[vcpu].running >> TIMER) & 1 == 0:
            _kick(ops, g, cpus, vcpu)
        return
    if intid < 16 or intid >= g[G_IRQS]:
        g[N_RANGE] += 1
        return
    if intid < 32:
        if vcpu < 0:
            g[N_NO_VCPU] += 1
            return
        mask = 1 << intid
        if ((cpus[vcpu].levels >> intid) & 1) == level:
            g[N_UNCHANGED] += 1
            return
        emit(ops, g, INJECT, vcpu, intid, level)
        g[N_INJECT] += 1
        cpus[vcpu].levels = (cpus[vcpu].levels & ~mask) | (mask if level else 0)
        if level != 0 and _private_deliverable(cpus, vcpu, intid):
            _kick(ops, g, cpus, vcpu)
        return
    if spis[intid].level == level:
        g[N_UNCHANGED] += 1
        return
    emit(ops, g, INJECT, 0, intid, level)
    g[N_INJECT] += 1
    spis[intid].level = level
    if level != 0:
        _kick_shared(ops, g, cpus, spis, intid, -1)


@jit
def _deactivated(ops: Any, g: Any, cpus: Any, spis: Any, vcpu: Any, intid: Any) -> None:
    """The guest deactivated `intid`: one whose line is still high is pending anew."""
    if intid < 32:
        cpu = cpus[vcpu]
        cpu.running &= ~(1 << intid)
        if intid == TIMER:
            cpu.active = 0
            cpu.physical = 0
        if _private_deliverable(cpus, vcpu, intid):
            _kick(ops, g, cpus, vcpu)
    elif intid < FIRST_RESERVED:
        spis[intid].active = 0
        target = spis[intid].target
        if target < g[G_VCPUS] and _shared_deliverable(spis, intid):
            _kick(ops, g, cpus, target)


@jit
def _guest(ops: Any, g: Any, cpus: Any, spis: Any, refs: Any, vcpu: Any, kind: Any, value: Any) -> None:
    """One access of the guest to its CPU interface."""
    _ensure_inside(ops, g, cpus, vcpu)
    g[N_GUEST] += 1
    cpu = cpus[vcpu]
    key = np.int64(value & U64(ACK_KEYS - 1))
    intid = np.int64(value & U64(0x3FF if g[G_GIC] == 2 else 0xFFFFFF))
    if kind == ev.Q_ACK:
        number = emit(ops, g, ACK, vcpu, 0, 0)
        if intid >= FIRST_RESERVED and intid <= 1023:
            emit_value(ops, g, EOI, vcpu, U64(0), number)
            g[N_SPURIOUS_EOIS] += 1
            return
        refs[vcpu, key] = number
        if intid < 32:
            cpu.running |= 1 << intid
            cpu.latched &= ~(1 << intid)
            if intid == TIMER:
                cpu.active = 1
        elif intid < FIRST_RESERVED:
            spis[intid].active = 1
            spis[intid].latched = 0
    elif kind == ev.Q_EOI:
        emit_value(ops, g, EOI, vcpu, value, refs[vcpu, key])
        if cpu.control & 0x200 == 0:
            _deactivated(ops, g, cpus, spis, vcpu, intid)
    elif kind == ev.Q_DIR:
        emit_value(ops, g, DIR, vcpu, value, refs[vcpu, key])
        if cpu.control & 0x200 != 0:
            _deactivated(ops, g, cpus, spis, vcpu, intid)
    elif kind == ev.Q_PMR:
        emit(ops, g, PMR, vcpu, np.int64(value & U64(0xFF)), 0)
    elif kind == ev.Q_BPR:
        emit(ops, g, BPR, vcpu, np.int64(value & U64(7)), 0)
    else:
        if kind == ev.Q_CONTROL:
            cpu.control = np.int64(value & U64(0xFFFFFFFF))
        elif kind == ev.Q_ICC_CONTROL:
            cpu.control = (cpu.control & 3) | np.int64((value >> U64(1)) & U64(1)) << 9
        else:
            cpu.control = (cpu.control & ~2) | np.int64(value & U64(1)) << 1
        emit(ops, g, CTLR, vcpu, cpu.control, 0)


@jit
def place_qemu(events: Any, start: Any, g: Any, cpus: Any, spis: Any, refs: Any, ops: Any) -> Any:
    """Place `events` (EVENT[:]) from index `start`; return the index of the first one not placed.

    Stops when `ops` has room for fewer than ROOM operations.
    """
    index = start
    while index < events.shape[0] and g[G_COUNT] < ops.shape[0] - ROOM:
        event = events[index]
        index += 1
        vcpu = np.int64(event.vcpu)
        kind = event.kind
        if kind == ev.Q_LINE:
            _line(ops, g, cpus, spis, vcpu, np.int64(event.a), np.int64(event.b))
            continue
        if vcpu < 0 or vcpu >= g[G_VCPUS]:
            g[N_NO_VCPU] += 1
            continue
        if kind == ev.FRAME_READ or kind == ev.FRAME_WRITE:
            region, offset, size = np.int64(event.n), np.int64(event.a), np.int64(event.b)
            if not legal_access(g, region, offset, size):
                g[N_ILLEGAL] += 1
                continue
            write = kind == ev.FRAME_WRITE
            _ensure_inside(ops, g, cpus, vcpu)
            leave(ops, g, cpus, vcpu)
            access(ops, g, vcpu, write, region, offset, size, event.c)
            g[N_PLACED] += 2
            first, count, owner = 0, 0, vcpu
            if write:
                first, count, owner = track_write(g, cpus, spis, vcpu, region, offset, size, event.c)
            enter(ops, g, cpus, vcpu)
            if write and g[G_GIC] == 2 and region < 0 and offset == 0xF00:
                _kick_sgi_targets(ops, g, cpus, vcpu, event.c)
            if count > 0:
                _kick_after_write(ops, g, cpus, spis, vcpu, first, count, owner)
        elif kind == ev.Q_SGI1R:
            _ensure_inside(ops, g, cpus, vcpu)
            leave(ops, g, cpus, vcpu)
            emit_value(ops, g, SGI1R, vcpu, event.a, 0)
            g[N_SGI] += 1
            g[N_PLACED] += 2
            enter(ops, g, cpus, vcpu)
            _kick_sgi_targets(ops, g, cpus, vcpu, event.a)
        elif kind == ev.Q_EXIT:
            _ensure_inside(ops, g, cpus, vcpu)
            leave(ops, g, cpus, vcpu)
            enter(ops, g, cpus, vcpu)
            g[N_PLACED] += 2
        else:
            _guest(ops, g, cpus, spis, refs, vcpu, kind, event.a)
    return index
