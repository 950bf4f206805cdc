# SPDX-License-Identifier: GPL-2.0-only
"""What the search works on: operations, interrupt instances, the reference state, verdicts; all NumPy records.

An *instance* is what has its own pending and active state: an SPI is one, a PPI one for each vCPU, an SGI one
for each target vCPU and, on GICv2, for each sender. Sets of instances are bits of one uint64, in the order of
SETUP's `instance`.
"""

from typing import Any

import numpy as np

from bench.engine.result_text import RESULT
from kvmarm.config import MAX_VCPUS
from kvmarm.cpuif import HARDWARE
from kvmarm.events import CALLER
from kvmarm.trace import OP


def numbers(*values: int) -> Any:
    """Return NumPy integers: numba compiles a function anew for every literal that it is called with."""
    return tuple(map(np.int64, values))


(NONE,) = numbers(-1)
"""No instance, no vCPU."""
OFF, ON = numbers(0, 1)

MAX_INSTANCES = 64
MAX_STACK = 32
"""Interrupts that a vCPU has acknowledged and not yet ended: at most one per group priority."""
MAX_STEPS = 192
"""Operations of a configuration's alphabet."""
MAX_WORDS = 4096
MAX_FOUND = 512
"""Different signatures of one search."""
MAX_LOG = 4096
NOWHERE, OTHER = numbers(-1, 63)
"""The instance number of an interrupt that is not watched, on a stack of acknowledged ones."""

# Operations of the alphabet; `v`: vCPU, `x`: instance.
ENTER, EXIT, TAKE, END, DROP, RAISE, LOWER, FIRE = numbers(*range(8))
ENABLE, DISABLE, SET_PENDING, CLEAR_PENDING = numbers(*range(8, 12))
(SET_ACTIVE, CLEAR_ACTIVE, PRIORITY, ROUTE, TRIGGER, DISTRIBUTOR) = numbers(*range(12, 18))
(SEND, SET_SOURCE, CLEAR_SOURCE, BLOCK) = numbers(*range(18, 22))
FIRST_ACCESS, LAST_ACCESS = ENABLE, CLEAR_SOURCE
"""Trapped accesses: the vCPU leaves the guest, the access is emulated, afterwards it can only enter."""

STEP = np.dtype([("kind", np.int64), ("vcpu", np.int64), ("x", np.int64), ("value", np.int64)])
"""One operation of the alphabet. `value`: the priority, the target vCPU or NOWHERE, 1 for edge or on."""

SGI, PPI, SPI, FORWARDED, NO_KIND = numbers(*range(5))

INSTANCE = np.dtype(
    [("intid", np.int64), ("owner", np.int64), ("sender", np.int64), ("kind", np.int64), ("pintid", np.int64)]
)
"""`owner`: the vCPU of a private interrupt, NOWHERE for an SPI; `sender`: of a GICv2 SGI, else NOWHERE."""

SETUP = np.dtype(
    [
        ("gic", np.int64),
        ("vcpus", np.int64),
        ("irqs", np.int64),
        ("lrs", np.int64),
        ("count", np.int64),
        ("hostile", np.int64),
        ("given", np.int64),
        ("reloads", np.int64),
        ("forwarded", np.uint64),
        ("sgis", np.uint64),
        ("instance", INSTANCE, (MAX_INSTANCES,)),
        ("own", np.uint64, (MAX_VCPUS,)),
        ("steps", np.int64),
        ("step", STEP, (MAX_STEPS,)),
    ]
)
"""What stays the same during a search. `given`: 1 when the operations come from a trace, not from the alphabet;
`reloads`: 1 when an entry loads the whole interface; `own`: each vCPU's private instances and every SPI."""

IN, ASLEEP, KICKED = numbers(1, 2, 4)
"""Bits of CPU.status: in the guest; blocked in WFI; kicked since it entered."""

CPU = np.dtype(
    [
        ("status", np.int64),
        ("routed", np.uint64),
        ("window_pending", np.uint64),
        ("window_enabled", np.uint64),
        ("window_routed", np.uint64),
        ("window_on", np.uint64),
        ("due", np.uint64),
        ("touched", np.uint64),
        ("reordered", np.uint64),
        ("kept", np.uint64),
        ("dropped", np.uint64),
        ("depth", np.int64),
        ("stack", np.uint64, (MAX_STACK,)),
    ]
)
"""The reference of one vCPU. `routed`: instances that go to it. `window_*`: while in the guest, what was possibly
pending, enabled, routed here, the distributor on (all ones) at any time since the entry. `due`: certainly deliverable
at the entry and ever since. `touched`: acknowledged or deactivated in this run; `reordered`: priority written in it.
`kept`: pending in a list register at the exit and again at the entry. `dropped`: EOIed with EOImode 1, not yet
deactivated. `stack`: acknowledged: value | instance << 32 | priority << 48."""

REFERENCE = np.dtype(
    [
        ("enabled", np.uint64),
        ("edge", np.uint64),
        ("line", np.uint64),
        ("active", np.uint64),
        ("must", np.uint64),
        ("may", np.uint64),
        ("physical", np.uint64),
        ("on", np.uint64),
        ("extra", np.uint8, (MAX_INSTANCES,)),
        ("priority", np.uint8, (MAX_INSTANCES,)),
        ("cpu", CPU, (MAX_VCPUS,)),
    ]
)
"""The reference state. `must`, `may`: the pending latch is certainly, possibly set; `on`: the distributor, all ones or
0; `extra`: further edges that running vCPUs may deliver apart."""

VERDICT = np.dtype(
    [
        ("cls", np.int64),
        ("x", np.int64),
        ("reason", np.int64),
        ("detail", np.int64),
    ]
)

FOUND = np.dtype(
    [
        ("code", np.int64),
        ("count", np.int64),
        ("parent", np.int64),
        ("step", np.int64),
        ("depth", np.int64),
        ("logged", np.int64),
    ]
)
"""One signature. `count`: how often it was met. First met after `step` (-1: none) from state `parent`, when `logged`
operations were in the log."""

LOGGED = np.dtype([("op", OP), ("value", np.uint64), ("kicks", np.uint64), ("step", np.int64), ("phase", np.int64)])
"""One operation as it was executed. `step`: number of the step in its path; `phase`: one of the PHASES."""
(SETTING_UP, PATH, READING, DRAINING, FORCING, RESTING, HOLDING) = numbers(*range(7))

SEARCH = np.dtype(
    [
        ("beyond", np.int64),
        ("position", np.int64),
        ("stop", np.int64),
        ("state", np.int64),
        ("kept", np.int64),
        ("states", np.int64),
        ("transitions", np.int64),
        ("depth", np.int64),
        ("width", np.int64),
        ("size", np.int64),
        ("root", np.int64),
        ("found", np.int64),
    ]
)
"""Where a search is. `position`, `stop`: states of the layer done and to be done; `state`: number of the state
under way; `kept`: states of the next layer so far; `width`: words of a state; `size`: words that the VM's record, the
reference and the hardware have together, first in the memory; `root`: where their values at the root are."""

WORD = np.dtype([("offset", np.int64), ("locks", np.uint64)])
"""One word of the state: its place in the memory, and which of its bits are locks."""

WORLD = np.dtype(
    [
        ("reference", REFERENCE),
        ("hardware", HARDWARE),
        ("setup", SETUP),
        ("op", OP),
        ("result", RESULT),
        ("verdict", VERDICT),
        ("advice", np.int64),
        ("fatal", np.int64),
        ("kicked", np.uint64),
        ("bridge", np.uint64),
        ("vm_address", np.uint64),
        ("own_address", np.uint64),
        ("status", np.int64),
        ("bug", np.int64),
        ("caller", CALLER),
        ("logging", np.int64),
        ("logged", np.int64),
        ("phase", np.int64),
        ("step", np.int64),
        ("log", LOGGED, (MAX_LOG,)),
        ("search", SEARCH),
        ("words", np.int64),
        ("word", WORD, (MAX_WORDS,)),
        ("found", FOUND, (MAX_FOUND,)),
        ("lock_words", np.int64),
        ("lock_word", WORD, (MAX_WORDS,)),
    ]
)
"""Everything that is not the design's; the reference and the hardware come first. `bridge`: the address of what calls
the design (bench.verify.machine), `vm_address` and `own_address` of its arguments; `status`, `bug`, `caller`: what it
left. `verdict`: the first contradiction of the step under way, cls 0 for none; `fatal`: the host is dead or hangs, the
design's record must not be used again; `advice`: bits. `log`: operations as they were executed, while `logging`."""
