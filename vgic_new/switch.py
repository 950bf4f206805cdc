# SPDX-License-Identifier: GPL-2.0-only
"""The VGIC part of the world switch that goes with the redesign: only live list registers move.

Models: __vgic_v2_restore_state and __vgic_v2_save_state (virt/kvm/arm/hyp/vgic-v2-sr.c) and their GICv3 counterparts
(arch/arm64/kvm/hyp/vgic-v3-sr.c), Linux 4.8.17.

Lock order: none taken and none needed; an image belongs to the thread that runs the vCPU.

Rules:
- VMCR always moves. With no live list register the interface stays off (HCR 0), and neither HCR nor the active
  priorities are touched.
- HCR is never read back, so that an EOI count is lost.
- MISR is what the interface held when the guest left, although the GICv3 code writes HCR 0 before it reads MISR.
"""

from typing import Any

from kvmarm import cpuif as hardware
from kvmarm.gic import HCR_UIE, LR_INACTIVE, LR_STATE_MASK, MISR_EOI, V2_LR_STATE_SHIFT, V3_LR_STATE_SHIFT
from kvmarm.jit import U64, U64_0, find_first_bit, jit
from kvmarm.lr import implemented, lr_has_eoi, lr_state


@jit
def restore(vm: Any, vcpu: Any, cpuif: Any, observer: Any) -> None:
    """Load the image of `vcpu` into its interface `cpuif` (a record of kvmarm.cpuif.CPUIF)."""
    image = vm.image[vcpu]
    live = U64_0
    for index in range(vm.lrs):
        if lr_state(vm.gic, image.lr[index]) != LR_INACTIVE:
            live |= U64(1) << U64(index)
    cpuif.pmr = image.pmr
    cpuif.ctlr = image.ctlr
    cpuif.bpr = image.bpr
    image.live_lrs = live
    if live == U64_0:
        return
    cpuif.hcr = image.hcr
    cpuif.apr = image.apr
    while live != U64_0:
        index = find_first_bit(live)
        cpuif.lr[index] = image.lr[index]
        live &= live - U64(1)


@jit
def _wants_maintenance(vm: Any, image: Any) -> Any:
    """Return whether the run could have ended in a maintenance interrupt: only then MISR is read."""
    if image.hcr & U64(HCR_UIE):
        return True
    live = image.live_lrs
    while live != U64_0:
        if lr_has_eoi(vm.gic, image.lr[find_first_bit(live)]):
            return True
        live &= live - U64(1)
    return False


@jit
def save(vm: Any, vcpu: Any, cpuif: Any, observer: Any) -> None:
    """Save the interface `cpuif` into the image of `vcpu` and switch the interface off."""
    image = vm.image[vcpu]
    image.pmr = cpuif.pmr
    image.ctlr = cpuif.ctlr
    image.bpr = cpuif.bpr
    live = image.live_lrs
    image.misr = U64_0
    image.eisr = U64_0
    if live == U64_0:
        image.elrsr = implemented(vm)
        image.apr = U64_0
        cpuif.hcr = U64_0
        return
    image.apr = cpuif.apr
    if _wants_maintenance(vm, image):
        ended = hardware.eisr(cpuif, vm.gic)
        image.misr = hardware.misr(cpuif, vm.gic, ended)
        if image.misr & U64(MISR_EOI):
            image.eisr = ended
    image.elrsr = hardware.elrsr(cpuif, vm.gic)
    state_bits = U64(LR_STATE_MASK) << (U64(V2_LR_STATE_SHIFT) if vm.gic == 2 else U64(V3_LR_STATE_SHIFT))
    while live != U64_0:
        index = find_first_bit(live)
        if (image.elrsr >> U64(index)) & U64(1):
            image.lr[index] &= ~state_bits
        else:
            image.lr[index] = cpuif.lr[index]
        cpuif.lr[index] = U64_0
        live &= live - U64(1)
    cpuif.hcr = U64_0
