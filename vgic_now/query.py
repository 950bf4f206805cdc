# SPDX-License-Identifier: GPL-2.0-only
"""Whether a vCPU has something to take, asked when it blocks and when it may be kicked out of WFI.

Models: kvm_vgic_vcpu_pending_irq (arch/arm64/kvm/vgic/vgic.c), Linux 6.18.35.

Lock order: the ap_list lock throughout, each irq lock inside it.

Rules:
- Only the ap_list is asked, for an entry that is pending, enabled, not active and urgent enough. That is: more urgent
  than the guest's priority mask was at its last exit. Where the entry is routed now, and what the list registers hold,
  do not count.
- So an edge that flush has moved into a list register is not seen.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.jit import jit, noinline
from vgic_now.state import NO_SLOT, is_pending, lock_ap_list, lock_irq, unlock_ap_list, unlock_irq


@jit
def pending(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Return 1 when the distributor is enabled and the ap_list of `vcpu` has something the guest could take, else 0."""
    noinline()
    events.count(observer, events.CALL_PENDING, 1)
    if not vm.enabled:
        return 0
    mask = vm.image[vcpu].pmr
    found = 0
    lock_ap_list(vm, vcpu, observer)
    slot = np.int64(vm.vcpu[vcpu].head)
    while slot != NO_SLOT and not found:
        events.count(observer, events.LIST_STEP, 1)
        lock_irq(vm, slot, observer)
        irq = vm.irq[slot]
        if is_pending(irq) and irq.enabled and not irq.active and irq.priority < mask:
            found = 1
        unlock_irq(vm, slot, observer)
        slot = np.int64(irq.next)
    unlock_ap_list(vm, vcpu, observer)
    return found
