# SPDX-License-Identifier: GPL-2.0-only
"""The state of a legacy VGIC in words, for explanations; and the place where the kernel would die.

Models: nothing that runs; it names fields as Linux 4.4.177 does.

Lock order: none taken; nothing else runs the model at that time.

Rules:
- Only what differs from rest is shown.
"""

from typing import Any

from kvmarm.gic import FIRST_RESERVED, FIRST_SPI, PRIVATE_IRQS, SGIS
from vgic_old.state import (
    ACTIVE_MAP,
    BITMAP_NAMES,
    CONFIG,
    ENABLED,
    NOBODY,
    ON_CPU_ACTIVE,
    ON_CPU_PENDING,
    PENDING_MAP,
)
from vgic_old.sync import BUG_EDGE_MAINTENANCE

BUGS = {BUG_EDGE_MAINTENANCE: "vgic.c:1329"}
"""`vm.bug` -> the BUG_ON of the original (process_queued_irq)."""


def _bits(words: Any) -> list[int]:
    return [64 * index + bit for index, word in enumerate(words) for bit in range(64) if int(word) >> bit & 1]


def _interrupt(vm: Any, vcpu: int, intid: int, forwarded: dict[int, int]) -> str:
    words = []
    for bitmap, name in enumerate(BITMAP_NAMES):
        if intid < PRIVATE_IRQS:
            is_set = int(vm.vcpu[vcpu].private[bitmap]) >> intid & 1
        else:
            spi = intid - FIRST_SPI
            is_set = int(vm.shared[bitmap, spi >> 6]) >> (spi & 63) & 1
        if bitmap == CONFIG:
            name = "edge"
        if is_set and not (intid < SGIS and bitmap in (ENABLED, CONFIG)):
            words.append(name)
    if intid < SGIS and vm.gic == 2:
        sources = [str(source) for source in range(8) if int(vm.vcpu[vcpu].sgi_sources[intid]) >> source & 1]
        if sources:
            words.append(f"sent by vCPU {','.join(sources)}")
    if intid >= FIRST_SPI:
        target = int(vm.spi_cpu[intid - FIRST_SPI])
        if target != 0:
            words.append("→nowhere" if target == NOBODY else f"→vCPU {target}")
    if intid in forwarded:
        words.append(f"forwarded from physical {forwarded[intid]}")
    return " ".join(words)


def _forwarded(count: Any, vintids: Any, pintids: Any) -> dict[int, int]:
    return {int(vintids[index]): int(pintids[index]) for index in range(int(count))}


def snapshot(vm: Any) -> dict[str, str]:
    """Return key -> value in words for all that is not at rest.

    Keys: "distributor", "INTID 34", "vCPU 0 INTID 27", "vCPU 0 pending map" (and "active map"), "vCPU 0 marked".
    """
    state: dict[str, str] = {}
    if vm.enabled:
        state["distributor"] = "enabled"
    shared = _forwarded(vm.physmap.count, vm.physmap.vintid, vm.physmap.pintid)
    for intid in range(FIRST_SPI, min(int(vm.irqs), FIRST_RESERVED)):
        words = _interrupt(vm, 0, intid, shared)
        if words:
            state[f"INTID {intid}"] = words
    for vcpu in range(int(vm.vcpus)):
        cpu = vm.vcpu[vcpu]
        private = _forwarded(cpu.map_count, cpu.map_vintid, cpu.map_pintid)
        for intid in range(PRIVATE_IRQS):
            words = _interrupt(vm, vcpu, intid, private)
            if words:
                state[f"vCPU {vcpu} INTID {intid}"] = words
        for name, low, high in (
            ("pending map", cpu.cache_private[PENDING_MAP], cpu.cache_shared[PENDING_MAP]),
            ("active map", cpu.cache_private[ACTIVE_MAP], cpu.cache_shared[ACTIVE_MAP]),
        ):
            intids = _bits([low]) + [FIRST_SPI + bit for bit in _bits(high)]
            if intids:
                state[f"vCPU {vcpu} {name}"] = " ".join(map(str, intids))
        kinds = (("pending", ON_CPU_PENDING), ("active", ON_CPU_ACTIVE))
        marks = [name for name, kind in kinds if int(vm.on_cpu[kind, vcpu >> 6]) >> (vcpu & 63) & 1]
        if marks:
            state[f"vCPU {vcpu} marked"] = " ".join(marks)
    return state
