# SPDX-License-Identifier: GPL-2.0-only
"""Which vCPU an interrupt goes to, and putting it on that vCPU's ap_list.

Models: vgic_target_oracle and vgic_queue_irq_unlock (arch/arm64/kvm/vgic/vgic.c), Linux 6.18.35.

Lock order: the irq lock is inner to the ap_list lock, and only the irq lock says which ap_list is the right one. So
queueing releases the irq lock, takes both in order and asks the oracle again.

Rules:
- A vCPU is kicked when something was put on its list. It is also kicked when what was offered is on a list already and
  still has somewhere to go.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.jit import U64_1, atomic_or, jit, noinline
from kvmarm.locks import assert_held
from kvmarm.state import kick
from vgic_now.aplist import append
from vgic_now.lpi import take_reference
from vgic_now.state import NOBODY, is_pending, lock_ap_list, lock_irq, unlock_ap_list, unlock_irq

REQUEST_IRQ_PENDING = U64_1 << U64_1
"""KVM_REQ_IRQ_PENDING, in a vCPU's request word."""


@jit
def target_oracle(vm: Any, irq: Any, observer: Any) -> Any:
    """Return the vCPU (int64) whose ap_list the interrupt record `irq` belongs on now, NOBODY for none.

    The irq lock is held. An active interrupt stays where it is, whatever else has changed.
    """
    noinline()
    assert_held(irq)
    events.count(observer, events.ORACLE, 1)
    target = np.int64(irq.target_vcpu)
    if irq.active:
        vcpu = np.int64(irq.vcpu)
        return vcpu if vcpu != NOBODY else target
    if irq.enabled and is_pending(irq):
        events.count(observer, events.ORACLE_DUE, 1)
        if target != NOBODY and not vm.enabled:
            return NOBODY
        return target
    return NOBODY


@jit
def request_and_kick(vm: Any, vcpu: Any, observer: Any) -> None:
    """Ask `vcpu` to look at its interrupts before it enters the guest again, and kick it out of the guest.

    kvm_make_request is a locked bit operation.
    """
    atomic_or(vm.vcpu[vcpu].requests, 0, REQUEST_IRQ_PENDING)
    kick(vm, vcpu, observer)


@jit
def queue_and_unlock(vm: Any, slot: Any, observer: Any) -> Any:
    """Put the interrupt in `slot` on the list it belongs on, if it is on none; return whether it was put there.

    Enters with its irq lock held and returns without any. The vCPU that got it is kicked; so is, when the interrupt is
    on a list already, the vCPU it should go to.
    The irq lock is held.
    """
    noinline()
    events.count(observer, events.QUEUE, 1)
    irq = vm.irq[slot]
    assert_held(irq)
    while True:
        target = target_oracle(vm, irq, observer)
        if irq.vcpu != NOBODY or target == NOBODY:
            unlock_irq(vm, slot, observer)
            if target != NOBODY:
                request_and_kick(vm, target, observer)
            return False
        unlock_irq(vm, slot, observer)
        lock_ap_list(vm, target, observer)
        lock_irq(vm, slot, observer)
        if irq.vcpu == NOBODY and target_oracle(vm, irq, observer) == target:
            break
        unlock_irq(vm, slot, observer)
        unlock_ap_list(vm, target, observer)
        lock_irq(vm, slot, observer)
    take_reference(vm, slot, observer)
    append(vm, target, slot, observer)
    unlock_irq(vm, slot, observer)
    unlock_ap_list(vm, target, observer)
    request_and_kick(vm, target, observer)
    return True
