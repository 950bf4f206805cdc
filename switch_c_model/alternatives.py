# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel patches at boot, and the shapes of compiled C that every function shares.

Models the alternatives of Linux 4.8.17 (arch/arm64/include/asm/alternative.h, kvm_mmu.h, kvm_hyp.h): one instruction
is replaced by another, a nop costs as much as what it replaces.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from kvmarm.el2.configuration import Boot
from kvmarm.el2.program import Assembler


def kern_hyp_va(asm: Assembler, boot: Boot, pointer: str = "x0") -> None:
    """Turn a kernel pointer into an EL2 pointer: `and`, and a second one for a low EL2 offset; nothing with VHE."""
    if boot.vhe:
        asm.nop("nop (and, patched away: VHE)")
        asm.nop()
        return
    asm.alu(f"and {pointer}, {pointer}, #HYP_PAGE_OFFSET_HIGH_MASK")
    if boot.hyp_offset_low:
        asm.alu(f"and {pointer}, {pointer}, #HYP_PAGE_OFFSET_LOW_MASK")
    else:
        asm.nop()


def select_function(asm: Assembler, name: str, *, patched: bool, alu: int = 4) -> None:
    """Call one of two functions: both addresses are made, the alternative picks by `mov`, or stays a nop."""
    asm.alu(*["(adrp+add: the two functions)"] * alu)
    if patched:
        asm.alu("mov x1, x2 (alternative)")
    else:
        asm.nop("nop (alternative not patched)")
    asm.jump(f"blr x1 ({name})")


@contextmanager
def function(asm: Assembler, name: str, *, called: bool = True, frame: bool = True) -> Iterator[None]:
    """A called function with its frame, if it has one; `called` is False if the call is made by `select_function`."""
    if called:
        asm.jump(f"bl {name}")
    if frame:
        asm.work("frame", mem_store=1, alu=1)
    yield
    if frame:
        asm.work("frame", mem_load=1)
    asm.jump("ret")
