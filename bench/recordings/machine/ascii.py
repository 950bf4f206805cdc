# SPDX-License-Identifier: GPL-2.0-only
"""ASCII bytes by name, and words of them, for parsers in jitted code: numba folds the constants."""

from typing import Any

from kvmarm.jit import jit

TAB, NEWLINE, SPACE, HASH = ord("\t"), ord("\n"), ord(" "), ord("#")
OPEN, CLOSE, DASH, DOT, SLASH, COLON = ord("("), ord(")"), ord("-"), ord("."), ord("/"), ord(":")
ZERO, NINE, EQUALS, UNDERSCORE = ord("0"), ord("9"), ord("="), ord("_")
OPEN_BRACKET, CLOSE_BRACKET = ord("["), ord("]")
LOWER = 0x20
"""The bit that makes a letter a small one."""
A, C, D, E, F, H, P, R, T, U, V, W, X, Z = (ord(letter) for letter in "acdefhprtuvwxz")
"""Small letters."""


def word(text: str) -> tuple[int, ...]:
    """Return the bytes of a word for `at_word`."""
    return tuple(text.encode())


@jit
def is_digit(character: Any) -> Any:
    """Return whether a byte is an ASCII digit."""
    return ZERO <= character <= NINE


@jit
def at_word(data: Any, at: Any, end: Any, letters: Any) -> Any:
    """Return whether data[at:end] (uint8[:]) begins with a word (a tuple of bytes)."""
    if at + len(letters) > end:
        return False
    same = True
    for index in range(len(letters)):
        same = same and data[at + index] == letters[index]
    return same


@jit
def at_word_any_case(data: Any, at: Any, end: Any, letters: Any) -> Any:
    """As `at_word`; the word is of small letters, the text may have capitals."""
    if at + len(letters) > end:
        return False
    same = True
    for index in range(len(letters)):
        same = same and (data[at + index] | LOWER) == letters[index]
    return same
