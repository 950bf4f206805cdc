# SPDX-License-Identifier: GPL-2.0-only
"""The virtual timer: the guest's while it runs, off and re-armed by software while the host runs.

Models Linux 4.8.17 virt/kvm/arm/hyp/timer-sr.c. The vCPU has the flag that says whether there is one. No barrier on
exit; with VHE the guest's timer is reached by `_EL02` names.
"""

from kvmarm.el2.architecture import CNTHCTL_EL1PCEN, CNTHCTL_EL1PCTEN
from kvmarm.el2.configuration import Boot
from kvmarm.el2.program import Assembler
from switch_c_model.alternatives import function, kern_hyp_va


def save_timer(asm: Assembler, boot: Boot) -> None:
    """Read and stop the guest's timer, give the host the physical one back."""
    suffix = "el02" if boot.vhe else "el0"
    with asm.piece("virtual timer", "timer registers"), function(asm, "__timer_save_state", frame=False):
        disabled = asm.label()
        asm.ldr("x2", "vcpu.kvm")
        kern_hyp_va(asm, boot)
        asm.ldr("x1", "timer.enabled")
        asm.b_if("cbz w1, 1f", disabled, "x1")
        asm.mrs("x1", f"cntv_ctl_{suffix}")
        asm.str_("x1", "timer.cntv_ctl")
        asm.mrs("x1", f"cntv_cval_{suffix}")
        asm.str_("x1", "timer.cntv_cval")
        asm.place(disabled)
        asm.msr(f"cntv_ctl_{suffix}", "xzr")
        asm.mrs("x1", "cnthctl_el2")
        asm.orr("x1", "x1", CNTHCTL_EL1PCTEN | CNTHCTL_EL1PCEN)
        asm.msr("cnthctl_el2", "x1")
        asm.msr("cntvoff_el2", "xzr")


def restore_timer(asm: Assembler, boot: Boot) -> None:
    """Keep the physical timer from the guest; load and start the virtual one."""
    suffix = "el02" if boot.vhe else "el0"
    with asm.piece("virtual timer", "timer registers"), function(asm, "__timer_restore_state", frame=False):
        disabled = asm.label()
        asm.ldr("x2", "vcpu.kvm")
        kern_hyp_va(asm, boot)
        asm.mrs("x1", "cnthctl_el2")
        asm.bic("x1", "x1", CNTHCTL_EL1PCEN)
        asm.orr("x1", "x1", CNTHCTL_EL1PCTEN)
        asm.msr("cnthctl_el2", "x1")
        asm.ldr("x1", "timer.enabled")
        asm.b_if("cbz w1, 1f", disabled, "x1")
        asm.ldr("x1", "kvm.cntvoff")
        asm.msr("cntvoff_el2", "x1")
        asm.ldr("x1", "timer.cntv_cval")
        asm.msr(f"cntv_cval_{suffix}", "x1")
        asm.isb()
        asm.ldr("x1", "timer.cntv_ctl")
        asm.msr(f"cntv_ctl_{suffix}", "x1")
        asm.place(disabled)
