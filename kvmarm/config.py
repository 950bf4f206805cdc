# SPDX-License-Identifier: GPL-2.0-only
"""The configuration of one virtual machine's interrupt controller, and its limits."""

from dataclasses import dataclass

from kvmarm.errors import UsageError

MAX_VCPUS = 512
"""vCPUs that a state record has room for; KVM's own limit for a GICv3 guest of that time is 255."""
MAX_IRQS = 1024
MAX_SPIS = MAX_IRQS - 32
MAX_LRS = 64
MAX_LPIS = 4096
"""LPIs that a VM can have mapped or queued at a time; the architecture allows 57,344."""
RAM_BASE = 0x4000_0000
"""Where the guest memory of a VM with an ITS begins (guest-physical address)."""
RAM_BYTES = 32 << 20
MAX_KICKS = 8192
"""Kicks of one operation that its caller can hold, a power of two. There are fewer: at most one per vCPU, one per
interrupt of the register written, and one per LPI."""


@dataclass(frozen=True, order=True)
class VmConfig:
    """What a VM is created with. `gic` 2 or 3; `irqs` counts INTIDs from 0, SGIs and PPIs included.

    GICv2: 1..8 vCPUs, 1..64 list registers. GICv3: 1..512 vCPUs, 1..16 list registers. `irqs`: a multiple of 32,
    64..1024 (INTIDs 1020..1023 are reserved and never used). `its` 1: the VM has an ITS, LPIs and guest memory
    (GICv3 only). Raises UsageError when out of range.
    """

    gic: int
    vcpus: int
    irqs: int
    lrs: int
    its: int = 0

    def __post_init__(self) -> None:
        if self.gic not in (2, 3):
            raise UsageError(f"gic={self.gic}: expected 2 or 3")
        most_vcpus, most_lrs = (8, 64) if self.gic == 2 else (MAX_VCPUS, 16)
        if not 1 <= self.vcpus <= most_vcpus:
            raise UsageError(f"vcpus={self.vcpus}: expected 1..{most_vcpus} with GICv{self.gic}")
        if self.irqs % 32 or not 64 <= self.irqs <= MAX_IRQS:
            raise UsageError(f"irqs={self.irqs}: expected a multiple of 32 in 64..{MAX_IRQS}")
        if not 1 <= self.lrs <= most_lrs:
            raise UsageError(f"lrs={self.lrs}: expected 1..{most_lrs} with GICv{self.gic}")
        if self.its not in (0, 1) or self.its > self.gic - 2:
            raise UsageError(f"its={self.its}: expected {'0' if self.gic == 2 else '0 or 1'} with GICv{self.gic}")

    def __str__(self) -> str:
        return f"gic={self.gic} vcpus={self.vcpus} irqs={self.irqs} lrs={self.lrs}" + (" its=1" if self.its else "")
