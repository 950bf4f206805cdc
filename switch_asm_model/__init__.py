# SPDX-License-Identifier: GPL-2.0-only
"""The EL2 world switch of Linux 4.4: one straight line of assembly.

Models arch/arm64/kvm/hyp.S, vgic-v2-switch.S and vgic-v3-switch.S of 4.4.177. Everything is expanded in place: each
piece of state has a save and a restore piece. Register pairs are moved by one load or store, the GIC is chosen by a
patched branch, and all list registers move on every switch.

Rules: x0 is the vCPU and, on exit, x1 the exit code for the whole path; x2 is the context in use (host or guest).
Everything else is scratch, so many system registers are read before they are stored.
"""

from kvmarm.el2.switch import SwitchModel
from switch_asm_model.switch import programs

SWITCH = SwitchModel(
    name="asm",
    implementation="asm44",
    title="Linux 4.4 assembly",
    source="Linux 4.4.177, arch/arm64/kvm/hyp.S, vgic-v2-switch.S, vgic-v3-switch.S",
    vhe=False,
    programs=programs,
)
