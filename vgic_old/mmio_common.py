# SPDX-License-Identifier: GPL-2.0-only
"""The register handlers that GICv2's distributor and GICv3's distributor and redistributors share.

Models: vgic_reg_access, vgic_handle_enable_reg, vgic_handle_set_pending_reg, vgic_handle_clear_pending_reg,
vgic_handle_set_active_reg, vgic_handle_clear_active_reg, vgic_handle_cfg_reg and vgic_retire_disabled_irqs
(virt/kvm/arm/vgic.c), Linux 4.4.177.

Lock order: the caller holds the distributor lock, in every function.

Rules:
- A read handler returns the 32-bit word at offset & ~3 (uint64); the dispatcher shifts and masks it.
- A write handler gets `data` and `field` (uint64): the value and the mask of the bytes written, both shifted to their
  place in the word.
- It returns whether it updated state. Then the dispatcher recomputes the caches (the original does so at the end of
  each such handler) and kicks.
- `owner` is the vCPU whose private interrupts an offset below 32 INTIDs means.
- Only the handler of ICENABLER looks into list registers.
"""

from typing import Any

import numpy as np

from kvmarm import events
from kvmarm.gic import FIRST_SPI, PRIVATE_IRQS
from kvmarm.jit import U64, U64_0, jit, noinline
from kvmarm.locks import assert_held
from vgic_old.bitmap import clear_bit, read_word, set_bit, test_bit, write_word
from vgic_old.lr import PENDING as LR_PENDING
from vgic_old.lr import empty_lr, empty_registers, next_register, read_lr
from vgic_old.state import ACTIVE, CONFIG, ENABLED, LEVEL, PENDING, QUEUED, SGI_MASK, SOFT_PENDING

# Registers of the range tables. The first ones are those handled here.
ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER, IPRIORITYR, ICFGR, IGROUPR = range(9)
CTLR, TYPER, IIDR, RAZ_WI, ITARGETSR, SGIR, CPENDSGIR, SPENDSGIR, IROUTER, IDREGS, MISC = range(9, 20)
"""MISC: CTLR, TYPER and IIDR of GICv2, one range. RAZ_WI: reads as zero, ignores writes."""

COMMON_REGISTERS = 8
PRIVATE_BYTES = np.array([4, 4, 4, 4, 4, 4, 32, 8], np.int64)
"""How many bytes of each common register's file belong to SGIs and PPIs."""

_READ_BITMAP = np.array([ENABLED, ENABLED, PENDING, PENDING, ACTIVE, ACTIVE], np.int64)


@jit
def retire_disabled(vm: Any, vcpu: Any, observer: Any) -> None:
    """Empty the list registers of `vcpu` whose interrupts are not enabled; pending state goes back, active is lost.

    The distributor lock is held.
    """
    noinline()
    assert_held(vm)
    events.count(observer, events.LR_SEARCH, 1)
    used = ~empty_registers(vm, vcpu)
    index = next_register(vm, used, np.int64(0))
    while index < 64:
        events.count(observer, events.LR_MATCH, 1)
        intid, origin, state = read_lr(vm, vcpu, index, observer)
        if not test_bit(vm, ENABLED, vcpu, intid, observer):
            clear_bit(vm, QUEUED, vcpu, intid, observer)
            if state & LR_PENDING:
                set_bit(vm, PENDING, vcpu, intid, observer)
            empty_lr(vm, vcpu, index, intid, origin, observer)
        index = next_register(vm, used, index + 1)


@jit
def _keep_sgis(offset: Any, word: Any, before: Any) -> Any:
    """Return `word` with the SGIs' bits as they were `before`, when the access starts among them."""
    if offset < 2:
        return word & ~U64(SGI_MASK) | before & U64(SGI_MASK)
    return word


@jit
def _write_enable(vm: Any, owner: Any, register: Any, offset: Any, data: Any, observer: Any) -> None:
    events.count(observer, events.VCPU_LOOKUP, 1)
    word = read_word(vm, ENABLED, owner, offset, observer)
    if register == ISENABLER:
        write_word(vm, ENABLED, owner, offset, word | data, observer)
        return
    word &= ~data
    if offset < 4:
        # SGIs cannot be disabled.
        word |= U64(SGI_MASK)
    write_word(vm, ENABLED, owner, offset, word, observer)
    retire_disabled(vm, owner, observer)


@jit
def _set_pending(vm: Any, owner: Any, offset: Any, data: Any, observer: Any) -> None:
    edge = read_word(vm, CONFIG, owner, offset, observer)
    before = read_word(vm, PENDING, owner, offset, observer)
    write_word(vm, PENDING, owner, offset, before | data, observer)
    events.count(observer, events.REG_ACCESS, 1)
    soft = (read_word(vm, SOFT_PENDING, owner, offset, observer) | data) & ~edge
    # The original protects the SGIs in the word it touched last, which is the wrong one.
    write_word(vm, SOFT_PENDING, owner, offset, _keep_sgis(offset, soft, before), observer)


@jit
def _clear_pending(vm: Any, owner: Any, offset: Any, data: Any, observer: Any) -> None:
    before = read_word(vm, PENDING, owner, offset, observer)
    pending = before & ~data | read_word(vm, LEVEL, owner, offset, observer)
    write_word(vm, PENDING, owner, offset, _keep_sgis(offset, pending, before), observer)
    events.count(observer, events.REG_ACCESS, 1)
    soft = read_word(vm, SOFT_PENDING, owner, offset, observer)
    write_word(vm, SOFT_PENDING, owner, offset, soft & ~data, observer)


@jit
def _write_active(vm: Any, owner: Any, register: Any, offset: Any, data: Any, observer: Any) -> None:
    word = read_word(vm, ACTIVE, owner, offset, observer)
    word = word | data if register == ISACTIVER else word & ~data
    write_word(vm, ACTIVE, owner, offset, word, observer)


@jit
def read_priority(vm: Any, owner: Any, offset: Any, observer: Any) -> Any:
    """Return four priority bytes (uint64) from the word-aligned part of `offset` on."""
    first = offset & ~3
    events.count(observer, events.BYTE_ACCESS, 1)
    word = U64_0
    for index in range(4):
        intid = first + index
        byte = vm.vcpu[owner].priority[intid] if intid < PRIVATE_IRQS else vm.spi_priority[intid - FIRST_SPI]
        word |= U64(byte) << U64(8 * index)
    return word


@jit
def write_priority(vm: Any, owner: Any, offset: Any, data: Any, field: Any, observer: Any) -> None:
    """Store the priority bytes that `field` covers; all 8 bits are kept."""
    first = offset & ~3
    events.count(observer, events.BYTE_ACCESS, 1)
    for index in range(4):
        shift = U64(8 * index)
        if (field >> shift) & U64(0xFF) == U64_0:
            continue
        intid = first + index
        byte = np.int64((data >> shift) & U64(0xFF))
        if intid < PRIVATE_IRQS:
            vm.vcpu[owner].priority[intid] = byte
        else:
            vm.spi_priority[intid - FIRST_SPI] = byte


@jit
def _config_half(vm: Any, owner: Any, offset: Any, observer: Any) -> Any:
    """Return the configuration bits of the 16 INTIDs of the ICFGR word at `offset`."""
    word = read_word(vm, CONFIG, owner, offset >> 1, observer)
    return (word >> U64(16 if offset & 4 else 0)) & U64(0xFFFF)


@jit
def read_config(vm: Any, owner: Any, offset: Any, observer: Any) -> Any:
    """Return the ICFGR word at `offset`: each configuration bit as the high bit of two."""
    half = _config_half(vm, owner, offset, observer)
    events.count(observer, events.CONFIG_BIT, 16)
    word = U64_0
    for index in range(16):
        word |= ((half >> U64(index)) & U64(1)) << U64(2 * index + 1)
    return word


@jit
def write_config(vm: Any, owner: Any, offset: Any, data: Any, field: Any, observer: Any) -> None:
    """Store the high bits of ICFGR's pairs. SGIs and PPIs keep theirs; no other state follows the change."""
    word = read_config(vm, owner, offset, observer) & ~field | data
    if offset < 8:
        return
    events.count(observer, events.CONFIG_BIT, 16)
    half = U64_0
    for index in range(16):
        half |= ((word >> U64(2 * index + 1)) & U64(1)) << U64(index)
    shift = U64(16 if offset & 4 else 0)
    old = read_word(vm, CONFIG, owner, offset >> 1, observer)
    write_word(vm, CONFIG, owner, offset >> 1, old & ~(U64(0xFFFF) << shift) | half << shift, observer)


@jit
def read_common(vm: Any, owner: Any, register: Any, offset: Any, observer: Any) -> Any:
    """Return the word (uint64) of one of the registers below COMMON_REGISTERS. The distributor lock is held."""
    assert_held(vm)
    if register <= ICACTIVER:
        if register <= ICENABLER:
            # The original's handler looks its vCPU up before it knows whether it needs it.
            events.count(observer, events.VCPU_LOOKUP, 1)
        elif register == ISPENDR:
            # The configuration too, likewise.
            events.count(observer, events.WORD_READ, 1)
        return read_word(vm, _READ_BITMAP[register], owner, offset, observer)
    if register == IPRIORITYR:
        return read_priority(vm, owner, offset, observer)
    return read_config(vm, owner, offset, observer)


@jit
def write_common(vm: Any, owner: Any, register: Any, offset: Any, data: Any, field: Any, observer: Any) -> Any:
    """Write one of the registers below COMMON_REGISTERS; return whether it updated state.

    The distributor lock is held.
    """
    assert_held(vm)
    if register == IPRIORITYR:
        write_priority(vm, owner, offset, data, field, observer)
        return False
    if register == ICFGR:
        write_config(vm, owner, offset, data, field, observer)
        return False
    if register <= ICENABLER:
        _write_enable(vm, owner, register, offset, data, observer)
    elif register == ISPENDR:
        _set_pending(vm, owner, offset, data, observer)
    elif register == ICPENDR:
        _clear_pending(vm, owner, offset, data, observer)
    else:
        _write_active(vm, owner, register, offset, data, observer)
    return True
