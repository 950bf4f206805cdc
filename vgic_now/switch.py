# SPDX-License-Identifier: GPL-2.0-only
"""The VGIC part of the world switch of today: only the list registers that flush filled move.

Models: vgic_v2_restore_state and vgic_v2_save_state (arch/arm64/kvm/vgic/vgic-v2.c), __vgic_v3_restore_state and
__vgic_v3_save_state (arch/arm64/kvm/hyp/vgic-v3-sr.c), Linux 6.18.35.

Lock order: none taken and none needed; an image belongs to the thread that runs the vCPU.

Rules:
- VMCR and the active priorities move when a vCPU is scheduled in and out, not here: they stay in the interface. The
  image's VMCR is what it was at the last exit.
- Requests of a vCPU are met before it enters the guest.
- With no list register in use neither the list registers nor HCR are touched, but that an EOI count is dropped.
- MISR, EISR and ELRSR are what the interface held when the guest left; of those today's code reads ELRSR alone.
"""

from typing import Any

from kvmarm import cpuif as hardware
from kvmarm.gic import HCR_EN, HCR_EOICOUNT_SHIFT, LR_STATE_MASK, V2_LR_STATE_SHIFT, V3_LR_STATE_SHIFT
from kvmarm.jit import U64, U64_0, jit

_EOICOUNT = 0x1F << HCR_EOICOUNT_SHIFT


@jit
def restore(vm: Any, vcpu: Any, cpuif: Any, observer: Any) -> None:
    """Load the image of `vcpu` into its interface `cpuif` (a record of kvmarm.cpuif.CPUIF)."""
    vm.vcpu[vcpu].requests[0] = U64_0
    used = vm.vcpu[vcpu].used_lrs
    if used == 0:
        return
    image = vm.image[vcpu]
    cpuif.hcr = image.hcr
    for index in range(used):
        cpuif.lr[index] = image.lr[index]


@jit
def save(vm: Any, vcpu: Any, cpuif: Any, observer: Any) -> None:
    """Save the interface `cpuif` into the image of `vcpu` and switch the interface off."""
    image = vm.image[vcpu]
    image.pmr = cpuif.pmr
    image.ctlr = cpuif.ctlr
    image.bpr = cpuif.bpr
    image.eisr = hardware.eisr(cpuif, vm.gic)
    image.misr = hardware.misr(cpuif, vm.gic, image.eisr)
    image.elrsr = hardware.elrsr(cpuif, vm.gic)
    used = vm.vcpu[vcpu].used_lrs
    for index in range(used, vm.lrs):
        image.lr[index] = U64_0
    if used == 0:
        cpuif.hcr &= ~U64(_EOICOUNT)
        return
    state_bits = U64(LR_STATE_MASK) << (U64(V2_LR_STATE_SHIFT) if vm.gic == 2 else U64(V3_LR_STATE_SHIFT))
    for index in range(used):
        if (image.elrsr >> U64(index)) & U64(1):
            image.lr[index] &= ~state_bits
        else:
            image.lr[index] = cpuif.lr[index]
        cpuif.lr[index] = U64_0
    cpuif.hcr = U64_0 if vm.gic == 2 else image.hcr & ~U64(HCR_EN)
