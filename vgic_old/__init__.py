# SPDX-License-Identifier: GPL-2.0-only
"""The legacy VGIC: one bitmap per state, one distributor lock, caches recomputed on every MMIO change.

Models: virt/kvm/arm/vgic.c, vgic-v2.c, vgic-v2-emul.c, vgic-v3.c, vgic-v3-emul.c, Linux 4.4.177.

Lock order: the distributor lock and the physmap lock, never one inside the other. See `state`.

Rules:
- Interrupt state is in bitmaps (`state`, `bitmap`); what each vCPU can take is in caches of them (`update`).
- Device and guest change the bitmaps (`inject`, `sgi`, `forward`, `mmio` and its handlers).
- An entry fills list registers from the caches (`flush`), an exit takes them back (`sync`); `switch` moves the image.
"""

from kvmarm.design import Design
from vgic_old import flush, forward, inject, mmio, query, sgi, state, switch, sync, view

DESIGN = Design(
    name="old",
    title="legacy VGIC: bitmaps, one distributor lock",
    source="Linux 4.4.177 virt/kvm/arm/vgic.c, vgic-v2.c, vgic-v2-emul.c, vgic-v3.c, vgic-v3-emul.c",
    dtype=state.VM,
    initialise=state.initialise,
    functions={
        "inject": inject.inject,
        "map_phys": forward.map_phys,
        "unmap_phys": forward.unmap_phys,
        "inject_mapped": inject.inject_mapped,
        "mmio_read": mmio.mmio_read,
        "mmio_write": mmio.mmio_write,
        "send_sgi": sgi.send_sgi,
        "flush": flush.flush,
        "restore": switch.restore,
        "save": switch.save,
        "sync": sync.sync,
        "pending": query.pending,
        "is_active": forward.is_active,
    },
    bugs=view.BUGS,
    snapshot=view.snapshot,
    world_switch="asm",
    package=__name__,
    origin="built in",
    scratch=("image.misr", "image.eisr", "vcpu.cache_private.2", "vcpu.cache_shared.2"),
    reloads=True,
)

__all__ = ["DESIGN"]
