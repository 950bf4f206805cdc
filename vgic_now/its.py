# SPDX-License-Identifier: GPL-2.0-only
"""Message-signalled interrupts: a device's write to the ITS makes an LPI pending at some vCPU.

Models: vgic_its_inject_cached_translation, vgic_its_resolve_lpi, vgic_its_trigger_msi and vgic_its_inject_msi
(arch/arm64/kvm/vgic/vgic-its.c), Linux 6.18.35.

Lock order: the ITS lock, then the irq lock; vgic_now.queue releases the latter. A translation that is in the cache
needs the irq lock alone.

Rules:
- A translation that was used since the last change is in the cache. Then no state of the ITS is asked.
- Otherwise the device, then its event, are searched for in linear lists, and the cache learns the result.
"""

from typing import Any

import numpy as np

from kvmarm import events, locks
from kvmarm.interface import EBUSY
from kvmarm.jit import jit
from vgic_now.its_cache import find_cached, store
from vgic_now.its_tables import find_itte
from vgic_now.lpi import put_lpi
from vgic_now.queue import queue_and_unlock
from vgic_now.state import NO_SLOT, NOBODY, NOTHING, lock_irq

DELIVERED = 1
UNMAPPED = 0


@jit
def lock_its(vm: Any, observer: Any) -> None:
    """Take the ITS lock."""
    locks.acquire(vm.vgic_its, locks.ITS, 0, observer)


@jit
def unlock_its(vm: Any, observer: Any) -> None:
    """Release the ITS lock."""
    locks.release(vm.vgic_its, locks.ITS, 0, observer)


@jit
def _make_pending(vm: Any, slot: Any, observer: Any) -> None:
    lock_irq(vm, slot, observer)
    vm.irq[slot].latch = 1
    queue_and_unlock(vm, slot, observer)


@jit
def trigger_msi(vm: Any, device_id: Any, event: Any, observer: Any) -> Any:
    """Make the LPI of a device's event pending: DELIVERED, UNMAPPED or EBUSY (int64). The ITS lock is held."""
    locks.assert_held(vm.vgic_its)
    its = vm.vgic_its
    locks.assert_held(its)
    if not its.enabled:
        return EBUSY
    number = find_itte(vm, device_id, event, observer)
    if number == NOTHING:
        return UNMAPPED
    collection = np.int64(its.itte_pool[number].collection)
    if collection == NOTHING or its.collection_pool[collection].target == NOBODY:
        return UNMAPPED
    if not vm.vcpu[np.int64(its.collection_pool[collection].target)].lpis_enabled:
        return EBUSY
    slot = np.int64(its.itte_pool[number].lpi)
    store(vm, device_id, event, slot, observer)
    _make_pending(vm, slot, observer)
    return DELIVERED


@jit
def signal_msi(vm: Any, device_id: Any, event: Any, observer: Any) -> Any:
    """A device writes `event` to GITS_TRANSLATER: DELIVERED, UNMAPPED or EBUSY (int64)."""
    events.count(observer, events.CALL_MSI, 1)
    slot = find_cached(vm, device_id, event, observer)
    if slot != NO_SLOT:
        _make_pending(vm, slot, observer)
        put_lpi(vm, slot, observer)
        return DELIVERED
    lock_its(vm, observer)
    rc = trigger_msi(vm, device_id, event, observer)
    unlock_its(vm, observer)
    return rc
