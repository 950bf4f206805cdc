# SPDX-License-Identifier: GPL-2.0-only
"""The standard set-up that every transition of the catalogue starts from, as operations of the trace format.

Distributor enabled; every SPI edge-triggered but INTID 33; priorities 0xa0 but INTIDs 32 and 33 (0); every interrupt
enabled and, as at reset, routed to vCPU 0; every vCPU has been in the guest once, where it set its priority mask to
0xf8, enabled its group and left EOImode at 0. Then P standing interrupts: edge SPIs spread evenly over the INTIDs from
36 on, pending on vCPU 0, in no list register.

It is the set-up that the instruction counts of the real code were taken from. So a point of the catalogue and a point
of those measurements are the same thing.
"""

from functools import lru_cache

import numpy as np

from bench.catalogue.language import (
    DEFAULT_PRIORITY,
    FIRST_STANDING,
    LEVEL_SPI,
    distributor_enable,
    group_enable,
    rows_to_ops,
    usable_irqs,
)
from bench.catalogue.lpis import DEFAULT_SCENE, LpiScene, lpi_set_up
from kvmarm.config import VmConfig
from kvmarm.errors import UsageError
from kvmarm.gic import PRIVATE_IRQS, SGI_FRAME
from kvmarm.trace import CTLR, FLUSH, INJECT, MMIO_W, PMR, SYNC

_PRIORITY_WORD = DEFAULT_PRIORITY * 0x01010101
_URGENT_WORD = (DEFAULT_PRIORITY << 8 | DEFAULT_PRIORITY) << 16
"""Priorities of INTIDs 32..35: the first two 0."""
PRIORITY_MASK = 0xF8


def standing_intids(config: VmConfig, pending: int) -> list[int]:
    """Return the INTIDs of `pending` standing interrupts. Raises UsageError when there are not so many SPIs."""
    room = usable_irqs(config) - FIRST_STANDING
    if not 0 <= pending <= room:
        raise UsageError(f"pending={pending}: expected 0..{room} with irqs={config.irqs}")
    return [FIRST_STANDING + index * room // pending for index in range(pending)]


def _store(vcpu: int, region: int, offset: int, value: int) -> tuple[int, ...]:
    return MMIO_W, vcpu, region, offset, 4, value, 0


def _distributor_rows(config: VmConfig) -> list[tuple[int, ...]]:
    # Configuration and priorities before the enables: they are the writes that no design acts upon.
    rows: list[tuple[int, ...]] = []
    for first in range(PRIVATE_IRQS, config.irqs, 16):
        rows.append(_store(0, -1, 0xC00 + first // 4, 0xAAAAAAA2 if first == LEVEL_SPI & ~15 else 0xAAAAAAAA))
    for first in range(PRIVATE_IRQS, usable_irqs(config), 4):
        rows.append(_store(0, -1, 0x400 + first, _URGENT_WORD if first == PRIVATE_IRQS else _PRIORITY_WORD))
    for vcpu in range(config.vcpus):
        region, base = (-1, 0) if config.gic == 2 else (vcpu, SGI_FRAME)
        rows += [_store(vcpu, region, base + 0x400 + first, _PRIORITY_WORD) for first in range(0, PRIVATE_IRQS, 4)]
        rows.append(_store(vcpu, region, base + 0x100, 0xFFFFFFFF))
    for first in range(PRIVATE_IRQS, config.irqs, 32):
        left = usable_irqs(config) - first
        rows.append(_store(0, -1, 0x100 + first // 8, 0xFFFFFFFF if left >= 32 else (1 << left) - 1))
    rows.append(_store(0, -1, 0, distributor_enable(config.gic)))
    return rows


def _guest_rows(config: VmConfig) -> list[tuple[int, ...]]:
    rows: list[tuple[int, ...]] = []
    for vcpu in range(config.vcpus):
        rows.append((FLUSH, vcpu, 0, 0, 0, 0, 0))
        rows.append((PMR, vcpu, PRIORITY_MASK, 0, 0, 0, 0))
        rows.append((CTLR, vcpu, group_enable(config.gic), 0, 0, 0, 0))
        rows.append((SYNC, vcpu, 0, 0, 0, 0, 0))
    return rows


@lru_cache(maxsize=64)
def standard_set_up(config: VmConfig, pending: int, scene: LpiScene = DEFAULT_SCENE) -> np.ndarray:
    """Return the operations (array of kvmarm.trace.OP) of the standard set-up with `pending` standing interrupts.

    In a VM with an ITS the LPIs of `scene` are mapped then.

    Raises UsageError when the configuration has no room for so many.
    """
    standing: list[tuple[int, ...]] = [(INJECT, 0, intid, 1, 0, 0, 0) for intid in standing_intids(config, pending)]
    lpis = lpi_set_up(config, scene) if config.its else []
    return rows_to_ops(_distributor_rows(config) + _guest_rows(config) + lpis + standing)
