# SPDX-License-Identifier: GPL-2.0-only
"""The commands of the ITS, as the guest queues them in its memory.

Models: vgic_its_handle_command, the vgic_its_cmd_handle_… functions and update_affinity_itte
(virt/kvm/arm/vgic/vgic-its.c), Linux 4.8.17.

Lock order: the ITS lock for each command, then the LPI list lock or irq locks.

Rules:
- A command that fails changes nothing and is skipped.
- Only INT, and what reads an LPI's configuration, can queue. A changed target shows when the vCPU that has the LPI next
  syncs.
- Each handler takes those of the command's doublewords (uint64) that it needs.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import FIRST_LPI
from kvmarm.jit import U64, jit
from vgic_new.its import lock_its, trigger_msi, unlock_its
from vgic_new.its_tables import (
    DEVICE_TABLE,
    add_collection,
    add_device,
    add_itte,
    find_collection,
    find_device,
    find_itte,
    has_place,
    remove_collection,
    remove_device,
    remove_itte,
)
from vgic_new.lpi import add_lpi, lock_lpi_list, unlock_lpi_list
from vgic_new.lpi_tables import update_all, update_config
from vgic_new.state import FIRST_LPI_SLOT, NO_SLOT, NOBODY, NOTHING, lock_irq, unlock_irq

MOVI, INT, CLEAR, SYNC, MAPD, MAPC, MAPTI, MAPI, INV, INVALL, MOVALL, DISCARD = (
    0x01, 0x03, 0x04, 0x05, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F,
)  # fmt: skip
"""Opcodes (IHI 0069 6.3)."""
_MOST_ID_BITS = 16
_ANY = np.int64(NOBODY)
"""Typed at once: a bare literal would have update_config compiled a second time."""


@jit
def _device_of(dw0: Any) -> Any:
    return np.int64(dw0 >> U64(32))


@jit
def _event_of(dw1: Any) -> Any:
    return np.int64(dw1 & U64(0xFFFFFFFF))


@jit
def _collection_of(dw2: Any) -> Any:
    return np.int64(dw2 & U64(0xFFFF))


@jit
def _target_of(word: Any) -> Any:
    return np.int64((word >> U64(16)) & U64(0xFFFFFFFF))


@jit
def _is_valid(dw2: Any) -> Any:
    return dw2 >> U64(63) != U64(0)


@jit
def _set_target(vm: Any, slot: Any, vcpu: Any, observer: Any) -> None:
    events.count(observer, events.LPI_TARGET, 1)
    lock_irq(vm, slot, observer)
    vm.irq[slot].target_vcpu = vcpu
    unlock_irq(vm, slot, observer)


@jit
def _map_device(vm: Any, dw0: Any, dw2: Any, observer: Any) -> None:
    number = _device_of(dw0)
    if not has_place(vm, DEVICE_TABLE, number, observer):
        return
    device = find_device(vm, number, observer)
    if device != NOTHING:
        remove_device(vm, device, observer)
    if _is_valid(dw2):
        add_device(vm, number, observer)


@jit
def _map_collection(vm: Any, dw2: Any, observer: Any) -> None:
    number = _collection_of(dw2)
    target = _target_of(dw2)
    if target >= vm.vcpus:
        return
    if not _is_valid(dw2):
        remove_collection(vm, number, observer)
        return
    its = vm.vgic_its
    entry = find_collection(vm, number, observer)
    if entry == NOTHING:
        entry = add_collection(vm, number, observer)
        if entry != NOTHING:
            its.collection_pool[entry].target = target
        return
    its.collection_pool[entry].target = target
    device = np.int64(its.devices.head)
    while device != NOTHING:
        events.count(observer, events.DEVICE_STEP, 1)
        itte = np.int64(its.device_pool[device].head)
        while itte != NOTHING:
            events.count(observer, events.ITTE_WALK_STEP, 1)
            if its.itte_pool[itte].collection == entry:
                _set_target(vm, np.int64(its.itte_pool[itte].lpi), target, observer)
            itte = np.int64(its.itte_pool[itte].next)
        device = np.int64(its.device_pool[device].next)


@jit
def _map_event(vm: Any, dw0: Any, event: Any, lpi: Any, dw2: Any, observer: Any) -> None:
    number = _device_of(dw0)
    device = find_device(vm, number, observer)
    if device == NOTHING:
        return
    id_bits: Any = min(np.int64(vm.propbaser & U64(0x1F)) + 1, _MOST_ID_BITS)
    if lpi < FIRST_LPI or lpi >= 1 << id_bits:
        return
    if find_itte(vm, number, event, observer) != NOTHING:
        return
    collection = find_collection(vm, _collection_of(dw2), observer)
    if collection == NOTHING:
        collection = add_collection(vm, _collection_of(dw2), observer)
        if collection == NOTHING:
            return
    itte = add_itte(vm, device, event, collection, observer)
    if itte == NOTHING:
        return
    slot = add_lpi(vm, lpi, observer)
    if slot == NO_SLOT:
        return
    its = vm.vgic_its
    its.itte_pool[itte].lpi = slot
    target = np.int64(its.collection_pool[collection].target)
    if target != NOBODY:
        _set_target(vm, slot, target, observer)
    update_config(vm, slot, _ANY, observer)


@jit
def _move_event(vm: Any, dw0: Any, dw1: Any, dw2: Any, observer: Any) -> None:
    its = vm.vgic_its
    itte = find_itte(vm, _device_of(dw0), _event_of(dw1), observer)
    if itte == NOTHING:
        return
    present = np.int64(its.itte_pool[itte].collection)
    if present == NOTHING or its.collection_pool[present].target == NOBODY:
        return
    collection = find_collection(vm, _collection_of(dw2), observer)
    if collection == NOTHING or its.collection_pool[collection].target == NOBODY:
        return
    its.itte_pool[itte].collection = collection
    _set_target(vm, np.int64(its.itte_pool[itte].lpi), np.int64(its.collection_pool[collection].target), observer)


@jit
def _move_all(vm: Any, dw2: Any, dw3: Any, observer: Any) -> None:
    source = _target_of(dw2)
    target = _target_of(dw3)
    if source >= vm.vcpus or target >= vm.vcpus or source == target:
        return
    lock_lpi_list(vm, observer)
    slot = np.int64(vm.lpi_list.head)
    while slot != NO_SLOT:
        events.count(observer, events.LPI_MOVE_STEP, 1)
        lock_irq(vm, slot, observer)
        if vm.irq[slot].target_vcpu == source:
            vm.irq[slot].target_vcpu = target
        unlock_irq(vm, slot, observer)
        slot = np.int64(vm.lpi[slot - FIRST_LPI_SLOT].next)
    unlock_lpi_list(vm, observer)


@jit
def _change_event(vm: Any, opcode: Any, dw0: Any, dw1: Any, observer: Any) -> None:
    """Do DISCARD, CLEAR or INV: the commands that name an event and need nothing but its translation."""
    its = vm.vgic_its
    itte = find_itte(vm, _device_of(dw0), _event_of(dw1), observer)
    if itte == NOTHING:
        return
    slot = np.int64(its.itte_pool[itte].lpi)
    if opcode == CLEAR:
        vm.irq[slot].pending = 0
    elif opcode == INV:
        update_config(vm, slot, _ANY, observer)
    elif its.itte_pool[itte].collection != NOTHING:
        remove_itte(vm, itte, observer)


@jit
def _update_collection(vm: Any, dw2: Any, observer: Any) -> None:
    collection = find_collection(vm, _collection_of(dw2), observer)
    if collection == NOTHING:
        return
    target = np.int64(vm.vgic_its.collection_pool[collection].target)
    if target != NOBODY:
        update_all(vm, target, observer)


@jit
def handle_command(vm: Any, dw0: Any, dw1: Any, dw2: Any, dw3: Any, observer: Any) -> None:
    """Do one command (four uint64) under the ITS lock; an unknown one does nothing."""
    events.count(observer, events.ITS_COMMAND, 1)
    opcode = np.int64(dw0 & U64(0xFF))
    lock_its(vm, observer)
    if opcode == MAPD:
        _map_device(vm, dw0, dw2, observer)
    elif opcode == MAPC:
        _map_collection(vm, dw2, observer)
    elif opcode == MAPTI:
        _map_event(vm, dw0, _event_of(dw1), np.int64(dw1 >> U64(32)), dw2, observer)
    elif opcode == MAPI:
        _map_event(vm, dw0, _event_of(dw1), _event_of(dw1), dw2, observer)
    elif opcode == MOVI:
        _move_event(vm, dw0, dw1, dw2, observer)
    elif opcode == DISCARD or opcode == CLEAR or opcode == INV:
        _change_event(vm, opcode, dw0, dw1, observer)
    elif opcode == INT:
        trigger_msi(vm, _device_of(dw0), _event_of(dw1), observer)
    elif opcode == INVALL:
        _update_collection(vm, dw2, observer)
    elif opcode == MOVALL:
        _move_all(vm, dw2, dw3, observer)
    unlock_its(vm, observer)
