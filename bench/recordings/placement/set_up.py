# SPDX-License-Identifier: GPL-2.0-only
"""What a guest must have written before a recording that starts in the middle of its life."""

from typing import Any

from bench.recordings.placement.common import (
    access,
)
from bench.recordings.placement.tracking import track_write
from kvmarm.gic import FIRST_SPI, TIMER
from kvmarm.jit import U64, jit


@jit
def enable_everything(state: Any) -> None:
    """A recording that starts in the middle: the guest enabled its interrupts before. Emit what it must have written.

    The distributor on; every SGI, the timer and every SPI enabled at priority 0xa0, SPIs to vCPU 0: what Linux sets up.
    """
    gic = state.gic
    before = state.total
    seen = state.n_mmio
    priorities = U64(0xA0A0A0A0)
    for vcpu in range(state.vcpus):
        region = -1 if gic == 2 else vcpu
        base = 0 if gic == 2 else 0x10000
        for offset in range(0x400, 0x420, 4):
            access(state, vcpu, True, region, base + offset, 4, priorities)
        access(state, vcpu, True, region, base + 0x100, 4, U64(1 << TIMER | 0xFFFF))
        track_write(state, vcpu, region, base + 0x100, 4, U64(1 << TIMER | 0xFFFF))
    for first in range(FIRST_SPI, state.irqs, 4):
        access(state, 0, True, -1, 0x400 + first, 4, priorities)
        if gic == 2:
            access(state, 0, True, -1, 0x800 + first, 4, U64(0x01010101))
    for first in range(FIRST_SPI, state.irqs, 32):
        access(state, 0, True, -1, 0x100 + first // 8, 4, U64(0xFFFFFFFF))
        track_write(state, 0, -1, 0x100 + first // 8, 4, U64(0xFFFFFFFF))
    control = U64(1) if gic == 2 else U64(0x12)
    access(state, 0, True, -1, 0, 4, control)
    track_write(state, 0, -1, 0, 4, control)
    state.n_mmio = seen
    state.n_set_up += state.total - before
