# SPDX-License-Identifier: GPL-2.0-only
"""Message-signalled interrupts: a device's write to the ITS makes an LPI pending at some vCPU.

Models: vgic_its_trigger_msi and vgic_its_inject_msi (virt/kvm/arm/vgic/vgic-its.c), Linux 4.8.17.

Lock order: the ITS lock, then the irq lock; vgic_new.queue releases the latter.

Rules:
- The device, then its event, are searched for in linear lists.
"""

from typing import Any

import numpy as np

from kvmarm import events, locks
from kvmarm.interface import EBUSY
from kvmarm.jit import jit
from vgic_new.its_tables import find_itte
from vgic_new.queue import queue_and_unlock
from vgic_new.state import NOBODY, NOTHING, lock_irq

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
def trigger_msi(vm: Any, device_id: Any, event: Any, observer: Any) -> Any:
    """Make the LPI of a device's event pending: DELIVERED, UNMAPPED or EBUSY (int64). The ITS lock is held."""
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
    lock_irq(vm, slot, observer)
    vm.irq[slot].pending = 1
    queue_and_unlock(vm, slot, observer)
    return DELIVERED


@jit
def signal_msi(vm: Any, device_id: Any, event: Any, observer: Any) -> Any:
    """A device writes `event` to GITS_TRANSLATER: DELIVERED, UNMAPPED or EBUSY (int64)."""
    events.count(observer, events.CALL_MSI, 1)
    lock_its(vm, observer)
    rc = trigger_msi(vm, device_id, event, observer)
    unlock_its(vm, observer)
    return rc
