# SPDX-License-Identifier: GPL-2.0-only
"""GICv2: the virtual interface control registers, by MMIO on the GICH frame.

Models Linux 4.8.17 virt/kvm/arm/hyp/vgic-v2-sr.c. Only live list registers (pending or active in memory at entry)
move; with none, VMCR is all that is touched and the interface stays on. On exit each live list register is zeroed.
The status registers are read only if a maintenance interrupt can be expected.
"""

from kvmarm.el2.configuration import Boot
from kvmarm.el2.program import Assembler, Label
from kvmarm.gic import MISR_EOI, V2_LR_EOI, V2_LR_HW, V2_LR_STATE
from switch_c_model import compiler
from switch_c_model.alternatives import function, kern_hyp_va, select_function


def save_vgic(asm: Assembler, boot: Boot) -> None:
    """VMCR; then, if anything is live, APR, status and the live list registers, and the interface off."""
    n = boot.nr_lr
    select_function(asm, "vgic_save_state", patched=False)
    with function(asm, "__vgic_v2_save_state", called=False, frame=False):
        done, idle = asm.label(), asm.label()
        _frame(asm, boot, done)
        asm.ldr("x4", "gich_vmcr")
        asm.str_("x4", "vgic.vmcr")
        asm.work("frame and addresses", mem_load=2, mem_store=1)
        asm.ldr("x6", "vgic.live_lrs")
        compiler.adjust(asm, boot, "save", "x6")
        asm.b_if("cbz x6, 1f", idle, "x6")
        asm.work("frame, loop set-up, alignment", mem_store=1, branch=2, branch_taken=2, alu=32, other=1)
        asm.ldr("x4", "gich_apr")
        asm.str_("x4", "vgic.apr")
        kern_hyp_va(asm, boot)
        asm.ldr("x1", "vgic.nr_lr")
        _save_maintenance(asm, boot)
        _save_empty(asm, boot)
        kern_hyp_va(asm, boot)
        asm.ldr("x1", "vgic.nr_lr")
        for index in range(n):
            _save_list_register(asm, index, last=index == n - 1)
        asm.str_("xzr", "gich_hcr")
        asm.str_("xzr", "vgic.live_lrs")
        asm.b(done, "(the other way)")
        asm.place(idle)
        _idle_defaults(asm)
        asm.place(done)


def _save_maintenance(asm: Assembler, boot: Boot) -> None:
    """Look through the live list registers in memory for an EOI that asks for an interrupt; UIE asks too."""
    n = boot.nr_lr
    quiet, no_eoi, known = asm.label(), asm.label(), asm.label()
    asm.ldr("x5", "vgic.hcr")
    asm.ubfx("x5", "x5", 1, 1)
    for index in range(n):
        skip = asm.label()
        asm.work("loop over list registers: index, live test", alu=4)
        asm.b_if(f"tbz x6, #{index}, 2f", skip, "x6", 1 << index, 0)
        asm.ldr("x1", f"vgic.lr{index}")
        asm.work("is it EOI and not HW?", alu=4)
        asm.b_unless("(no maintenance interrupt from this one)", skip, "x1", V2_LR_HW | V2_LR_EOI, V2_LR_EOI)
        asm.set_quietly("x5", 1)
        asm.place(skip)
        _loop_end(asm, last=index == n - 1)
    asm.b_if("(no maintenance interrupt expected)", quiet, "x5")
    asm.adjust("status asked for, out of line", branch_taken=3, branch=-1)
    asm.ldr("x1", "gich_misr")
    asm.str_("x1", "vgic.misr")
    asm.b_if("(no EOI to report)", no_eoi, "x1", MISR_EOI, 0)
    asm.work("tests, both words in one", branch=2, alu=3)
    asm.ldr("x2", "gich_eisr0")
    if n > 32:
        asm.ldr("x3", "gich_eisr1")
    asm.str_("x2", "vgic.eisr")
    asm.b(known, "(join)")
    asm.place(quiet)
    asm.work("test", branch_taken=1)
    asm.str_("xzr", "vgic.misr")
    asm.place(no_eoi)
    asm.str_("xzr", "vgic.eisr")
    asm.place(known)


def _save_empty(asm: Assembler, boot: Boot) -> None:
    kern_hyp_va(asm, boot)
    asm.ldr("x1", "vgic.nr_lr")
    asm.ldr("x7", "gich_elrsr0")
    if boot.nr_lr > 32:
        asm.ldr("x1", "gich_elrsr1")
        asm.ubfx("x1", "x1", 0, 32, left=32)
        asm.orr("x7", "x7", "x1")
    asm.str_("x7", "vgic.elrsr")


def _save_list_register(asm: Assembler, index: int, *, last: bool) -> None:
    """If the hardware says it is empty, only the state in memory changes; else read it. Zero it either way."""
    skip, empty, zero = asm.label(), asm.label(), asm.label()
    asm.work("loop over list registers: index, live test", alu=4)
    asm.b_if(f"tbz x6, #{index}, 2f", skip, "x6", 1 << index, 0)
    asm.work("address of the list register", alu=3)
    asm.b_unless(f"tbnz x7, #{index}, 3f", empty, "x7", 1 << index, 0)
    asm.ldr("x1", f"gich_lr{index}")
    asm.str_("x1", f"vgic.lr{index}")
    asm.b(zero)
    asm.place(empty)
    asm.ldr("x1", f"vgic.lr{index}")
    asm.bic("x1", "x1", V2_LR_STATE)
    asm.str_("x1", f"vgic.lr{index}")
    asm.place(zero)
    asm.str_("xzr", f"gich_lr{index}")
    asm.place(skip)
    if last:
        asm.jump("b.eq (out of the loop)")
    else:
        asm.fall("b.eq (out of the loop)")
        asm.work("live mask, read again", mem_load=1)


def restore_vgic(asm: Assembler, boot: Boot) -> None:
    """Find what is live; if anything, HCR, APR and the live list registers; VMCR always, and last."""
    n = boot.nr_lr
    select_function(asm, "vgic_restore_state", patched=False)
    with function(asm, "__vgic_v2_restore_state", called=False, frame=False):
        done, idle = asm.label(), asm.label()
        _frame(asm, boot, done)
        kern_hyp_va(asm, boot)
        asm.ldr("x1", "vgic.nr_lr")
        asm.mov("x6", 0)
        asm.work("loop set-up", alu=8)
        for index in range(n):
            asm.ldr("x1", f"vgic.lr{index}")
            asm.work("loop over list registers: index, state test", alu=5)
            asm.mark("x6", index, "x1", V2_LR_STATE)
            _loop_end(asm, last=index == n - 1)
        asm.work("test", branch=1)
        asm.b_if("cbz x6, 1f", idle, "x6")
        asm.work("loop set-up, alignment", alu=7, other=1)
        for name in ("hcr", "apr"):
            asm.ldr("x1", f"vgic.{name}")
            asm.str_("x1", f"gich_{name}")
        for index in range(n):
            skip = asm.label()
            asm.work("loop over list registers: index, live test", alu=5)
            asm.b_if(f"tbz x6, #{index}, 2f", skip, "x6", 1 << index, 0)
            asm.ldr("x1", f"vgic.lr{index}")
            asm.work("address of the list register", alu=1)
            asm.str_("x1", f"gich_lr{index}")
            asm.place(skip)
            _loop_end(asm, last=index == n - 1)
        asm.place(idle)
        asm.ldr("x1", "vgic.vmcr")
        asm.str_("x1", "gich_vmcr")
        asm.str_("x6", "vgic.live_lrs")
        compiler.adjust(asm, boot, "restore", "x6")
        asm.place(done)


def _frame(asm: Assembler, boot: Boot, missing: Label) -> None:
    asm.ldr("x1", "vcpu.kvm")
    kern_hyp_va(asm, boot)
    asm.ldr("x1", "vgic.vctrl_base")
    kern_hyp_va(asm, boot)
    asm.b_if("cbz x1, 5f", missing, "x1")


def _loop_end(asm: Assembler, *, last: bool) -> None:
    if last:
        asm.fall("b.ne (loop end)")
    else:
        asm.jump("b.ne (loop)")


def _idle_defaults(asm: Assembler) -> None:
    """Nothing was live: what memory says then, without asking the hardware."""
    for name in ("eisr", "misr", "apr"):
        asm.str_("xzr", f"vgic.{name}")
    asm.mov("x1", (1 << 64) - 1)
    asm.str_("x1", "vgic.elrsr")
