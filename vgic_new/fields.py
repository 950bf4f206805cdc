# SPDX-License-Identifier: GPL-2.0-only
"""Parts of 64-bit registers, and the memory attributes that several of them have.

Models: extract_bytes, update_64bit_reg and vgic_sanitise_field with its callbacks (virt/kvm/arm/vgic/vgic-mmio-v3.c),
Linux 4.8.17.

Lock order: none taken and none needed; words in, words out.

Rules:
- An attribute that KVM cannot honour becomes the nearest one that it can.
"""

from typing import Any

import numpy as np

from kvmarm.jit import U64, U64_0, jit

_OUTER_SHAREABLE = 2
_INNER_SHAREABLE = 1
_NON_CACHEABLE = 1
_READ_ALLOCATE_WRITE_BACK = 3


@jit
def part(value: Any, offset: Any, size: Any) -> Any:
    """Return the `size` bytes at `offset` of a 64-bit register that starts at a multiple of 8."""
    return (value >> U64(8 * (offset & 7))) & (~U64_0 >> U64(64 - 8 * size))


@jit
def merged(old: Any, offset: Any, size: Any, value: Any) -> Any:
    """Return `old` (uint64) with the `size` bytes at `offset` replaced by those of `value`."""
    shift = U64(8 * (offset & 7))
    mask = (~U64_0 >> U64(64 - 8 * size)) << shift
    return (old & ~mask) | (value << shift) & mask


@jit
def with_field(value: Any, shift: Any, width_mask: Any, field: Any) -> Any:
    """Return `value` (uint64) with the field at `shift` replaced."""
    return (value & ~(U64(width_mask) << U64(shift))) | U64(field) << U64(shift)


@jit
def with_valid_attributes(value: Any, shareability: Any, inner: Any, outer: Any) -> Any:
    """Return a register (uint64) with the memory attributes that KVM can honour; the fields are given by their shifts.

    Outer shareable becomes inner shareable, no inner cache becomes read-allocate write-back, any outer cache none.
    """
    if np.int64((value >> U64(shareability)) & U64(3)) == _OUTER_SHAREABLE:
        value = with_field(value, shareability, 3, _INNER_SHAREABLE)
    if np.int64((value >> U64(inner)) & U64(7)) <= _NON_CACHEABLE:
        value = with_field(value, inner, 7, _READ_ALLOCATE_WRITE_BACK)
    if np.int64((value >> U64(outer)) & U64(7)) > _NON_CACHEABLE:
        value = with_field(value, outer, 7, _NON_CACHEABLE)
    return value
