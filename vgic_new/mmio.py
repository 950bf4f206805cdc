# SPDX-License-Identifier: GPL-2.0-only
"""A trapped guest load or store: find the frame, the table row and the handler, and do the access.

Models: dispatch_mmio_read and dispatch_mmio_write with check_region (virt/kvm/arm/vgic/vgic-mmio.c), Linux 4.8.17.

Lock order: none taken here, there is no distributor lock. Each handler locks the interrupts it writes, one by one;
reads take no lock.

Rules:
- Every address inside a frame is handled. Where no row of the frame's table holds it, or the row does not take the
  access, reads give 0 and writes are ignored.

Work: the entry points and the handlers of a region are calls.
"""

from typing import Any

from kvmarm import events
from kvmarm.interface import DISTRIBUTOR, ITS
from kvmarm.jit import U64, U64_0, jit, noinline
from vgic_new import mmio_irq, mmio_v2, mmio_v3
from vgic_new.mmio_its import read_its, write_its
from vgic_new.regions import (
    LAST_COMMON,
    LAST_V2,
    find_device,
    find_row,
    first_intid,
    frame_of_device,
    row_register,
    takes_access,
)


@jit
def _find(vm: Any, region: Any, offset: Any, size: Any, observer: Any) -> Any:
    """Return (row or -1 for RAZ/WI, offset in its frame)."""
    device = find_device(vm, region, offset, observer)
    frame_offset = offset if region == DISTRIBUTOR else offset & 0xFFFF
    row = find_row(frame_of_device(vm, device), frame_offset, observer)
    if row >= 0 and not takes_access(vm, row, frame_offset, size, observer):
        row = -1
    return row, frame_offset


@jit
def mmio_read(vm: Any, vcpu: Any, region: Any, offset: Any, size: Any, observer: Any) -> Any:
    """Emulate a guest load of `size` bytes: (handled, value). Unhandled only in the ITS frame without an ITS."""
    noinline()
    events.count(observer, events.CALL_MMIO_READ, 1)
    if region == ITS:
        return read_its(vm, offset, size, observer)
    row, frame_offset = _find(vm, region, offset, size, observer)
    if row < 0:
        return 1, U64_0
    owner = vcpu if region == DISTRIBUTOR else region
    register = row_register(row)
    first = first_intid(row, frame_offset)
    if register <= LAST_COMMON:
        return 1, mmio_irq.read(vm, owner, register, first, size, observer)
    if register <= LAST_V2:
        return 1, mmio_v2.read(vm, owner, register, frame_offset, first, size, observer)
    return 1, mmio_v3.read(vm, owner, register, frame_offset, first, size, observer)


@jit
def mmio_write(vm: Any, vcpu: Any, region: Any, offset: Any, size: Any, value: Any, observer: Any) -> Any:
    """Emulate a guest store of the low `size` bytes of `value` (uint64): handled, 0 or 1."""
    noinline()
    events.count(observer, events.CALL_MMIO_WRITE, 1)
    data = value & (~U64_0 >> U64(64 - 8 * size))
    if region == ITS:
        return write_its(vm, offset, size, data, observer)
    row, frame_offset = _find(vm, region, offset, size, observer)
    if row < 0:
        return 1
    owner = vcpu if region == DISTRIBUTOR else region
    register = row_register(row)
    first = first_intid(row, frame_offset)
    if register <= LAST_COMMON:
        mmio_irq.write(vm, owner, register, first, size, data, observer)
    elif register <= LAST_V2:
        mmio_v2.write(vm, owner, register, frame_offset, first, size, data, observer)
    else:
        mmio_v3.write(vm, owner, register, frame_offset, first, size, data, observer)
    return 1
