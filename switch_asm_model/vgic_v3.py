# SPDX-License-Identifier: GPL-2.0-only
"""GICv3: the virtual interface control registers, as system registers.

Models Linux 4.4.177 arch/arm64/kvm/vgic-v3-switch.S. All list registers move, by jumps into ladders of 16, highest
first; SRE and the barriers around it are unconditional. The number of active-priority registers follows the number of
priority bits that ICH_VTR_EL2 tells.
"""

from kvmarm.el2.architecture import SRE_ENABLE, VTR_PRIBITS_SHIFT
from kvmarm.el2.program import Assembler

_VTR_6_BITS, _VTR_7_BITS = 1 << VTR_PRIBITS_SHIFT, 2 << VTR_PRIBITS_SHIFT


def save_vgic(asm: Assembler, nr_lr: int) -> None:
    """Status, interface off, every list register, active priorities; then the host has the GIC's registers."""
    with asm.piece("GICv3 virtual interface", "VGIC registers"):
        asm.jump("bl save_vgic_v3")
        asm.dsb("st")
        status = (("x5", "vmcr"), ("x6", "misr"), ("x7", "eisr"), ("x8", "elrsr"))
        for register, name in status:
            asm.mrs(register, f"ich_{name}_el2")
        for register, name in status:
            asm.str_(register, f"vgic.{name}")
        asm.msr("ich_hcr_el2", "xzr")
        asm.mrs("x21", "ich_vtr_el2")
        asm.alu("and w22, w21, #0xf", "mvn w22, w22", "ubfiz w23, w22, #2, #4")
        _ladder(asm)
        for index in reversed(range(nr_lr)):
            asm.mrs(f"x{5 + index}", f"ich_lr{index}_el2")
        _ladder(asm)
        for index in reversed(range(nr_lr)):
            asm.str_(f"x{5 + index}", f"vgic.lr{index}")
        for group in (0, 1):
            _active_priorities(asm, group, save=True)
        asm.mrs("x5", "icc_sre_el2")
        asm.orr("x5", "x5", SRE_ENABLE)
        asm.msr("icc_sre_el2", "x5")
        asm.isb()
        asm.mov("x5", 1)
        asm.msr("icc_sre_el1", "x5")
        asm.jump("ret")


def restore_vgic(asm: Assembler, nr_lr: int) -> None:
    """SRE first, then the interface's registers; a guest with a memory-mapped GIC loses the system registers."""
    with asm.piece("GICv3 virtual interface", "VGIC registers"):
        asm.jump("bl restore_vgic_v3")
        asm.alu("add x3, x0, #VCPU_VGIC_CPU")
        for register, name in (("x4", "hcr"), ("x5", "vmcr"), ("x25", "sre")):
            asm.ldr(register, f"vgic.{name}")
        asm.msr("icc_sre_el1", "x25")
        asm.isb()
        asm.msr("ich_hcr_el2", "x4")
        asm.msr("ich_vmcr_el2", "x5")
        asm.mrs("x21", "ich_vtr_el2")
        for group in (1, 0):
            _active_priorities(asm, group, save=False)
        asm.alu("and w22, w21, #0xf", "mvn w22, w22", "ubfiz w23, w22, #2, #4")
        _ladder(asm)
        for index in reversed(range(nr_lr)):
            asm.ldr(f"x{5 + index}", f"vgic.lr{index}")
        _ladder(asm)
        for index in reversed(range(nr_lr)):
            asm.msr(f"ich_lr{index}_el2", f"x{5 + index}")
        asm.isb()
        asm.dsb("sy")
        sre = asm.label()
        asm.b_unless("cbnz x25, 1f", sre, "x25")
        asm.mrs("x5", "icc_sre_el2")
        asm.bic("x5", "x5", SRE_ENABLE)
        asm.msr("icc_sre_el2", "x5")
        asm.place(sre)
        asm.jump("ret")


def _ladder(asm: Assembler) -> None:
    """Jump past the list registers that this GIC lacks."""
    asm.alu("adr x24, 1f", "add x24, x24, x23")
    asm.jump("br x24")


def _active_priorities(asm: Assembler, group: int, *, save: bool) -> None:
    """Registers 3 and 2 with seven priority bits, 1 with six or more, 0 always."""
    six, five = asm.label(), asm.label()
    asm.b_unless("tbnz w21, #29, 6f", six, "x21", _VTR_6_BITS, 0)
    asm.b_if("tbz w21, #30, 5f", five, "x21", _VTR_7_BITS, 0)
    for index in (3, 2, 1, 0):
        if index == 1:
            asm.place(six)
        if index == 0:
            asm.place(five)
        if save:
            asm.mrs("x20", f"ich_ap{group}r{index}_el2")
            asm.str_("x20", f"vgic.ap{group}r{index}")
        else:
            asm.ldr("x20", f"vgic.ap{group}r{index}")
            asm.msr(f"ich_ap{group}r{index}_el2", "x20")
