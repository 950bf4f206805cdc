# SPDX-License-Identifier: GPL-2.0-only
"""Other compilers than gcc 12.2 -O2: what changes, as a rule.

The order of what the hardware sees does not change, nor do moves of registers. The compiler's own work does, and only
the GIC functions show it: so many instructions more or fewer with nothing live, with anything live, and for each live
list register. They were counted in runs of Linux 4.8.17 with 0, 1 and 4 live list registers; VHE makes no difference.
Between the counted points a straight line is assumed, and the difference is counted as arithmetic.
"""

from kvmarm.el2.configuration import Boot
from kvmarm.el2.program import Assembler

_RULE: dict[tuple[str, str, str], tuple[int, int, int]] = {
    # compiler, GIC, direction: nothing live; something live; each live list register
    ("gcc-11.3 -O2", "v2", "restore"): (-1, -1, 0),
    ("gcc-11.3 -O2", "v2", "save"): (1, 0, -2),
    ("gcc-11.3 -O2", "v3", "restore"): (-3, 5, 1),
    ("gcc-11.3 -O2", "v3", "save"): (1, 18, 2),
    ("gcc-12.2 -O2 -fno-jump-tables", "v3", "restore"): (0, 8, 1),
    ("gcc-12.2 -O2 -fno-jump-tables", "v3", "save"): (0, 12, 4),
    ("gcc-12.2 -Os", "v2", "restore"): (-4, -6, 4),
    ("gcc-12.2 -Os", "v2", "save"): (2, 2, 1),
    ("gcc-12.2 -Os", "v3", "restore"): (-15, -19, 4),
    ("gcc-12.2 -Os", "v3", "save"): (1, 1, -1),
}


def adjust(asm: Assembler, boot: Boot, direction: str, live_mask: str) -> None:
    """Account for another compiler at a place where `live_mask` holds the live list registers."""
    rule = _RULE.get((boot.compiler, boot.gic, direction))
    if rule is None:
        return
    idle, live, each = rule
    nothing, done = asm.label(), asm.label()
    asm.b_if("(nothing live)", nothing, live_mask)
    asm.adjust(f"{boot.compiler}, something live", alu=live)
    for index in range(boot.nr_lr):
        skip = asm.label()
        asm.b_if("(not live)", skip, live_mask, 1 << index, 0)
        asm.adjust(f"{boot.compiler}, a live list register", alu=each)
        asm.place(skip)
    asm.b(done, "(join)")
    asm.place(nothing)
    asm.adjust(f"{boot.compiler}, nothing live", alu=idle)
    asm.place(done)
