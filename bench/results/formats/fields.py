# SPDX-License-Identifier: GPL-2.0-only
"""Fields of other programs' JSON, each of the kind that its readers rely on, or one line that names it.

`where` names the file and the part of it; the message continues with the field and what was expected there.
"""

import math
from typing import Any

from kvmarm.errors import UsageError
from kvmarm.text import shown

MOST_COUNT = 10**15
MOST_SETTING = 2**31 - 1
MOST_SECONDS = 1e9


def wrong(where: str, field: str, expected: str, value: Any) -> UsageError:
    """Return the error of a field that is not what was expected."""
    found = "nothing" if value is None else shown(value)
    return UsageError(f"{where}: field {field}: expected {expected}, found {found}")


def an_object(value: Any, where: str, field: str) -> dict[str, Any]:
    """Return a JSON object, an empty one for null. Raises UsageError."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong(where, field, "an object", value)
    return value


def an_array(value: Any, where: str, field: str) -> list[Any]:
    """Return a JSON array. Raises UsageError."""
    if not isinstance(value, list):
        raise wrong(where, field, "an array", value)
    return value


def text(value: Any, where: str, field: str) -> str:
    """Return text. Raises UsageError."""
    if not isinstance(value, str):
        raise wrong(where, field, "text", value)
    return value


def whole(value: Any, where: str, field: str, most: int = MOST_SETTING, least: int = 0) -> int:
    """Return a whole number from `least` to `most`. Raises UsageError."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not least <= value <= most:
        raise wrong(where, field, f"a whole number from {least} to {most}", value)
    return value


def seconds(value: Any, where: str, field: str) -> float:
    """Return a time. Raises UsageError for what is no number, and for one that is none of seconds."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not (abs(value) <= MOST_SECONDS and math.isfinite(value)):
        raise wrong(where, field, "a number of seconds", value)
    return float(value)
