# SPDX-License-Identifier: GPL-2.0-only
"""What the ITS knows: devices with their translations, and collections, each a linear list in order of creation.

Models: find_its_device, find_ite, find_collection, vgic_its_check_id, vgic_its_check_event_id,
vgic_its_alloc_collection, and the allocation and freeing of all three kinds (arch/arm64/kvm/vgic/vgic-its.c), Linux
6.18.35.

Lock order: the caller holds the ITS lock; to free a translation takes the LPI's irq lock, then, with its last
reference, the lock of the LPI map.

Rules:
- An id must have a place in the tables that the guest provides memory for. An entry is zeroed there when a device or a
  translation goes.
- The real entries come from the allocator, these from pools in the VM record. What is beyond them ends the run
  (`vm.bug`).
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.guest_memory import is_ram, load, store
from kvmarm.jit import U64, U64_0, jit
from vgic_now.its_cache import ID_BITS, empty_cache
from vgic_now.lpi import put_lpi
from vgic_now.state import (
    MAX_COLLECTIONS,
    MAX_DEVICES,
    MAX_ITTES,
    NO_COLLECTION_LEFT,
    NO_DEVICE_LEFT,
    NO_ITTE_LEFT,
    NO_SLOT,
    NOBODY,
    NOTHING,
    lock_irq,
    unlock_irq,
)

DEVICE_TABLE, COLLECTION_TABLE = 0, 1
"""Numbers of the GITS_BASER registers."""
_INDIRECT = 1 << 62
_ENTRY_VALID = 1 << 63
_TABLE_ADDRESS = 0x0000_FFFF_FFFF_0000
_TABLE_HIGH = 0xF000
_LEVEL2_ADDRESS = 0x000F_FFFF_FFFF_0000
_ENTRIES_SHIFT = 13
"""Entries of 8 bytes in a page of 64 KiB: 8,192."""


@jit
def place_of(vm: Any, table: Any, number: Any, observer: Any) -> Any:
    """Return the address (uint64) of the entry of id `number` (int64) in a table, 0 without memory for it.

    Bits 51:48 of the table's address are in bits 15:12 of GITS_BASER.
    """
    events.count(observer, events.TABLE_CHECK, 1)
    if number >> ID_BITS:
        return U64_0
    baser = vm.vgic_its.baser[table]
    entries = (np.int64(baser & U64(0xFF)) + 1) << _ENTRIES_SHIFT
    address = (baser & U64(_TABLE_ADDRESS)) | (baser & U64(_TABLE_HIGH)) << U64(36)
    if baser & U64(_INDIRECT):
        index = number >> _ENTRIES_SHIFT
        if index >= entries:
            return U64_0
        address += U64(index * 8)
        events.count(observer, events.GUEST_READ, 1)
        if not is_ram(address):
            return U64_0
        entry = load(vm, address)
        if not entry & U64(_ENTRY_VALID):
            return U64_0
        address = entry & U64(_LEVEL2_ADDRESS)
        number &= (1 << _ENTRIES_SHIFT) - 1
    elif number >= entries:
        return U64_0
    address += U64(number * 8)
    return address if is_ram(address) else U64_0


@jit
def place_of_event(vm: Any, entry: Any, event: Any) -> Any:
    """Return the address (uint64) of a translation in the table of device `entry`, 0 when the guest gave no memory."""
    device = vm.vgic_its.device_pool[entry]
    if event >= device.events:
        return U64_0
    address = device.itt + U64(event * 8)
    return address if is_ram(address) else U64_0


@jit
def clear_entry(vm: Any, address: Any) -> None:
    """Write 8 zero bytes at `address` (uint64) of guest memory, if there is memory."""
    if is_ram(address):
        store(vm, address, U64_0)


@jit
def find_device(vm: Any, number: Any, observer: Any) -> Any:
    """Return the entry (int64) of the device with id `number`, NOTHING for none."""
    its = vm.vgic_its
    device = np.int64(its.devices.head)
    while device != NOTHING:
        events.count(observer, events.DEVICE_STEP, 1)
        if its.device_pool[device].id == number:
            return device
        device = np.int64(its.device_pool[device].next)
    return device


@jit
def find_itte(vm: Any, device_id: Any, event: Any, observer: Any) -> Any:
    """Return the translation (int64) of a device's event, NOTHING for none."""
    events.count(observer, events.ITTE_SEARCH, 1)
    its = vm.vgic_its
    device = find_device(vm, device_id, observer)
    if device == NOTHING:
        return device
    itte = np.int64(its.device_pool[device].head)
    while itte != NOTHING:
        if its.itte_pool[itte].event == event:
            return itte
        events.count(observer, events.ITTE_STEP, 1)
        itte = np.int64(its.itte_pool[itte].next)
    return itte


@jit
def find_collection(vm: Any, number: Any, observer: Any) -> Any:
    """Return the entry (int64) of the collection with id `number`, NOTHING for none."""
    events.count(observer, events.COLLECTION_SEARCH, 1)
    its = vm.vgic_its
    collection = np.int64(its.collections.head)
    while collection != NOTHING:
        events.count(observer, events.COLLECTION_STEP, 1)
        if its.collection_pool[collection].id == number:
            return collection
        collection = np.int64(its.collection_pool[collection].next)
    return collection


@jit
def add_device(vm: Any, number: Any, itt: Any, number_of_events: Any, observer: Any) -> None:
    """Put a device without translations at the end of the list; `itt`: its table's address (uint64)."""
    events.count(observer, events.DEVICE_ADD, 1)
    its = vm.vgic_its
    pool = its.devices
    entry = np.int64(pool.free)
    if entry != NOTHING:
        pool.free = its.device_pool[entry].next
    elif pool.used < MAX_DEVICES:
        pool.used += 1
        entry = np.int64(pool.used)
    else:
        vm.bug = NO_DEVICE_LEFT
        return
    device = its.device_pool[entry]
    device.id = number
    device.itt = itt
    device.events = number_of_events
    device.head = NOTHING
    device.tail = NOTHING
    device.next = NOTHING
    device.prev = pool.tail
    if pool.tail == NOTHING:
        pool.head = entry
    else:
        its.device_pool[pool.tail].next = entry
    pool.tail = entry


@jit
def remove_device(vm: Any, entry: Any, observer: Any) -> None:
    """Remove a device and its translations, then empty the cache."""
    its = vm.vgic_its
    device = its.device_pool[entry]
    while device.head != NOTHING:
        remove_itte(vm, np.int64(device.head), observer)
    empty_cache(vm, observer)
    events.count(observer, events.DEVICE_FREE, 1)
    pool = its.devices
    if device.prev == NOTHING:
        pool.head = device.next
    else:
        its.device_pool[device.prev].next = device.next
    if device.next == NOTHING:
        pool.tail = device.prev
    else:
        its.device_pool[device.next].prev = device.prev
    device.next = pool.free
    pool.free = entry


@jit
def add_itte(vm: Any, entry: Any, event: Any, collection: Any, observer: Any) -> Any:
    """Put a translation without an LPI at the end of the list of the device `entry`; return it, NOTHING for no room."""
    events.count(observer, events.ITTE_ADD, 1)
    its = vm.vgic_its
    pool = its.ittes
    number = np.int64(pool.free)
    if number != NOTHING:
        pool.free = its.itte_pool[number].next
    elif pool.used < MAX_ITTES:
        pool.used += 1
        number = np.int64(pool.used)
    else:
        vm.bug = NO_ITTE_LEFT
        return number
    device = its.device_pool[entry]
    itte = its.itte_pool[number]
    itte.event = event
    itte.owner = entry
    itte.lpi = NO_SLOT
    itte.collection = collection
    itte.next = NOTHING
    itte.prev = device.tail
    if device.tail == NOTHING:
        device.head = number
    else:
        its.itte_pool[device.tail].next = number
    device.tail = number
    return number


@jit
def remove_itte(vm: Any, number: Any, observer: Any) -> None:
    """Remove a translation and drop its reference to the LPI, whose lock is taken before that."""
    events.count(observer, events.ITTE_FREE, 1)
    its = vm.vgic_its
    itte = its.itte_pool[number]
    device = its.device_pool[itte.owner]
    if itte.prev == NOTHING:
        device.head = itte.next
    else:
        its.itte_pool[itte.prev].next = itte.next
    if itte.next == NOTHING:
        device.tail = itte.prev
    else:
        its.itte_pool[itte.next].prev = itte.prev
    slot = np.int64(itte.lpi)
    if slot != NO_SLOT:
        lock_irq(vm, slot, observer)
        unlock_irq(vm, slot, observer)
        put_lpi(vm, slot, observer)
    itte.next = its.ittes.free
    its.ittes.free = number


@jit
def add_collection(vm: Any, number: Any, observer: Any) -> Any:
    """Put an unmapped collection at the end of the list; return it, NOTHING when its id has no place in the table."""
    if place_of(vm, COLLECTION_TABLE, number, observer) == U64_0:
        return np.int64(NOTHING)
    events.count(observer, events.COLLECTION_ADD, 1)
    its = vm.vgic_its
    pool = its.collections
    entry = np.int64(pool.free)
    if entry != NOTHING:
        pool.free = its.collection_pool[entry].next
    elif pool.used < MAX_COLLECTIONS:
        pool.used += 1
        entry = np.int64(pool.used)
    else:
        vm.bug = NO_COLLECTION_LEFT
        return entry
    collection = its.collection_pool[entry]
    collection.id = number
    collection.target = NOBODY
    collection.next = NOTHING
    collection.prev = pool.tail
    if pool.tail == NOTHING:
        pool.head = entry
    else:
        its.collection_pool[pool.tail].next = entry
    pool.tail = entry
    return entry


@jit
def remove_collection(vm: Any, number: Any, observer: Any) -> None:
    """Remove the collection with id `number`, if there is one; its translations have none then."""
    entry = find_collection(vm, number, observer)
    if entry == NOTHING:
        return
    its = vm.vgic_its
    device = np.int64(its.devices.head)
    while device != NOTHING:
        events.count(observer, events.DEVICE_STEP, 1)
        itte = np.int64(its.device_pool[device].head)
        while itte != NOTHING:
            events.count(observer, events.ITTE_WALK_STEP, 1)
            if its.itte_pool[itte].collection == entry:
                its.itte_pool[itte].collection = NOTHING
            itte = np.int64(its.itte_pool[itte].next)
        device = np.int64(its.device_pool[device].next)
    events.count(observer, events.COLLECTION_FREE, 1)
    pool = its.collections
    collection = its.collection_pool[entry]
    if collection.prev == NOTHING:
        pool.head = collection.next
    else:
        its.collection_pool[collection.prev].next = collection.next
    if collection.next == NOTHING:
        pool.tail = collection.prev
    else:
        its.collection_pool[collection.next].prev = collection.prev
    collection.next = pool.free
    pool.free = entry


@jit
def remove_all_devices(vm: Any, observer: Any) -> None:
    """Remove every device, as the guest takes their table away."""
    while vm.vgic_its.devices.head != NOTHING:
        remove_device(vm, np.int64(vm.vgic_its.devices.head), observer)


@jit
def remove_all_collections(vm: Any, observer: Any) -> None:
    """Remove every collection, as the guest takes their table away."""
    its = vm.vgic_its
    while its.collections.head != NOTHING:
        remove_collection(vm, np.int64(its.collection_pool[its.collections.head].id), observer)
