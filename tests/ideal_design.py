# SPDX-License-Identifier: GPL-2.0-only
"""A slow and simple design that does what the architecture says: up to 2 vCPUs and 32 SPIs, everything traps.

A vCPU leaves the guest whenever a list register is free (the underflow interrupt is always asked for), so that nothing
ever waits for another reason to leave. What is in a list register stays latched until the exit shows what became of it;
an edge that comes meanwhile is remembered apart (`again`). An active interrupt may be put out of the list registers for
something more urgent: its EOI is then counted by the hardware (EOICount).
"""

from typing import Any

import numpy as np

from kvmarm.design import Design
from kvmarm.gic import (
    FIRST_SPI,
    HCR_EN,
    HCR_EOICOUNT_SHIFT,
    HCR_UIE,
    SGIS,
    V2_LR_ACTIVE,
    V2_LR_EOI,
    V2_LR_HW,
    V2_LR_PENDING,
    V3_LR_ACTIVE,
    V3_LR_EOI,
    V3_LR_GROUP1,
    V3_LR_HW,
    V3_LR_PENDING,
)
from kvmarm.interface import EINVAL
from kvmarm.jit import U64, U64_0, jit
from kvmarm.lr import lr_state
from kvmarm.sgi import sgi_intid, sgi_reaches
from kvmarm.state import kick, vm_dtype

MOST_VCPUS = 2
PRIVATE = MOST_VCPUS * 16
"""PPIs of each vCPU after the SPIs; then SGIs: by target, INTID and sender."""
SLOTS = 32 + PRIVATE + MOST_VCPUS * 16 * MOST_VCPUS

IRQ = np.dtype(
    [
        (name, np.int64)
        for name in (
            "intid", "owner", "sender", "latch", "again", "line", "enabled", "active", "edge",
            "priority", "targets", "loaded", "holder", "pintid", "order",
        )
    ]
)  # fmt: skip
"""`owner`, `sender`, `loaded` (whose list registers it is in), `holder` (who acknowledged it): -1 for none; `targets`:
a bit per vCPU; `order`: the list register it is in; during an exit, 2 for what was active in none."""

VM = vm_dtype("ideal", [("on", np.int64), ("clock", np.int64), ("irq", IRQ, (SLOTS,))])


@jit
def _initialise_slot(irq: Any, intid: Any, owner: Any, sender: Any) -> None:
    irq.intid = intid
    irq.owner = owner
    irq.sender = sender
    irq.loaded = -1
    irq.holder = -1
    irq.targets = 1 if owner < 0 else 1 << owner
    irq.enabled = 1 if intid < SGIS else 0
    irq.edge = irq.enabled


def initialise(vm: Any) -> None:
    """Number the slots and turn every interface on."""
    nobody = np.int64(-1)
    for slot in range(32):
        _initialise_slot(vm.irq[slot], np.int64(FIRST_SPI + slot), nobody, nobody)
    for owner in range(MOST_VCPUS):
        for number in range(16):
            _initialise_slot(vm.irq[32 + owner * 16 + number], np.int64(SGIS + number), np.int64(owner), nobody)
            for sender in range(MOST_VCPUS):
                slot = 32 + PRIVATE + (owner * 16 + number) * MOST_VCPUS + sender
                _initialise_slot(vm.irq[slot], np.int64(number), np.int64(owner), np.int64(sender))
    vm.image["hcr"][: vm.vcpus] = HCR_EN | HCR_UIE


@jit
def _pending(irq: Any) -> Any:
    return irq.latch != 0 or (irq.edge == 0 and irq.line != 0)


@jit
def _due(vm: Any, irq: Any, vcpu: Any) -> Any:
    """Return whether `irq` is to be delivered to `vcpu`, if no other has it in its list registers."""
    free = irq.loaded < 0 or irq.loaded == vcpu
    ready = vm.on != 0 and irq.enabled != 0 and irq.active == 0 and _pending(irq)
    return ready and free and (irq.targets >> vcpu) & 1 != 0


@jit
def _announce(vm: Any, observer: Any) -> None:
    """Kick whoever has something due, and whoever still has in a list register what should go."""
    for vcpu in range(vm.vcpus):
        wanted = False
        for slot in range(SLOTS):
            irq = vm.irq[slot]
            if _due(vm, irq, vcpu) or (irq.loaded == vcpu and irq.active == 0):
                wanted = True
        if wanted:
            kick(vm, vcpu, observer)


@jit
def _set_latch(irq: Any) -> None:
    if irq.loaded >= 0:
        irq.again = 1
    irq.latch = 1


@jit
def _drive(vm: Any, vcpu: Any, intid: Any, level: Any, mapped: Any, observer: Any) -> Any:
    for slot in range(32 + PRIVATE):
        irq = vm.irq[slot]
        if irq.intid == intid and (irq.owner < 0 or irq.owner == vcpu):
            if (irq.pintid != 0) != mapped:
                return EINVAL
            if irq.edge == 0:
                irq.line = level
            elif level:
                _set_latch(irq)
            _announce(vm, observer)
            return 0
    return EINVAL


@jit
def inject(vm: Any, vcpu: Any, intid: Any, level: Any, observer: Any) -> Any:
    """Drive a line."""
    return _drive(vm, vcpu, intid, level, False, observer)


@jit
def inject_mapped(vm: Any, vcpu: Any, vintid: Any, level: Any, observer: Any) -> Any:
    """Drive the line of a forwarded interrupt."""
    return _drive(vm, vcpu, vintid, level, True, observer)


@jit
def _map(vm: Any, vcpu: Any, vintid: Any, pintid: Any) -> Any:
    for slot in range(32 + PRIVATE):
        irq = vm.irq[slot]
        if irq.intid == vintid and (irq.owner < 0 or irq.owner == vcpu):
            irq.pintid = pintid
            return 0
    return EINVAL


@jit
def map_phys(vm: Any, vcpu: Any, vintid: Any, pintid: Any, observer: Any) -> Any:
    """Forward `pintid`."""
    return _map(vm, vcpu, vintid, pintid)


@jit
def unmap_phys(vm: Any, vcpu: Any, vintid: Any, observer: Any) -> Any:
    """Forward nothing."""
    return _map(vm, vcpu, vintid, np.int64(0))


@jit
def _mine(vm: Any, irq: Any, vcpu: Any, region: Any, intid: Any) -> Any:
    """Return whether an access of `vcpu` to a frame means `irq` by `intid`."""
    if irq.intid != intid:
        return False
    if irq.owner < 0:
        return region < 0
    return irq.owner == (vcpu if vm.gic == 2 else region)


@jit
def _bit(irq: Any, register: Any) -> Any:
    if register < 0x200:
        return irq.enabled
    if register < 0x300:
        return 1 if _pending(irq) else 0
    return irq.active


@jit
def mmio_read(vm: Any, vcpu: Any, region: Any, offset: Any, size: Any, observer: Any) -> Any:
    """ISENABLER, ISPENDR, ISACTIVER and ICFGR; everything else reads as zero."""
    register = offset - 0x10000 if region >= 0 else offset
    value = U64_0
    for slot in range(SLOTS):
        irq = vm.irq[slot]
        if not _mine(vm, irq, vcpu, region, irq.intid):
            continue
        if register >= 0x100 and register < 0x400:
            place = irq.intid - (register & 0x7F) * 8
            if place >= 0 and place < 32 and _bit(irq, register) != 0:
                value |= U64(1) << U64(place)
        elif register >= 0xC00 and register < 0xD00:
            place = irq.intid - (register - 0xC00) * 4
            if place >= 0 and place < 16 and irq.edge != 0:
                value |= U64(2) << U64(2 * place)
    return 1, value


@jit
def _write_bit(vm: Any, irq: Any, register: Any) -> None:
    fixed = irq.intid < SGIS
    read_only = fixed and vm.gic == 2
    if register < 0x180:
        irq.enabled = 1
    elif register < 0x200:
        if not fixed:
            irq.enabled = 0
    elif register < 0x280:
        if not read_only:
            _set_latch(irq)
    elif register < 0x300:
        if not read_only:
            irq.latch = 0
            irq.again = 0
    elif register < 0x380:
        irq.active = 1
    else:
        irq.active = 0
        irq.holder = -1


@jit
def _write_field(vm: Any, vcpu: Any, irq: Any, register: Any, size: Any, value: Any) -> None:
    intid = irq.intid
    if register >= 0x100 and register < 0x400:
        place = intid - (register & 0x7F) * 8
        if place >= 0 and place < 32 and (value >> U64(place)) & U64(1) != U64_0:
            _write_bit(vm, irq, register)
    elif register >= 0x400 and register < 0x800:
        place = intid - (register - 0x400)
        if place >= 0 and place < size:
            irq.priority = np.int64((value >> U64(8 * place)) & U64(0xF8))
    elif register >= 0x800 and register < 0xC00:
        place = intid - (register - 0x800)
        if vm.gic == 2 and irq.owner < 0 and place >= 0 and place < size:
            irq.targets = np.int64((value >> U64(8 * place)) & U64(0xFF))
    elif register >= 0xC00 and register < 0xD00:
        place = intid - (register - 0xC00) * 4
        if irq.owner < 0 and place >= 0 and place < 16:
            irq.edge = np.int64((value >> U64(2 * place + 1)) & U64(1))
    elif register >= 0xF10 and register < 0xF30 and intid < SGIS and vm.gic == 2:
        place = (intid - (register & 0xF)) * 8 + irq.sender
        if place >= 0 and place < 32 and (value >> U64(place)) & U64(1) != U64_0:
            if register >= 0xF20:
                _set_latch(irq)
            else:
                irq.latch = 0
                irq.again = 0
    elif register >= 0x6000 and irq.owner < 0 and (register - 0x6000) // 8 == intid:
        irq.targets = 0
        for target in range(vm.vcpus):
            if np.int64(value & U64(0xFFFFFF)) == target:
                irq.targets = 1 << target


@jit
def mmio_write(vm: Any, vcpu: Any, region: Any, offset: Any, size: Any, value: Any, observer: Any) -> Any:
    """Every register that the alphabet writes."""
    register = offset - 0x10000 if region >= 0 else offset
    if region < 0 and offset == 0:
        vm.on = np.int64((value >> U64(vm.gic - 2)) & U64(1))
    elif region < 0 and offset == 0xF00 and vm.gic == 2:
        for slot in range(32 + PRIVATE, SLOTS):
            irq = vm.irq[slot]
            listed = (value >> U64(16 + irq.owner)) & U64(1) != U64_0
            if listed and irq.intid == np.int64(value & U64(0xF)) and irq.sender == vcpu:
                _set_latch(irq)
    else:
        for slot in range(SLOTS):
            irq = vm.irq[slot]
            if _mine(vm, irq, vcpu, region, irq.intid) and (vm.gic == 2 or irq.sender <= 0):
                _write_field(vm, vcpu, irq, register, size, value)
    _announce(vm, observer)
    return 1


@jit
def send_sgi(vm: Any, vcpu: Any, value: Any, observer: Any) -> None:
    """GICv3: SGIs have no sender; the first sender's slot stands for all."""
    for slot in range(32 + PRIVATE, SLOTS):
        irq = vm.irq[slot]
        meant = irq.sender == 0 and irq.intid == sgi_intid(vm.gic, value) and irq.owner < vm.vcpus
        if meant and sgi_reaches(vm.gic, value, vcpu, irq.owner):
            _set_latch(irq)
    _announce(vm, observer)


@jit
def _encode(vm: Any, irq: Any, pending: Any) -> Any:
    lr = U64(irq.intid)
    if vm.gic == 2:
        lr |= U64(V2_LR_PENDING) if pending else U64(V2_LR_ACTIVE)
        lr |= U64(irq.priority >> 3) << U64(23)
        if irq.pintid:
            lr |= U64(V2_LR_HW) | U64(irq.pintid) << U64(10)
        else:
            lr |= U64(V2_LR_EOI)
            if irq.intid < SGIS:
                lr |= U64(irq.sender) << U64(10)
        return lr
    lr |= U64(V3_LR_PENDING) if pending else U64(V3_LR_ACTIVE)
    lr |= U64(V3_LR_GROUP1) | U64(irq.priority) << U64(48)
    if irq.pintid:
        return lr | U64(V3_LR_HW) | U64(irq.pintid) << U64(32)
    return lr | U64(V3_LR_EOI)


@jit
def _best(vm: Any, vcpu: Any) -> Any:
    """Return the slot to load next: what is due, the most urgent first, then what is active here; -1 for none."""
    best, best_rank = -1, 1 << 20
    for slot in range(SLOTS):
        irq = vm.irq[slot]
        if irq.loaded >= 0:
            continue
        if _due(vm, irq, vcpu):
            rank = irq.priority
        elif irq.active != 0 and irq.holder == vcpu:
            rank = 0x1000 + irq.priority
        else:
            continue
        if rank < best_rank:
            best, best_rank = slot, rank
    return best


@jit
def flush(vm: Any, vcpu: Any, observer: Any) -> None:
    """Load the most urgent, then the active ones."""
    image = vm.image[vcpu]
    image.hcr = U64(HCR_EN | HCR_UIE)
    for index in range(vm.lrs):
        slot = _best(vm, vcpu)
        if slot < 0:
            image.lr[index] = U64_0
            continue
        irq = vm.irq[slot]
        irq.loaded = vcpu
        irq.order = index
        irq.again = 0
        image.lr[index] = _encode(vm, irq, irq.active == 0)


@jit
def restore(vm: Any, vcpu: Any, cpuif: Any, observer: Any) -> None:
    """Load everything."""
    image = vm.image[vcpu]
    cpuif.hcr = image.hcr
    cpuif.pmr = image.pmr
    cpuif.ctlr = image.ctlr
    cpuif.bpr = image.bpr
    cpuif.apr = image.apr
    for index in range(vm.lrs):
        cpuif.lr[index] = image.lr[index]


@jit
def save(vm: Any, vcpu: Any, cpuif: Any, observer: Any) -> None:
    """Save everything, the count of EOIs too."""
    image = vm.image[vcpu]
    image.hcr = cpuif.hcr
    image.pmr = cpuif.pmr
    image.ctlr = cpuif.ctlr
    image.bpr = cpuif.bpr
    image.apr = cpuif.apr
    for index in range(vm.lrs):
        image.lr[index] = cpuif.lr[index]


@jit
def _fold(irq: Any, vcpu: Any, state: Any) -> None:
    """What became of an interrupt in a list register: still pending, taken, or taken and done."""
    was_active = irq.active
    irq.loaded = -1
    if state & 1 == 0 and was_active == 0:
        irq.latch = irq.again
    irq.again = 0
    if state & 2:
        irq.active = 1
        irq.holder = vcpu
    else:
        irq.active = 0
        irq.holder = -1


@jit
def sync(vm: Any, vcpu: Any, observer: Any) -> None:
    """Fold the list registers, then give the counted EOIs to the active interrupts that were in none."""
    image = vm.image[vcpu]
    loaded = U64_0
    for slot in range(SLOTS):
        irq = vm.irq[slot]
        if irq.loaded == vcpu:
            loaded |= U64(1) << U64(irq.order)
            _fold(irq, vcpu, lr_state(vm.gic, image.lr[irq.order]))
            irq.order = -1 if irq.active == 0 else 1
        elif irq.active != 0 and irq.holder == vcpu:
            irq.order = 2
    for _ in range(np.int64(image.hcr >> U64(HCR_EOICOUNT_SHIFT))):
        _end_one(vm, vcpu)
    for slot in range(SLOTS):
        if vm.irq[slot].loaded < 0:
            vm.irq[slot].order = 0
    _announce(vm, observer)


@jit
def _end_one(vm: Any, vcpu: Any) -> None:
    """The most urgent active interrupt that was in no list register has ended."""
    best, urgency = -1, 1 << 20
    for slot in range(SLOTS):
        irq = vm.irq[slot]
        if irq.order == 2 and irq.priority < urgency:
            best, urgency = slot, irq.priority
    if best >= 0:
        vm.irq[best].active = 0
        vm.irq[best].holder = -1
        vm.irq[best].order = 0


@jit
def pending(vm: Any, vcpu: Any, observer: Any) -> Any:
    """Return 1 when something is due."""
    for slot in range(SLOTS):
        if _due(vm, vm.irq[slot], vcpu):
            return 1
    return 0


@jit
def is_active(vm: Any, vcpu: Any, vintid: Any, observer: Any) -> Any:
    """Return the active state."""
    for slot in range(32 + PRIVATE):
        irq = vm.irq[slot]
        if irq.intid == vintid and (irq.owner < 0 or irq.owner == vcpu):
            return irq.active
    return 0


DESIGN = Design(
    name="ideal",
    title="A slow and simple design that does what the architecture says",
    source="tests",
    dtype=VM,
    initialise=initialise,
    functions={
        function.__name__: function
        for function in (
            inject, map_phys, unmap_phys, inject_mapped, mmio_read, mmio_write, send_sgi, flush, restore, save, sync,
            pending, is_active,
        )
    },
    reloads=True,
)  # fmt: skip
