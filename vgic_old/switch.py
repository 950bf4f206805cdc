# SPDX-License-Identifier: GPL-2.0-only
"""The VGIC part of the world switch that goes with the legacy design: every list register moves.

Models: save_vgic_v2_state and restore_vgic_v2_state (arch/arm64/kvm/vgic-v2-switch.S) and their GICv3 twins
(vgic-v3-switch.S), Linux 4.4.177.

Lock order: none taken and none needed; an image belongs to the thread that runs the vCPU.

Rules:
- Every list register is moved each way, live or not.
- HCR is loaded but never saved, so that EOICount is lost.
- MISR, EISR and ELRSR are read as they are at the guest's exit.
"""

from typing import Any

from kvmarm.cpuif import eisr, elrsr, misr
from kvmarm.jit import jit


@jit
def restore(vm: Any, vcpu: Any, cpuif: Any, observer: Any) -> None:
    """Load the image of `vcpu` into the hardware `cpuif` (a record of kvmarm.cpuif.CPUIF)."""
    image = vm.image[vcpu]
    cpuif.hcr = image.hcr
    cpuif.pmr = image.pmr
    cpuif.ctlr = image.ctlr
    cpuif.bpr = image.bpr
    cpuif.apr = image.apr
    for index in range(vm.lrs):
        cpuif.lr[index] = image.lr[index]


@jit
def save(vm: Any, vcpu: Any, cpuif: Any, observer: Any) -> None:
    """Save the hardware `cpuif` into the image of `vcpu`; HCR stays as the VGIC left it."""
    image = vm.image[vcpu]
    gic = vm.gic
    image.pmr = cpuif.pmr
    image.ctlr = cpuif.ctlr
    image.bpr = cpuif.bpr
    image.eisr = eisr(cpuif, gic)
    image.misr = misr(cpuif, gic, image.eisr)
    image.elrsr = elrsr(cpuif, gic)
    image.apr = cpuif.apr
    for index in range(vm.lrs):
        image.lr[index] = cpuif.lr[index]
