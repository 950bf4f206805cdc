# SPDX-License-Identifier: GPL-2.0-only
"""Placement of KVM's own trace: entries and exits are where KVM's were; what the guest did must be inferred.

Rules, besides those in `placing`:

- Flush at the LR probe before an entry, else at kvm_entry; sync at the LR probe after an exit, else at kvm_exit (KVM
  does not fold when no list register was used, so there is no probe then).
- Without the exit probe, a line that the vCPU's own thread changes before its kvm_exit comes after the sync: a host
  interrupt (its timer's) ended the stay, and KVM folds before it lets the host take interrupts.
- Before a vCPU's first entry there is one in which the guest sets its interface up: priority mask, enables, binary
  point.
- With LR probes, acknowledgements and completions follow from each list register's state at entry and exit: 1>2 ack,
  1>0 ack and EOI, 2>0 EOI, 3>1 EOI, 3>2 EOI and ack, 3>0 EOI, ack and EOI. Within one stay in the guest: completions of
  what was active first, then what came and went, last what stays active (one priority: nothing nests).
- Without them, or before the first, the guest is assumed to take at once what was deliverable at its entry: each an ack
  and an EOI.
- Where KVM traced the timer's state, its compare value tells: while it stays, a guest that has its timer interrupt
  pending takes none at all (its interrupts are masked, see timer_states).
- A taken timer interrupt lowers its line (the handler sets the timer anew; KVM traces only what it re-evaluates).
- Line changes are placed where they were recorded; re-assertions of an unchanged level are dropped.
- Distributor and redistributor accesses, ICC_SGI1R_EL1 writes and WFI (a pending query) stand where they were recorded.
  Without the SGI probe an ICC_SGI1R_EL1 write has no value: SGI 0 to the next vCPU is put in its place.
- MSIs, and accesses to the ITS, are placed by the rules of placement.msi. Without MSIs in the recording, and with no
  list registers to see LPIs in, what concerns LPIs is dropped. So are snapshots of entries that KVM gave up before the
  guest ran.
"""

from typing import Any

import numpy as np

from bench.recordings import events as ev
from bench.recordings.machine.timer_states import WAITING
from bench.recordings.placement.common import (
    G_COUNT,
    G_DIST_BASE,
    G_DIST_ENABLED,
    G_GIC,
    G_IRQS,
    G_LR_LAYOUT,
    G_PROBED,
    G_REDIST_BASE,
    G_SGI_SINCE,
    G_VCPUS,
    G_WAITING_SPIS,
    MAX_RECORDED_LRS,
    N_ABORTED,
    N_ASSUMED_ACKS,
    N_ASSUMED_EOIS,
    N_ENTRIES,
    N_EXITS,
    N_FOREIGN,
    N_ILLEGAL,
    N_INJECT,
    N_LPI,
    N_LR_ACKS,
    N_LR_EOIS,
    N_LR_SKIPPED,
    N_NO_VCPU,
    N_OTHER_SGI,
    N_RANGE,
    N_REPAIRED,
    N_SAME,
    N_SGI,
    N_SGI_GUESSED,
    N_TIMER_STATES,
    N_UNCHANGED,
    N_WFI,
    ROOM,
    access,
    ack_key,
    emit,
    emit_value,
    enter,
    leave,
    legal_access,
    set_interface,
)  # fmt: skip
from bench.recordings.placement.msi import AS_LPI, DROPPED, ITS_FRAMES, ITS_REGION, its_access, place_msi, table_value
from bench.recordings.placement.tracking import sgi_to, track_write
from kvmarm.gic import FIRST_LPI, FIRST_RESERVED, FIRST_SPI, TIMER
from kvmarm.jit import U64, jit
from kvmarm.trace import ACK, DIR, EOI, INJECT, INJECTM, PENDING, SGI1R

EXPECTED = np.dtype([("op", np.int64), ("vcpu", np.int64), ("n", np.int64), ("lr", np.uint64, (MAX_RECORDED_LRS,))])
"""List registers that a probe recorded at the entry which operation `op` (a flush) stands for; raw, `n` of them."""

_V3_STATE, _V2_STATE = np.uint64(62), np.uint64(28)
_EOIMODE = 0x200
_NO_FRAME = -3


@jit
def _state(g: Any, lr: Any) -> Any:
    return np.int64((lr >> (_V2_STATE if g[G_LR_LAYOUT] == 2 else _V3_STATE)) & U64(3))


@jit
def recorded_key(layout: Any, gic: Any, lr: Any) -> Any:
    """Return INTID (int64) of a recorded list register, with the source vCPU in bits 12:10 for a GICv2 guest's SGI."""
    if layout == 2:
        forwarded = (lr >> U64(31)) & U64(1) != U64(0)
        return np.int64(lr & (U64(0x3FF) if forwarded else U64(0x1FFF)))
    if gic == 2:
        return np.int64(lr & U64(0x1FFF))
    return np.int64(lr & U64(0xFFFFFFFF))


@jit
def _complete(ops: Any, g: Any, cpus: Any, refs: Any, vcpu: Any, key: Any, counter: Any) -> None:
    value = U64(key)
    emit_value(ops, g, EOI, vcpu, value, refs[vcpu, ack_key(key)])
    g[counter] += 1
    if cpus[vcpu].set_control & _EOIMODE != 0:
        emit_value(ops, g, DIR, vcpu, value, refs[vcpu, ack_key(key)])
        g[counter] += 1
    if key == TIMER:
        cpus[vcpu].active = 0
        cpus[vcpu].physical = 0


@jit
def _take(ops: Any, g: Any, cpus: Any, refs: Any, vcpu: Any, key: Any) -> None:
    refs[vcpu, ack_key(key)] = emit(ops, g, ACK, vcpu, 0, 0)
    if key == TIMER:
        cpu = cpus[vcpu]
        cpu.active = 1
        cpu.line = 0


@jit
def _infer_from_lrs(
    ops: Any, g: Any, cpus: Any, refs: Any, vcpu: Any, exit_lrs: Any, count: Any, with_lpis: Any
) -> None:
    """Emit what the guest did between an entry with cpus[vcpu].lr and an exit with `exit_lrs` (uint64[count])."""
    cpu = cpus[vcpu]
    for step in range(3):
        for index in range(min(count, cpu.lr_count)):
            key = recorded_key(g[G_LR_LAYOUT], g[G_GIC], cpu.lr[index])
            before = _state(g, cpu.lr[index])
            after = _state(g, exit_lrs[index])
            if before == after:
                continue
            of_lpi = key >= FIRST_LPI and not with_lpis
            if recorded_key(g[G_LR_LAYOUT], g[G_GIC], exit_lrs[index]) != key or of_lpi:
                if step == 0:
                    g[N_LPI if of_lpi else N_LR_SKIPPED] += 1
                continue
            pending_gone = before & 1 != 0 and after & 1 == 0
            if step == 0:
                if before & 2 != 0:
                    _complete(ops, g, cpus, refs, vcpu, key, N_LR_EOIS)
                elif not pending_gone:
                    # 0 or 1 to something the guest cannot have caused.
                    g[N_LR_SKIPPED] += 1
            elif step == 1 and pending_gone and after == 0:
                _take(ops, g, cpus, refs, vcpu, key)
                _complete(ops, g, cpus, refs, vcpu, key, N_LR_EOIS)
                g[N_LR_ACKS] += 1
            elif step == 2 and pending_gone and after == 2:
                _take(ops, g, cpus, refs, vcpu, key)
                g[N_LR_ACKS] += 1


@jit
def _plan(g: Any, cpus: Any, spis: Any, vcpu: Any, verdicts: Any) -> None:
    """Without LR probes: note what is deliverable to `vcpu` as it enters."""
    cpu = cpus[vcpu]
    cpu.taking = 0
    cpu.taking_spis = 0
    if g[G_DIST_ENABLED] == 0:
        return
    timer = cpu.line != 0 and (cpu.enabled >> TIMER) & 1 != 0
    if timer and cpu.state >= 0 and verdicts[cpu.state] == WAITING:
        return
    cpu.taking_spis = cpu.waiting_msis
    cpu.waiting_msis = 0
    cpu.msi_epoch += 1
    cpu.taking = cpu.waiting & cpu.enabled & 0xFFFF
    if timer:
        cpu.taking |= 1 << TIMER
    if g[G_WAITING_SPIS] > 0:
        for intid in range(FIRST_SPI, min(g[G_IRQS], FIRST_RESERVED)):
            spi = spis[intid]
            if spi.latched != 0 and spi.enabled != 0 and spi.target == vcpu:
                spi.latched = 0
                g[G_WAITING_SPIS] -= 1
                cpu.taking_spis += 1


@jit
def _assume(ops: Any, g: Any, cpus: Any, refs: Any, vcpu: Any) -> None:
    """Without LR probes: the guest takes and completes what was deliverable at its entry."""
    cpu = cpus[vcpu]
    for intid in range(32):
        if (cpu.taking >> intid) & 1 != 0:
            _take(ops, g, cpus, refs, vcpu, intid)
            _complete(ops, g, cpus, refs, vcpu, intid, N_ASSUMED_EOIS)
            g[N_ASSUMED_ACKS] += 1
    cpu.waiting &= ~cpu.taking
    for _ in range(min(cpu.taking_spis, 64)):
        number = emit(ops, g, ACK, vcpu, 0, 0)
        emit_value(ops, g, EOI, vcpu, U64(0), number)
        g[N_ASSUMED_EOIS] += 1
        if cpu.set_control & _EOIMODE != 0:
            emit_value(ops, g, DIR, vcpu, U64(0), number)
            g[N_ASSUMED_EOIS] += 1
        g[N_ASSUMED_ACKS] += 1
    cpu.taking = 0
    cpu.taking_spis = 0


@jit
def _enter_guest(ops: Any, g: Any, cpus: Any, spis: Any, vcpu: Any, counter: Any, verdicts: Any) -> Any:
    cpu = cpus[vcpu]
    if cpu.in_guest != 0:
        leave(ops, g, cpus, vcpu)
        g[N_REPAIRED] += 1
    g[N_REPAIRED] += cpu.left
    cpu.left = 0
    if cpu.started == 0:
        cpu.started = 1
        set_interface(ops, g, cpus, vcpu)
    number = enter(ops, g, cpus, vcpu)
    g[counter] += 1
    if cpu.probed == 0:
        _plan(g, cpus, spis, vcpu, verdicts)
    return number


@jit
def _has_left(ops: Any, g: Any, cpus: Any, refs: Any, vcpu: Any) -> None:
    """An event of the vCPU's own thread, before its kvm_exit: it has left the guest already, and been folded."""
    cpu = cpus[vcpu]
    if cpu.in_guest != 0 and cpu.probed == 0:
        _assume(ops, g, cpus, refs, vcpu)
        leave(ops, g, cpus, vcpu)
        cpu.left = 1


@jit
def _ensure_outside(ops: Any, g: Any, cpus: Any, vcpu: Any) -> None:
    if cpus[vcpu].in_guest != 0:
        leave(ops, g, cpus, vcpu)
        g[N_REPAIRED] += 1


@jit
def _line(ops: Any, g: Any, cpus: Any, spis: Any, vcpu: Any, intid: Any, level: Any) -> None:
    if intid == TIMER:
        cpu = cpus[vcpu]
        cpu.line = level
        if level == cpu.told:
            g[N_UNCHANGED] += 1
            return
        emit(ops, g, INJECTM, vcpu, TIMER, level)
        cpu.told = level
    elif intid < 16 or intid >= min(g[G_IRQS], FIRST_RESERVED):
        g[N_RANGE] += 1
        return
    elif intid < FIRST_SPI:
        cpu = cpus[vcpu]
        if ((cpu.levels >> intid) & 1) == level:
            g[N_UNCHANGED] += 1
            return
        cpu.levels ^= 1 << intid
        emit(ops, g, INJECT, vcpu, intid, level)
    else:
        spi = spis[intid]
        if spi.level == level:
            g[N_UNCHANGED] += 1
            return
        spi.level = level
        if level != 0 and spi.latched == 0:
            spi.latched = 1
            g[G_WAITING_SPIS] += 1
        emit(ops, g, INJECT, 0, intid, level)
    g[N_INJECT] += 1


@jit
def _send(g: Any, cpus: Any, vcpu: Any, value: Any) -> None:
    """Without LR probes: remember which vCPUs an SGI waits for."""
    for target in range(g[G_VCPUS]):
        intid = sgi_to(g[G_GIC], vcpu, value, target)
        if intid >= 0:
            cpus[target].waiting |= 1 << intid


@jit
def _mmio(ops: Any, g: Any, cpus: Any, spis: Any, vcpu: Any, event: Any, msis: Any) -> None:
    """A trapped access: to the GIC's frames an operation, to anything else none."""
    its = msis[2]
    address = np.int64(event.a & U64(0x7FFFFFFFFFFFFFFF))
    size = np.int64(event.b)
    region, offset = _NO_FRAME, address - g[G_DIST_BASE]
    if g[G_DIST_BASE] >= 0 and 0 <= offset < (0x1000 if g[G_GIC] == 2 else 0x10000):
        region = -1
    elif g[G_REDIST_BASE] >= 0 and 0 <= address - g[G_REDIST_BASE] < g[G_VCPUS] * 0x20000:
        region = (address - g[G_REDIST_BASE]) >> 17
        offset = (address - g[G_REDIST_BASE]) & 0x1FFFF
    elif its.mode == AS_LPI and 0 <= address - its.frame < ITS_FRAMES:
        region, offset = ITS_REGION, address - its.frame
    if region == _NO_FRAME:
        g[N_FOREIGN] += 1
        return
    if not legal_access(g, region, offset, size):
        g[N_ILLEGAL] += 1
        return
    write = event.kind == ev.GPA_WRITE
    _ensure_outside(ops, g, cpus, vcpu)
    if region == ITS_REGION:
        its_access(ops, g, vcpu, write, offset, size, event.c, msis)
        return
    value = table_value(its, offset, size, event.c) if region >= 0 else event.c
    access(ops, g, vcpu, write, region, offset, size, value)
    if write:
        if g[G_GIC] == 2 and region < 0 and offset == 0xF00:
            _send(g, cpus, vcpu, event.c)
        else:
            track_write(g, cpus, spis, vcpu, region, offset, size, event.c)


@jit
def _snapshot(events: Any, index: Any, count: Any, lrs: Any) -> None:
    """Copy the list registers of the LRS events from `index` on into `lrs` (uint64[:])."""
    for slot in range(count):
        event = events[index + slot // 4]
        part = slot & 3
        lrs[slot] = event.a if part == 0 else event.b if part == 1 else event.c if part == 2 else event.d


@jit
def place_kvm(
    events: Any,
    start: Any,
    g: Any,
    cpus: Any,
    spis: Any,
    refs: Any,
    ops: Any,
    roles: Any,
    expected: Any,
    done: Any,
    verdicts: Any,
    msis: Any,
) -> Any:
    """Place `events` (EVENT[:]) from index `start`.

    roles: int64[:, 2], for each thread of the recording its vCPU (-1: none) and whether its lines are this VM's.
    expected: EXPECTED[:], filled from done[0] (int64[1]) on. verdicts: uint8[:], see
    timer_states. msis: see placement.msi. Returns the index of the first event not placed: it stops when `ops` or
    `expected` has no room for what one event may need, or before a probe whose registers are not all here.
    """
    exit_lrs = np.zeros(MAX_RECORDED_LRS, np.uint64)
    index = start
    while index < events.shape[0] and g[G_COUNT] < ops.shape[0] - ROOM and done[0] < expected.shape[0]:
        event = events[index]
        kind = event.kind
        if kind == ev.LOST or kind == ev.LRS:
            index += 1
            continue
        vcpu: Any = np.int64(event.vcpu)
        if event.thread >= 0:
            if kind == ev.LINE:
                if roles[event.thread, 1] == 0:
                    vcpu = -1
                elif roles[event.thread, 0] >= 0:
                    _has_left(ops, g, cpus, refs, roles[event.thread, 0])
            elif roles[event.thread, 0] < 0:
                vcpu = -1
            elif vcpu < 0:
                vcpu = roles[event.thread, 0]
        registers: Any = 0
        if kind == ev.LR_ENTRY or kind == ev.LR_EXIT:
            registers = np.int64(event.n)
            if index + 1 + (registers + 3) // 4 > events.shape[0]:
                break
        first = index + 1
        index = first + (registers + 3) // 4
        if kind == ev.MSI:
            place_msi(ops, g, cpus, msis)
            continue
        if vcpu < 0 or vcpu >= g[G_VCPUS]:
            g[N_NO_VCPU] += 1
            continue
        cpu = cpus[vcpu]
        if g[G_PROBED] == 0 and (kind == ev.LR_ENTRY or kind == ev.LR_EXIT):
            g[N_SAME] += 1
        elif kind == ev.LINE:
            _line(ops, g, cpus, spis, vcpu, np.int64(event.a), np.int64(event.b))
        elif kind == ev.LR_ENTRY:
            cpu.probed = 1
            number = _enter_guest(ops, g, cpus, spis, vcpu, N_ENTRIES, verdicts)
            _snapshot(events, first, registers, cpu.lr)
            cpu.lr_count = registers
            cpu.confirmed = 0
            record = expected[done[0]]
            record.op = number
            record.vcpu = vcpu
            record.n = registers
            _snapshot(events, first, registers, record.lr)
            done[0] += 1
        elif kind == ev.ENTRY:
            if cpu.in_guest == 0 or cpu.confirmed != 0 or cpu.probed == 0:
                _enter_guest(ops, g, cpus, spis, vcpu, N_ENTRIES, verdicts)
                cpu.lr_count = 0
            else:
                g[N_SAME] += 1
            cpu.confirmed = 1
        elif kind == ev.LR_EXIT:
            if cpu.in_guest == 0:
                g[N_ABORTED] += 1
                continue
            _snapshot(events, first, registers, exit_lrs)
            _infer_from_lrs(ops, g, cpus, refs, vcpu, exit_lrs, registers, msis[2].mode != DROPPED)
            leave(ops, g, cpus, vcpu)
            g[N_EXITS] += 1
        elif kind == ev.EXIT:
            if cpu.left != 0:
                cpu.left = 0
                g[N_EXITS] += 1
            elif cpu.in_guest != 0:
                if cpu.probed == 0:
                    _assume(ops, g, cpus, refs, vcpu)
                leave(ops, g, cpus, vcpu)
                g[N_EXITS] += 1
            elif cpu.probed == 0:
                entered_before = cpu.started == 0
                number = _enter_guest(ops, g, cpus, spis, vcpu, N_REPAIRED, verdicts)
                if entered_before:
                    cpu.set_up_to = number
                leave(ops, g, cpus, vcpu)
                g[N_EXITS] += 1
            else:
                g[N_SAME] += 1
        elif kind == ev.GPA_READ or kind == ev.GPA_WRITE:
            _mmio(ops, g, cpus, spis, vcpu, event, msis)
        elif kind == ev.SGI_VALUE or (kind == ev.SGI_TRAP and event.time < g[G_SGI_SINCE]):
            if g[G_GIC] != 3:
                g[N_ILLEGAL] += 1
                continue
            _ensure_outside(ops, g, cpus, vcpu)
            value = event.a
            if kind == ev.SGI_TRAP:
                value = U64(1) << U64((vcpu + 1) % min(g[G_VCPUS], 16))
                g[N_SGI_GUESSED] += 1
            else:
                g[N_SGI] += 1
            emit_value(ops, g, SGI1R, vcpu, value, 0)
            _send(g, cpus, vcpu, value)
        elif kind == ev.WFI:
            _ensure_outside(ops, g, cpus, vcpu)
            emit(ops, g, PENDING, vcpu, 0, 0)
            g[N_WFI] += 1
        elif kind == ev.TIMER_STATE:
            cpu.state = np.int64(event.d)
            g[N_TIMER_STATES] += 1
        elif kind == ev.OTHER_SGI:
            g[N_OTHER_SGI] += 1
        else:
            g[N_SAME] += 1
    return index
