# SPDX-License-Identifier: GPL-2.0-only
"""Single bits and 32-bit register words of the interrupt bitmaps.

Models: vgic_bitmap_get_irq_val, vgic_bitmap_set_irq_val, vgic_bitmap_get_reg and their one-line users
(virt/kvm/arm/vgic.c), Linux 4.4.177.

Lock order: the caller holds the distributor lock. One query reads a bit without it: vgic_old.forward.is_active.

Rules:
- INTIDs below 32 are in the vCPU's private word, the others in the shared words.
- `bitmap` is an index of vgic_old.state (ENABLED, LEVEL, ...).

Work: setting or clearing a bit is one locked operation (the kernel's set_bit and clear_bit), testing one is a load.
Both are calls: the original's functions have too many callers to be inlined.
"""

from typing import Any

from kvmarm import events
from kvmarm.gic import FIRST_SPI, PRIVATE_IRQS
from kvmarm.jit import U64, U64_0, U64_1, atomic_and, atomic_or, jit, noinline
from kvmarm.locks import assert_held
from vgic_old.state import CONFIG, PENDING_MAP, PRIVATE_MASK


@jit
def test_bit(vm: Any, bitmap: Any, vcpu: Any, intid: Any, observer: Any) -> Any:
    """Return whether the bit of `intid` (int64, as `vcpu` sees it) is set in `bitmap`."""
    noinline()
    events.count(observer, events.BIT_TEST, 1)
    if intid < PRIVATE_IRQS:
        word = vm.vcpu[vcpu].private[bitmap]
        return (word >> U64(intid)) & U64(1) != U64(0)
    word = vm.shared[bitmap, (intid - FIRST_SPI) >> 6]
    return (word >> U64(intid - FIRST_SPI & 63)) & U64(1) != U64(0)


@jit
def set_bit(vm: Any, bitmap: Any, vcpu: Any, intid: Any, observer: Any) -> None:
    """Set the bit of `intid` in `bitmap`. The distributor lock is held."""
    noinline()
    assert_held(vm)
    events.count(observer, events.BIT_WRITE, 1)
    if intid < PRIVATE_IRQS:
        atomic_or(vm.vcpu[vcpu].private, bitmap, U64_1 << U64(intid))
    else:
        atomic_or(vm.shared, (bitmap, (intid - FIRST_SPI) >> 6), U64_1 << U64(intid - FIRST_SPI & 63))


@jit
def clear_bit(vm: Any, bitmap: Any, vcpu: Any, intid: Any, observer: Any) -> None:
    """Clear the bit of `intid` in `bitmap`. The distributor lock is held."""
    noinline()
    assert_held(vm)
    events.count(observer, events.BIT_WRITE, 1)
    if intid < PRIVATE_IRQS:
        atomic_and(vm.vcpu[vcpu].private, bitmap, ~(U64_1 << U64(intid)))
    else:
        atomic_and(vm.shared, (bitmap, (intid - FIRST_SPI) >> 6), ~(U64_1 << U64(intid - FIRST_SPI & 63)))


@jit
def mark_deliverable(vm: Any, vcpu: Any, intid: Any, observer: Any) -> None:
    """Set the bit of `intid` in the vCPU's own pending map (vgic_cpu_irq_set): the cache, not the distributor.

    The distributor lock is held.
    """
    noinline()
    assert_held(vm)
    events.count(observer, events.BIT_WRITE, 1)
    cpu = vm.vcpu[vcpu]
    if intid < PRIVATE_IRQS:
        atomic_or(cpu.cache_private, PENDING_MAP, U64_1 << U64(intid))
    else:
        atomic_or(cpu.cache_shared, (PENDING_MAP, (intid - FIRST_SPI) >> 6), U64_1 << U64(intid - FIRST_SPI & 63))


@jit
def unmark_deliverable(vm: Any, vcpu: Any, intid: Any, observer: Any) -> None:
    """Clear the bit of `intid` in the vCPU's own pending map (vgic_cpu_irq_clear). The distributor lock is held."""
    assert_held(vm)
    events.count(observer, events.BIT_WRITE, 1)
    cpu = vm.vcpu[vcpu]
    if intid < PRIVATE_IRQS:
        atomic_and(cpu.cache_private, PENDING_MAP, ~(U64_1 << U64(intid)))
    else:
        atomic_and(cpu.cache_shared, (PENDING_MAP, (intid - FIRST_SPI) >> 6), ~(U64_1 << U64(intid - FIRST_SPI & 63)))


@jit
def read_word(vm: Any, bitmap: Any, vcpu: Any, offset: Any, observer: Any) -> Any:
    """Return the 32 bits (uint64) of `bitmap` that the register at byte `offset` of its file shows to `vcpu`.

    The distributor lock is held.
    """
    noinline()
    assert_held(vm)
    events.count(observer, events.WORD_READ, 1)
    if offset < 4:
        return vm.vcpu[vcpu].private[bitmap]
    position = (offset >> 2) - 1
    return (vm.shared[bitmap, position >> 1] >> U64((position & 1) * 32)) & U64(PRIVATE_MASK)


@jit
def write_word(vm: Any, bitmap: Any, vcpu: Any, offset: Any, word: Any, observer: Any) -> None:
    """Store 32 bits (uint64) of `bitmap` at the place that `read_word` reads. The distributor lock is held."""
    assert_held(vm)
    events.count(observer, events.WORD_WRITE, 1)
    if offset < 4:
        vm.vcpu[vcpu].private[bitmap] = word
    else:
        position = (offset >> 2) - 1
        shift = U64((position & 1) * 32)
        index = position >> 1
        vm.shared[bitmap, index] = (vm.shared[bitmap, index] & ~(U64(PRIVATE_MASK) << shift)) | (word << shift)


@jit
def is_edge(vm: Any, vcpu: Any, intid: Any, observer: Any) -> Any:
    """Return whether `intid` is configured edge-triggered."""
    return test_bit(vm, CONFIG, vcpu, intid, observer)


@jit
def mark_vcpu(vm: Any, marks: Any, vcpu: Any, observer: Any) -> None:
    """Set the bit of `vcpu` among `marks`: ON_CPU_PENDING (irq_pending_on_cpu) or ON_CPU_ACTIVE (irq_active_on_cpu)."""
    events.count(observer, events.MARK_VCPU, 1)
    atomic_or(vm.on_cpu, (marks, vcpu >> 6), U64_1 << U64(vcpu & 63))


@jit
def unmark_vcpu(vm: Any, marks: Any, vcpu: Any, observer: Any) -> None:
    """Clear the bit of `vcpu` among `marks`."""
    events.count(observer, events.MARK_VCPU, 1)
    atomic_and(vm.on_cpu, (marks, vcpu >> 6), ~(U64_1 << U64(vcpu & 63)))


@jit
def is_marked(vm: Any, marks: Any, vcpu: Any) -> Any:
    """Return whether the bit of `vcpu` is set among `marks`: a load, without the lock."""
    return (vm.on_cpu[marks, vcpu >> 6] >> U64(vcpu & 63)) & U64_1 != U64_0
