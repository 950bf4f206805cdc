# SPDX-License-Identifier: GPL-2.0-only
"""Today's VGIC: what the redesign had become in Linux 6.18 (long-term).

Models: arch/arm64/kvm/vgic/*.c, arch/arm64/kvm/hyp/vgic-v3-sr.c, Linux 6.18.35.

Lock order: ap_list lock, then irq lock. See `state`.

Rules:
- Interrupt state is in records (`state`). What is active or pending for a vCPU is on its ap_list (`aplist`), in order.
- Device and guest change the records (`inject`, `sgi`, `forward`, `mmio` and its handlers); `queue` decides who gets an
  interrupt.
- An entry fills list registers from the ap_list (`flush`), an exit folds them back and prunes the list (`sync`);
  `switch` moves the image.
- Ten years changed when a vCPU is kicked, what pending means, how a list register is written and folded, and which
  accesses take locks.
"""

from kvmarm.design import Design
from vgic_now import flush, forward, inject, its, mmio, query, sgi, state, switch, sync, view

DESIGN = Design(
    name="now",
    title="today's VGIC (Linux 6.18)",
    source="arch/arm64/kvm/vgic/*.c, arch/arm64/kvm/hyp/vgic-v3-sr.c, Linux 6.18",
    dtype=state.VM,
    its_dtype=state.VM_WITH_ITS,
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
    scratch=("image.misr", "image.eisr", "image.elrsr", "vcpu.waiting"),
)

__all__ = ["DESIGN"]
