# SPDX-License-Identifier: GPL-2.0-only
"""The legacy VGIC of Linux 4.4: bitmaps per state, one distributor lock, caches recomputed on every MMIO change."""

from kvmarm.design import Design
from vgic_old.flush import flush
from vgic_old.forward import is_active, map_phys, unmap_phys
from vgic_old.inject import inject, inject_mapped
from vgic_old.mmio import mmio_read, mmio_write
from vgic_old.query import pending
from vgic_old.sgi import send_sgi
from vgic_old.state import VM, initialise
from vgic_old.switch import restore, save
from vgic_old.sync import sync
from vgic_old.view import BUGS, snapshot

DESIGN = Design(
    name="old",
    title="legacy VGIC: bitmaps, one distributor lock",
    source="Linux 4.4.177 virt/kvm/arm/vgic.c, vgic-v2.c, vgic-v2-emul.c, vgic-v3.c, vgic-v3-emul.c",
    dtype=VM,
    initialise=initialise,
    functions={
        "inject": inject,
        "map_phys": map_phys,
        "unmap_phys": unmap_phys,
        "inject_mapped": inject_mapped,
        "mmio_read": mmio_read,
        "mmio_write": mmio_write,
        "send_sgi": send_sgi,
        "flush": flush,
        "restore": restore,
        "save": save,
        "sync": sync,
        "pending": pending,
        "is_active": is_active,
    },
    bugs=BUGS,
    snapshot=snapshot,
    world_switch="asm",
    package=__name__,
    origin="built in",
)
"""The design as the rest of the project sees it."""
