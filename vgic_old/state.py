# SPDX-License-Identifier: GPL-2.0-only
"""The legacy VGIC's state: seven interrupt bitmaps under one lock, and each vCPU's caches of them.

Models: struct vgic_dist and struct vgic_cpu (include/kvm/arm_vgic.h), and what vgic_init, vgic_v2_init_model and
vgic_v3_init_model (virt/kvm/arm/vgic.c, vgic-v2-emul.c, vgic-v3-emul.c) leave in them, Linux 4.4.177.

Lock order: the distributor lock (`lock` of the VM record) and the physmap lock (of the forwarding lists), never one
inside the other. Everything is under the distributor lock except the forwarding lists, the "on CPU" bits and the
software images.

Rules:
- The shared words hold SPIs only: SPI n is bit (n - 32) % 64 of word (n - 32) // 64. A private word has 32 bits used.
- `on_cpu` is the original's irq_pending_on_cpu and irq_active_on_cpu: a bit per vCPU, changed by locked operations, in
  part without the lock.
"""

from typing import Any

import numpy as np

from kvmarm.config import MAX_SPIS, MAX_VCPUS
from kvmarm.gic import FIRST_SPI, HCR_EN, PRIVATE_IRQS, SGIS
from kvmarm.jit import U64, jit
from kvmarm.layout import laid_out
from kvmarm.state import vm_dtype

# The seven interrupt bitmaps.
ENABLED, LEVEL, PENDING, SOFT_PENDING, QUEUED, ACTIVE, CONFIG = (np.int64(index) for index in range(7))
"""Indices of VCPU.private and VM.shared (NumPy integers: numba compiles anew for every literal one). CONFIG: 1 edge, 0
level. QUEUED: a level or forwarded interrupt is in a list register. SOFT_PENDING: pending by ISPENDR, level only.
"""
PENDING_MAP, ACTIVE_MAP, CANDIDATE_MAP = (np.int64(index) for index in range(3))
"""Indices of VCPU.cache_private and VCPU.cache_shared."""
ON_CPU_PENDING, ON_CPU_ACTIVE = (np.int64(index) for index in range(2))
"""Indices of VM.on_cpu."""
BITMAP_NAMES = ("enabled", "level", "pending", "soft_pend", "queued", "active", "cfg")

SHARED_WORDS = MAX_SPIS // 64 + 1
PRIVATE_MASK = 0xFFFFFFFF
SGI_MASK = 0xFFFF
NOBODY = -1
"""`spi_cpu` of an SPI whose affinity names no vCPU (0xff in the original, whose vCPU numbers are bytes)."""

MAX_PRIVATE_MAPS = PRIVATE_IRQS - SGIS
"""Forwarded private interrupts of a vCPU: at most its PPIs."""

VCPU = laid_out(
    [
        ("private", np.uint64, (7,)),
        ("cache_private", np.uint64, (3,)),
        ("cache_shared", np.uint64, (3, SHARED_WORDS)),
        ("spi_target", np.uint64, (SHARED_WORDS,)),
        ("priority", np.uint8, (PRIVATE_IRQS,)),
        ("sgi_sources", np.uint8, (SGIS,)),
        ("map_count", np.int64),
        ("map_vintid", np.int16, (MAX_PRIVATE_MAPS,)),
        ("map_pintid", np.int16, (MAX_PRIVATE_MAPS,)),
    ]
)
"""One vCPU. `private`: its word of each interrupt bitmap. `cache_*`: its own maps (vgic_old.update), PENDING_MAP and
ACTIVE_MAP of what is deliverable to it, and CANDIDATE_MAP, a flush's snapshot of both. `spi_target`: the SPIs routed to
it. `priority`: bytes, stored only. `sgi_sources`: bit s of byte i = vCPU s sent SGI i (GICv2). `map_*`: its forwarded
private interrupts."""

PHYSMAP = np.dtype(
    [
        ("lock", np.int32),
        ("count", np.int64),
        ("vintid", np.int16, (MAX_SPIS,)),
        ("pintid", np.int16, (MAX_SPIS,)),
    ],
    align=True,
)
"""The forwarded SPIs in the order they were added, and the lock of all forwarding lists."""

VM = vm_dtype(
    "old",
    [
        ("enabled", np.int64),
        ("words", np.int64),
        ("lock", np.int32),
        ("shared", np.uint64, (7, SHARED_WORDS)),
        ("spi_cpu", np.int16, (MAX_SPIS,)),
        ("spi_priority", np.uint8, (MAX_SPIS,)),
        ("spi_mpidr", np.uint32, (MAX_SPIS,)),
        ("on_cpu", np.uint64, (2, MAX_VCPUS // 64)),
        ("physmap", PHYSMAP),
        ("vcpu", VCPU, (MAX_VCPUS,)),
    ],
    apart=("lock", "shared", "on_cpu", "physmap", "vcpu"),
)
"""The VM record. `lock`: the distributor lock; `enabled`: the distributor's one enable flag (0 or 1); `words`: how many
shared words the SPIs of this VM need; `shared`: the SPIs' bits of the seven bitmaps; `spi_cpu`: target vCPU or NOBODY;
`spi_mpidr`: affinity as written, Aff2.Aff1.Aff0 (GICv3); `on_cpu`: which vCPUs have something pending, and active."""


@jit
def initialise(vm: Any) -> None:
    """Put a zeroed record with its configuration filled in into the state after KVM_DEV_ARM_VGIC_CTRL_INIT."""
    spis = vm.irqs - FIRST_SPI
    vm.words = (spis + 63) // 64
    for index in range(vm.vcpus):
        cpu = vm.vcpu[index]
        cpu.private[ENABLED] = U64(SGI_MASK)
        cpu.private[CONFIG] = U64(SGI_MASK)
        image = vm.image[index]
        image.hcr = U64(HCR_EN)
        image.elrsr = ~U64(0)
    target = vm.vcpu[0].spi_target
    for spi in range(spis):
        target[spi >> 6] |= U64(1) << U64(spi & 63)
