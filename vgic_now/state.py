# SPDX-License-Identifier: GPL-2.0-only
"""The state of today's VGIC: one record per interrupt, one ordered ap_list per vCPU.

Models: struct vgic_irq, struct vgic_cpu and struct vgic_dist (include/kvm/arm_vgic.h), and the initial values of
arch/arm64/kvm/vgic/vgic-init.c, vgic-v2.c and vgic-v3.c, Linux 6.18.35.

Lock order: configuration mutex, ITS queue lock, ITS lock, lock of the LPI map, ap_list lock, irq lock. That of the
translation cache is inner to the ITS lock, otherwise taken alone. Of two ap_list locks the lower vCPU number is first;
two irq locks are held only by the comparison of the sort.

Rules:
- The fields of an interrupt are written under its irq lock. The look-up takes none, nor do register reads, but for
  pending bits (irq locks) and active bits (configuration mutex). List links and `vcpu` change under both locks.
- Every interrupt has a *slot* in one array, so that an ap_list is a chain of slot numbers and 0 can mean "none". SPIs
  are at their INTID (32..1023), private interrupts follow at FIRST_PRIVATE + 32 * vCPU + INTID. In a VM with an ITS
  those of LPIs follow from FIRST_LPI_SLOT on; they come and go (vgic_now.lpi). Devices, translations and collections
  of the ITS have pools of the same kind (vgic_now.its_tables).
- Slots 1020..1023 exist only as something to lock: those INTIDs are reserved.
"""

from typing import Any

import numpy as np

from kvmarm import events, locks
from kvmarm.config import MAX_IRQS, MAX_LPIS, MAX_VCPUS
from kvmarm.gic import FIRST_RESERVED, FIRST_SPI, HCR_EN, PRIVATE_IRQS, SGIS
from kvmarm.jit import jit, noinline
from kvmarm.layout import laid_out
from kvmarm.state import vm_dtype
from vgic_now.vcpus import NOBODY, VCPU_TREE, plant_tree

EDGE = 0
LEVEL = 1
NO_SLOT = 0
FIRST_PRIVATE = MAX_IRQS
FIRST_LPI_SLOT = FIRST_PRIVATE + MAX_VCPUS * PRIVATE_IRQS
NOTHING = 0
"""No device, translation or collection: an index into the ITS's pools, which are used from 1 on."""
MAX_DEVICES = 256
MAX_COLLECTIONS = 256
MAX_ITTES = 4 * MAX_LPIS
"""Translations of a VM: several may lead to one LPI."""
LPI_INTIDS = 1 << 16

NO_LPI_LEFT, NO_DEVICE_LEFT, NO_COLLECTION_LEFT, NO_ITTE_LEFT = range(101, 105)
"""Limits of the model, in `vm.bug`."""

MAX_RUNS = 40
"""Waiting runs of a sort, at most two of each power of two."""

PENDBASER_RESET = 0x580
"""Inner read-allocate write-back, outer the same, inner shareable."""
PROPBASER_RESET = PENDBASER_RESET
BASER_RESET = (0x1907_0000_0000_0600, 0x1C07_0000_0000_0600)
"""GITS_BASER0 and 1: devices and collections, entries of 8 bytes, pages of 64 KiB."""

IRQ_BYTES = 88
"""Size of the kernel's struct vgic_irq: what a walk over many of them loads, and what neighbours share, depends on it.
Those of one vCPU's private interrupts fill a multiple of SHARING_BYTES."""

IRQ = laid_out(
    [
        ("lock", np.int32),
        ("next", np.int32),
        ("prev", np.int32),
        ("intid", np.int32),
        ("hwintid", np.int32),
        ("mpidr", np.int32),
        ("vcpu", np.int16),
        ("target_vcpu", np.int16),
        ("latch", np.uint8),
        ("line_level", np.uint8),
        ("active", np.uint8),
        ("enabled", np.uint8),
        ("hw", np.uint8),
        ("config", np.uint8),
        ("group", np.uint8),
        ("source", np.uint8),
        ("active_source", np.uint8),
        ("targets", np.uint8),
        ("priority", np.uint8),
    ],
    multiple=IRQ_BYTES,
)
"""One interrupt. `next`, `prev`: slots of its neighbours on an ap_list; `vcpu`: whose ap_list it is on, or NOBODY;
`target_vcpu`: where it should go, or NOBODY; `latch`: of an edge, an SGI or ISPENDR, which flush moves into a list
register for EDGE; `line_level`: the line, for LEVEL; `group`: 0 or 1; `source`: a bit per sending vCPU (GICv2 SGIs);
`active_source`: who sent the one that is active; `targets`: GICv2's ITARGETSR byte; `mpidr`: GICv3's IROUTER, 24
bits."""

VCPU = laid_out(
    [
        ("lock", np.int32),
        ("head", np.int32),
        ("tail", np.int32),
        ("used_lrs", np.int32),
        ("requests", np.uint64, (1,)),
        ("pendbaser", np.uint64),
        ("lpis_enabled", np.int64),
        ("waiting", np.int32, (MAX_RUNS,)),
    ]
)
"""One vCPU: its ap_list (slots of the first and last entry) with the list's lock, how many list registers the last
flush filled, PENDBASER and GICR_CTLR.EnableLPIs. `requests`: what it is asked to look at before its next entry.
`waiting`: the runs of a sort (vgic_now.sort); to allocate them would cost as much as the sort of a short list."""

LPI = np.dtype([("refcount", np.int32), ("next", np.int32)], align=True)
"""What an LPI's slot has in addition: references. The chain of free slots goes by `next`."""

LPI_MAP = np.dtype(
    [
        ("lock", np.int32),
        ("used", np.int32),
        ("free", np.int32),
        ("leaves", np.uint64, (LPI_INTIDS >> 12,)),
        ("present", np.uint64, (LPI_INTIDS >> 6,)),
        ("slot", np.int32, (LPI_INTIDS,)),
    ],
    align=True,
)
"""The VM's LPIs in the order of their INTIDs, a tree of three levels as the kernel's xarray: `leaves`: a bit for each
word of `present` that is not 0; `present`: a bit per INTID; `slot`: by INTID. `used`: how many slots of the pool were
ever used; `free`: the first of those that are free again."""

DEVICE = np.dtype(
    [
        ("id", np.int64),
        ("itt", np.uint64),
        ("events", np.int64),
        ("next", np.int32),
        ("prev", np.int32),
        ("head", np.int32),
        ("tail", np.int32),
    ],
    align=True,
)
"""One device of the ITS: the guest's table for its translations (address, and how many it has room for). Also its
neighbours on the list of devices, and the first and last of its translations."""

ITTE = np.dtype(
    [
        ("event", np.int64),
        ("next", np.int32),
        ("prev", np.int32),
        ("owner", np.int32),
        ("lpi", np.int32),
        ("collection", np.int32),
    ],
    align=True,
)
"""One translation: the event, its neighbours on the device's list, the device, the LPI's slot, the collection or
NOTHING."""

COLLECTION = np.dtype([("id", np.int64), ("next", np.int32), ("prev", np.int32), ("target", np.int32)], align=True)
"""One collection: its neighbours on the ITS's list, and its target vCPU or NOBODY."""

POOL = np.dtype([(name, np.int32) for name in ("head", "tail", "used", "free")], align=True)
"""A list of the ITS and the pool that its entries come from: first and last entry, entries of the pool that were ever
used, and the first of those that are free again. The translations are on their devices' lists."""

CACHE = np.dtype(
    [
        ("lock", np.int32),
        ("used", np.int32),
        ("key", np.int64, (MAX_ITTES,)),
        ("slot", np.int32, (MAX_ITTES,)),
    ],
    align=True,
)
"""The translation cache of the ITS: `used` entries in the order of their keys (device << 16 | event), each with the
slot of its LPI and a reference to it."""

VGIC_ITS = np.dtype(
    [
        ("lock", np.int32),
        ("enabled", np.int32),
        ("baser", np.uint64, (2,)),
        ("devices", POOL),
        ("collections", POOL),
        ("ittes", POOL),
        ("device_pool", DEVICE, (1 + MAX_DEVICES,)),
        ("collection_pool", COLLECTION, (1 + MAX_COLLECTIONS,)),
        ("itte_pool", ITTE, (1 + MAX_ITTES,)),
        ("cache", CACHE),
    ],
    align=True,
)
"""The ITS: GITS_CTLR.Enabled, its table registers (BASER0: devices, BASER1: collections), its lists, the pools that
their entries come from, and its cache."""

ITS_QUEUE = np.dtype(
    [("lock", np.int32), ("cbaser", np.uint64), ("creadr", np.uint64), ("cwriter", np.uint64)], align=True
)
"""The command queue of the ITS: its registers and their lock."""

MUTEX = np.dtype([("lock", np.int32)], align=True)

PHYSICAL = np.dtype([("line", np.uint8), ("active", np.uint8)])
"""A physical interrupt as the host's interrupt controller shows it: its line, which the VGIC samples, and the active
state that the VGIC sets (it never reads that)."""


def _fields(slots: int) -> list[tuple[Any, ...]]:
    return [
        ("enabled", np.int64),
        ("propbaser", np.uint64),
        ("vcpu_tree", VCPU_TREE),
        ("configuration", MUTEX),
        ("physical", PHYSICAL, (MAX_IRQS,)),
        ("vcpu", VCPU, (MAX_VCPUS,)),
        ("irq", IRQ, (slots,)),
    ]


_APART = ("configuration", "physical", "vcpu", "irq")
VM = vm_dtype("now", _fields(FIRST_LPI_SLOT), apart=_APART)
"""The state of one VM. `enabled`: the distributor's enable bit; `configuration`: the lock of what a vCPU that runs may
not see half changed; `physical`: by physical INTID."""
VM_WITH_ITS = vm_dtype(
    "now",
    [
        *_fields(FIRST_LPI_SLOT + MAX_LPIS),
        ("lpi_map", LPI_MAP),
        ("lpi", LPI, (MAX_LPIS,)),
        ("its_queue", ITS_QUEUE),
        ("vgic_its", VGIC_ITS),
    ],
    apart=(*_APART, "lpi_map", "its_queue", "vgic_its"),
    its=True,
)
"""The state of one VM with an ITS; `lpi`: of the slots from FIRST_LPI_SLOT on."""


def initialise(vm: Any) -> None:
    """Put a zeroed VM record, configuration filled in, into the state after KVM_DEV_ARM_VGIC_CTRL_INIT."""
    vcpus = int(vm.vcpus)
    plant_tree(vm.vcpu_tree, vcpus)
    shared = vm.irq[FIRST_SPI:MAX_IRQS]
    shared["intid"] = np.arange(FIRST_SPI, MAX_IRQS)
    shared["vcpu"] = NOBODY
    shared["group"] = vm.gic == 3
    # A reserved INTID reads as zero everywhere; that of an edge-triggered interrupt's ICFGR field would be 2.
    shared["config"][FIRST_RESERVED - FIRST_SPI :] = LEVEL
    private = vm.irq[FIRST_PRIVATE : FIRST_PRIVATE + vcpus * PRIVATE_IRQS].reshape(vcpus, PRIVATE_IRQS)
    private["intid"] = np.arange(PRIVATE_IRQS)
    private["vcpu"] = NOBODY
    private["group"] = vm.gic == 3
    private["target_vcpu"] = np.arange(vcpus)[:, np.newaxis]
    if vm.gic == 2:
        private["targets"] = 1 << np.arange(vcpus)[:, np.newaxis]
    private["enabled"][:, :SGIS] = 1
    private["config"][:, SGIS:] = LEVEL
    vm.vcpu["pendbaser"][:vcpus] = PENDBASER_RESET
    if vm.its:
        vm.propbaser = PROPBASER_RESET
        vm.vgic_its.baser[:] = BASER_RESET
    vm.image["hcr"][:vcpus] = HCR_EN
    vm.image["elrsr"][:vcpus] = (1 << int(vm.lrs)) - 1


@jit
def _find_shared(vm: Any, intid: Any, observer: Any) -> Any:
    """Return the slot of an SPI, its number masked against speculation beyond the VM's own; NO_SLOT. vgic_get_irq."""
    noinline()
    if intid >= vm.irqs:
        return np.int64(NO_SLOT)
    events.count(observer, events.SPI_LOOKUP, 1)
    return intid & (intid - vm.irqs) >> 63


@jit
def find_irq_to_read(vm: Any, vcpu: Any, intid: Any, observer: Any) -> Any:
    """Return what `find_irq` does, as a part of its caller: for the loops that read one field of each interrupt.

    Such a loop does little but look up, and numba's calls, whose results go through memory, cost more than C's.
    """
    events.count(observer, events.IRQ_LOOKUP, 1)
    if intid < PRIVATE_IRQS:
        return FIRST_PRIVATE + vcpu * PRIVATE_IRQS + intid
    return _find_shared(vm, intid, observer)


@jit
def find_irq(vm: Any, vcpu: Any, intid: Any, observer: Any) -> Any:
    """Return the slot (int64) of `intid` as `vcpu` sees it, NO_SLOT when this VM has no such interrupt.

    The reserved INTIDs of a VM with 1024 have slots: see `is_reserved`. vgic_get_vcpu_irq; takes no lock.
    """
    noinline()
    return find_irq_to_read(vm, vcpu, intid, observer)


@jit
def is_reserved(slot: Any) -> Any:
    """Return whether a slot belongs to one of the reserved INTIDs 1020..1023."""
    return slot >= FIRST_RESERVED and slot < FIRST_PRIVATE


@jit
def _lock_kind(slot: Any) -> Any:
    if slot >= FIRST_LPI_SLOT:
        return locks.IRQ_SHARED
    if slot >= FIRST_PRIVATE:
        return locks.IRQ_PRIVATE
    if slot >= FIRST_RESERVED:
        return locks.IRQ_RESERVED
    return locks.IRQ_SHARED


@jit
def _lock_index(vm: Any, slot: Any) -> Any:
    if slot >= FIRST_LPI_SLOT:
        return np.int64(vm.irq[slot].intid)
    if slot >= FIRST_PRIVATE:
        return slot - FIRST_PRIVATE
    if slot >= FIRST_RESERVED:
        return 0
    return slot


@jit
def lock_irq(vm: Any, slot: Any, observer: Any) -> None:
    """Take the irq lock of the interrupt in `slot`."""
    locks.acquire(vm.irq[slot], _lock_kind(slot), _lock_index(vm, slot), observer)


@jit
def unlock_irq(vm: Any, slot: Any, observer: Any) -> None:
    """Release the irq lock of the interrupt in `slot`."""
    locks.release(vm.irq[slot], _lock_kind(slot), _lock_index(vm, slot), observer)


@jit
def lock_irq_to_write(vm: Any, slot: Any, observer: Any) -> Any:
    """Take the irq lock for a register write; for a reserved INTID release it at once and return False."""
    lock_irq(vm, slot, observer)
    if is_reserved(slot):
        unlock_irq(vm, slot, observer)
        return False
    return True


@jit
def lock_ap_list(vm: Any, vcpu: Any, observer: Any) -> None:
    """Take the lock of the ap_list of `vcpu`."""
    locks.acquire(vm.vcpu[vcpu], locks.AP_LIST, vcpu, observer)


@jit
def unlock_ap_list(vm: Any, vcpu: Any, observer: Any) -> None:
    """Release the lock of the ap_list of `vcpu`."""
    locks.release(vm.vcpu[vcpu], locks.AP_LIST, vcpu, observer)


@jit
def lock_configuration(vm: Any, observer: Any) -> None:
    """Take the VM's configuration mutex."""
    locks.acquire_mutex(vm.configuration, locks.CONFIG, 0, observer)


@jit
def unlock_configuration(vm: Any, observer: Any) -> None:
    """Release the VM's configuration mutex."""
    locks.release_mutex(vm.configuration, locks.CONFIG, 0, observer)


@jit
def is_pending(irq: Any) -> Any:
    """Return whether (0 or 1) an interrupt is pending: latched, or LEVEL with its line high. irq_is_pending."""
    return irq.latch | irq.line_level if irq.config == LEVEL else irq.latch


@jit
def is_forwarded_level(irq: Any) -> Any:
    """Return whether an interrupt follows a physical line that the VGIC samples. vgic_irq_is_mapped_level."""
    return irq.hw and irq.config == LEVEL


@jit
def physical_line(vm: Any, irq: Any) -> Any:
    """Return the level (0 or 1) of the physical line behind a forwarded interrupt. vgic_get_phys_line_level."""
    noinline()
    return vm.physical[irq.hwintid].line


@jit
def set_physical_active(vm: Any, irq: Any, active: Any) -> None:
    """Set the active state (0 or 1) of the physical interrupt behind a forwarded one. vgic_irq_set_phys_active."""
    noinline()
    vm.physical[irq.hwintid].active = active


@jit
def sends_to_vcpu(vm: Any, intid: Any) -> Any:
    """Return whether an interrupt is an SGI that knows its senders: one of a GICv2 guest."""
    return vm.gic == 2 and intid < SGIS
