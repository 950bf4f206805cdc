# SPDX-License-Identifier: GPL-2.0-only
"""Placement of what a guest did with an emulated GIC: an order of guest accesses and line changes without exits.

Rules, in addition to those in `common`:

- A distributor or redistributor access, or a write of ICC_SGI1R_EL1, is an exit: sync, the access, flush.
- CPU interface accesses (GICC, ICC) happen in the guest. An acknowledge that came back spurious is completed at once:
  on another design it may return something. EOI and DIR take the value that their acknowledge returns here (`@K`).
- What makes an interrupt deliverable to a vCPU that is in the guest kicks it, at once: sync, flush. That is: a line
  that rises, an SGI, a pending or enable bit written. A falling line does not. A line that is still high when its
  interrupt is deactivated rises again.
- Shared interrupts are driven with `inject 0 INTID LEVEL`, private ones other than the virtual timer likewise with
  their vCPU.

To know what is deliverable the placement keeps the enable, pending and target registers as the guest wrote them.
"""

from typing import Any

import numpy as np

from bench.recordings import events as ev
from bench.recordings.placement.common import (
    ACK_KEYS,
    OPS,
    ROOM,
    access,
    emit,
    emit_value,
    enter,
    leave,
    legal_access,
)
from bench.recordings.placement.tracking import sgi_to, track_write
from kvmarm.gic import FIRST_RESERVED, TIMER
from kvmarm.jit import U64, jit
from kvmarm.trace import ACK, BPR, CTLR, DIR, EOI, INJECT, PMR, SGI1R


@jit
def _ensure_inside(state: Any, vcpu: Any) -> None:
    if state.cpu[vcpu].in_guest == 0:
        enter(state, vcpu)
        state.n_exits_placed += 1


@jit
def _kick(state: Any, vcpu: Any) -> None:
    if state.cpu[vcpu].in_guest != 0:
        leave(state, vcpu)
        enter(state, vcpu)
        state.n_exits_placed += 2


@jit
def _private_deliverable(state: Any, vcpu: Any, bit: Any) -> Any:
    cpu = state.cpu[vcpu]
    mask = 1 << bit
    level = (cpu.levels & mask) != 0 or (bit == TIMER and cpu.line != 0)
    held = (cpu.running & mask) != 0
    return (cpu.enabled & mask) != 0 and not held and (level or (cpu.latched & mask) != 0)


@jit
def _shared_deliverable(state: Any, intid: Any) -> Any:
    spi = state.spi[intid]
    return spi.enabled != 0 and spi.active == 0 and (spi.level != 0 or spi.latched != 0)


@jit
def _kick_shared(state: Any, intid: Any, writer: Any) -> None:
    target = state.spi[intid].target
    if state.distributor_on and target < state.vcpus and target != writer and _shared_deliverable(state, intid):
        _kick(state, target)


@jit
def _kick_after_write(state: Any, vcpu: Any, first: Any, count: Any, owner: Any) -> None:
    for intid in range(first, min(first + count, FIRST_RESERVED)):
        if intid >= 32:
            _kick_shared(state, intid, vcpu)
        elif owner != vcpu and state.distributor_on and _private_deliverable(state, owner, intid):
            _kick(state, owner)


@jit
def _kick_sgi_targets(state: Any, vcpu: Any, value: Any) -> None:
    """Kick the vCPUs that a GICD_SGIR or ICC_SGI1R_EL1 value names, in ascending order, the sender never."""
    for target in range(state.vcpus):
        intid = sgi_to(state.gic, vcpu, value, target)
        if intid >= 0 and target != vcpu and (state.cpu[target].enabled >> intid) & 1 != 0:
            _kick(state, target)


@jit
def _line(state: Any, vcpu: Any, intid: Any, level: Any) -> None:
    if intid == TIMER:
        if vcpu < 0:
            state.n_no_vcpu += 1
            return
        cpu = state.cpu[vcpu]
        if level == cpu.line:
            state.n_unchanged += 1
        elif level == cpu.told:
            # It came and went before a sample.
            state.n_unchanged += 2
        cpu.line = level
        if level != 0 and (state.cpu[vcpu].running >> TIMER) & 1 == 0:
            _kick(state, vcpu)
        return
    if intid < 16 or intid >= state.irqs:
        state.n_intid_range += 1
        return
    if intid < 32:
        if vcpu < 0:
            state.n_no_vcpu += 1
            return
        mask = 1 << intid
        if ((state.cpu[vcpu].levels >> intid) & 1) == level:
            state.n_unchanged += 1
            return
        emit(state, INJECT, vcpu, intid, level)
        state.n_lines += 1
        state.cpu[vcpu].levels = (state.cpu[vcpu].levels & ~mask) | (mask if level else 0)
        if level != 0 and _private_deliverable(state, vcpu, intid):
            _kick(state, vcpu)
        return
    if state.spi[intid].level == level:
        state.n_unchanged += 1
        return
    emit(state, INJECT, 0, intid, level)
    state.n_lines += 1
    state.spi[intid].level = level
    if level != 0:
        _kick_shared(state, intid, -1)


@jit
def _deactivated(state: Any, vcpu: Any, intid: Any) -> None:
    """The guest deactivated `intid`: one whose line is still high is pending again."""
    if intid < 32:
        cpu = state.cpu[vcpu]
        cpu.running &= ~(1 << intid)
        if intid == TIMER:
            cpu.active = 0
            cpu.physical = 0
        if _private_deliverable(state, vcpu, intid):
            _kick(state, vcpu)
    elif intid < FIRST_RESERVED:
        state.spi[intid].active = 0
        target = state.spi[intid].target
        if target < state.vcpus and _shared_deliverable(state, intid):
            _kick(state, target)


@jit
def _guest(state: Any, vcpu: Any, kind: Any, value: Any) -> None:
    """One access of the guest to its CPU interface."""
    _ensure_inside(state, vcpu)
    state.n_guest += 1
    cpu = state.cpu[vcpu]
    key = np.int64(value & U64(ACK_KEYS - 1))
    intid = np.int64(value & U64(0x3FF if state.gic == 2 else 0xFFFFFF))
    if kind == ev.Q_ACK:
        number = emit(state, ACK, vcpu, 0, 0)
        if intid >= FIRST_RESERVED and intid <= 1023:
            emit_value(state, EOI, vcpu, U64(0), number)
            state.n_spurious_eois += 1
            return
        state.acked_by[vcpu, key] = number
        if intid < 32:
            cpu.running |= 1 << intid
            cpu.latched &= ~(1 << intid)
            if intid == TIMER:
                cpu.active = 1
        elif intid < FIRST_RESERVED:
            state.spi[intid].active = 1
            state.spi[intid].latched = 0
    elif kind == ev.Q_EOI:
        emit_value(state, EOI, vcpu, value, state.acked_by[vcpu, key])
        if cpu.control & 0x200 == 0:
            _deactivated(state, vcpu, intid)
    elif kind == ev.Q_DIR:
        emit_value(state, DIR, vcpu, value, state.acked_by[vcpu, key])
        if cpu.control & 0x200 != 0:
            _deactivated(state, vcpu, intid)
    elif kind == ev.Q_PMR:
        emit(state, PMR, vcpu, np.int64(value & U64(0xFF)), 0)
    elif kind == ev.Q_BPR:
        emit(state, BPR, vcpu, np.int64(value & U64(7)), 0)
    else:
        if kind == ev.Q_CONTROL:
            cpu.control = np.int64(value & U64(0xFFFFFFFF))
        elif kind == ev.Q_ICC_CONTROL:
            cpu.control = (cpu.control & 3) | np.int64((value >> U64(1)) & U64(1)) << 9
        else:
            cpu.control = (cpu.control & ~2) | np.int64(value & U64(1)) << 1
        emit(state, CTLR, vcpu, cpu.control, 0)


@jit
def place_qemu(events: Any, start: Any, state: Any) -> Any:
    """Place `events` (EVENT[:]) from index `start`; return the index of the first one not placed.

    Stops when `ops` has room for fewer than ROOM operations.
    """
    index = start
    while index < events.shape[0] and state.count < OPS - ROOM:
        event = events[index]
        index += 1
        vcpu = np.int64(event.vcpu)
        kind = event.kind
        if kind == ev.Q_LINE:
            _line(state, vcpu, np.int64(event.a), np.int64(event.b))
            continue
        if vcpu < 0 or vcpu >= state.vcpus:
            state.n_no_vcpu += 1
            continue
        if kind == ev.FRAME_READ or kind == ev.FRAME_WRITE:
            region, offset, size = np.int64(event.n), np.int64(event.a), np.int64(event.b)
            if not legal_access(state, region, offset, size):
                state.n_illegal += 1
                continue
            write = kind == ev.FRAME_WRITE
            _ensure_inside(state, vcpu)
            leave(state, vcpu)
            access(state, vcpu, write, region, offset, size, event.c)
            state.n_exits_placed += 2
            first, count, owner = 0, 0, vcpu
            if write:
                first, count, owner = track_write(state, vcpu, region, offset, size, event.c)
            enter(state, vcpu)
            if write and state.gic == 2 and region < 0 and offset == 0xF00:
                _kick_sgi_targets(state, vcpu, event.c)
            if count > 0:
                _kick_after_write(state, vcpu, first, count, owner)
        elif kind == ev.Q_SGI1R:
            _ensure_inside(state, vcpu)
            leave(state, vcpu)
            emit_value(state, SGI1R, vcpu, event.a, 0)
            state.n_sgi += 1
            state.n_exits_placed += 2
            enter(state, vcpu)
            _kick_sgi_targets(state, vcpu, event.a)
        elif kind == ev.Q_EXIT:
            _ensure_inside(state, vcpu)
            leave(state, vcpu)
            enter(state, vcpu)
            state.n_exits_placed += 2
        else:
            _guest(state, vcpu, kind, event.a)
    return index
