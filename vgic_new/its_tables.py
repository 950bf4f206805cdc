# SPDX-License-Identifier: GPL-2.0-only
"""What the ITS knows: devices with their translations, and collections, each a linear list in order of creation.

Models: find_its_device, find_itte, find_collection, vgic_its_check_id, vgic_its_alloc_collection, and the allocation
and freeing of all three kinds (virt/kvm/arm/vgic/vgic-its.c), Linux 4.8.17.

Lock order: the caller holds the ITS lock; to free a translation takes the LPI list lock.

Rules:
- The tables that the guest provides memory for are never written: an id must only have a place in them.
- The real entries come from the allocator, these from pools in the VM record. What is beyond them ends the run
  (`vm.bug`).
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.guest_memory import is_ram, load
from kvmarm.jit import U64, jit
from vgic_new.lpi import put_lpi
from vgic_new.state import (
    MAX_COLLECTIONS,
    MAX_DEVICES,
    MAX_ITTES,
    NO_COLLECTION_LEFT,
    NO_DEVICE_LEFT,
    NO_ITTE_LEFT,
    NO_SLOT,
    NOBODY,
    NOTHING,
)

DEVICE_TABLE, COLLECTION_TABLE = 0, 1
"""Numbers of the GITS_BASER registers."""
_INDIRECT = 1 << 62
_ENTRY_VALID = 1 << 63
_TABLE_ADDRESS = 0x0000_FFFF_FFFF_0000
_LEVEL2_ADDRESS = 0x000F_FFFF_FFFF_0000
_ENTRIES_SHIFT = 13
"""Entries of 8 bytes in a page of 64 KiB: 8,192."""


@jit
def has_place(vm: Any, table: Any, number: Any, observer: Any) -> Any:
    """Return whether the guest has provided memory for id `number` (int64) in a table."""
    events.count(observer, events.TABLE_CHECK, 1)
    baser = vm.vgic_its.baser[table]
    entries = (np.int64(baser & U64(0xFF)) + 1) << _ENTRIES_SHIFT
    address = baser & U64(_TABLE_ADDRESS)
    if baser & U64(_INDIRECT):
        index = number >> _ENTRIES_SHIFT
        if index >= entries:
            return False
        address += U64(index * 8)
        events.count(observer, events.GUEST_READ, 1)
        if not is_ram(address):
            return False
        entry = load(vm, address)
        if not entry & U64(_ENTRY_VALID):
            return False
        address = entry & U64(_LEVEL2_ADDRESS)
        number &= (1 << _ENTRIES_SHIFT) - 1
    elif number >= entries:
        return False
    return is_ram(address + U64(number * 8))


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
def add_device(vm: Any, number: Any, observer: Any) -> None:
    """Put a device without translations at the end of the list."""
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
    """Remove a device and its translations."""
    its = vm.vgic_its
    device = its.device_pool[entry]
    while device.head != NOTHING:
        remove_itte(vm, np.int64(device.head), observer)
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
    """Remove a translation and drop its reference to the LPI."""
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
    if itte.lpi != NO_SLOT:
        put_lpi(vm, np.int64(itte.lpi), observer)
    itte.next = its.ittes.free
    its.ittes.free = number


@jit
def add_collection(vm: Any, number: Any, observer: Any) -> Any:
    """Put an unmapped collection at the end of the list; return it, NOTHING when its id has no place in the table."""
    if not has_place(vm, COLLECTION_TABLE, number, observer):
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
