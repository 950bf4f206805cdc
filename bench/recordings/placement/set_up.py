# SPDX-License-Identifier: GPL-2.0-only
"""What a guest must have written before a recording that starts in the middle of its life."""

from typing import Any

from bench.recordings.placement.common import G_GIC, G_IRQS, G_TOTAL, G_VCPUS, N_MMIO, N_SET_UP, access
from bench.recordings.placement.tracking import track_write
from kvmarm.gic import FIRST_SPI, TIMER
from kvmarm.jit import U64, jit


@jit
def enable_everything(ops: Any, g: Any, cpus: Any, spis: Any) -> None:
    """A recording that starts in the middle: the guest enabled its interrupts before. Emit what it must have written.

    The distributor on; every SGI, the timer and every SPI enabled at priority 0xa0, SPIs to vCPU 0: what Linux sets up.
    """
    gic = g[G_GIC]
    before = g[G_TOTAL]
    seen = g[N_MMIO]
    priorities = U64(0xA0A0A0A0)
    for vcpu in range(g[G_VCPUS]):
        region = -1 if gic == 2 else vcpu
        base = 0 if gic == 2 else 0x10000
        for offset in range(0x400, 0x420, 4):
            access(ops, g, vcpu, True, region, base + offset, 4, priorities)
        access(ops, g, vcpu, True, region, base + 0x100, 4, U64(1 << TIMER | 0xFFFF))
        track_write(g, cpus, spis, vcpu, region, base + 0x100, 4, U64(1 << TIMER | 0xFFFF))
    for first in range(FIRST_SPI, g[G_IRQS], 4):
        access(ops, g, 0, True, -1, 0x400 + first, 4, priorities)
        if gic == 2:
            access(ops, g, 0, True, -1, 0x800 + first, 4, U64(0x01010101))
    for first in range(FIRST_SPI, g[G_IRQS], 32):
        access(ops, g, 0, True, -1, 0x100 + first // 8, 4, U64(0xFFFFFFFF))
        track_write(g, cpus, spis, 0, -1, 0x100 + first // 8, 4, U64(0xFFFFFFFF))
    control = U64(1) if gic == 2 else U64(0x12)
    access(ops, g, 0, True, -1, 0, 4, control)
    track_write(g, cpus, spis, 0, -1, 0, 4, control)
    g[N_MMIO] = seen
    g[N_SET_UP] += g[G_TOTAL] - before
