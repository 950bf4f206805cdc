# SPDX-License-Identifier: GPL-2.0-only
"""The classes of contradictions, and what a signature's number holds."""

from typing import Any

import numpy as np

from bench.verify.records import NO_KIND, OFF, ON, numbers
from kvmarm.jit import U64, U64_0, U64_1, jit

(
    NOTHING,
    HOST_KILLED,
    HOST_HANGS,
    LOST,
    STRANDED,
    ACTIVE_FOR_EVER,
    NOT_WOKEN,
    NOT_KICKED,
    WITHOUT_CAUSE,
    WRONG_SOURCE,
    UNKNOWN_INTID,
    PRIORITY_ORDER,
    OVER_MORE_URGENT,
    NO_PREEMPTION,
    REGISTER,
    IS_ACTIVE,
    PHYSICAL,
    LIVELOCK,
    NEVER_SLEEPS,
    WAKES_FOR_NOTHING,
) = numbers(*range(20))

CLASS_NAMES = (
    "nothing", "host killed", "host hangs", "lost", "stranded", "active for ever", "not woken", "not kicked",
    "taken without cause", "wrong SGI source", "unknown INTID", "priority order", "over a more urgent one",
    "no preemption", "register contradicts", "isactive contradicts", "physical state", "livelock",
    "never sleeps", "wakes for nothing",
)  # fmt: skip
"""By class number. The class of a contradicting register is named by the register: see `class_name`."""

REASONS = ("", "active already", "not enabled", "not pending", "distributor off", "not routed here")
REGISTERS = ("ISPENDR", "ISACTIVER", "ISENABLER")
PLACES = ("at deactivation", "at rest")
KEPT_OR_ANEW = ("loaded anew", "kept in a list register")
STOPPED_OR_RUNNING = ("", "stopped VM")
KINDS = ("SGI", "PPI", "SPI", "forwarded", "")
TRIGGERS = ("level", "edge", "")

_KIND_SHIFT, _TRIGGER_SHIFT, _REASON_SHIFT, _DETAIL_SHIFT = 8, 12, 16, 24


@jit
def signature_of(world: Any, cls: Any, x: Any, reason: Any, detail: Any) -> Any:
    """Return the number (int64) of a signature: class, kind and trigger of instance `x`, reason, detail."""
    kind, trigger = NO_KIND, np.int64(2)
    if x >= 0:
        kind = world.setup.instance[x].kind
        trigger = ON if (world.reference.edge >> U64(x)) & U64_1 != U64_0 else OFF
    return np.int64(
        cls | kind << _KIND_SHIFT | trigger << _TRIGGER_SHIFT | reason << _REASON_SHIFT | detail << _DETAIL_SHIFT
    )


def is_advice(code: int) -> bool:
    """Return whether a signature is advice: listed apart, never counted as a violation."""
    return code & 0xFF in (NEVER_SLEEPS, WAKES_FOR_NOTHING)


def class_name(code: int) -> str:
    """Return the class of a signature in words."""
    cls = code & 0xFF
    if cls == REGISTER:
        return f"{REGISTERS[code >> _REASON_SHIFT & 0xFF]} contradicts"
    return CLASS_NAMES[cls]


def signature_text(code: int, bugs: dict[int, str] | None = None) -> str:
    """Return a signature in words: class, kind, trigger, reason and detail, separated by commas.

    bugs: number of a BUG_ON -> its place, as the design names them.
    """
    cls, reason, detail = code & 0xFF, code >> _REASON_SHIFT & 0xFF, code >> _DETAIL_SHIFT & 0xFF
    kind, trigger = KINDS[code >> _KIND_SHIFT & 0xF], TRIGGERS[code >> _TRIGGER_SHIFT & 0xF]
    words = [class_name(code), " ".join(word for word in (kind, trigger if kind != "SGI" else "") if word)]
    if cls == HOST_KILLED:
        words.append((bugs or {}).get(reason, f"BUG_ON {reason}"))
    elif cls == WITHOUT_CAUSE:
        words += [REASONS[reason], KEPT_OR_ANEW[detail]]
    elif cls == REGISTER:
        words += [f"reads {detail & 1}", STOPPED_OR_RUNNING[detail >> 1]]
    elif cls == IS_ACTIVE:
        words.append(f"answers {detail}")
    elif cls == PHYSICAL:
        words.append(PLACES[reason])
    elif cls == WAKES_FOR_NOTHING:
        words.append("kick" if reason else "answers pending")
    return ", ".join(word for word in words if word)
