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
"""

from typing import Any

from kvmarm import events
from kvmarm.jit import U64_0, jit, jit_inlined
from kvmarm.locks import assert_held
from kvmarm.state import kick
from vgic_old.state import ACTIVE, ENABLED, PENDING


@jit
def _count_pass(vm: Any, cache: Any, observer: Any) -> None:
    """Count what the original does for one cache.

    An AND of the private words, two passes of AND over the SPI words, and in each part a search for the first bit,
    which stops at a word that has one.
    """
    if events.counting(observer):
        events.count(observer, events.RECOMPUTE, 1)
        words = vm.words
        scanned = 0
        while scanned < words:
            scanned += 1
            if cache[scanned - 1] != U64_0:
                break
        events.count(observer, events.WORD_AND, 2 * words)
        events.count(observer, events.FIND_BIT, 2)
        events.count(observer, events.WORD_SCAN, 1 + scanned)


@jit
def compute_pending(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Recompute what is deliverable to `vcpu` (int64); return whether there is anything.

    The distributor lock is held.
    """
    assert_held(vm)
    cpu = vm.vcpu[vcpu]
    gate = ~U64_0 if vm.enabled != 0 else U64_0
    found = cpu.private[PENDING] & cpu.private[ENABLED] & gate
    cpu.pending_private = found
    for index in range(vm.words):
        word = vm.shared[PENDING, index] & vm.shared[ENABLED, index] & cpu.spi_target[index] & gate
        cpu.pending_shared[index] = word
        found |= word
    if vm.enabled != 0:
        _count_pass(vm, cpu.pending_shared, observer)
    else:
        # Two memory clears: about what setting up the passes costs.
        events.count(observer, events.RECOMPUTE, 1)
    return found != U64_0


@jit
def update_vcpu(vm: Any, vcpu: Any, observer: Any) -> None:
    """Recompute both caches of `vcpu`: compute_pending, and the same for active without the distributor's enable.

    The original makes a pass for each cache; here both are filled in one, which gives the same.
    The distributor lock is held.
    """
    assert_held(vm)
    events.count(observer, events.UPDATE_VCPU, 1)
    cpu = vm.vcpu[vcpu]
    gate = ~U64_0 if vm.enabled != 0 else U64_0
    enabled = cpu.private[ENABLED]
    pending = cpu.private[PENDING] & enabled & gate
    active = cpu.private[ACTIVE] & enabled
    cpu.pending_private = pending
    cpu.active_private = active
    for index in range(vm.words):
        mine = vm.shared[ENABLED, index] & cpu.spi_target[index]
        pending_word = mine & vm.shared[PENDING, index] & gate
        active_word = mine & vm.shared[ACTIVE, index]
        cpu.pending_shared[index] = pending_word
        cpu.active_shared[index] = active_word
        pending |= pending_word
        active |= active_word
    if pending != U64_0:
        events.count(observer, events.MARK_VCPU, 1)
        vm.pending_on_cpu[vcpu] = 1
    vm.active_on_cpu[vcpu] = 1 if active != U64_0 else 0
    if vm.enabled != 0:
        _count_pass(vm, cpu.pending_shared, observer)
    else:
        # Two memory clears: about what setting up the passes costs.
        events.count(observer, events.RECOMPUTE, 1)
    _count_pass(vm, cpu.active_shared, observer)


@jit
def update_state(vm: Any, observer: Any) -> None:
    """Recompute both caches of every vCPU. Sets pending_on_cpu, never clears it; sets or clears active_on_cpu.

    The distributor lock is held.
    """
    assert_held(vm)
    events.count(observer, events.UPDATE, 1)
    for vcpu in range(vm.vcpus):
        update_vcpu(vm, vcpu, observer)


@jit_inlined
def kick_vcpus(vm: Any, observer: Any) -> None:
    """Kick every vCPU that has something to take, the caller's own included."""
    for vcpu in range(vm.vcpus):
        events.count(observer, events.VCPU_STEP, 1)
        if vm.pending_on_cpu[vcpu] != 0:
            kick(vm, vcpu, observer)


@jit
def clear_pending_on_cpu_if_none(vm: Any, vcpu: Any, observer: Any) -> None:
    """Recompute what is deliverable to `vcpu` and clear its pending_on_cpu when that is nothing.

    The distributor lock is held.
    """
    assert_held(vm)
    if not compute_pending(vm, vcpu, observer):
        events.count(observer, events.MARK_VCPU, 1)
        vm.pending_on_cpu[vcpu] = 0
