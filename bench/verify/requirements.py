# SPDX-License-Identifier: GPL-2.0-only
"""What each class of contradiction is, in a sentence, and what the architecture requires and where that is written."""

from bench.verify import classes as c

SENTENCES = {
    c.HOST_KILLED: "The design hits a BUG_ON: the host kernel dies.",
    c.HOST_HANGS: "A lock is still held after an operation, or an operation does not return: the host hangs.",
    c.LOST: "An interrupt that must be delivered never is, and ISPENDR no longer shows it.",
    c.STRANDED: "An interrupt that must be delivered never is, although ISPENDR shows it pending.",
    c.ACTIVE_FOR_EVER: "An interrupt stays active after every EOI, and blocks its own next instance.",
    c.NOT_WOKEN: "A vCPU sleeps in WFI, an interrupt must be delivered to it, and nobody wakes it.",
    c.NOT_KICKED: "A vCPU in the guest must be delivered an interrupt and is not kicked: it waits for another exit.",
    c.WITHOUT_CAUSE: "The guest acknowledges an interrupt that nothing allows it to be given.",
    c.WRONG_SOURCE: "The guest acknowledges an SGI with a source that did not send it.",
    c.UNKNOWN_INTID: "The guest acknowledges an INTID that the VM does not have.",
    c.PRIORITY_ORDER: "The guest acknowledges an interrupt although a more urgent one was due since its entry.",
    c.OVER_MORE_URGENT: "The guest acknowledges an interrupt no more urgent than one that it is still handling.",
    c.NO_PREEMPTION: "A more urgent interrupt does not preempt the one that the vCPU handles, over any exit and entry.",
    c.REGISTER: "A register reads otherwise than the interrupt's state requires.",
    c.IS_ACTIVE: "The host's question whether a forwarded interrupt is active is answered wrongly.",
    c.PHYSICAL: "The physical interrupt behind a forwarded one is active although it must not be, or the reverse.",
    c.LIVELOCK: "Left alone, the VM never comes to rest.",
    c.NEVER_SLEEPS: "At rest with nothing to deliver, the vCPU is still said to have something: it never sleeps.",
    c.WAKES_FOR_NOTHING: "A vCPU is woken, kicked or kept awake although nothing may be delivered to it.",
}
"""By class: what was seen."""

_DELIVERY = "IHI 0048B 3.2.1 and 3.2.4; IHI 0069 4.1.2: a pending and enabled interrupt is signalled"
REQUIREMENTS = {
    c.HOST_KILLED: "No access of a guest may end the host (KVM's contract with its host).",
    c.HOST_HANGS: "No operation may leave a lock held or spin for ever (KVM's contract with its host).",
    c.LOST: f"{_DELIVERY} to its target, sooner or later.",
    c.STRANDED: f"{_DELIVERY} to its target, sooner or later.",
    c.ACTIVE_FOR_EVER: "IHI 0048B 3.2.3 and 4.4.5, IHI 0069 4.1.2: writing EOIR (with EOImode 1: DIR) deactivates.",
    c.NOT_WOKEN: "WFI ends when an interrupt is pending for the PE (DDI 0487 D1, WFI); kvm_vcpu_kick must follow.",
    c.NOT_KICKED: f"{_DELIVERY}; in a running vCPU only a kick makes it visible (kvm_vcpu_kick).",
    c.WITHOUT_CAUSE: "IHI 0048B 3.2.4 and 4.4.4, IHI 0069 4.1.2: IAR returns an interrupt that is pending, enabled, "
    "routed to the PE, not active, with the distributor on.",
    c.WRONG_SOURCE: "IHI 0048B 4.4.4: for an SGI, GICC_IAR bits 12:10 are the CPU that requested it.",
    c.UNKNOWN_INTID: "IHI 0048B 3.2.5, IHI 0069 2.2: IAR returns an implemented INTID or a special one.",
    c.PRIORITY_ORDER: "IHI 0048B 3.3, IHI 0069 4.8: IAR returns the pending interrupt of the highest priority.",
    c.OVER_MORE_URGENT: "IHI 0048B 3.3.2, IHI 0069 4.8.5: only a higher group priority preempts.",
    c.NO_PREEMPTION: "IHI 0048B 3.3.2, IHI 0069 4.8.5: a higher group priority than the running one preempts.",
    c.REGISTER: "IHI 0048B 4.3.5, 4.3.7 and 4.3.9, IHI 0069 12.9: reads return the enable, pending and active state.",
    c.IS_ACTIVE: "kvm_vgic_map_is_active: what the virtual interrupt's active state is (include/kvm/arm_vgic.h).",
    c.PHYSICAL: "IHI 0048B 5.2.1, IHI 0069 12.4 (ICH_LR<n>.HW): deactivating the virtual one deactivates the physical.",
    c.LIVELOCK: "IHI 0048B 3.2.4: an acknowledged edge is not pending again without a new one.",
    c.NEVER_SLEEPS: "Advice: waking for nothing is allowed, it costs time.",
    c.WAKES_FOR_NOTHING: "Advice: waking for nothing is allowed, it costs time.",
}
"""By class: what is required, and where that is written."""


def sentence(code: int) -> str:
    """Return what a signature's class means."""
    return SENTENCES[code & 0xFF]


def requirement(code: int) -> str:
    """Return what the architecture requires where a signature's class contradicts it."""
    return REQUIREMENTS[code & 0xFF]
