# SPDX-License-Identifier: GPL-2.0-only
"""The register tables of today's VGIC, and the two binary searches that lead a trapped access to its handler.

Models: the vgic_register_region tables (arch/arm64/kvm/vgic/vgic-mmio-v2.c, vgic-mmio-v3.c), vgic_find_mmio_region
(vgic-mmio.c) and the search for a device of the I/O bus (virt/kvm/kvm_main.c), Linux 6.18.35.

Lock order: none taken and none needed; the tables are constant.

Rules:
- Each frame has a table sorted by offset. A row says where a block of registers is, how many bits it has per
  interrupt, and which access sizes it takes. It also says what the block is: one of the numbers below, which represent
  the handler functions.
- The GICv3 distributor has two rows for each block with one field per interrupt: the private part, which reads zero
  there, and the shared part.
- On the bus a GICv2 guest has one device, the distributor. A GICv3 guest has, in this order of addresses: the
  distributor, one redistributor per vCPU, and the ITS if there is one. A redistributor has two frames with one table.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import DISTRIBUTOR_SIZE, REDISTRIBUTOR_SIZE, SGI_FRAME
from kvmarm.jit import jit, noinline

# What a block of registers is. The first ten have handlers that do not depend on the GIC version (mmio_irq).
(
    RAZ_WI, IGROUPR, ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER, IPRIORITYR, ICFGR,
    V2_DISTRIBUTOR, ITARGETSR, SGIR, CPENDSGIR, SPENDSGIR,
    V3_DISTRIBUTOR, V3_STATUSR, IROUTER, IDREGS, RD_CTLR, RD_IIDR, RD_TYPER, PROPBASER, PENDBASER,
    INVLPIR, INVALLR, SYNCR,
    GITS_CTLR, GITS_IIDR, GITS_TYPER, GITS_CBASER, GITS_CWRITER, GITS_CREADR, GITS_BASER, GITS_IDREGS,
) = range(35)  # fmt: skip
LAST_COMMON = ICFGR
LAST_V2 = SPENDSGIR

# Access sizes as a mask of bytes.
_WORD = 4
_BYTE_OR_WORD = 1 | 4
_WORD_OR_DOUBLE = 4 | 8

_Row = tuple[int, int, int, int, int]


def _row(offset: int, length: int, register: int, bits: int = 0, sizes: int = _WORD) -> _Row:
    """One row: offset, length (bytes), what it is, bits per interrupt (0: no field per interrupt), access sizes."""
    return offset, length, register, bits, sizes


_PER_IRQ = (
    (0x080, IGROUPR, 1, _WORD),
    (0x100, ISENABLER, 1, _WORD),
    (0x180, ICENABLER, 1, _WORD),
    (0x200, ISPENDR, 1, _WORD),
    (0x280, ICPENDR, 1, _WORD),
    (0x300, ISACTIVER, 1, _WORD),
    (0x380, ICACTIVER, 1, _WORD),
    (0x400, IPRIORITYR, 8, _BYTE_OR_WORD),
    (0x800, ITARGETSR, 8, _BYTE_OR_WORD),
    (0xC00, ICFGR, 2, _WORD),
)
"""The blocks with a field an interrupt that both distributors have: offset, what it is, bits, sizes."""


def _v2_distributor() -> list[_Row]:
    rows = [_row(0, 12, V2_DISTRIBUTOR)]
    rows += [_row(offset, 128 * bits, register, bits, sizes) for offset, register, bits, sizes in _PER_IRQ]
    rows += [
        _row(0xF00, 4, SGIR),
        _row(0xF10, 16, CPENDSGIR, 8, _BYTE_OR_WORD),
        _row(0xF20, 16, SPENDSGIR, 8, _BYTE_OR_WORD),
    ]
    return rows


def _v3_distributor() -> list[_Row]:
    blocks = [
        (offset, RAZ_WI if register == ITARGETSR else register, bits, sizes)
        for offset, register, bits, sizes in _PER_IRQ
    ]
    blocks += [(0xD00, RAZ_WI, 1, _WORD), (0x6000, IROUTER, 64, _WORD_OR_DOUBLE)]
    rows = [_row(0, 16, V3_DISTRIBUTOR), _row(0x10, 4, V3_STATUSR)]
    for offset, register, bits, sizes in blocks:
        private_length = 32 * bits // 8
        rows.append(_row(offset, private_length, RAZ_WI, bits, sizes))
        rows.append(_row(offset + private_length, 992 * bits // 8, register, bits, sizes))
    rows.append(_row(0xFFD0, 0x30, IDREGS))
    return rows


def _redistributor() -> list[_Row]:
    rows = [
        _row(0x0000, 4, RD_CTLR),
        _row(0x0004, 4, RD_IIDR),
        _row(0x0008, 8, RD_TYPER, sizes=_WORD_OR_DOUBLE),
        _row(0x0010, 4, RAZ_WI),
        _row(0x0014, 4, RAZ_WI),
        _row(0x0070, 8, PROPBASER, sizes=_WORD_OR_DOUBLE),
        _row(0x0078, 8, PENDBASER, sizes=_WORD_OR_DOUBLE),
        _row(0x00A0, 8, INVLPIR, sizes=_WORD_OR_DOUBLE),
        _row(0x00B0, 8, INVALLR, sizes=_WORD_OR_DOUBLE),
        _row(0x00C0, 4, SYNCR),
        _row(0xFFD0, 0x30, IDREGS),
    ]
    rows += [_row(SGI_FRAME + offset, 4, register, 1) for offset, register, bits, _ in _PER_IRQ if bits == 1]
    rows += [
        _row(SGI_FRAME + 0x400, 32, IPRIORITYR, 8, _BYTE_OR_WORD),
        _row(SGI_FRAME + 0xC00, 8, ICFGR, 2),
        _row(SGI_FRAME + 0xD00, 4, RAZ_WI),
        _row(SGI_FRAME + 0xE00, 4, RAZ_WI),
    ]
    return rows


def _its_frame() -> list[_Row]:
    return [
        _row(0x0000, 4, GITS_CTLR),
        _row(0x0004, 4, GITS_IIDR),
        _row(0x0008, 8, GITS_TYPER, sizes=_WORD_OR_DOUBLE),
        _row(0x0080, 8, GITS_CBASER, sizes=_WORD_OR_DOUBLE),
        _row(0x0088, 8, GITS_CWRITER, sizes=_WORD_OR_DOUBLE),
        _row(0x0090, 8, GITS_CREADR, sizes=_WORD_OR_DOUBLE),
        _row(0x0100, 64, GITS_BASER, sizes=_WORD_OR_DOUBLE),
        _row(0xFFD0, 0x30, GITS_IDREGS),
    ]


FRAME_V2, FRAME_V3, FRAME_RD, FRAME_ITS = range(4)
_FRAMES = (_v2_distributor(), _v3_distributor(), _redistributor(), _its_frame())
_ROWS = [row for frame in _FRAMES for row in frame]
_FIRST_ROW = np.cumsum([0, *(len(frame) for frame in _FRAMES)])
_OFFSET = np.array([row[0] for row in _ROWS])
_END = np.array([row[0] + row[1] for row in _ROWS])
_REGISTER = np.array([row[2] for row in _ROWS])
# log2 of the bits per interrupt; the offset of INTID 0 is the offset of the whole block.
_BIT_SHIFT = np.array([row[3].bit_length() - 1 for row in _ROWS])
_SIZES = np.array([row[4] for row in _ROWS])
_SPLIT = np.array([row[3] > 0 and index in range(*_FIRST_ROW[1:3]) for index, row in enumerate(_ROWS)])
_BLOCK = np.array(
    [
        _ROWS[index - 1][0] if split and row[1] > 32 * row[3] // 8 else row[0]
        for index, (row, split) in enumerate(zip(_ROWS, _SPLIT, strict=True))
    ]
)

_DISTRIBUTOR_BYTES = DISTRIBUTOR_SIZE[3]


@jit
def _compare_device(address: Any, device: Any, observer: Any) -> Any:
    """Return below, at or above 0 as an address on the bus is before, in or after a device; a search calls it."""
    noinline()
    events.count(observer, events.BUS_STEP, 1)
    start = 0 if device == 0 else _DISTRIBUTOR_BYTES + (device - 1) * REDISTRIBUTOR_SIZE
    if address < start:
        return -1
    return 1 if address >= _DISTRIBUTOR_BYTES + device * REDISTRIBUTOR_SIZE else 0


@jit
def _compare_row(offset: Any, row: Any, observer: Any) -> Any:
    """Return below, at or above 0 as an offset is before, in or after a row's registers; a search calls it."""
    noinline()
    events.count(observer, events.RANGE_STEP, 1)
    if offset < _OFFSET[row]:
        return -1
    return 1 if offset >= _END[row] else 0


@jit
def find_device(vm: Any, region: Any, offset: Any, observer: Any) -> Any:
    """Return the number (int64) of the bus device that holds `offset` of `region`: 0 is the distributor.

    Device 1 + k is vCPU k's redistributor. `region` as in kvmarm.interface, not ITS.
    """
    start = 0 if region < 0 else _DISTRIBUTOR_BYTES + region * REDISTRIBUTOR_SIZE
    return _search_bus(vm, start + offset, observer)


@jit
def find_its(vm: Any, observer: Any) -> None:
    """Search the bus for the ITS, which a VM that has one finds there."""
    _search_bus(vm, _DISTRIBUTOR_BYTES + vm.vcpus * REDISTRIBUTOR_SIZE, observer)


@jit
def _search_bus(vm: Any, address: Any, observer: Any) -> Any:
    noinline()
    low = 0
    high = 1 if vm.gic == 2 else 1 + vm.vcpus + vm.its
    while low < high:
        middle = (low + high) >> 1
        order = _compare_device(address, middle, observer)
        if order == 0:
            return middle
        if order < 0:
            high = middle
        else:
            low = middle + 1
    return -1


@jit
def frame_of_device(vm: Any, device: Any) -> Any:
    """Return which register table a bus device has: FRAME_V2, FRAME_V3 or FRAME_RD."""
    if device == 0:
        return FRAME_V2 if vm.gic == 2 else FRAME_V3
    return FRAME_RD


@jit
def find_row(frame: Any, offset: Any, observer: Any) -> Any:
    """Return the number (int64) of the row of a frame's table that holds `offset`, -1 for none."""
    noinline()
    low = _FIRST_ROW[frame]
    high = _FIRST_ROW[frame + 1]
    while low < high:
        middle = low + ((high - low) >> 1)
        order = _compare_row(offset, middle, observer)
        if order == 0:
            return middle
        if order < 0:
            high = middle
        else:
            events.count(observer, events.RANGE_UPPER, 1)
            low = middle + 1
    return -1


@jit
def first_intid(row: Any, offset: Any) -> Any:
    """Return the INTID (int64) of the lowest field at `offset` (in bytes) in the block of a row, 0 if it has none."""
    if _BIT_SHIFT[row] < 0:
        return 0
    return ((offset - _BLOCK[row]) << 3) >> _BIT_SHIFT[row]


@jit
def row_register(row: Any) -> Any:
    """Return what the registers of a row are (RAZ_WI, …)."""
    return _REGISTER[row]


@jit
def takes_access(vm: Any, row: Any, offset: Any, size: Any, observer: Any) -> Any:
    """Return whether a row takes an aligned access of this size (bytes) at an interrupt that the VM has."""
    if not _SIZES[row] & size or offset & (size - 1):
        return False
    if _BIT_SHIFT[row] < 0:
        return True
    events.count(observer, events.FIELD_CHECK, 1)
    return first_intid(row, offset) < vm.irqs
