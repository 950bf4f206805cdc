# SPDX-License-Identifier: GPL-2.0-only
"""GICv3: the virtual interface control registers, as system registers.

Models Linux 4.8.17 virt/kvm/arm/hyp/vgic-v3-sr.c (arch/arm64/kvm/hyp/vgic-v3-sr.c). Only live list registers move,
each through a jump table of 16; with none, VMCR alone is touched. The guest's access to the GIC's system registers
is cut by ICC_SRE_EL2 on every entry; SRE_EL1 and its barriers only for a guest with a memory-mapped GIC. The number
of active-priority registers follows the number of priority bits that ICH_VTR_EL2 tells.
"""

from kvmarm.el2.architecture import SRE_ENABLE, VTR_PRIBITS, VTR_PRIBITS_SHIFT
from kvmarm.el2.configuration import Boot
from kvmarm.el2.program import Assembler
from kvmarm.gic import MISR_EOI, V3_LR_EOI, V3_LR_HW, V3_LR_STATE
from switch_c_model import compiler
from switch_c_model.alternatives import function, select_function

# Branches and arithmetic of the tests with more than five priority bits, by direction (save or not); of both groups
# together, beside what five bits and the rest of the function take. Counted on loops of this shape, gcc 12.2 -O2.
_WORK_6_BITS = {False: {"branch": 1, "alu": -1}, True: {"branch_taken": 3, "alu": -1}}
_WORK_7_BITS = {False: {"branch": 3, "branch_taken": -2}, True: {"branch": 1, "branch_taken": 2}}


def save_vgic(asm: Assembler, boot: Boot) -> None:
    """VMCR; then, if anything is live, status, interface off, live list registers, active priorities."""
    select_function(asm, "vgic_save_state", patched=True)
    with function(asm, "__vgic_v3_save_state", called=False):
        idle, done, sre = asm.label(), asm.label(), asm.label()
        asm.ldr("x9", "vgic.sre")
        asm.b_unless("cbnz w9, 1f", sre, "x9")
        asm.dsb("st")
        asm.place(sre)
        asm.mrs("x1", "ich_vmcr_el2")
        asm.str_("x1", "vgic.vmcr")
        asm.ldr("x6", "vgic.live_lrs")
        compiler.adjust(asm, boot, "save", "x6")
        asm.b_if("cbz x6, 2f", idle, "x6")
        asm.work("frame, loop set-up, alignment", mem_store=1, alu=12, other=1)
        _save_live(asm, boot)
        asm.b(done)
        asm.place(idle)
        asm.work("addresses", mem_load=2)
        _idle_defaults(asm)
        asm.place(done)
        asm.mrs("x1", "icc_sre_el2")
        asm.orr("x1", "x1", SRE_ENABLE)
        asm.msr("icc_sre_el2", "x1")
        still_sre = asm.label()
        asm.b_unless("cbnz w9, 3f", still_sre, "x9")
        asm.isb()
        asm.mov("x1", 1)
        asm.msr("icc_sre_el1", "x1")
        asm.place(still_sre)


def _save_live(asm: Assembler, boot: Boot) -> None:
    n = boot.nr_lr
    asm.mrs("x7", "ich_elrsr_el2")
    asm.str_("x7", "vgic.elrsr")
    asm.msr("ich_hcr_el2", "xzr")
    asm.mrs("x8", "ich_vtr_el2")
    quiet, no_eoi, known = asm.label(), asm.label(), asm.label()
    asm.ldr("x5", "vgic.hcr")
    asm.ubfx("x5", "x5", 1, 1)
    for index in range(n):
        skip = asm.label()
        if index < n - 1:
            asm.work("loops over list registers: live mask, index, test", alu=9, mem_load=1, branch=1, branch_taken=3)
        else:
            asm.work("last turn of the loops", alu=9, mem_load=1, branch=2)
        asm.b_if("(not live)", skip, "x6", 1 << index, 0)
        asm.ldr("x1", f"vgic.lr{index}")
        asm.work("is it EOI and not HW?", alu=4)
        asm.b_unless("(no maintenance interrupt from this one)", skip, "x1", V3_LR_HW | V3_LR_EOI, V3_LR_EOI)
        asm.set_quietly("x5", 1)
        asm.place(skip)
    asm.b_if("(no maintenance interrupt expected)", quiet, "x5")
    asm.adjust("status asked for, out of line", branch_taken=3, branch=-1)
    asm.mrs("x1", "ich_misr_el2")
    asm.str_("x1", "vgic.misr")
    asm.b_if("(no EOI to report)", no_eoi, "x1", MISR_EOI, 0)
    asm.work("test", branch=1)
    asm.mrs("x1", "ich_eisr_el2")
    asm.str_("x1", "vgic.eisr")
    asm.b(known, "(join)")
    asm.place(quiet)
    asm.work("test", branch_taken=1)
    asm.str_("xzr", "vgic.misr")
    asm.place(no_eoi)
    asm.str_("xzr", "vgic.eisr")
    asm.place(known)
    for index in range(n):
        _save_list_register(asm, index)
    for group in (0, 1):
        _active_priorities(asm, group, save=True)
    asm.str_("xzr", "vgic.live_lrs")


def _save_list_register(asm: Assembler, index: int) -> None:
    """If the hardware says it is empty, only the state in memory changes; else read it. Zero it either way."""
    skip, empty, zero = asm.label(), asm.label(), asm.label()
    asm.b_if("(not live)", skip, "x6", 1 << index, 0)
    asm.b_unless(f"tbnz x7, #{index}, 3f", empty, "x7", 1 << index, 0)
    _jump_table(asm)
    asm.mrs("x1", f"ich_lr{index}_el2")
    asm.str_("x1", f"vgic.lr{index}")
    asm.b(zero)
    asm.place(empty)
    asm.work("the state's mask, the masks read again", mem_load=1, alu=6)
    asm.ldr("x1", f"vgic.lr{index}")
    asm.bic("x1", "x1", V3_LR_STATE)
    asm.str_("x1", f"vgic.lr{index}")
    asm.work("to the other jump table", branch_taken=1)
    asm.place(zero)
    _jump_table(asm)
    asm.msr(f"ich_lr{index}_el2", "xzr")
    asm.jump("b (out of the jump table)")
    asm.jump("b (loop)")
    asm.place(skip)


def restore_vgic(asm: Assembler, boot: Boot) -> None:
    """Find what is live; VMCR; if anything is live, HCR, active priorities, live list registers."""
    n = boot.nr_lr
    select_function(asm, "vgic_restore_state", patched=True)
    with function(asm, "__vgic_v3_restore_state", called=False, frame=False):
        sre, idle = asm.label(), asm.label()
        asm.ldr("x9", "vgic.sre")
        asm.b_unless("cbnz w9, 1f", sre, "x9")
        asm.mov("x1", 0)
        asm.msr("icc_sre_el1", "x1")
        asm.isb()
        asm.place(sre)
        asm.mrs("x8", "ich_vtr_el2")
        asm.mov("x6", 0)
        for index in range(n):
            asm.ldr("x1", f"vgic.lr{index}")
            asm.work("loop over list registers: index, state test", alu=7)
            asm.mark("x6", index, "x1", V3_LR_STATE)
            if index < n - 1:
                asm.jump("b.ne (loop)")
            else:
                asm.fall("b.ne (loop end)")
        asm.ldr("x1", "vgic.vmcr")
        asm.msr("ich_vmcr_el2", "x1")
        asm.work("frame and addresses", mem_load=1, branch_taken=1, alu=5)
        asm.b_if("cbz x6, 2f", idle, "x6")
        asm.work("frame, loop set-up", mem_store=1, alu=1)
        asm.ldr("x1", "vgic.hcr")
        asm.msr("ich_hcr_el2", "x1")
        for group in (0, 1):
            _active_priorities(asm, group, save=False)
        for index in range(n):
            _restore_list_register(asm, index, last=index == n - 1)
        asm.place(idle)
        mapped = asm.label()
        asm.b_unless("cbnz w9, 3f", mapped, "x9")
        asm.isb()
        asm.dsb("sy")
        asm.place(mapped)
        asm.str_("x6", "vgic.live_lrs")
        compiler.adjust(asm, boot, "restore", "x6")
        asm.mrs("x1", "icc_sre_el2")
        asm.bic("x1", "x1", SRE_ENABLE)
        asm.msr("icc_sre_el2", "x1")


def _restore_list_register(asm: Assembler, index: int, *, last: bool) -> None:
    """One turn of the loop: a jump table for a live list register; the way out of the loop depends on the last one."""
    dead, done, more = asm.label(), asm.label(), asm.label()
    asm.work("loop over list registers: index, live test", alu=4, branch=1)
    asm.b_if("(not live)", dead, "x6", 1 << index, 0)
    asm.work("entry of the jump table", mem_load=1, alu=8, branch_taken=4)
    asm.ldr("x1", f"vgic.lr{index}")
    asm.msr(f"ich_lr{index}_el2", "x1")
    if not last:
        asm.b_unless("(the next is live too)", more, "x6", 1 << index + 1, 0)
        asm.work("live loop left", branch=1)
        asm.b(done, "(join)")
    asm.place(more)
    asm.work("next", branch_taken=1)
    asm.b(done, "(join)")
    asm.place(dead)
    asm.work("next", **({"branch": 1} if last else {"branch_taken": 1}))
    asm.place(done)


def _jump_table(asm: Assembler) -> None:
    """Look the case up: bounds, table entry, address, jump."""
    asm.alu("cmp w0, #15")
    asm.fall("b.hi (default)")
    asm.alu("adrp x3, table", "add x3, x3, :lo12:table")
    asm.work("entry of the jump table", mem_load=1)
    asm.alu("adr x4, base", "add x3, x4, w3, sxtb #2")
    asm.alu("add x0, x0, #base", "add x1, x1, #index", "mov w2, w3")
    asm.jump("br x3")


def _active_priorities(asm: Assembler, group: int, *, save: bool) -> None:
    """Registers 3 and 2 with seven priority bits, 1 with six or more, 0 always."""
    six, five, more = asm.label(), asm.label(), asm.label()
    asm.b_unless("(not five bits)", more, "x8", VTR_PRIBITS, 4 << VTR_PRIBITS_SHIFT)
    asm.work("tests for six and seven bits", branch=1)
    asm.b(five, "(join)")
    asm.place(more)
    asm.b_if("(six bits)", six, "x8", VTR_PRIBITS, 5 << VTR_PRIBITS_SHIFT)
    if group == 0:
        asm.adjust("seven bits: both groups", **_WORK_7_BITS[save])
    for index in (3, 2):
        _move_active_priority(asm, group, index, save=save)
    six_too = asm.label()
    asm.b(six_too, "(join)")
    asm.place(six)
    if group == 0:
        asm.adjust("six bits: both groups", **_WORK_6_BITS[save])
    asm.place(six_too)
    _move_active_priority(asm, group, 1, save=save)
    asm.place(five)
    _move_active_priority(asm, group, 0, save=save)


def _move_active_priority(asm: Assembler, group: int, index: int, *, save: bool) -> None:
    if save:
        asm.mrs("x1", f"ich_ap{group}r{index}_el2")
        asm.str_("x1", f"vgic.ap{group}r{index}")
    else:
        asm.ldr("x1", f"vgic.ap{group}r{index}")
        asm.msr(f"ich_ap{group}r{index}_el2", "x1")


def _idle_defaults(asm: Assembler) -> None:
    """Nothing was live: what memory says then, without asking the hardware; four words to a store."""
    asm.str_("xzr", "vgic.misr")
    asm.str_("xzr", "vgic.eisr")
    asm.mov("x1", 0xFFFF)
    asm.str_("x1", "vgic.elrsr")
    for group in (0, 1):
        asm.clear(*(f"vgic.ap{group}r{index}" for index in range(4)))
