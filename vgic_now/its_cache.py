# SPDX-License-Identifier: GPL-2.0-only
"""The translation cache of the ITS: from device and event to the LPI, without the ITS lock.

Models: vgic_its_check_cache, vgic_its_cache_translation and vgic_its_invalidate_cache
(arch/arm64/kvm/vgic/vgic-its.c), Linux 6.18.35.

Lock order: the cache's lock, inside which no other is taken, to store an entry and to erase one; a look-up takes none.

Rules:
- Each entry holds a reference to its LPI.
- Whatever changes a translation empties the cache as a whole.
- The kernel's is an xarray; this is a sorted array, with the same order of keys.
"""

from typing import Any

import numpy as np

from kvmarm import events, locks
from kvmarm.jit import jit
from vgic_now.lpi import put_lpi, take_reference
from vgic_now.state import MAX_ITTES, NO_SLOT

ID_BITS = 16
"""Bits of a device id and of an event."""


@jit
def _lock(vm: Any, observer: Any) -> None:
    locks.acquire(vm.vgic_its.cache, locks.ITS_CACHE, 0, observer)


@jit
def _unlock(vm: Any, observer: Any) -> None:
    locks.release(vm.vgic_its.cache, locks.ITS_CACHE, 0, observer)


@jit
def _place(vm: Any, key: Any, observer: Any) -> Any:
    """Return the index (int64) of the first entry whose key is not below `key`."""
    cache = vm.vgic_its.cache
    low = np.int64(0)
    high = np.int64(cache.used)
    while low < high:
        events.count(observer, events.CACHE_STEP, 1)
        middle = (low + high) >> 1
        if cache.key[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@jit
def find_cached(vm: Any, device_id: Any, event: Any, observer: Any) -> Any:
    """Return the slot (int64) of the LPI with a new reference, NO_SLOT when the translation is not in the cache."""
    events.count(observer, events.CACHE_SEARCH, 1)
    if device_id >> ID_BITS or event >> ID_BITS:
        return np.int64(NO_SLOT)
    cache = vm.vgic_its.cache
    key = device_id << ID_BITS | event
    place = _place(vm, key, observer)
    if place == cache.used or cache.key[place] != key:
        return np.int64(NO_SLOT)
    slot = np.int64(cache.slot[place])
    take_reference(vm, slot, observer)
    return slot


@jit
def store(vm: Any, device_id: Any, event: Any, slot: Any, observer: Any) -> None:
    """Put the translation into the cache; an entry that was there is replaced. The ITS lock is held."""
    locks.assert_held(vm.vgic_its)
    events.count(observer, events.CACHE_STORE, 1)
    take_reference(vm, slot, observer)
    cache = vm.vgic_its.cache
    key = device_id << ID_BITS | event
    replaced = np.int64(NO_SLOT)
    _lock(vm, observer)
    place = _place(vm, key, observer)
    if place < cache.used and cache.key[place] == key:
        replaced = np.int64(cache.slot[place])
    elif cache.used < MAX_ITTES:
        for entry in range(np.int64(cache.used), place, -1):
            cache.key[entry] = cache.key[entry - 1]
            cache.slot[entry] = cache.slot[entry - 1]
        cache.key[place] = key
        cache.used += 1
    cache.slot[place] = slot
    _unlock(vm, observer)
    if replaced != NO_SLOT:
        put_lpi(vm, replaced, observer)


@jit
def empty_cache(vm: Any, observer: Any) -> None:
    """Erase every entry, in the order of their keys, and drop its reference."""
    cache = vm.vgic_its.cache
    number = np.int64(cache.used)
    for entry in range(number):
        events.count(observer, events.CACHE_ERASE, 1)
        _lock(vm, observer)
        slot = np.int64(cache.slot[entry])
        if entry == number - 1:
            cache.used = 0
        _unlock(vm, observer)
        put_lpi(vm, slot, observer)
