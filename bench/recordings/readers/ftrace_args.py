# SPDX-License-Identifier: GPL-2.0-only
"""The arguments of KVM's trace events as text, in the kernel's own printing and in what trace-cmd makes of it.

Event names are compared by hash (`name_hash`), which the scanner computes while it reads them.
"""

from typing import Any

import numpy as np

from bench.recordings import events as ev
from bench.recordings.machine.ascii import EQUALS, OPEN, A, C, D, E, F, H, R, T, U, V, W, is_digit
from bench.recordings.machine.thread_table import learn_entry, learn_timer_map
from bench.recordings.readers.exits import exit_class, of_arm
from bench.recordings.readers.fields import field, key_value, keyed, next_number, position_after
from kvmarm.jit import U64, jit

_MASK = 0xFFFFFFFFFFFFFFFF
VIRTUAL_TIMER = 1
"""TIMER_VTIMER of enum kvm_arch_timers (include/kvm/arm_arch_timer.h)."""


def name_hash(name: str) -> np.uint64:
    """Return the hash of an event name: base 31, modulo 2^64."""
    value = 0
    for byte in name.encode():
        value = (value * 31 + byte) & _MASK
    return np.uint64(value)


NAME_ENTRY = name_hash("kvm_entry")
NAME_EXIT = name_hash("kvm_exit")
NAME_LINE = name_hash("vgic_update_irq_pending")
NAME_MMIO = name_hash("kvm_mmio")
NAME_SYS = name_hash("kvm_sys_access")
NAME_WFX = name_hash("kvm_wfx_arm64")
NAME_TIMER_MAP = name_hash("kvm_get_timer_map")
NAME_TIMER_STATE = name_hash("kvm_timer_save_state")
NAME_TIMER_RESTORE = name_hash("kvm_timer_restore_state")
NAME_USER_EXIT = name_hash("kvm_userspace_exit")
NAME_LR_ENTRY = name_hash("vgic_lr_entry")
NAME_LR_EXIT = name_hash("vgic_lr_exit")
NAME_SGI1R = name_hash("vgic_sgi1r")
NAME_MSI = name_hash("vgic_msi")


@jit
def concerns_vgic(name: Any) -> Any:
    """Return whether the event with this name hash is one that `arguments` reads."""
    return (
        name == NAME_ENTRY
        or name == NAME_EXIT
        or name == NAME_LINE
        or name == NAME_MMIO
        or name == NAME_SYS
        or name == NAME_WFX
        or name == NAME_TIMER_MAP
        or name == NAME_TIMER_STATE
        or name == NAME_TIMER_RESTORE
        or name == NAME_USER_EXIT
        or name == NAME_LR_ENTRY
        or name == NAME_LR_EXIT
        or name == NAME_SGI1R
        or name == NAME_MSI
    )


@jit
def _list_registers(data: Any, position: Any, end: Any, event: Any, out: Any, done: Any) -> Any:
    """Read the `key=value` fields of an LR probe into `event` and LRS records; return the records used after it."""
    records = 0
    count = 0
    while True:
        equals = position_after(data, position, end, EQUALS)
        if equals < 0:
            break
        value, after = next_number(data, equals, end)
        if after < 0:
            break
        # The key ends before the equals sign: its last letters tell it.
        last = data[equals - 2]
        before = data[equals - 3] if equals >= 3 else 0
        if is_digit(last):
            slot = count & 3
            if slot == 0:
                records += 1
                chunk = out[done + records]
                chunk.time = event.time
                chunk.kind = ev.LRS
                chunk.thread = event.thread
                chunk.vcpu = event.vcpu
                chunk.n = 0
                chunk.a = U64(0)
                chunk.b = U64(0)
                chunk.c = U64(0)
                chunk.d = U64(0)
            chunk = out[done + records]
            chunk.n = slot + 1
            if slot == 0:
                chunk.a = value
            elif slot == 1:
                chunk.b = value
            elif slot == 2:
                chunk.c = value
            else:
                chunk.d = value
            count += 1
            if count == 16:
                break
        elif last == U:  # vcpu
            event.vcpu = np.int32(value)
        elif last == D:  # used
            event.a = value
        elif last == R and before == C and data[equals - 4] == H:  # hcr
            event.b = value
        elif last == R:  # vmcr
            event.c = value
        position = after
    event.n = count
    return records


@jit
def _system_register(data: Any, position: Any, end: Any) -> Any:
    """Return op2 of an access to ICC_SGI1R, ASGI1R or SGI0R (5, 6, 7), 0 of any other register, -1 if unreadable."""
    fields = keyed(data, position, end)
    start = position
    if fields:
        for _ in range(3):
            # vcpu_pc= is_write= name= Op0= …: the register follows the third equals sign.
            start = position_after(data, start, end, EQUALS)
            if start < 0:
                return -1
    else:
        start = position_after(data, position, end, OPEN)
        if start < 0:
            return -1
    wanted = (3, 0, 12, 11)
    for index in range(5):
        number, start = field(data, start, end, fields)
        if start < 0:
            return -1
        if index == 4:
            return np.int64(number) if 5 <= np.int64(number) <= 7 else 0
        if np.int64(number) != wanted[index]:
            return 0
    return 0


@jit
def _mmio(data: Any, position: Any, end: Any, event: Any) -> Any:
    """Read kvm_mmio's arguments into `event`; return as `arguments` does."""
    if end - position < 12:
        return -2
    fields = data[position] == T
    letter = np.int64(data[position + 5])
    if fields:
        kind, position = field(data, position, end, True)
        letter = np.int64(U if kind == U64(0) else R if kind == U64(1) else W if kind == U64(2) else 0)
    if letter == U:  # unsatisfied-read: the read with its value follows
        return -1
    if letter == W:
        event.kind = ev.GPA_WRITE
    elif letter == R:
        event.kind = ev.GPA_READ
    else:
        return -2
    event.b, at = field(data, position, end, fields)
    if at >= 0:
        event.a, at = field(data, at, end, fields)
    if at >= 0:
        event.c, at = field(data, at, end, fields)
    return 0 if at >= 0 else -2


@jit
def _timer_state(data: Any, position: Any, end: Any, event: Any) -> Any:
    """Read the arguments of kvm_timer_save_state or _restore_state into `event`; return as `arguments` does."""
    fields = position < end and data[position] == C
    event.a, at = field(data, position, end, fields)
    if at >= 0:
        event.b, at = field(data, at, end, fields)
    if at < 0:
        return -2
    timer, at = field(data, at, end, fields)
    if at < 0:
        return -2
    event.kind = ev.TIMER_STATE
    return 0 if timer == U64(VIRTUAL_TIMER) else -1


@jit
def arguments(data: Any, position: Any, end: Any, name: Any, event: Any, out: Any, done: Any, thread: Any) -> Any:
    """Fill `event` (= out[done]) from the arguments data[position:end] of an event called `name`.

    Return the number of further records used, -1 when it is no event for us, -2 when its arguments are not understood,
    -3 when they are another architecture's.
    """
    if name == NAME_ENTRY:
        if not of_arm(data, position, end):
            return -3
        event.kind = ev.ENTRY
        event.b = U64(thread.user)
        learn_entry(thread, event.time)
        return 0
    if name == NAME_EXIT:
        if not of_arm(data, position, end):
            return -3
        event.kind = ev.EXIT
        event.a = U64(exit_class(data, position, end))
        return 0
    if name == NAME_USER_EXIT:
        thread.user = 1
        return -1
    if name == NAME_LINE or name == NAME_TIMER_MAP:
        vcpu, at = next_number(data, position, end)
        if at < 0 or vcpu >= U64(512):
            return -2
        if name == NAME_TIMER_MAP:
            learn_timer_map(thread, np.int32(vcpu))
            return -1
        event.kind = ev.LINE
        event.vcpu = np.int32(vcpu)
        fields = data[position] == V
        event.a, at = field(data, at, end, fields)
        if at < 0:
            return -2
        event.b, at = field(data, at, end, fields)
        return 0 if at >= 0 and event.b <= U64(1) else -2
    if name == NAME_TIMER_STATE or name == NAME_TIMER_RESTORE:
        return _timer_state(data, position, end, event)
    if name == NAME_MMIO:
        return _mmio(data, position, end, event)
    if name == NAME_SYS:
        register = _system_register(data, position, end)
        if register <= 0:
            return -1 if register == 0 else -2
        event.kind = ev.SGI_TRAP if register == 5 else ev.OTHER_SGI
        return 0
    if name == NAME_WFX:
        # `guest executed wfi at:`; trace-cmd's plugin-less printing leaves `wf>c<`.
        at = position
        if data[position] == V:
            _, at = field(data, position, end, True)
            wfe, at = field(data, max(at, position), end, True)
            if at < 0:
                return -2
            event.kind = ev.WFI
            return -1 if wfe != U64(0) else 0
        while at + 2 < end and not (data[at] == W and data[at + 1] == F):
            at += 1
        if at + 2 < end and data[at + 2] == E:
            return -1
        event.kind = ev.WFI
        return 0
    if name == NAME_LR_ENTRY or name == NAME_LR_EXIT:
        event.kind = ev.LR_ENTRY if name == NAME_LR_ENTRY else ev.LR_EXIT
        records = _list_registers(data, position, end, event, out, done)
        if event.vcpu < 0:
            return -2
        thread.probed = event.vcpu
        if event.kind == ev.LR_ENTRY:
            learn_entry(thread, event.time)
        return records
    if name == NAME_SGI1R:
        event.kind = ev.SGI_VALUE
        vcpu, found = key_value(data, position, end, V, C)
        if found and vcpu < U64(512):
            event.vcpu = np.int32(vcpu)
        event.a, found = key_value(data, position, end, V, A)
        return 0 if found else -2
    if name == NAME_MSI:
        event.kind = ev.MSI
        event.a, found = key_value(data, position, end, D, E)
        event.b, has_data = key_value(data, position, end, D, A)
        event.c, _ = key_value(data, position, end, A, D)
        event.n = 1 if found and has_data else 0
        return 0
    return -1
