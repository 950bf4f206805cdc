# SPDX-License-Identifier: GPL-2.0-only
"""The legacy design's two caches: which interrupts are deliverable to each vCPU, and which are active there.

Models: compute_pending_for_cpu, compute_active_for_cpu, vgic_update_state and vgic_kick_vcpus (virt/kvm/arm/vgic.c),
Linux 4.4.177.

Lock order: the caller holds the distributor lock, except in `kick_vcpus`, which runs after its release.

Rules:
- The caches are recomputed from the bitmaps, never adjusted: every change by MMIO costs a pass over all SPI words of
  all vCPUs.
- `pending_on_cpu` is only set here. It is cleared by a flush that found room for everything and by whoever finds that
  nothing is left (vgic_old.inject, vgic_old.sync).

Work: each cache takes separate passes over the SPI words, out-of-line library loops in the original: AND with the
enabled ones, AND with those routed to the vCPU, a search for the first bit among the private, one among the shared.
A vCPU is marked and unmarked by a locked bit operation.
"""

from typing import Any

from kvmarm import events
from kvmarm.gic import FIRST_SPI, PRIVATE_IRQS
from kvmarm.jit import U64, U64_0, find_first_bit, jit, noinline
from kvmarm.locks import assert_held
from kvmarm.state import kick
from vgic_old.bitmap import is_marked, mark_vcpu, unmark_vcpu
from vgic_old.state import (
    ACTIVE,
    ACTIVE_MAP,
    ENABLED,
    ON_CPU_ACTIVE,
    ON_CPU_PENDING,
    PENDING,
    PENDING_MAP,
    PRIVATE_MASK,
)


@jit
def _and_with_enabled(vm: Any, cpu: Any, bitmap: Any, target: Any, observer: Any) -> None:
    """Put the AND of an interrupt bitmap's SPI words with ENABLED's into a map of the vCPU record `cpu`."""
    noinline()
    for index in range(vm.words):
        cpu.cache_shared[target, index] = vm.shared[bitmap, index] & vm.shared[ENABLED, index]
    events.count(observer, events.WORD_AND, vm.words)


@jit
def _and_with_targets(vm: Any, cpu: Any, target: Any, observer: Any) -> None:
    """Leave in a map of the vCPU record `cpu` only the SPIs routed to it."""
    noinline()
    for index in range(vm.words):
        cpu.cache_shared[target, index] = cpu.cache_shared[target, index] & cpu.spi_target[index]
    events.count(observer, events.WORD_AND, vm.words)


@jit
def _has_private(cpu: Any, target: Any, observer: Any) -> Any:
    """Return whether a map of the vCPU record `cpu` has a private interrupt."""
    events.count(observer, events.FIND_BIT, 1)
    events.count(observer, events.WORD_SCAN, 1)
    return find_first_bit(cpu.cache_private[target] & U64(PRIVATE_MASK)) < PRIVATE_IRQS


@jit
def _has_shared(vm: Any, cpu: Any, target: Any, observer: Any) -> Any:
    """Return whether a map of the vCPU record `cpu` has an SPI: a search that stops at the first word with one."""
    noinline()
    events.count(observer, events.FIND_BIT, 1)
    for index in range(vm.words):
        events.count(observer, events.WORD_SCAN, 1)
        word = cpu.cache_shared[target, index]
        if word != U64_0:
            return 64 * index + find_first_bit(word) < vm.irqs - FIRST_SPI
    return False


@jit
def _recompute(vm: Any, cpu: Any, bitmap: Any, target: Any, observer: Any) -> Any:
    """Fill one map of the vCPU record `cpu` from one interrupt bitmap; return whether there is anything in it."""
    events.count(observer, events.RECOMPUTE, 1)
    cpu.cache_private[target] = cpu.private[bitmap] & cpu.private[ENABLED]
    _and_with_enabled(vm, cpu, bitmap, target, observer)
    _and_with_targets(vm, cpu, target, observer)
    private = _has_private(cpu, target, observer)
    shared = _has_shared(vm, cpu, target, observer)
    return private or shared


@jit
def compute_pending(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Recompute what is deliverable to `vcpu` (int64); return whether there is anything.

    The distributor lock is held.
    """
    noinline()
    assert_held(vm)
    cpu = vm.vcpu[vcpu]
    if vm.enabled == 0:
        # Two memory clears: about what setting up the passes costs.
        events.count(observer, events.RECOMPUTE, 1)
        cpu.cache_private[PENDING_MAP] = U64_0
        for index in range(vm.words):
            cpu.cache_shared[PENDING_MAP, index] = U64_0
        return False
    return _recompute(vm, cpu, PENDING, PENDING_MAP, observer)


@jit
def compute_active(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Recompute what is active at `vcpu`, whatever the distributor's enable; return whether there is anything."""
    noinline()
    return _recompute(vm, vm.vcpu[vcpu], ACTIVE, ACTIVE_MAP, observer)


@jit
def update_vcpu(vm: Any, vcpu: Any, observer: Any) -> None:
    """Recompute both caches of `vcpu`, one after the other, and mark it.

    The distributor lock is held.
    """
    assert_held(vm)
    events.count(observer, events.UPDATE_VCPU, 1)
    if compute_pending(vm, vcpu, observer):
        mark_vcpu(vm, ON_CPU_PENDING, vcpu, observer)
    # Part of the step, so not counted as a mark.
    if compute_active(vm, vcpu, observer):
        mark_vcpu(vm, ON_CPU_ACTIVE, vcpu, None)
    else:
        unmark_vcpu(vm, ON_CPU_ACTIVE, vcpu, None)


@jit
def update_state(vm: Any, observer: Any) -> None:
    """Recompute both caches of every vCPU. Sets pending_on_cpu, never clears it; sets or clears active_on_cpu.

    The distributor lock is held.
    """
    noinline()
    assert_held(vm)
    events.count(observer, events.UPDATE, 1)
    for vcpu in range(vm.vcpus):
        update_vcpu(vm, vcpu, observer)


@jit
def kick_vcpus(vm: Any, observer: Any) -> None:
    """Kick every vCPU that has something to take, the caller's own included."""
    for vcpu in range(vm.vcpus):
        events.count(observer, events.VCPU_STEP, 1)
        if is_marked(vm, ON_CPU_PENDING, vcpu):
            kick(vm, vcpu, observer)


@jit
def clear_pending_on_cpu_if_none(vm: Any, vcpu: Any, observer: Any) -> None:
    """Recompute what is deliverable to `vcpu` and clear its pending_on_cpu when that is nothing.

    The distributor lock is held.
    """
    assert_held(vm)
    if not compute_pending(vm, vcpu, observer):
        unmark_vcpu(vm, ON_CPU_PENDING, vcpu, observer)
