# SPDX-License-Identifier: GPL-2.0-only
"""Short traces on the redesign: common set-ups, and list registers taken apart."""

from kvmarm.config import VmConfig
from kvmarm.design import get_design
from kvmarm.trace_read import parse_trace
from tests.model_text import results_of, run_to_locks

DESIGN = get_design("new")

V2 = VmConfig(gic=2, vcpus=2, irqs=96, lrs=4)
V3 = VmConfig(gic=3, vcpus=2, irqs=96, lrs=4)
V2_TOP = VmConfig(gic=2, vcpus=1, irqs=1024, lrs=1)

V2_ON = ["mmio_w 0 d 0x0 4 1", "mmio_w 0 d 0x104 4 0xffffffff"]
"""Distributor and INTIDs 32..63 enabled."""
V3_ON = ["mmio_w 0 d 0x0 4 2", "mmio_w 0 d 0x104 4 0xffffffff"]
V2_LEVEL = "mmio_w 0 d 0xc08 4 0"
"""INTIDs 32..47 level-triggered."""
UNMASK = ["pmr 0 0xf8", "ctlr 0 3"]

PENDING, ACTIVE, BOTH = 1, 2, 3


def run(config: VmConfig, *lines: str) -> list[dict[str, str]]:
    """Return the outcome of each line."""
    return list(results_of(config, list(lines), DESIGN))


def lock_lines(config: VmConfig, *lines: str) -> list[str]:
    """Return the lock sequence of each line, without the operation."""
    trace = parse_trace("\n".join([f"config {config}", *lines]).encode())
    return [line.partition(" locks=")[2] for line in run_to_locks(trace, DESIGN).splitlines()]


def registers(outcome: dict[str, str], config: VmConfig = V2) -> list[tuple[int, int]]:
    """Return (INTID, state) of each list register that holds something."""
    raw = [int(text, 16) for text in outcome["lrs"].split(",")]
    if config.gic == 2:
        fields = [(lr & 0x3FF, lr >> 28 & 3) for lr in raw]
    else:
        fields = [(lr & 0xFFFFFFFF, lr >> 62) for lr in raw]
    return [(intid, state) for intid, state in fields if state]


def senders(outcome: dict[str, str]) -> list[int]:
    """Return the CPUID field of each GICv2 list register that holds something."""
    raw = [int(text, 16) for text in outcome["lrs"].split(",")]
    return [lr >> 10 & 7 for lr in raw if lr >> 28 & 3]
