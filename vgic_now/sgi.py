# SPDX-License-Identifier: GPL-2.0-only
"""Software generated interrupts: one vCPU makes an SGI pending on others.

Models: vgic_mmio_write_sgir (arch/arm64/kvm/vgic/vgic-mmio-v2.c) and vgic_v3_dispatch_sgi (vgic-mmio-v3.c), Linux
6.18.35.

Lock order: the irq lock of each target's SGI in turn; vgic_now.queue releases it.

Rules:
- The targets are served in the order of their numbers; on GICv3 each is looked up by its affinity.
- A GICv2 SGI remembers who sent it, one bit per source; on GICv3 a second SGI before the first is delivered merges with
  it.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import (
    SGI1R_AFF1_SHIFT,
    SGI1R_AFF2_SHIFT,
    SGI1R_AFF3_SHIFT,
    SGI1R_INTID_SHIFT,
    SGI1R_IRM_SHIFT,
    SGI1R_TARGETS_MASK,
    SGIR_FILTER_MASK,
    SGIR_FILTER_SHIFT,
    SGIR_INTID_MASK,
    SGIR_TARGETS_MASK,
    SGIR_TARGETS_SHIFT,
    SGIR_TO_LISTED,
    SGIR_TO_OTHERS,
    SGIR_TO_SELF,
)
from kvmarm.jit import U64, U64_0, find_first_bit, jit, noinline
from vgic_now.queue import queue_and_unlock
from vgic_now.state import NOBODY, find_irq, lock_irq
from vgic_now.vcpus import find_vcpu, next_vcpu


@jit
def _make_pending(vm: Any, vcpu: Any, intid: Any, source: Any, observer: Any) -> None:
    """Make the SGI `intid` of `vcpu` pending; `source`: the bits to add to its senders."""
    slot = find_irq(vm, vcpu, intid, observer)
    lock_irq(vm, slot, observer)
    irq = vm.irq[slot]
    irq.latch = 1
    irq.source = np.int64(irq.source) | source
    queue_and_unlock(vm, slot, observer)


@jit
def write_sgir(vm: Any, vcpu: Any, value: Any, observer: Any) -> None:
    """A GICv2 guest's `vcpu` writes `value` (int64, 32 bits) to GICD_SGIR."""
    noinline()
    events.count(observer, events.SGI_DECODE, 1)
    intid = value & SGIR_INTID_MASK
    target_filter = (value >> SGIR_FILTER_SHIFT) & SGIR_FILTER_MASK
    everyone = (1 << vm.vcpus) - 1
    if target_filter == SGIR_TO_LISTED:
        targets = (value >> SGIR_TARGETS_SHIFT) & SGIR_TARGETS_MASK
    elif target_filter == SGIR_TO_OTHERS:
        targets = everyone & ~(1 << vcpu)
    elif target_filter == SGIR_TO_SELF:
        targets = 1 << vcpu
    else:
        return
    target = next_vcpu(vm, np.int64(0), observer)
    while target != NOBODY:
        if (targets >> target) & 1:
            _make_pending(vm, target, intid, 1 << vcpu, observer)
        target = next_vcpu(vm, target + 1, observer)


@jit
def send_sgi(vm: Any, vcpu: Any, value: Any, observer: Any) -> None:
    """A GICv3 guest's `vcpu` writes `value` (uint64) to ICC_SGI1R_EL1."""
    noinline()
    events.count(observer, events.CALL_SGI, 1)
    events.count(observer, events.SGI_DECODE, 1)
    intid = np.int64((value >> U64(SGI1R_INTID_SHIFT)) & U64(0xF))
    if (value >> U64(SGI1R_IRM_SHIFT)) & U64(1):
        target = next_vcpu(vm, np.int64(0), observer)
        while target != NOBODY:
            if target != vcpu:
                _make_pending(vm, target, intid, np.int64(0), observer)
            target = next_vcpu(vm, target + 1, observer)
        return
    wanted = value & U64(SGI1R_TARGETS_MASK)
    aff1 = np.int64((value >> U64(SGI1R_AFF1_SHIFT)) & U64(0xFF))
    aff2 = np.int64((value >> U64(SGI1R_AFF2_SHIFT)) & U64(0xFF))
    aff3 = np.int64((value >> U64(SGI1R_AFF3_SHIFT)) & U64(0xFF))
    cluster = aff3 << 24 | aff2 << 16 | aff1 << 8
    while wanted != U64_0:
        events.count(observer, events.BIT_TEST, 1)
        target = find_vcpu(vm, cluster | find_first_bit(wanted), observer)
        wanted &= wanted - U64(1)
        if target != NOBODY:
            _make_pending(vm, target, intid, np.int64(0), observer)
