# SPDX-License-Identifier: GPL-2.0-only
"""The list registers of the software image, as the legacy VGIC reads and writes them: through its back end.

Models: vgic_v2_get_lr, vgic_v2_set_lr and the other functions of struct vgic_ops with their GICv3 twins
(virt/kvm/arm/vgic-v2.c, vgic-v3.c), Linux 4.4.177.

Lock order: none taken and none needed; an image belongs to the thread that runs the vCPU.

Rules:
- A register is decoded into fields and encoded again. Nobody but this module knows its layout.
- Every write keeps ELRSR of the image in step: its bit is set when the written state is inactive.
- Priority is always 0 and GICv3 registers are always Group 1.
- A decoded register is (intid, origin, state), int64 each. `origin`: the physical INTID when HW is set, else the
  sending vCPU of a GICv2 SGI or 0: the original keeps both in one place. `state`: the sum of PENDING, ACTIVE, EOI and
  HW.

Work: the original calls each function of the back end through a pointer, so none is inlined here. Each unpacks or packs
all fields of a register, whatever is in it.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import (
    HCR_UIE,
    LR_PHYSICAL_MASK,
    LR_SOURCE_MASK,
    SGIS,
    V2_LR_ACTIVE,
    V2_LR_EOI,
    V2_LR_HW,
    V2_LR_INTID_MASK,
    V2_LR_PENDING,
    V2_LR_PHYSICAL_SHIFT,
    V3_LR_ACTIVE,
    V3_LR_EOI,
    V3_LR_GROUP1,
    V3_LR_HW,
    V3_LR_INTID_MASK,
    V3_LR_PENDING,
    V3_LR_PHYSICAL_SHIFT,
)
from kvmarm.jit import U64, U64_0, U64_1, find_first_bit, jit, noinline
from kvmarm.lr import implemented

PENDING, ACTIVE, EOI, HW = 1, 2, 4, 8
"""Bits of a decoded register's state. EOI: asks for a maintenance interrupt; HW: forwarded."""


@jit
def _decode_v2(lr: Any) -> Any:
    intid = np.int64(lr & U64(V2_LR_INTID_MASK))
    origin = np.int64(lr >> U64(V2_LR_PHYSICAL_SHIFT)) & LR_PHYSICAL_MASK
    source = origin & LR_SOURCE_MASK if intid < SGIS else np.int64(0)
    state = np.int64(0)
    if lr & U64(V2_LR_PENDING) != U64_0:
        state |= PENDING
    if lr & U64(V2_LR_ACTIVE) != U64_0:
        state |= ACTIVE
    if lr & U64(V2_LR_EOI) != U64_0:
        state |= EOI
    if lr & U64(V2_LR_HW) != U64_0:
        state |= HW
        source = origin
    return intid, source, state


@jit
def _decode_v3(lr: Any) -> Any:
    intid = np.int64(lr & U64(V3_LR_INTID_MASK))
    origin = np.int64(0)
    state = np.int64(0)
    if lr & U64(V3_LR_PENDING) != U64_0:
        state |= PENDING
    if lr & U64(V3_LR_ACTIVE) != U64_0:
        state |= ACTIVE
    if lr & U64(V3_LR_EOI) != U64_0:
        state |= EOI
    if lr & U64(V3_LR_HW) != U64_0:
        state |= HW
        origin = np.int64(lr >> U64(V3_LR_PHYSICAL_SHIFT)) & LR_PHYSICAL_MASK
    return intid, origin, state


@jit
def read_lr(vm: Any, vcpu: Any, index: Any, observer: Any) -> Any:
    """Return list register `index` of the image of `vcpu`, decoded: (intid, origin, state)."""
    noinline()
    events.count(observer, events.LR_READ, 1)
    lr = vm.image[vcpu].lr[index]
    if vm.gic == 2:
        return _decode_v2(lr)
    events.count(observer, events.WIDE_STEP, 1)
    return _decode_v3(lr)


@jit
def _encode_v2(intid: Any, origin: Any, state: Any) -> Any:
    lr = U64(intid)
    if state & PENDING:
        lr |= U64(V2_LR_PENDING)
    if state & ACTIVE:
        lr |= U64(V2_LR_ACTIVE)
    if state & EOI:
        lr |= U64(V2_LR_EOI)
    if state & HW:
        lr |= U64(V2_LR_HW) | U64(origin) << U64(V2_LR_PHYSICAL_SHIFT)
    if intid < SGIS:
        lr |= U64(origin) << U64(V2_LR_PHYSICAL_SHIFT)
    return lr


@jit
def _encode_v3(intid: Any, origin: Any, state: Any) -> Any:
    lr = U64(intid) | U64(V3_LR_GROUP1)
    if state & PENDING:
        lr |= U64(V3_LR_PENDING)
    if state & ACTIVE:
        lr |= U64(V3_LR_ACTIVE)
    if state & EOI:
        lr |= U64(V3_LR_EOI)
    if state & HW:
        lr |= U64(V3_LR_HW) | U64(origin) << U64(V3_LR_PHYSICAL_SHIFT)
    return lr


@jit
def write_lr(vm: Any, vcpu: Any, index: Any, intid: Any, origin: Any, state: Any, observer: Any) -> None:
    """Encode and store a list register in the image of `vcpu`, and its emptiness in ELRSR."""
    noinline()
    events.count(observer, events.LR_WRITE, 1)
    image = vm.image[vcpu]
    image.lr[index] = _encode_v2(intid, origin, state) if vm.gic == 2 else _encode_v3(intid, origin, state)
    if state & (PENDING | ACTIVE):
        image.elrsr &= ~(U64_1 << U64(index))
    else:
        image.elrsr |= U64_1 << U64(index)


@jit
def empty_lr(vm: Any, vcpu: Any, index: Any, intid: Any, origin: Any, observer: Any) -> None:
    """Free a list register: its INTID stays in it, and an SGI's source."""
    source = origin if intid < SGIS else np.int64(0)
    write_lr(vm, vcpu, index, intid, source, np.int64(0), observer)


@jit
def empty_registers(vm: Any, vcpu: Any) -> Any:
    """Return ELRSR (uint64) of the image of `vcpu`: a bit for every list register that holds nothing."""
    noinline()
    return vm.image[vcpu].elrsr


@jit
def ended_registers(vm: Any, vcpu: Any) -> Any:
    """Return EISR (uint64) of the image of `vcpu`."""
    noinline()
    return vm.image[vcpu].eisr


@jit
def forget_ended_registers(vm: Any, vcpu: Any) -> None:
    """Clear EISR of the image of `vcpu`."""
    noinline()
    vm.image[vcpu].eisr = U64_0


@jit
def maintenance_status(vm: Any, vcpu: Any) -> Any:
    """Return MISR (uint64) of the image of `vcpu`: why a maintenance interrupt came."""
    noinline()
    return vm.image[vcpu].misr


@jit
def want_underflow(vm: Any, vcpu: Any) -> None:
    """Ask for a maintenance interrupt when the list registers of `vcpu` run empty."""
    noinline()
    vm.image[vcpu].hcr |= U64(HCR_UIE)


@jit
def forgo_underflow(vm: Any, vcpu: Any) -> None:
    """Ask for no underflow interrupt of `vcpu` any more."""
    noinline()
    vm.image[vcpu].hcr &= ~U64(HCR_UIE)


@jit
def next_register(vm: Any, registers: Any, start: Any) -> Any:
    """Return the first list register (int64) from `start` on whose bit of `registers` (uint64) is set, 64 for none.

    One of the library's searches (find_next_bit), which are calls.
    """
    noinline()
    return find_first_bit(registers & implemented(vm) & ~U64_0 << U64(start)) if start < 64 else np.int64(64)
