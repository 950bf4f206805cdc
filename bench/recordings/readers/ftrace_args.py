# SPDX-License-Identifier: GPL-2.0-only
"""The arguments of KVM's trace events as text, in the kernel's own printing and in what trace-cmd makes of it.

Event names are compared by hash (`name_hash`), which the scanner computes while it reads them.
"""

from typing import Any

import numpy as np

from bench.recordings import events as ev
from bench.recordings.machine.thread_table import COLON, SPACE, is_digit, learn_entry, learn_timer_map
from kvmarm.jit import U64, jit

_MASK = 0xFFFFFFFFFFFFFFFF
_EQUALS, _OPEN_BRACKET, _UNDERSCORE, _LOWER = 61, 91, 95, 32
_A, _C, _E, _P, _X, _Z = 97, 99, 101, 112, 120, 122
_LONGEST_ADDRESS = 18
"""Characters of a 64-bit address with its 0x."""
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
def next_number(data: Any, position: Any, end: Any) -> Any:
    """Return (value, position after it) of the next decimal or 0x-hex number at or after `position`.

    The position is -1 when there is none before `end`.
    """
    while position < end and not is_digit(data[position]):
        position += 1
    if position >= end:
        return U64(0), -1
    value = U64(0)
    if data[position] == 48 and position + 1 < end and data[position + 1] == 120:
        position += 2
        while position < end:
            character = np.int64(data[position])
            if is_digit(character):
                digit = character - 48
            elif 97 <= (character | 32) <= 102:
                digit = (character | 32) - 87
            else:
                break
            value = (value << U64(4)) | U64(digit)
            position += 1
        return value, position
    while position < end and is_digit(data[position]):
        value = value * U64(10) + U64(np.int64(data[position]) - 48)
        position += 1
    return value, position


@jit
def position_after(data: Any, position: Any, end: Any, character: Any) -> Any:
    """Return the position after the next `character`, -1 when there is none before `end`."""
    while position < end:
        if data[position] == character:
            return position + 1
        position += 1
    return -1


@jit
def _list_registers(data: Any, position: Any, end: Any, event: Any, out: Any, done: Any) -> Any:
    """Read the `key=value` fields of an LR probe into `event` and LRS records; return the records used after it."""
    records = 0
    count = 0
    while True:
        equals = position_after(data, position, end, _EQUALS)
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
        elif last == 117:  # vcpu
            event.vcpu = np.int32(value)
        elif last == 100:  # used
            event.a = value
        elif last == 114 and before == 99 and data[equals - 4] == 104:  # hcr
            event.b = value
        elif last == 114:  # vmcr
            event.c = value
        position = after
    event.n = count
    return records


@jit
def _key_value(data: Any, position: Any, end: Any, first: Any, second: Any) -> Any:
    """Return (value, found) of the field whose key starts with the letters `first`, `second`."""
    while True:
        equals = position_after(data, position, end, _EQUALS)
        if equals < 0:
            return U64(0), False
        key = equals - 2
        while key > position and data[key] != SPACE:
            key -= 1
        if data[key] == SPACE:
            key += 1
        if data[key] == first and data[key + 1] == second:
            value, after = next_number(data, equals, end)
            return value, after >= 0
        position = equals


@jit
def _keyed(data: Any, position: Any, end: Any) -> Any:
    """Return whether arguments are `field=value …`: `trace-cmd report -R`, the kernel's `fields` option.

    `[FAILED TO PARSE]` before them is trace-cmd's, of an event that it has no way to print.
    """
    if position < end and data[position] == _OPEN_BRACKET:
        return True
    while position < end and data[position] > SPACE:
        if data[position] == _EQUALS:
            return True
        position += 1
    return False


@jit
def _field(data: Any, position: Any, end: Any, keyed: Any) -> Any:
    """Return (value, position after it) of the next number, of the next field's where arguments are keyed."""
    if keyed:
        position = position_after(data, position, end, _EQUALS)
        if position < 0:
            return U64(0), -1
    return next_number(data, position, end)


@jit
def _system_register(data: Any, position: Any, end: Any) -> Any:
    """Return op2 of an access to ICC_SGI1R, ASGI1R or SGI0R (5, 6, 7), 0 of any other register, -1 if unreadable."""
    keyed = _keyed(data, position, end)
    start = position
    if keyed:
        for _ in range(3):
            # vcpu_pc= is_write= name= Op0= …: the register follows the third equals sign.
            start = position_after(data, start, end, _EQUALS)
            if start < 0:
                return -1
    else:
        start = position_after(data, position, end, 40)
        if start < 0:
            return -1
    wanted = (3, 0, 12, 11)
    for index in range(5):
        number, start = _field(data, start, end, keyed)
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
    keyed = data[position] == 116
    letter = np.int64(data[position + 5])
    if keyed:
        kind, position = _field(data, position, end, True)
        letter = np.int64(117 if kind == U64(0) else 114 if kind == U64(1) else 119 if kind == U64(2) else 0)
    if letter == 117:  # unsatisfied-read: the read with its value follows
        return -1
    if letter == 119:
        event.kind = ev.GPA_WRITE
    elif letter == 114:
        event.kind = ev.GPA_READ
    else:
        return -2
    event.b, at = _field(data, position, end, keyed)
    if at >= 0:
        event.a, at = _field(data, at, end, keyed)
    if at >= 0:
        event.c, at = _field(data, at, end, keyed)
    return 0 if at >= 0 else -2


@jit
def _program_counter(data: Any, position: Any, end: Any) -> Any:
    """Return the position of the number after `PC:` or `vcpu_pc=` in data[position:end], -1 when there is none.

    Only KVM/Arm prints its entries and exits with one. RISC-V's `SEPC:` is another word, x86 has `rip`.
    """
    for at in range(position, end - 2):
        if (data[at] | _LOWER) != _P or (data[at + 1] | _LOWER) != _C:
            continue
        if data[at] == _P - _LOWER:
            letter = at > position and _A <= (data[at - 1] | _LOWER) <= _Z
            if not letter and (data[at + 2] == COLON or data[at + 2] == _EQUALS):
                return at + 3
        elif at >= position + 5 and data[at - 1] == _UNDERSCORE and data[at + 2] == _EQUALS:
            return at + 3
    return -1


@jit
def _of_arm(data: Any, position: Any, end: Any) -> Any:
    """Return whether the arguments of kvm_entry or kvm_exit are KVM/Arm's, or none at all.

    A program counter of more than 16 digits is RISC-V's: its `0x%016lx` lacked the `%`.
    """
    while position < end and data[position] <= SPACE:
        position += 1
    if position == end:
        return True
    at = _program_counter(data, position, end)
    if at < 0:
        return False
    _, after = next_number(data, at, end)
    while at < end and not is_digit(data[at]):
        at += 1
    hexadecimal = at + 1 < end and (data[at + 1] | _LOWER) == _X
    return after >= 0 and not (hexadecimal and after - at > _LONGEST_ADDRESS)


@jit
def _exit_class(data: Any, position: Any, end: Any) -> Any:
    """Return the exception class that kvm_exit's arguments print (`HSR_EC: 0x0018`, `esr_ec=24`), see events.EXIT."""
    keyed = _keyed(data, position, end)
    if keyed:
        kind, after = _field(data, position, end, True)
        if after >= 0 and kind == U64(0):
            return ev.EXIT_INTERRUPT
    for at in range(position, end - 3):
        if not keyed and data[at] == 73 and data[at + 1] == 82 and data[at + 2] == 81 and data[at + 3] == COLON:
            return ev.EXIT_INTERRUPT
        ends = data[at + 2] == COLON or data[at + 2] == _EQUALS
        if ends and (data[at] | _LOWER) == _E and (data[at + 1] | _LOWER) == _C:
            number, after = next_number(data, at + 3, end)
            return np.int64(number & U64(63)) if after >= 0 else ev.EXIT_UNKNOWN
    return ev.EXIT_UNKNOWN


@jit
def _timer_state(data: Any, position: Any, end: Any, event: Any) -> Any:
    """Read the arguments of kvm_timer_save_state or _restore_state into `event`; return as `arguments` does."""
    keyed = position < end and data[position] == 99
    event.a, at = _field(data, position, end, keyed)
    if at >= 0:
        event.b, at = _field(data, at, end, keyed)
    if at < 0:
        return -2
    timer, at = _field(data, at, end, keyed)
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
        if not _of_arm(data, position, end):
            return -3
        event.kind = ev.ENTRY
        event.b = U64(thread.user)
        learn_entry(thread, event.time)
        return 0
    if name == NAME_EXIT:
        if not _of_arm(data, position, end):
            return -3
        event.kind = ev.EXIT
        event.a = U64(_exit_class(data, position, end))
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
        keyed = data[position] == 118
        event.a, at = _field(data, at, end, keyed)
        if at < 0:
            return -2
        event.b, at = _field(data, at, end, keyed)
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
        if data[position] == 118:
            _, at = _field(data, position, end, True)
            wfe, at = _field(data, max(at, position), end, True)
            if at < 0:
                return -2
            event.kind = ev.WFI
            return -1 if wfe != U64(0) else 0
        while at + 2 < end and not (data[at] == 119 and data[at + 1] == 102):
            at += 1
        if at + 2 < end and data[at + 2] == 101:
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
        vcpu, found = _key_value(data, position, end, 118, 99)
        if found and vcpu < U64(512):
            event.vcpu = np.int32(vcpu)
        event.a, found = _key_value(data, position, end, 118, 97)
        return 0 if found else -2
    if name == NAME_MSI:
        event.kind = ev.MSI
        event.a, found = _key_value(data, position, end, 100, 101)
        event.b, has_data = _key_value(data, position, end, 100, 97)
        event.c, _ = _key_value(data, position, end, 97, 100)
        event.n = 1 if found and has_data else 0
        return 0
    return -1
