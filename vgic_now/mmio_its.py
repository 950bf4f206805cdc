# SPDX-License-Identifier: GPL-2.0-only
"""The ITS: register handlers of its frame, and the command queue behind GITS_CWRITER.

Models: vgic_mmio_read_its_… and vgic_mmio_write_its_… (arch/arm64/kvm/vgic/vgic-its.c), Linux 6.18.35.

Lock order: the queue's lock, then, for each command, the ITS lock.

Rules:
- Table registers and CBASER can be written only while the ITS is off. It can be switched on only when all three are
  valid; a table that becomes invalid loses all its entries.
- Commands run while the ITS is on: those up to CWRITER at once when that is written, those that waited when it is
  switched on. One that cannot be read, or fails, is skipped silently.
- GITS_TRANSLATER is not here: a device's write comes as `signal_msi`, a guest's own store does nothing.
"""

from typing import Any

import numpy as np

from kvmarm import events, locks
from kvmarm.gic import IIDR, PIDR2_GICV3
from kvmarm.guest_memory import is_ram, load
from kvmarm.jit import JIT_ENABLED, STUB_OPTIONS, U64, U64_0, jit
from kvmarm.state import its_by_type
from vgic_now.fields import merged, part, with_field, with_valid_attributes
from vgic_now.its import lock_its, unlock_its
from vgic_now.its_cache import empty_cache
from vgic_now.its_commands import handle_command
from vgic_now.its_tables import COLLECTION_TABLE, DEVICE_TABLE, remove_all_collections, remove_all_devices
from vgic_now.regions import (
    FRAME_ITS,
    GITS_BASER,
    GITS_CBASER,
    GITS_CREADR,
    GITS_CTLR,
    GITS_CWRITER,
    GITS_IDREGS,
    GITS_TYPER,
    find_its,
    find_row,
    row_register,
    takes_access,
)

if JIT_ENABLED:
    from numba.extending import overload

TYPER = 0x1EF71
"""Physical LPIs, ITT entries of 8 bytes, 16 bits of event, 16 bits of device, PTA 0."""
_ENABLED = 1
_QUIESCENT = 1 << 31
_IDENTIFICATION = {0xFFD0: 0x40, 0xFFE0: 0x92, 0xFFE4: 0xB4, 0xFFE8: PIDR2_GICV3, 0xFFF0: 0x0D, 0xFFF4: 0xF0,
                   0xFFF8: 0x05, 0xFFFC: 0xB1}  # fmt: skip
_ID_VALUES = np.array([_IDENTIFICATION.get(0xFFD0 + 4 * index, 0) for index in range(12)], np.uint64)

_QUEUE_PAGE = 0x1000
_QUEUE_ADDRESS = 0x000F_FFFF_FFFF_0000
_QUEUE_OFFSET = 0xF_FFE0
_COMMAND_BYTES = 32

# Memory attributes of CBASER and BASER: shareability, inner and outer cacheability.
_SHAREABILITY_SHIFT, _INNER_SHIFT, _OUTER_SHIFT = 10, 59, 53
_CBASER_RESERVED = 0xF000
_VALID = 1 << 63
_INDIRECT = 1 << 62
_TYPE_SHIFT, _ENTRY_SIZE_SHIFT, _PAGE_SIZE_SHIFT = 56, 48, 8
_PAGE_64K = 2


@jit
def _with_valid_attributes(value: Any) -> Any:
    return with_valid_attributes(value, _SHAREABILITY_SHIFT, _INNER_SHIFT, _OUTER_SHIFT)


@jit
def _with_fixed_fields(value: Any, table: Any) -> Any:
    """Return what a written table register reads as: type, entry size and page size are fixed."""
    value = with_field(value, _ENTRY_SIZE_SHIFT, 0x1F, 7)
    value = with_field(value, _TYPE_SHIFT, 7, 1 if table != COLLECTION_TABLE else 4)
    value = with_field(value, _PAGE_SIZE_SHIFT, 3, _PAGE_64K)
    if table == COLLECTION_TABLE:
        value &= ~U64(_INDIRECT)
    return _with_valid_attributes(value)


@jit
def _lock_commands(vm: Any, observer: Any) -> None:
    locks.acquire(vm.its_queue, locks.ITS_COMMAND, 0, observer)


@jit
def _unlock_commands(vm: Any, observer: Any) -> None:
    locks.release(vm.its_queue, locks.ITS_COMMAND, 0, observer)


@jit
def _read_control(vm: Any, observer: Any) -> Any:
    _lock_commands(vm, observer)
    queue = vm.its_queue
    value = U64(vm.vgic_its.enabled)
    if queue.creadr == queue.cwriter:
        value |= U64(_QUIESCENT)
    _unlock_commands(vm, observer)
    return value


@jit
def _read_register(vm: Any, register: Any, offset: Any, size: Any, observer: Any) -> Any:
    its, queue = vm.vgic_its, vm.its_queue
    if register == GITS_CTLR:
        return _read_control(vm, observer)
    if register == GITS_TYPER:
        return part(U64(TYPER), offset, size)
    if register == GITS_CBASER:
        return part(queue.cbaser, offset, size)
    if register == GITS_CWRITER:
        return part(queue.cwriter, offset, size)
    if register == GITS_CREADR:
        return part(queue.creadr, offset, size)
    if register == GITS_BASER:
        table = (offset >> 3) & 7
        return part(its.baser[table], offset, size) if table <= COLLECTION_TABLE else U64_0
    if register == GITS_IDREGS:
        return _ID_VALUES[(offset & 0x3F) - 0x10 >> 2]
    return U64(IIDR)


@jit
def _write_queue_base(vm: Any, offset: Any, size: Any, value: Any, observer: Any) -> None:
    queue = vm.its_queue
    if vm.vgic_its.enabled:
        return
    _lock_commands(vm, observer)
    queue.cbaser = _with_valid_attributes(merged(queue.cbaser, offset, size, value)) & ~U64(_CBASER_RESERVED)
    queue.creadr = U64_0
    queue.cwriter = U64_0
    _unlock_commands(vm, observer)


@jit
def _queue_end(queue: Any) -> Any:
    return (np.int64(queue.cbaser & U64(0xFF)) + 1) * _QUEUE_PAGE


@jit
def _run_commands(vm: Any, observer: Any) -> None:
    """Run the commands that are queued, while the ITS is on; the command lock is held. vgic_its_process_commands."""
    locks.assert_held(vm.its_queue)
    if not vm.vgic_its.enabled:
        return
    queue = vm.its_queue
    end = _queue_end(queue)
    base = queue.cbaser & U64(_QUEUE_ADDRESS)
    while queue.creadr != queue.cwriter and not vm.bug:
        address = base + queue.creadr
        events.count(observer, events.GUEST_READ, 1)
        if is_ram(address):
            dw0, dw1 = load(vm, address), load(vm, address + U64(8))
            dw2, dw3 = load(vm, address + U64(16)), load(vm, address + U64(24))
            handle_command(vm, dw0, dw1, dw2, dw3, observer)
        following = queue.creadr + U64(_COMMAND_BYTES)
        queue.creadr = U64_0 if np.int64(following) == end else following


@jit
def _write_queue_end(vm: Any, offset: Any, size: Any, value: Any, observer: Any) -> None:
    _lock_commands(vm, observer)
    queue = vm.its_queue
    last = merged(queue.cwriter, offset, size, value) & U64(_QUEUE_OFFSET)
    if np.int64(last) < _queue_end(queue):
        queue.cwriter = last
        _run_commands(vm, observer)
    _unlock_commands(vm, observer)


@jit
def _write_control(vm: Any, enable: Any, observer: Any) -> None:
    _lock_commands(vm, observer)
    its = vm.vgic_its
    tables = its.baser[DEVICE_TABLE] & its.baser[COLLECTION_TABLE] & vm.its_queue.cbaser
    if its.enabled or not enable or tables & U64(_VALID):
        its.enabled = enable
        if not enable:
            empty_cache(vm, observer)
        _run_commands(vm, observer)
    _unlock_commands(vm, observer)


@jit
def _write_table_base(vm: Any, offset: Any, size: Any, value: Any, observer: Any) -> None:
    its = vm.vgic_its
    table = (offset >> 3) & 7
    if table > COLLECTION_TABLE or its.enabled:
        return
    its.baser[table] = _with_fixed_fields(merged(its.baser[table], offset, size, value), table)
    if its.baser[table] & U64(_VALID):
        return
    lock_its(vm, observer)
    if table == DEVICE_TABLE:
        remove_all_devices(vm, observer)
    else:
        remove_all_collections(vm, observer)
    unlock_its(vm, observer)


@jit
def _write_register(vm: Any, register: Any, offset: Any, size: Any, value: Any, observer: Any) -> None:
    if register == GITS_CTLR:
        _write_control(vm, np.int64(value & U64(_ENABLED)), observer)
    elif register == GITS_CBASER:
        _write_queue_base(vm, offset, size, value, observer)
    elif register == GITS_CWRITER:
        _write_queue_end(vm, offset, size, value, observer)
    elif register == GITS_BASER:
        _write_table_base(vm, offset, size, value, observer)


@jit
def _find(vm: Any, offset: Any, size: Any, observer: Any) -> Any:
    """Return the row of the ITS frame's table that takes the access, -1 for RAZ/WI."""
    find_its(vm, observer)
    row = find_row(FRAME_ITS, offset, observer)
    return row if row >= 0 and takes_access(vm, row, offset, size, observer) else -1


@jit
def _read(vm: Any, offset: Any, size: Any, observer: Any) -> Any:
    row = _find(vm, offset, size, observer)
    return 1, _read_register(vm, row_register(row), offset, size, observer) if row >= 0 else U64_0


@jit
def _write(vm: Any, offset: Any, size: Any, value: Any, observer: Any) -> Any:
    row = _find(vm, offset, size, observer)
    if row >= 0:
        _write_register(vm, row_register(row), offset, size, value, observer)
    return 1


def read_its(vm: Any, offset: Any, size: Any, observer: Any) -> Any:
    """Emulate a guest load of `size` bytes at `offset` of the ITS: (handled, value); unhandled without an ITS."""
    return _read(vm, offset, size, observer) if vm.its else (0, U64_0)


def write_its(vm: Any, offset: Any, size: Any, value: Any, observer: Any) -> Any:
    """Emulate a guest store of `value` (uint64, `size` bytes) at `offset` of the ITS: handled, 0 without an ITS."""
    return _write(vm, offset, size, value, observer) if vm.its else 0


if JIT_ENABLED:

    @overload(read_its, strict=False, jit_options=STUB_OPTIONS)
    def _read_by_type(vm: Any, offset: Any, size: Any, observer: Any) -> Any:
        if its_by_type(vm):
            return lambda vm, offset, size, observer: _read(vm, offset, size, observer)
        return lambda vm, offset, size, observer: (0, U64_0)

    @overload(write_its, strict=False, jit_options=STUB_OPTIONS)
    def _write_by_type(vm: Any, offset: Any, size: Any, value: Any, observer: Any) -> Any:
        if its_by_type(vm):
            return lambda vm, offset, size, value, observer: _write(vm, offset, size, value, observer)
        return lambda vm, offset, size, value, observer: 0
