# SPDX-License-Identifier: GPL-2.0-only
"""Whether a vCPU has something to take, asked when it blocks and when it may be kicked out of WFI.

Models: kvm_vgic_vcpu_pending_irq (virt/kvm/arm/vgic.c), Linux 4.4.177.

Lock order: none taken; the answer is one bit of the VM.

Rules:
- The bit may be stale: a change by MMIO sets it but does not clear it.
"""

from typing import Any

from kvmarm import events
from kvmarm.jit import jit, noinline
from vgic_old.bitmap import is_marked
from vgic_old.state import ON_CPU_PENDING


@jit
def pending(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Return 1 when `vcpu` is marked as having something to take, else 0."""
    noinline()
    events.count(observer, events.CALL_PENDING, 1)
    return 1 if is_marked(vm, ON_CPU_PENDING, vcpu) else 0
