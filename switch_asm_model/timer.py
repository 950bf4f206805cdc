# SPDX-License-Identifier: GPL-2.0-only
"""The virtual timer: the guest's while it runs, off and re-armed by software while the host runs.

Models the timer macros of Linux 4.4.177 arch/arm64/kvm/hyp.S. The VM has the flag that says whether there is one.
"""

from kvmarm.el2.architecture import CNTHCTL_EL1PCEN, CNTHCTL_EL1PCTEN
from kvmarm.el2.program import Assembler


def save_timer(asm: Assembler) -> None:
    """Read and stop the guest's timer, give the host the physical one back."""
    with asm.piece("virtual timer", "timer registers"):
        disabled = asm.label()
        asm.ldr("x2", "vcpu.kvm")
        asm.alu("and x2, x2, #HYP_PAGE_OFFSET_MASK")
        asm.ldr("x3", "timer.enabled")
        asm.b_if("cbz w3, 1f", disabled, "x3")
        asm.mrs("x3", "cntv_ctl_el0")
        asm.and_("x3", "x3", 3)
        asm.str_("x3", "timer.cntv_ctl")
        asm.isb()
        asm.mrs("x3", "cntv_cval_el0")
        asm.str_("x3", "timer.cntv_cval")
        asm.place(disabled)
        asm.msr("cntv_ctl_el0", "xzr")
        asm.mrs("x2", "cnthctl_el2")
        asm.orr("x2", "x2", CNTHCTL_EL1PCTEN | CNTHCTL_EL1PCEN)
        asm.msr("cnthctl_el2", "x2")
        asm.msr("cntvoff_el2", "xzr")


def restore_timer(asm: Assembler) -> None:
    """Keep the physical timer from the guest; load and start the virtual one."""
    with asm.piece("virtual timer", "timer registers"):
        disabled = asm.label()
        asm.mrs("x2", "cnthctl_el2")
        asm.orr("x2", "x2", CNTHCTL_EL1PCTEN)
        asm.bic("x2", "x2", CNTHCTL_EL1PCEN)
        asm.msr("cnthctl_el2", "x2")
        asm.ldr("x2", "vcpu.kvm")
        asm.alu("and x2, x2, #HYP_PAGE_OFFSET_MASK")
        asm.ldr("x3", "timer.enabled")
        asm.b_if("cbz w3, 1f", disabled, "x3")
        asm.ldr("x3", "kvm.cntvoff")
        asm.msr("cntvoff_el2", "x3")
        asm.ldr("x2", "timer.cntv_cval")
        asm.msr("cntv_cval_el0", "x2")
        asm.isb()
        asm.ldr("x2", "timer.cntv_ctl")
        asm.and_("x2", "x2", 3)
        asm.msr("cntv_ctl_el0", "x2")
        asm.place(disabled)
