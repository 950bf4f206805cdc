# SPDX-License-Identifier: GPL-2.0-only
"""Register accesses of a given trace as what they do: which instances, which change. GICv2 and GICv3 frames.

Register map: IHI 0048B 4.3, IHI 0069 12.8 to 12.11. Accesses of a width that the architecture does not allow are not
decoded: software may not make them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.verify import access as a
from bench.verify.records import NOWHERE
from kvmarm.gic import FIRST_SPI, SGI_FRAME, SGIS, affinity_of
from kvmarm.interface import DISTRIBUTOR

_BIT_REGISTERS = {
    0x100: "enable", 0x180: "disable", 0x200: "pend", 0x280: "unpend", 0x300: "activate", 0x380: "deactivate",
}  # fmt: skip
_BIT_END = 0x400
_WORD = 4
_NOBODY = int(NOWHERE)
_SOURCES = {int(a.CPENDSGIR): "unsource", int(a.SPENDSGIR): "source"}
ANY_TARGET = 1 << 31
"""IROUTER.IRM: the interrupt goes to any vCPU."""


@dataclass(frozen=True)
class Access:
    """One access: by `vcpu`, to `region` and `offset` of `size` bytes, with `value`."""

    vcpu: int
    region: int
    offset: int
    size: int
    value: int


@dataclass(frozen=True)
class Field:
    """One interrupt's field in an access. `what`: what the register does; `value`: the field's bits."""

    what: str
    intid: int
    owner: int
    value: int
    sender: int = int(NOWHERE)


class NotAllowed(ValueError):
    """An access that software may not make: its effect is not defined."""


def fields(gic: int, vcpus: int, access: Access) -> Iterator[Field]:
    """Yield the fields of an access that concern interrupts, or `on`. Raises NotAllowed."""
    offset, owner = access.offset, access.vcpu
    if access.region >= 0:
        offset, owner = offset - SGI_FRAME, access.region
        if offset < 0x100:
            return
    elif access.region != DISTRIBUTOR:
        return
    for field in _fields(gic, vcpus, access, offset):
        private = field.what != "on" and field.intid < FIRST_SPI
        if private and gic == 3 and access.region < 0:
            continue
        own = owner if private and field.owner == NOWHERE else field.owner
        yield Field(field.what, field.intid, own, field.value, field.sender)


def _fields(gic: int, vcpus: int, access: Access, offset: int) -> Iterator[Field]:
    size, value = access.size, access.value
    if offset == 0:
        _check(size == _WORD)
        yield Field("on", 0, _NOBODY, value >> (gic - 2) & 1)
    elif 0x100 <= offset < _BIT_END:
        _check(size == _WORD)
        base = offset & ~0x7F
        first = (offset - base) * 8
        yield from (Field(_BIT_REGISTERS[base], first + bit, _NOBODY, value >> bit & 1) for bit in range(32))
    elif a.IPRIORITYR <= offset < a.ITARGETSR:
        _check(size in (1, _WORD))
        first = offset - int(a.IPRIORITYR)
        yield from (Field("priority", first + byte, _NOBODY, value >> 8 * byte & 0xF8) for byte in range(size))
    elif a.ICFGR <= offset < a.ICFGR + 0x100:
        _check(size == _WORD)
        first = (offset - int(a.ICFGR)) * 4
        triggers = (Field("trigger", first + place, _NOBODY, value >> 2 * place + 1 & 1) for place in range(16))
        yield from (field for field in triggers if field.intid >= FIRST_SPI)
    else:
        yield from (_fields_v2 if gic == 2 else _fields_v3)(vcpus, access, offset)


def _fields_v2(vcpus: int, access: Access, offset: int) -> Iterator[Field]:
    size, value = access.size, access.value
    if a.ITARGETSR <= offset < a.ICFGR:
        _check(size in (1, _WORD))
        first = offset - int(a.ITARGETSR)
        for byte in range(size):
            if first + byte >= FIRST_SPI:
                yield Field("targets", first + byte, _NOBODY, value >> 8 * byte & (1 << vcpus) - 1)
    elif offset & ~0xF in _SOURCES:
        _check(size == _WORD)
        first = offset & 0xF
        for place in range(32):
            intid, sender = first + place // 8, place % 8
            yield Field(_SOURCES[offset & ~0xF], intid, _NOBODY, value >> place & 1, sender)
    elif offset == a.SGIR:
        _check(size == _WORD)
        yield from _sgi_v2(vcpus, access.vcpu, value)


def _fields_v3(vcpus: int, access: Access, offset: int) -> Iterator[Field]:
    if a.IROUTER <= offset < a.IROUTER + 0x2000:
        _check(access.size in (_WORD, 8) and offset % 8 == 0)
        yield Field("targets", (offset - int(a.IROUTER)) // 8, _NOBODY, _routed(access.value, vcpus))


def _check(allowed: bool) -> None:
    if not allowed:
        raise NotAllowed


def _routed(value: int, vcpus: int) -> int:
    """Return the vCPUs (a bit each) that an IROUTER value names."""
    if value & ANY_TARGET:
        return (1 << vcpus) - 1
    affinity = value & 0xFFFFFF | value >> 32 << 24
    return sum(1 << vcpu for vcpu in range(vcpus) if int(affinity_of(vcpu)) == affinity)


def _sgi_v2(vcpus: int, sender: int, value: int) -> Iterator[Field]:
    """SGIR: to the vCPUs of the list, all but oneself, or oneself."""
    filtered = value >> 24 & 3
    masks = {0: value >> 16 & 0xFF, 1: 0xFF & ~(1 << sender), 2: 1 << sender, 3: 0}
    for target in range(vcpus):
        if masks[filtered] >> target & 1:
            yield Field("send", value & 0xF, target, 1, sender)


def sgi_v3(vcpus: int, sender: int, value: int) -> Iterator[Field]:
    """Yield the SGIs of a write of ICC_SGI1R_EL1 (IHI 0069 12.2)."""
    intid, everybody = value >> 24 & 0xF, value >> 40 & 1
    cluster = value >> 16 & 0xFF | (value >> 32 & 0xFF) << 8 | (value >> 48 & 0xFF) << 16
    for target in range(vcpus):
        affinity = int(affinity_of(target))
        listed = affinity >> 8 == cluster and value >> (affinity & 0xF) & 1
        if (everybody and target != sender) or (not everybody and listed):
            yield Field("send", intid, target, 1)


def watched(gic: int, vcpus: int, field: Field) -> list[tuple[int, int, int]]:
    """Return (intid, owner, sender) of the instances that a field may make pending or active: each sender's."""
    if field.what not in ("send", "source", "pend", "activate") or not field.value:
        return []
    senders = range(vcpus) if gic == 2 and field.intid < SGIS else [int(NOWHERE)]
    return [(field.intid, field.owner, sender) for sender in senders]


def reads_of(gic: int, access: Access) -> Iterator[tuple[str, Any]]:
    """Yield (register, field) of a load from ISPENDR, ISACTIVER, ISENABLER or their clearing twins."""
    twins = {"pend": 0, "unpend": 0, "activate": 1, "deactivate": 1, "enable": 2, "disable": 2}
    try:
        for field in fields(gic, 1, access):
            if field.what in twins:
                yield field.what, (twins[field.what], field)
    except NotAllowed:
        return
