# SPDX-License-Identifier: GPL-2.0-only
"""The redesigned VGIC of Linux 4.7 and later, modelled after 4.8's virt/kvm/arm/vgic/.

An interrupt is a record with a lock of its own; what is active or pending for a vCPU stands in order on that vCPU's
ap_list, which flush walks and sync prunes. See the modules: `state` (records and the lock order), `queue` (who gets an
interrupt), `inject`, `mmio` and its handlers, `flush`, `sync`, `switch` (the VGIC part of the world switch).
"""

from kvmarm.design import Design
from vgic_new import flush, forward, inject, its, mmio, query, sgi, state, switch, sync, view

DESIGN = Design(
    name="new",
    title="redesigned VGIC (Linux 4.8)",
    source="virt/kvm/arm/vgic/*.c, virt/kvm/arm/hyp/vgic-v2-sr.c, arch/arm64/kvm/hyp/vgic-v3-sr.c, Linux 4.8",
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
        "signal_msi": its.signal_msi,
    },
    bugs=view.BUGS,
    limits=view.LIMITS,
    snapshot=view.snapshot,
    world_switch="c",
    package=__name__,
    origin="built in",
)

__all__ = ["DESIGN"]
