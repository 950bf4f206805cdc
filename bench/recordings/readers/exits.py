# SPDX-License-Identifier: GPL-2.0-only
"""The arguments of kvm_entry and kvm_exit: whether they are KVM/Arm's, and what ended the stay in the guest."""

from typing import Any

import numpy as np

from bench.recordings import events as ev
from bench.recordings.machine.ascii import (
    COLON,
    EQUALS,
    LOWER,
    SPACE,
    UNDERSCORE,
    A,
    C,
    E,
    P,
    X,
    Z,
    at_word,
    is_digit,
    word,
)
from bench.recordings.readers.fields import field, keyed, next_number
from kvmarm.jit import U64, jit

_INTERRUPT = word("IRQ:")
_LONGEST_ADDRESS = 18
"""Characters of a 64-bit address with its 0x."""


@jit
def _program_counter(data: Any, position: Any, end: Any) -> Any:
    """Return the position of the number after `PC:` or `vcpu_pc=` in data[position:end], -1 when there is none.

    Only KVM/Arm prints its entries and exits with one. RISC-V's `SEPC:` is another word, x86 has `rip`.
    """
    for at in range(position, end - 2):
        if (data[at] | LOWER) != P or (data[at + 1] | LOWER) != C:
            continue
        if data[at] == P - LOWER:
            letter = at > position and A <= (data[at - 1] | LOWER) <= Z
            if not letter and (data[at + 2] == COLON or data[at + 2] == EQUALS):
                return at + 3
        elif at >= position + 5 and data[at - 1] == UNDERSCORE and data[at + 2] == EQUALS:
            return at + 3
    return -1


@jit
def of_arm(data: Any, position: Any, end: Any) -> Any:
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
    hexadecimal = at + 1 < end and (data[at + 1] | LOWER) == X
    return after >= 0 and not (hexadecimal and after - at > _LONGEST_ADDRESS)


@jit
def exit_class(data: Any, position: Any, end: Any) -> Any:
    """Return the exception class that kvm_exit's arguments print (`HSR_EC: 0x0018`, `esr_ec=24`), see events.EXIT."""
    fields = keyed(data, position, end)
    if fields:
        kind, after = field(data, position, end, True)
        if after >= 0 and kind == U64(0):
            return ev.EXIT_INTERRUPT
    for at in range(position, end - 3):
        if not fields and at_word(data, at, end, _INTERRUPT):
            return ev.EXIT_INTERRUPT
        ends = data[at + 2] == COLON or data[at + 2] == EQUALS
        if ends and (data[at] | LOWER) == E and (data[at + 1] | LOWER) == C:
            number, after = next_number(data, at + 3, end)
            return np.int64(number & U64(63)) if after >= 0 else ev.EXIT_UNKNOWN
    return ev.EXIT_UNKNOWN
