# SPDX-License-Identifier: GPL-2.0-only
"""Numbers and `key=value` fields in the text of an event's arguments, in jitted code.

Arguments are data[position:end] (uint8[:]).
"""

from typing import Any

import numpy as np

from bench.recordings.machine.ascii import EQUALS, LOWER, OPEN_BRACKET, SPACE, ZERO, A, F, X, is_digit
from kvmarm.jit import U64, jit


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
    if data[position] == ZERO and position + 1 < end and data[position + 1] == X:
        position += 2
        while position < end:
            character = np.int64(data[position])
            if is_digit(character):
                digit = character - ZERO
            elif A <= (character | LOWER) <= F:
                digit = (character | LOWER) - A + 10
            else:
                break
            value = (value << U64(4)) | U64(digit)
            position += 1
        return value, position
    while position < end and is_digit(data[position]):
        value = value * U64(10) + U64(np.int64(data[position]) - ZERO)
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
def key_value(data: Any, position: Any, end: Any, first: Any, second: Any) -> Any:
    """Return (value, found) of the field whose key starts with the letters `first`, `second`."""
    while True:
        equals = position_after(data, position, end, EQUALS)
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
def keyed(data: Any, position: Any, end: Any) -> Any:
    """Return whether arguments are `field=value …`: `trace-cmd report -R`, the kernel's `fields` option.

    `[FAILED TO PARSE]` before them is trace-cmd's, of an event that it has no way to print.
    """
    if position < end and data[position] == OPEN_BRACKET:
        return True
    while position < end and data[position] > SPACE:
        if data[position] == EQUALS:
            return True
        position += 1
    return False


@jit
def field(data: Any, position: Any, end: Any, keyed: Any) -> Any:
    """Return (value, position after it) of the next number, of the next field's where arguments are keyed."""
    if keyed:
        position = position_after(data, position, end, EQUALS)
        if position < 0:
            return U64(0), -1
    return next_number(data, position, end)
