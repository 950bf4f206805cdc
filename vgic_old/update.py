# SPDX-License-Identifier: GPL-2.0-only
"""The legacy design's two caches: which interrupts are deliverable to each vCPU, and which are active there.

Models compute_pending_for_cpu, compute_active_for_cpu, vgic_update_state and vgic_kick_vcpus (virt/kvm/arm/vgic.c,
Linux 4.4).

Rules:
- The caches are recomputed from the bitmaps, never adjusted: every change by MMIO costs a pass over all SPI words of
  all vCPUs.
- `pending_on_cpu` is only set here. It is cleared by a flush that found room for everything and by whoever finds that
  nothing is left (vgic_old.inject, vgic_old.sync).
- Both need the distributor lock; `kick_vcpus` runs after it is released.
"""

from typing import Any

from kvmarm import events
from kvmarm.jit import U64, U64_0, jit
from kvmarm.state import kick
from vgic_old.state import ACTIVE, ENABLED, PENDING


@jit
def _combine(vm: Any, cpu: Any, bitmap: Any, cache: Any, observer: Any) -> Any:
    """Store bitmap & enabled & target of all SPI words in `cache`; return the index of the first non-zero word."""
    words = vm.words
    first = words
    for index in range(words):
        word = vm.shared[bitmap, index] & vm.shared[ENABLED, index] & cpu.spi_target[index]
        cache[index] = word
        if word != U64_0 and first == words:
            first = index
    if observer is not None:
        # The original makes two passes of AND and one scan that stops at the first word with a bit.
        events.count(observer, events.WORD_AND, 2 * words + 1)
        events.count(observer, events.WORD_SCAN, 1 + min(first + 1, words))
    return first


@jit
def compute_pending(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Recompute what is deliverable to `vcpu` (int64); return whether there is anything."""
    cpu = vm.vcpu[vcpu]
    if vm.enabled == 0:
        cpu.pending_private = U64_0
        for index in range(vm.words):
            cpu.pending_shared[index] = U64_0
        return False
    private = cpu.private[PENDING] & cpu.private[ENABLED]
    cpu.pending_private = private
    first = _combine(vm, cpu, PENDING, cpu.pending_shared, observer)
    return private != U64_0 or first < vm.words


@jit
def compute_active(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Recompute what is enabled and active for `vcpu`, whatever the distributor's enable; return whether anything is."""
    cpu = vm.vcpu[vcpu]
    private = cpu.private[ACTIVE] & cpu.private[ENABLED]
    cpu.active_private = private
    first = _combine(vm, cpu, ACTIVE, cpu.active_shared, observer)
    return private != U64_0 or first < vm.words


@jit
def update_state(vm: Any, observer: Any) -> None:
    """Recompute both caches of every vCPU."""
    for vcpu in range(vm.vcpus):
        events.count(observer, events.UPDATE_VCPU, 1)
        if compute_pending(vm, vcpu, observer):
            vm.pending_on_cpu[vcpu] = 1
        vm.active_on_cpu[vcpu] = 1 if compute_active(vm, vcpu, observer) else 0


@jit
def kick_vcpus(vm: Any, observer: Any) -> None:
    """Kick every vCPU that has something to take, the caller's own included."""
    for vcpu in range(vm.vcpus):
        events.count(observer, events.VCPU_STEP, 1)
        if vm.pending_on_cpu[vcpu] != 0:
            kick(vm, vcpu, observer)


@jit
def clear_pending_on_cpu_if_none(vm: Any, vcpu: Any, observer: Any) -> None:
    """Recompute what is deliverable to `vcpu` and clear its pending_on_cpu when that is nothing."""
    if not compute_pending(vm, vcpu, observer):
        vm.pending_on_cpu[vcpu] = 0


@jit
def bit_of(index: Any) -> Any:
    """Return a uint64 with bit `index` (0..63) set."""
    return U64(1) << U64(index)
