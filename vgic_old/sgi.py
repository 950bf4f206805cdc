# SPDX-License-Identifier: GPL-2.0-only
"""Software generated interrupts: one vCPU makes an SGI pending on others.

Models: vgic_dispatch_sgi (virt/kvm/arm/vgic-v2-emul.c; GICv2's GICD_SGIR) and vgic_v3_dispatch_sgi (vgic-v3-emul.c;
ICC_SGI1R_EL1), Linux 4.4.177.

Lock order: the distributor lock, taken by `send_sgi`; `dispatch_sgir` runs under it. The kick comes after its release.

Rules:
- GICv2 remembers the senders of each SGI, one bit per vCPU; GICv3 does not.
- The affinity fields above Aff1 of ICC_SGI1R_EL1 are ignored: a value that names another cluster's Aff2 or Aff3 still
  hits.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import (
    SGI1R_AFF1_SHIFT,
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
from kvmarm.jit import U64, jit, noinline
from kvmarm.locks import DIST, acquire, assert_held, release
from kvmarm.mpidr import vcpu_affinity
from vgic_old.bitmap import set_bit
from vgic_old.state import PENDING
from vgic_old.update import kick_vcpus, update_state


@jit
def _add_source(cpu: Any, sgi: Any, source: Any) -> None:
    """Note that vCPU `source` has sent an SGI to the vCPU record `cpu`: called through a pointer, like all of GICv2."""
    noinline()
    cpu.sgi_sources[sgi] = np.int64(cpu.sgi_sources[sgi]) | (1 << source)


@jit
def dispatch_sgir(vm: Any, vcpu: Any, value: Any, observer: Any) -> None:
    """Do what a write of `value` (uint64) to GICD_SGIR asks for. The caller updates and kicks.

    The distributor lock is held.
    """
    assert_held(vm)
    bits = np.int64(value)
    sgi = bits & SGIR_INTID_MASK
    targets = bits >> SGIR_TARGETS_SHIFT & SGIR_TARGETS_MASK
    mode = bits >> SGIR_FILTER_SHIFT & SGIR_FILTER_MASK
    if mode == SGIR_TO_LISTED and targets == 0:
        return
    if mode == SGIR_TO_OTHERS:
        targets = (1 << vm.vcpus) - 1 & ~(1 << vcpu) & SGIR_TARGETS_MASK
    elif mode == SGIR_TO_SELF:
        targets = 1 << vcpu
    for target in range(vm.vcpus):
        events.count(observer, events.VCPU_STEP, 1)
        if targets >> target & 1:
            set_bit(vm, PENDING, target, sgi, observer)
            events.count(observer, events.SGI_TARGET, 1)
            _add_source(vm.vcpu[target], sgi, vcpu)


@jit
def _mark_targets(vm: Any, vcpu: Any, value: Any, observer: Any) -> Any:
    """Set the SGI pending at every vCPU that ICC_SGI1R_EL1 names; return whether there was one.

    The distributor lock is held.
    """
    assert_held(vm)
    bits = np.int64(value & U64((1 << 48) - 1))
    sgi = bits >> SGI1R_INTID_SHIFT & 0xF
    targets = bits & SGI1R_TARGETS_MASK
    aff1 = bits >> SGI1R_AFF1_SHIFT & 0xFF
    broadcast = bits >> SGI1R_IRM_SHIFT & 1
    found = False
    for target in range(vm.vcpus):
        if broadcast:
            if target == vcpu:
                continue
        else:
            if targets == 0:
                break
            events.count(observer, events.AFFINITY_MATCH, 1)
            affinity = vcpu_affinity(target)
            bit = 1 << (affinity & 0xF)
            if affinity >> 8 != aff1 or targets & bit == 0:
                continue
            targets &= ~bit
        set_bit(vm, PENDING, target, sgi, observer)
        events.count(observer, events.SGI_TARGET, 1)
        found = True
    return found


@jit
def send_sgi(vm: Any, vcpu: Any, value: Any, observer: Any) -> None:
    """Do what the guest's write of `value` (uint64) to ICC_SGI1R_EL1 asks for."""
    noinline()
    events.count(observer, events.CALL_SGI, 1)
    acquire(vm, DIST, 0, observer)
    found = _mark_targets(vm, vcpu, value, observer)
    if found:
        update_state(vm, observer)
    release(vm, DIST, 0, observer)
    if found:
        kick_vcpus(vm, observer)
