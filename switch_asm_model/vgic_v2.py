# SPDX-License-Identifier: GPL-2.0-only
"""GICv2: the virtual interface control registers, by MMIO on the GICH frame.

Models Linux 4.4.177 arch/arm64/kvm/vgic-v2-switch.S. All list registers move, whatever they hold: n+3 writes on entry,
n+7 reads and one write on exit. They keep their contents while the host runs.
"""

from kvmarm.el2.program import Assembler, Label

_STATUS = ("vmcr", "misr", "eisr0", "eisr1", "elrsr0", "elrsr1", "apr")
_MEMORY = {"eisr0": "eisr", "elrsr0": "elrsr"}


def save_vgic(asm: Assembler, nr_lr: int) -> None:
    """Seven registers, then the interface off, then every list register."""
    with asm.piece("GICv2 virtual interface", "VGIC registers"):
        done = asm.label()
        asm.jump("bl save_vgic_v2")
        _frame(asm, done)
        scratch = [f"x{number}" for number in range(5, 12)]
        for register, name in zip(scratch, _STATUS, strict=True):
            asm.ldr(register, f"gich_{name}")
        for register, name in zip(scratch, _STATUS, strict=True):
            asm.str_(register, f"vgic.{_MEMORY.get(name, name)}")
        asm.str_("xzr", "gich_hcr")
        _loop_registers(asm)
        for index in range(nr_lr):
            asm.ldr("x5", f"gich_lr{index}")
            asm.str_("x5", f"vgic.lr{index}")
            _next(asm, last=index == nr_lr - 1)
        asm.place(done)
        asm.jump("ret")


def restore_vgic(asm: Assembler, nr_lr: int) -> None:
    """Three registers, then every list register."""
    with asm.piece("GICv2 virtual interface", "VGIC registers"):
        done = asm.label()
        asm.jump("bl restore_vgic_v2")
        _frame(asm, done)
        for register, name in (("x4", "hcr"), ("x5", "vmcr"), ("x6", "apr")):
            asm.ldr(register, f"vgic.{name}")
        for register, name in (("x4", "hcr"), ("x5", "vmcr"), ("x6", "apr")):
            asm.str_(register, f"gich_{name}")
        _loop_registers(asm)
        for index in range(nr_lr):
            asm.ldr("x5", f"vgic.lr{index}")
            asm.str_("x5", f"gich_lr{index}")
            _next(asm, last=index == nr_lr - 1)
        asm.place(done)
        asm.jump("ret")


def _frame(asm: Assembler, missing: Label) -> None:
    asm.ldr("x24", "vcpu.kvm")
    asm.alu("and x24, x24, #HYP_PAGE_OFFSET_MASK")
    asm.ldr("x24", "vgic.vctrl_base")
    asm.alu("and x24, x24, #HYP_PAGE_OFFSET_MASK")
    asm.b_if("cbz x24, 2f", missing, "x24")
    asm.alu("add x3, x0, #VCPU_VGIC_CPU")


def _loop_registers(asm: Assembler) -> None:
    asm.alu("add x2, x24, #GICH_LR0")
    asm.ldr("x4", "vgic.nr_lr")
    asm.alu("add x3, x3, #VGIC_V2_CPU_LR")


def _next(asm: Assembler, *, last: bool) -> None:
    asm.alu("sub w4, w4, #1")
    if last:
        asm.fall("cbnz w4, 1b")
    else:
        asm.jump("cbnz w4, 1b")
