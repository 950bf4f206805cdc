# SPDX-License-Identifier: GPL-2.0-only
"""Today's VGIC: what the redesign had become in Linux 6.18 (long-term), modelled after 6.18's arch/arm64/kvm/vgic/.

An interrupt is still a record with a lock, and what is active or pending for a vCPU is still in order on that vCPU's
ap_list, which flush walks and sync prunes. Ten years changed when a vCPU is kicked, what pending means, how a list
register is written and folded, and which accesses take locks. See the modules: `state` (records and the lock order),
`queue` (who gets an interrupt), `inject`, `mmio` and its handlers, `flush`, `sync`, `switch` (the VGIC part of the
world switch).
"""

from kvmarm.design import Design
from vgic_now import flush, forward, inject, its, mmio, query, sgi, state, switch, sync, view

DESIGN = Design(
    name="now",
    title="today's VGIC (Linux 6.18)",
    source="arch/arm64/kvm/vgic/*.c, arch/arm64/kvm/hyp/vgic-v3-sr.c, Linux 6.18",
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
    limits=view.LIMITS,
    snapshot=view.snapshot,
    world_switch="c",
    package=__name__,
    origin="built in",
)

__all__ = ["DESIGN"]
