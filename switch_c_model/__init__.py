# SPDX-License-Identifier: GPL-2.0-only
"""The EL2 world switch of Linux 4.8: small C functions, one concern each, patched for the machine at boot.

Models arch/arm64/kvm/hyp/ and virt/kvm/arm/hyp/ of 4.8.17, with and without VHE. Differences that matter:
each register is moved by a separate load or store. Only live list registers move. Fault registers are read only after
aborts. With VHE the host's EL1 registers stay where they are.

Rules: what the hardware sees follows from the functions below. What the compiler adds (frames, addresses,
function pointers, loop counters) is written as `work` lines: gcc 12.2 -O2 on 4.8.17, counted in executed runs per
condition (base, live list registers, dirty debug state, 32-bit guest, abort, FP). How one condition's work is divided
among the functions that run under it is our choice. Those runs do not show six and seven priority bits, EOI maintenance
and emptied list registers: these are counted on small functions of the same shape, compiled alike.
`compiler` has the rule for other compilers.
"""

from kvmarm.el2.switch import SwitchModel
from switch_c_model.switch import programs

SWITCH = SwitchModel(
    name="c",
    implementation="c48",
    title="Linux 4.8 C",
    source="Linux 4.8.17, arch/arm64/kvm/hyp/, virt/kvm/arm/hyp/",
    vhe=True,
    programs=programs,
)
