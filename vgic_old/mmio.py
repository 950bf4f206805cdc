# SPDX-License-Identifier: GPL-2.0-only
"""A trapped guest load or store: find the frame, the range and the handler, and do the access.

Models: vgic_handle_mmio_access, vgic_find_range, vgic_validate_access and call_range_handler (virt/kvm/arm/vgic.c), and
the search of the I/O bus before them, kvm_io_bus_get_first_dev (virt/kvm/kvm_main.c), Linux 4.4.177.

Lock order: the distributor lock, for the access; it is released before any vCPU is kicked.

Rules:
- The first range of the frame's table that holds the whole access takes it. Without one the access is not handled, and
  no lock is taken.
- The INTID is checked once, for the start of the access. Beyond the VM's INTIDs, reads give zero and writes are
  ignored.
- 8 bytes are two accesses of 4, the upper half first.

Work: a binary search of the bus, whose comparisons are calls. Then a walk through the range table from its start, and a
call of the handler, in which a helper masks and merges the word.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.interface import DISTRIBUTOR
from kvmarm.jit import U64, U64_0, U64_1, jit, noinline
from kvmarm.locks import DIST, acquire, assert_held, release
from vgic_old import mmio_v2, mmio_v3
from vgic_old.mmio_common import COMMON_REGISTERS, PRIVATE_BYTES, read_common, write_common
from vgic_old.update import kick_vcpus, update_state

_V2_DISTRIBUTOR = mmio_v2.DISTRIBUTOR_RANGES
_V3_DISTRIBUTOR = mmio_v3.DISTRIBUTOR_RANGES
_V3_REDISTRIBUTOR = mmio_v3.REDISTRIBUTOR_RANGES
_BASE, _LENGTH, _BITS, _REGISTER = range(4)


@jit
def _compare_devices(vm: Any, one: Any, other: Any, observer: Any) -> Any:
    """Compare two devices of the I/O bus by address, as a library search does through a pointer: below, at or above 0.

    The distributor is device 0, the redistributors follow, each a device.
    """
    noinline()
    events.count(observer, events.BUS_STEP, 1)
    return one - other


@jit
def _find_device(vm: Any, region: Any, observer: Any) -> Any:
    """Return the number (int64) of the device of `region` on the I/O bus, by binary search; -1 for none."""
    noinline()
    position = region + 1
    low = 0
    high = 1 if vm.gic == 2 else 1 + vm.vcpus
    found = np.int64(-1)
    while low < high:
        middle = low + ((high - low) >> 1)
        order = _compare_devices(vm, position, middle, observer)
        if order == 0:
            found = np.int64(middle)
            break
        if order < 0:
            high = middle
        else:
            low = middle + 1
    # The first of several that match is wanted: is the device before it one, too?
    if position > 0:
        _compare_devices(vm, position, position - 1, observer)
    return found


@jit
def _search(ranges: Any, offset: Any, size: Any, observer: Any) -> Any:
    """Return the first row (int64) of a range table that holds all of an access, -1 for none."""
    for index in range(ranges.shape[0]):
        events.count(observer, events.RANGE_STEP, 1)
        base = ranges[index, _BASE]
        if offset >= base and offset + size <= base + ranges[index, _LENGTH]:
            return index
    return -1


@jit
def _is_banked_away(vm: Any, region: Any, register: Any, offset: Any) -> Any:
    """Return whether it is GICv3's distributor and interrupts that its redistributors have: RAZ/WI there."""
    return region == DISTRIBUTOR and vm.gic == 3 and offset < PRIVATE_BYTES[register]


@jit
def _read(vm: Any, vcpu: Any, region: Any, register: Any, offset: Any, observer: Any) -> Any:
    """Call the handler of a register; return the word (uint64) that the access lies in.

    The distributor lock is held.
    """
    noinline()
    assert_held(vm)
    events.count(observer, events.HANDLER, 1)
    events.count(observer, events.REG_ACCESS, 1)
    if register < COMMON_REGISTERS:
        if _is_banked_away(vm, region, register, offset):
            return U64_0
        return read_common(vm, vcpu if region == DISTRIBUTOR else region, register, offset, observer)
    if region != DISTRIBUTOR:
        return mmio_v3.read_redistributor(vm, region, register, offset)
    if vm.gic == 2:
        return mmio_v2.read_distributor(vm, vcpu, register, offset, observer)
    return mmio_v3.read_distributor(vm, register, offset)


@jit
def _write(vm: Any, vcpu: Any, region: Any, register: Any, offset: Any, data: Any, field: Any, observer: Any) -> Any:
    """Call the handler of a register; return whether state was updated.

    The distributor lock is held.
    """
    noinline()
    assert_held(vm)
    events.count(observer, events.HANDLER, 1)
    events.count(observer, events.REG_ACCESS, 1)
    updated = False
    if register < COMMON_REGISTERS:
        if not _is_banked_away(vm, region, register, offset):
            owner = vcpu if region == DISTRIBUTOR else region
            updated = write_common(vm, owner, register, offset, data, field, observer)
    elif region == DISTRIBUTOR:
        # A redistributor has no other register that can be written.
        if vm.gic == 2:
            updated = mmio_v2.write_distributor(vm, vcpu, register, offset, data, field, observer)
        else:
            updated = mmio_v3.write_distributor(vm, register, offset, data, field, observer)
    if updated:
        update_state(vm, observer)
    return updated


@jit
def _range_of(vm: Any, region: Any, offset: Any, size: Any, observer: Any) -> Any:
    """Return (register, offset in its range, whether its INTID exists); register -1: no range takes the access."""
    _find_device(vm, region, observer)
    if region < DISTRIBUTOR or (region >= 0 and vm.gic == 2):
        return np.int64(-1), np.int64(0), False
    ranges = _V3_DISTRIBUTOR
    if region >= 0:
        ranges = _V3_REDISTRIBUTOR
    elif vm.gic == 2:
        ranges = _V2_DISTRIBUTOR
    index = _search(ranges, offset, size, observer)
    if index < 0:
        return np.int64(-1), np.int64(0), False
    inside = offset - ranges[index, _BASE]
    bits = ranges[index, _BITS]
    if bits >= 0:
        events.count(observer, events.INTID_CHECK, 1)
    return ranges[index, _REGISTER], inside, bits < 0 or (inside << 3) >> bits < vm.irqs


@jit
def _mask(size: Any) -> Any:
    return (U64_1 << U64(8 * size)) - U64_1


@jit
def mmio_read(vm: Any, vcpu: Any, region: Any, offset: Any, size: Any, observer: Any) -> Any:
    """Emulate a load of `size` bytes (1, 2, 4, 8) by `vcpu`; return (handled 0 or 1, value uint64)."""
    noinline()
    events.count(observer, events.CALL_MMIO_READ, 1)
    register, inside, exists = _range_of(vm, region, offset, size, observer)
    if register < 0:
        return 0, U64_0
    acquire(vm, DIST, 0, observer)
    value = U64_0
    if exists:
        part = inside + 4 if size == 8 else inside
        while part >= inside:
            word = _read(vm, vcpu, region, register, part, observer)
            value = value << U64(32) | word >> U64(8 * (part & 3)) & _mask(min(size, 4))
            part -= 4
    release(vm, DIST, 0, observer)
    return 1, value


@jit
def mmio_write(vm: Any, vcpu: Any, region: Any, offset: Any, size: Any, value: Any, observer: Any) -> Any:
    """Emulate a store of the low `size` bytes (1, 2, 4, 8) of `value` (uint64) by `vcpu`; return handled, 0 or 1."""
    noinline()
    events.count(observer, events.CALL_MMIO_WRITE, 1)
    register, inside, exists = _range_of(vm, region, offset, size, observer)
    if register < 0:
        return 0
    acquire(vm, DIST, 0, observer)
    updated = False
    if exists:
        field = _mask(min(size, 4))
        part = inside + 4 if size == 8 else inside
        while part >= inside:
            shift = U64(8 * (part & 3))
            data = value >> U64(8 * (part - inside)) & field
            if _write(vm, vcpu, region, register, part, data << shift, field << shift, observer):
                updated = True
            part -= 4
    release(vm, DIST, 0, observer)
    if updated:
        kick_vcpus(vm, observer)
    return 1
