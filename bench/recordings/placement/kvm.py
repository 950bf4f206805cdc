# SPDX-License-Identifier: GPL-2.0-only
"""Placement of KVM's own trace: entries and exits are where KVM's were; what the guest did must be inferred.

Rules, in addition to those in `common`:

- Flush at the LR probe before an entry, else at kvm_entry; sync at the LR probe after an exit, else at kvm_exit. (KVM
  does not fold when no list register was used, so there is no probe then.)
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
- A taken timer interrupt lowers its line (the handler sets the timer again; KVM traces only what it re-evaluates).
- Line changes are placed where they were recorded; re-assertions of an unchanged level are dropped.
- Distributor and redistributor accesses, ICC_SGI1R_EL1 writes and WFI (a pending query) are placed where they were
  recorded. Without the SGI probe an ICC_SGI1R_EL1 write has no value: SGI 0 to the next vCPU is put in its place.
- MSIs, and accesses to the ITS, are placed by the rules of placement.msi. Without MSIs in the recording, and with no
  list registers to see LPIs in, what concerns LPIs is dropped. So are snapshots of entries that KVM gave up before the
  guest ran.
"""

from typing import Any

import numpy as np

from bench.recordings import events as ev
from bench.recordings.placement.common import (
    MAX_RECORDED_LRS,
    MOST_EXPECTED,
    OPS,
    ROOM,
    access,
    emit,
    emit_value,
    enter,
    leave,
    legal_access,
    set_interface,
)
from bench.recordings.placement.guest import assume, plan
from bench.recordings.placement.list_registers import infer_from_lrs, snapshot
from bench.recordings.placement.msi import AS_LPI, DROPPED, ITS_FRAMES, ITS_REGION, its_access, place_msi, table_value
from bench.recordings.placement.tracking import sgi_to, track_write
from kvmarm.gic import FIRST_RESERVED, FIRST_SPI, SGIS, TIMER
from kvmarm.jit import U64, jit
from kvmarm.trace import INJECT, INJECTM, PENDING, SGI1R

_NO_FRAME = -3


@jit
def _enter_guest(state: Any, vcpu: Any, verdicts: Any) -> Any:
    cpu = state.cpu[vcpu]
    if cpu.in_guest != 0:
        leave(state, vcpu)
        state.n_repaired += 1
    state.n_repaired += cpu.left
    cpu.left = 0
    if cpu.started == 0:
        cpu.started = 1
        set_interface(state, vcpu)
    number = enter(state, vcpu)
    if cpu.probed == 0:
        plan(state, vcpu, verdicts)
    return number


@jit
def _has_left(state: Any, vcpu: Any) -> None:
    """An event of the vCPU's own thread, before its kvm_exit: it has left the guest already, and been folded."""
    cpu = state.cpu[vcpu]
    if cpu.in_guest != 0 and cpu.probed == 0:
        assume(state, vcpu)
        leave(state, vcpu)
        cpu.left = 1


@jit
def _ensure_outside(state: Any, vcpu: Any) -> None:
    if state.cpu[vcpu].in_guest != 0:
        leave(state, vcpu)
        state.n_repaired += 1


@jit
def _line(state: Any, vcpu: Any, intid: Any, level: Any) -> None:
    if intid == TIMER:
        cpu = state.cpu[vcpu]
        cpu.line = level
        if level == cpu.told:
            state.n_unchanged += 1
            return
        emit(state, INJECTM, vcpu, TIMER, level)
        cpu.told = level
    elif intid < SGIS or intid >= min(state.irqs, FIRST_RESERVED):
        state.n_intid_range += 1
        return
    elif intid < FIRST_SPI:
        cpu = state.cpu[vcpu]
        if ((cpu.levels >> intid) & 1) == level:
            state.n_unchanged += 1
            return
        cpu.levels ^= 1 << intid
        emit(state, INJECT, vcpu, intid, level)
    else:
        spi = state.spi[intid]
        if spi.level == level:
            state.n_unchanged += 1
            return
        spi.level = level
        if level != 0 and spi.latched == 0:
            spi.latched = 1
            state.waiting_spis += 1
        emit(state, INJECT, 0, intid, level)
    state.n_lines += 1


@jit
def _send(state: Any, vcpu: Any, value: Any) -> None:
    """Without LR probes: remember which vCPUs an SGI waits for."""
    for target in range(state.vcpus):
        intid = sgi_to(state.gic, vcpu, value, target)
        if intid >= 0:
            state.cpu[target].waiting |= 1 << intid


@jit
def _mmio(state: Any, vcpu: Any, event: Any, msis: Any) -> None:
    """A trapped access: to the GIC's frames it is an operation, to anything else none."""
    its = msis[2]
    address = np.int64(event.a & U64(0x7FFFFFFFFFFFFFFF))
    size = np.int64(event.b)
    region, offset = _NO_FRAME, address - state.distributor
    if state.distributor >= 0 and 0 <= offset < (0x1000 if state.gic == 2 else 0x10000):
        region = -1
    elif state.redistributors >= 0 and 0 <= address - state.redistributors < state.vcpus * 0x20000:
        region = (address - state.redistributors) >> 17
        offset = (address - state.redistributors) & 0x1FFFF
    elif its.mode == AS_LPI and 0 <= address - its.frame < ITS_FRAMES:
        region, offset = ITS_REGION, address - its.frame
    if region == _NO_FRAME:
        state.n_other_mmio += 1
        return
    if not legal_access(state, region, offset, size):
        state.n_illegal += 1
        return
    write = event.kind == ev.GPA_WRITE
    _ensure_outside(state, vcpu)
    if region == ITS_REGION:
        its_access(state, vcpu, write, offset, size, event.c, msis)
        return
    value = table_value(its, offset, size, event.c) if region >= 0 else event.c
    access(state, vcpu, write, region, offset, size, value)
    if write:
        if state.gic == 2 and region < 0 and offset == 0xF00:
            _send(state, vcpu, event.c)
        else:
            track_write(state, vcpu, region, offset, size, event.c)


@jit
def _vcpu_of(state: Any, event: Any, roles: Any) -> Any:
    """Return the vCPU that an event concerns, -1 when it is none of this VM's.

    A line that a vCPU's own thread drives before its kvm_exit says that it has left the guest.
    """
    vcpu = np.int64(event.vcpu)
    if event.thread < 0:
        return vcpu
    own = roles[event.thread, 0]
    if event.kind == ev.LINE:
        if roles[event.thread, 1] == 0:
            return np.int64(-1)
        if own >= 0:
            _has_left(state, own)
        return vcpu
    if own < 0:
        return np.int64(-1)
    return own if vcpu < 0 else vcpu


@jit
def _probed_entry(state: Any, events: Any, first: Any, vcpu: Any, verdicts: Any) -> None:
    """The probe before an entry, whose registers are the events from `first` on."""
    cpu = state.cpu[vcpu]
    cpu.probed = 1
    number = _enter_guest(state, vcpu, verdicts)
    state.n_entries += 1
    registers = np.int64(events[first - 1].n)
    snapshot(events, first, registers, cpu.lr)
    cpu.lr_count = registers
    cpu.confirmed = 0
    record = state.expected[state.found]
    record.op = number
    record.vcpu = vcpu
    record.n = registers
    snapshot(events, first, registers, record.lr)
    state.found += 1


@jit
def _entry(state: Any, vcpu: Any, verdicts: Any) -> None:
    cpu = state.cpu[vcpu]
    if cpu.in_guest == 0 or cpu.confirmed != 0 or cpu.probed == 0:
        _enter_guest(state, vcpu, verdicts)
        state.n_entries += 1
        cpu.lr_count = 0
    else:
        state.n_told_twice += 1
    cpu.confirmed = 1


@jit
def _probed_exit(state: Any, events: Any, first: Any, vcpu: Any, exit_lrs: Any, msis: Any) -> None:
    """The probe after an exit, whose registers are the events from `first` on."""
    if state.cpu[vcpu].in_guest == 0:
        state.n_aborted_entry += 1
        return
    registers = np.int64(events[first - 1].n)
    snapshot(events, first, registers, exit_lrs)
    infer_from_lrs(state, vcpu, exit_lrs, registers, msis[2].mode != DROPPED)
    leave(state, vcpu)
    state.n_exits += 1


@jit
def _exit(state: Any, vcpu: Any, verdicts: Any) -> None:
    cpu = state.cpu[vcpu]
    if cpu.left != 0:
        cpu.left = 0
    elif cpu.in_guest != 0:
        if cpu.probed == 0:
            assume(state, vcpu)
        leave(state, vcpu)
    elif cpu.probed == 0:
        # It is in the guest as the recording starts, or its entry was lost.
        entered_before = cpu.started == 0
        number = _enter_guest(state, vcpu, verdicts)
        state.n_repaired += 1
        if entered_before:
            cpu.set_up_to = number
        leave(state, vcpu)
    else:
        state.n_told_twice += 1
        return
    state.n_exits += 1


@jit
def _sgi(state: Any, vcpu: Any, event: Any) -> None:
    """An ICC_SGI1R_EL1 write: with its value, or with one put in its place."""
    if state.gic != 3:
        state.n_illegal += 1
        return
    _ensure_outside(state, vcpu)
    value = event.a
    if event.kind == ev.SGI_TRAP:
        value = U64(1) << U64((vcpu + 1) % min(state.vcpus, 16))
        state.n_sgi_guessed += 1
    else:
        state.n_sgi += 1
    emit_value(state, SGI1R, vcpu, value, 0)
    _send(state, vcpu, value)


@jit
def _place_one(state: Any, vcpu: Any, event: Any, msis: Any) -> None:
    """Place an event of a vCPU that is neither an entry nor an exit nor a probe of one."""
    kind = event.kind
    if kind == ev.LINE:
        _line(state, vcpu, np.int64(event.a), np.int64(event.b))
    elif kind == ev.GPA_READ or kind == ev.GPA_WRITE:
        _mmio(state, vcpu, event, msis)
    elif kind == ev.SGI_VALUE or (kind == ev.SGI_TRAP and event.time < state.sgi_since):
        _sgi(state, vcpu, event)
    elif kind == ev.WFI:
        _ensure_outside(state, vcpu)
        emit(state, PENDING, vcpu, 0, 0)
        state.n_wfi += 1
    elif kind == ev.TIMER_STATE:
        state.cpu[vcpu].state = np.int64(event.d)
        state.n_timer_states += 1
    elif kind == ev.OTHER_SGI:
        state.n_other_sgi += 1
    else:
        state.n_told_twice += 1


@jit
def place_kvm(events: Any, start: Any, state: Any, roles: Any, verdicts: Any, msis: Any) -> Any:
    """Place `events` (EVENT[:]) from index `start`; return the index of the first one not placed.

    state: a record of STATE. roles: int64[:, 2], for each thread of the recording its vCPU (-1: none) and whether its
    lines are this VM's. verdicts: uint8[:], see timer_states. msis: see placement.msi. Stops when the state has no room
    for what one event may need, or before a probe whose registers are not all here.
    """
    exit_lrs = np.zeros(MAX_RECORDED_LRS, np.uint64)
    index = start
    while index < events.shape[0] and state.count < OPS - ROOM and state.found < MOST_EXPECTED:
        event = events[index]
        kind = event.kind
        if kind == ev.LOST or kind == ev.LRS:
            index += 1
            continue
        probe = kind == ev.LR_ENTRY or kind == ev.LR_EXIT
        records = (np.int64(event.n) + 3) // 4 if probe else np.int64(0)
        first = index + 1
        if first + records > events.shape[0]:
            break
        index = first + records
        vcpu = _vcpu_of(state, event, roles)
        if kind == ev.MSI:
            place_msi(state, msis)
        elif vcpu < 0 or vcpu >= state.vcpus:
            state.n_no_vcpu += 1
        elif probe and state.probed == 0:
            state.n_told_twice += 1
        elif kind == ev.LR_ENTRY:
            _probed_entry(state, events, first, vcpu, verdicts)
        elif kind == ev.ENTRY:
            _entry(state, vcpu, verdicts)
        elif kind == ev.LR_EXIT:
            _probed_exit(state, events, first, vcpu, exit_lrs, msis)
        elif kind == ev.EXIT:
            _exit(state, vcpu, verdicts)
        else:
            _place_one(state, vcpu, event, msis)
    return index
