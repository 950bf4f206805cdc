# SPDX-License-Identifier: GPL-2.0-only
"""Whether a vCPU has something to take, asked when it blocks and when it may be kicked out of WFI.

Models: kvm_vgic_vcpu_pending_irq (virt/kvm/arm/vgic.c), Linux 4.4.177.

Lock order: none taken; the answer is one bit of the VM.

Rules:
- The bit may be stale: a change by MMIO sets it but does not clear it.
"""

from typing import Any

from kvmarm import events
from kvmarm.jit import jit


@jit
def pending(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Return 1 when `vcpu` is marked as having something to take, else 0."""
    events.count(observer, events.CALL_PENDING, 1)
    return 1 if vm.pending_on_cpu[vcpu] != 0 else 0
