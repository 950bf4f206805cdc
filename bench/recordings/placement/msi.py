# SPDX-License-Identifier: GPL-2.0-only
"""Placement of MSIs: as LPIs through an ITS, or as edge-triggered SPIs, as a GICv2m frame gives them.

As LPIs: what the guest wrote to its ITS is kept, but for addresses. Its tables and command queue are not recorded, so
they are put into the trace's guest memory. Its commands are replaced by those that must have been there. How many there
were is known (GITS_CWRITER). They map what the MSIs to come need (collection, device, event), in the order of the first
MSIs; the rest are SYNC. What is not mapped when its first MSI comes is mapped then, and a change of its vCPU is a MOVI.
What a recording that starts later does not show of the set-up is at its start.

As SPIs: an MSI is an edge of an SPI that the recording does not use. The guest routes and enables it at the first MSI,
and routes it again when the LPI's vCPU changed.

State, beside the placement's: `msis`, a tuple of rows (machine.msis.ROW[:]), pairs (PAIR[:]) and one record of ITS.
"""

from typing import Any

import numpy as np

from bench.recordings.machine.msis import MOST_DEVICES, PAIR, ROW, Msis
from bench.recordings.placement.common import access, emit, enter, leave
from kvmarm.config import MAX_VCPUS, RAM_BASE
from kvmarm.gic import FIRST_LPI
from kvmarm.jit import U64, jit
from kvmarm.mpidr import vcpu_affinity
from kvmarm.trace import GMEM_W, INJECT, MSI

DROPPED, AS_LPI, AS_SPI = range(3)
"""What becomes of an MSI."""
ITS_REGION = -2
ITS_FRAMES = 0x20000

ITS = np.dtype(
    [
        ("mode", np.int64),
        ("frame", np.int64),
        ("next", np.int64),
        ("next_pair", np.int64),
        ("recorded", np.int64),
        ("cwriter", np.int64),
        ("queue_bytes", np.int64),
        ("enabled_by_guest", np.int64),
        ("lpis_enabled_by_guest", np.uint8, (MAX_VCPUS,)),
        ("devices", np.uint8, (MOST_DEVICES,)),
        ("collections", np.uint8, (MAX_VCPUS,)),
    ]
)
"""`mode`: one of the three above; `frame`: address of the ITS; `next`, `next_pair`: the next MSI, and the next pair to
map; `recorded`, `cwriter`: GITS_CWRITER as the guest wrote it last, and here; `queue_bytes`: size of the queue;
`…_by_guest`: whether the recording shows the guest do it; `devices`, `collections`: which are mapped."""

_PROPERTIES, _PENDING, _QUEUE, _DEVICES, _LEVEL2, _COLLECTIONS = (
    RAM_BASE + offset for offset in (0, 0x2_0000, 0x10_0000, 0x40_0000, 0x150_0000, 0x160_0000)
)
_PROPERTY_WORD = 0xA1A1A1A1A1A1A1A1
_VALID = 1 << 63
_COMMAND = 32
_MOST_COMMANDS = 100
"""Of one write of GITS_CWRITER: more of them are left out."""
_CTLR, _CBASER, _CWRITER, _CREADR, _BASER = 0x0, 0x80, 0x88, 0x90, 0x100
_RD_PROPBASER, _RD_PENDBASER = 0x70, 0x78
_MAPD, _MAPC, _MAPTI, _MOVI, _SYNC = 0x08, 0x09, 0x0A, 0x01, 0x05
_ICFGR, _IPRIORITYR, _ISENABLER, _IROUTER, _ITARGETSR = 0xC00, 0x400, 0x100, 0x6000, 0x800
_PRIORITY = 0xA0


def new_msis(msis: Msis, mode: int, base: int) -> tuple[np.ndarray, np.ndarray, Any]:
    """Return the state of MSIs of a placement that starts."""
    its = np.zeros(1, ITS).view(np.recarray)[0]
    its.mode, its.frame, its.queue_bytes = mode, base, 0x1000
    rows = np.array(msis.rows, ROW).view(np.recarray)
    return rows, np.array(msis.pairs, PAIR).view(np.recarray), its


@jit
def _store(state: Any, address: Any, value: Any) -> None:
    emit(state, GMEM_W, 0, address, 0)
    state.ops[state.count - 1].value = value
    state.n_msi_mapped += 1


@jit
def _register(state: Any, vcpu: Any, region: Any, offset: Any, size: Any, value: Any) -> None:
    """Append a store that no event shows."""
    access(state, vcpu, True, region, offset, size, value)
    state.n_mmio -= 1
    state.n_msi_mapped += 1


@jit
def _queue(state: Any, its: Any, dw0: Any, dw1: Any, dw2: Any) -> None:
    """Put a command into the queue; whoever does writes CWRITER afterwards."""
    place = _QUEUE + its.cwriter
    _store(state, place, dw0)
    _store(state, place + 8, dw1)
    _store(state, place + 16, dw2)
    its.cwriter = (its.cwriter + _COMMAND) % its.queue_bytes


@jit
def _commands(state: Any, its: Any, pair: Any, target: Any, room: Any) -> Any:
    """Queue what has an event go to vCPU `target`, at most `room` commands; return how many."""
    used = 0
    if its.collections[target] == 0 and used < room:
        _queue(state, its, U64(_MAPC), U64(0), U64(_VALID) | U64(target << 16 | target))
        its.collections[target] = 1
        used += 1
    device = U64(pair.devid) << U64(32)
    if its.devices[pair.device_index] == 0 and used < room:
        _queue(state, its, U64(_MAPD) | device, U64(15), U64(_VALID) | U64(_LEVEL2))
        its.devices[pair.device_index] = 1
        used += 1
    if used < room:
        if pair.vcpu < 0:
            _queue(state, its, U64(_MAPTI) | device, U64(pair.event) | U64(pair.lpi) << U64(32), U64(target))
        else:
            _queue(state, its, U64(_MOVI) | device, U64(pair.event), U64(target))
        pair.vcpu = target
        used += 1
    return used


@jit
def _someone_outside(state: Any) -> Any:
    """Return (a vCPU that is out of the guest, whether it had to leave for that)."""
    for vcpu in range(state.vcpus):
        if state.cpu[vcpu].in_guest == 0:
            return np.int64(vcpu), False
    leave(state, 0)
    state.n_exits_placed += 1
    return np.int64(0), True


@jit
def _back_inside(state: Any, vcpu: Any) -> None:
    enter(state, vcpu)
    state.n_exits_placed += 1


@jit
def _route_lpi(state: Any, its: Any, pair: Any, target: Any) -> None:
    vcpu, again = _someone_outside(state)
    _commands(state, its, pair, target, 8)
    _register(state, vcpu, ITS_REGION, _CWRITER, 8, U64(its.cwriter))
    if again:
        _back_inside(state, vcpu)


@jit
def _route_spi(state: Any, pair: Any, target: Any) -> None:
    vcpu, again = _someone_outside(state)
    spi = pair.spi
    if pair.vcpu < 0:
        _register(state, vcpu, -1, _IPRIORITYR + spi, 1, U64(_PRIORITY))
        # Edge-triggered, and so are the unused ones beside it.
        _register(state, vcpu, -1, _ICFGR + spi // 16 * 4, 4, U64(0xAAAAAAAA))
    if state.gic == 2:
        _register(state, vcpu, -1, _ITARGETSR + spi, 1, U64(1 << target))
    else:
        _register(state, vcpu, -1, _IROUTER + 8 * spi, 8, U64(vcpu_affinity(target)))
    if pair.vcpu < 0:
        _register(state, vcpu, -1, _ISENABLER + spi // 32 * 4, 4, U64(1) << U64(spi & 31))
    pair.vcpu = target
    if again:
        _back_inside(state, vcpu)


@jit
def place_msi(state: Any, msis: Any) -> None:
    """Place the next MSI."""
    rows, pairs, its = msis
    if its.mode == DROPPED or its.next >= rows.shape[0]:
        state.n_msi += 1
        return
    row = rows[its.next]
    its.next += 1
    pair = pairs[row.pair]
    target = min(row.target, state.vcpus - 1)
    if its.mode == AS_LPI:
        if pair.lpi < 0:
            state.n_msi += 1
            return
        if pair.vcpu != target:
            _route_lpi(state, its, pair, target)
        emit(state, MSI, 0, pair.devid, pair.event)
        state.ops[state.count - 1].c = pair.lpi
    else:
        if pair.spi < 0:
            state.n_msi += 1
            return
        if pair.vcpu != target:
            _route_spi(state, pair, target)
        emit(state, INJECT, 0, pair.spi, 1)
    state.n_msis += 1
    cpu = state.cpu[target]
    if pair.epoch != cpu.msi_epoch:
        pair.epoch = cpu.msi_epoch
        cpu.waiting_msis += 1


@jit
def _with_address(value: Any, offset: Any, size: Any, address: Any) -> Any:
    """Return the part of a register that is accessed with the address in it replaced."""
    if size == 8:
        return (value & ~U64(0x000FFFFFFFFFF000)) | U64(address)
    if offset & 4:
        return value & U64(0xFFF00000)
    return (value & U64(0xFFF)) | U64(address)


@jit
def table_value(its: Any, offset: Any, size: Any, value: Any) -> Any:
    """Return the value of a redistributor access with the addresses of its tables replaced."""
    if its.mode != AS_LPI or size < 4:
        return value
    if offset & ~7 == _RD_PROPBASER:
        return _with_address(value, offset, size, _PROPERTIES)
    if offset & ~7 == _RD_PENDBASER:
        return _with_address(value, offset, size, _PENDING)
    return value


@jit
def _run_commands(state: Any, vcpu: Any, offset: Any, size: Any, value: Any, msis: Any) -> None:
    """The guest hands commands over: as many here, those that the MSIs to come need and then SYNC."""
    _, pairs, its = msis
    written = np.int64(value & U64(0xF_FFE0))
    number = ((written - its.recorded) % its.queue_bytes) // _COMMAND
    its.recorded = written
    left = min(number, _MOST_COMMANDS)
    while left > 0 and its.next_pair < pairs.shape[0]:
        pair = pairs[its.next_pair]
        if pair.lpi >= 0 and pair.vcpu < 0:
            left -= _commands(state, its, pair, min(pair.first_target, state.vcpus - 1), left)
        if pair.lpi < 0 or pair.vcpu >= 0:
            its.next_pair += 1
    while left > 0:
        _store(state, _QUEUE + its.cwriter, U64(_SYNC))
        its.cwriter = (its.cwriter + _COMMAND) % its.queue_bytes
        left -= 1
    access(state, vcpu, True, ITS_REGION, offset, size, U64(its.cwriter))


@jit
def its_access(state: Any, vcpu: Any, write: Any, offset: Any, size: Any, value: Any, msis: Any) -> None:
    """Place an access to the ITS; the caller has seen to it that the trace format has a form for it."""
    its = msis[2]
    register = offset & ~7
    if size >= 4 and register == _CWRITER and write and offset & 4 == 0:
        _run_commands(state, vcpu, offset, size, value, msis)
        return
    if size >= 4 and register == _CBASER:
        if write and offset & 4 == 0:
            its.queue_bytes = (np.int64(value & U64(0xFF)) + 1) * 0x1000
            its.recorded = 0
            its.cwriter = 0
        value = _with_address(value, offset, size, _QUEUE)
    elif size >= 4 and register == _BASER:
        value = _with_address(value, offset, size, _DEVICES)
    elif size >= 4 and register == _BASER + 8:
        value = _with_address(value, offset, size, _COLLECTIONS)
    elif (register == _CREADR or register == _CWRITER) and np.int64(value) == its.recorded:
        value = U64(its.cwriter)
    access(state, vcpu, write, ITS_REGION, offset, size, value)


@jit
def set_its_up(state: Any, msis: Any) -> None:
    """Append what must be there before the first event: properties and tables, and what the guest is not seen to do."""
    _, pairs, its = msis
    if its.mode != AS_LPI:
        return
    mapped = state.n_msi_mapped
    for index in range(pairs.shape[0]):
        pair = pairs[index]
        if pair.lpi >= 0:
            _store(state, _PROPERTIES + ((pair.lpi - FIRST_LPI) & ~7), U64(_PROPERTY_WORD))
            if its.devices[pair.device_index] == 0:
                its.devices[pair.device_index] = 1
                _store(state, _DEVICES + (pair.devid >> 13) * 8, U64(_VALID) | U64(_LEVEL2))
    its.devices[:] = 0
    if its.enabled_by_guest == 0:
        _register(state, 0, 0, _RD_PROPBASER, 8, U64(_PROPERTIES | 15))
        _register(state, 0, ITS_REGION, _BASER, 8, U64(_VALID) | U64(1 << 62) | U64(_DEVICES))
        _register(state, 0, ITS_REGION, _BASER + 8, 8, U64(_VALID) | U64(_COLLECTIONS))
        _register(state, 0, ITS_REGION, _CBASER, 8, U64(_VALID) | U64(_QUEUE | 0xF))
        its.queue_bytes = 0x10000
        _register(state, 0, ITS_REGION, _CTLR, 4, U64(1))
    for vcpu in range(state.vcpus):
        if its.lpis_enabled_by_guest[vcpu] == 0:
            _register(state, vcpu, vcpu, _RD_PENDBASER, 8, U64(1 << 62) | U64(_PENDING))
            _register(state, vcpu, vcpu, 0, 4, U64(1))
    state.n_set_up += state.n_msi_mapped - mapped
    state.n_msi_mapped = mapped
