# SPDX-License-Identifier: GPL-2.0-only
"""What a guest does with an interrupt, which KVM's trace never shows: acknowledgements and completions.

With probes they follow from list registers (`list_registers`); without, the guest is assumed to take at once what was
deliverable at its entry.
"""

from typing import Any

from bench.recordings.machine.timer_states import WAITING
from bench.recordings.placement.common import ack_key, emit, emit_value
from kvmarm.gic import FIRST_RESERVED, FIRST_SPI, PRIVATE_IRQS, TIMER
from kvmarm.jit import U64, jit
from kvmarm.trace import ACK, DIR, EOI

_EOIMODE = 0x200
_SGIS = 0xFFFF
"""Mask of the SGIs among the private interrupts."""
_MOST_TAKEN = 64
"""Shared interrupts taken in one stay, at most."""


@jit
def complete(state: Any, vcpu: Any, key: Any) -> Any:
    """The guest completes what it acknowledged; return how many operations that is."""
    value = U64(key)
    emit_value(state, EOI, vcpu, value, state.acked_by[vcpu, ack_key(key)])
    operations = 1
    if state.cpu[vcpu].set_control & _EOIMODE != 0:
        emit_value(state, DIR, vcpu, value, state.acked_by[vcpu, ack_key(key)])
        operations = 2
    if key == TIMER:
        state.cpu[vcpu].active = 0
        state.cpu[vcpu].physical = 0
    return operations


@jit
def take(state: Any, vcpu: Any, key: Any) -> None:
    """The guest acknowledges an interrupt; its timer's line falls, because the handler sets the timer again."""
    state.acked_by[vcpu, ack_key(key)] = emit(state, ACK, vcpu, 0, 0)
    if key == TIMER:
        cpu = state.cpu[vcpu]
        cpu.active = 1
        cpu.line = 0


@jit
def plan(state: Any, vcpu: Any, verdicts: Any) -> None:
    """Without LR probes: note what is deliverable to `vcpu` as it enters."""
    cpu = state.cpu[vcpu]
    cpu.taking = 0
    cpu.taking_spis = 0
    if state.distributor_on == 0:
        return
    timer = cpu.line != 0 and (cpu.enabled >> TIMER) & 1 != 0
    if timer and cpu.state >= 0 and verdicts[cpu.state] == WAITING:
        return
    cpu.taking_spis = cpu.waiting_msis
    cpu.waiting_msis = 0
    cpu.msi_epoch += 1
    cpu.taking = cpu.waiting & cpu.enabled & _SGIS
    if timer:
        cpu.taking |= 1 << TIMER
    if state.waiting_spis > 0:
        for intid in range(FIRST_SPI, min(state.irqs, FIRST_RESERVED)):
            spi = state.spi[intid]
            if spi.latched != 0 and spi.enabled != 0 and spi.target == vcpu:
                spi.latched = 0
                state.waiting_spis -= 1
                cpu.taking_spis += 1


@jit
def assume(state: Any, vcpu: Any) -> None:
    """Without LR probes: the guest takes and completes what was deliverable at its entry."""
    cpu = state.cpu[vcpu]
    for intid in range(PRIVATE_IRQS):
        if (cpu.taking >> intid) & 1 != 0:
            take(state, vcpu, intid)
            state.n_eois_assumed += complete(state, vcpu, intid)
            state.n_acks_assumed += 1
    cpu.waiting &= ~cpu.taking
    for _ in range(min(cpu.taking_spis, _MOST_TAKEN)):
        number = emit(state, ACK, vcpu, 0, 0)
        emit_value(state, EOI, vcpu, U64(0), number)
        state.n_eois_assumed += 1
        if cpu.set_control & _EOIMODE != 0:
            emit_value(state, DIR, vcpu, U64(0), number)
            state.n_eois_assumed += 1
        state.n_acks_assumed += 1
    cpu.taking = 0
    cpu.taking_spis = 0
