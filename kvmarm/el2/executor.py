# SPDX-License-Identifier: GPL-2.0-only
"""Millions of world switches a second: one compiled loop over the encoded operations of a round trip.

The arrays are made by `kvmarm.el2.round_trip`, which explains them. Runs of moves are executed in an inner loop: the
field `b` of a move is the number of moves from it on. Places and slots are unsigned 16-bit numbers: that keeps a round
trip in the first-level cache and spares the tests for negative indexes.
"""

from typing import Any

import numpy as np

from kvmarm.el2 import program as p
from kvmarm.el2.machine import HCR_UIE, MISR_EOI, MISR_U, V2_EOI, V2_HW, V2_STATE, V3_EOI, V3_HW, V3_STATE
from kvmarm.el2.slots import slot
from kvmarm.jit import U64, U64_0, jit

MOVE, SET, MERGE, FIELD, MARK, TEST_ZERO = p.MOVE, p.SET, p.MERGE, p.FIELD, p.MARK, p.TEST_ZERO
EISR, MISR = p.EISR, p.MISR
BRANCH, BRANCH_IF, BRANCH_UNLESS, BRANCH_SAME = p.BRANCH, p.BRANCH_IF, p.BRANCH_UNLESS, p.BRANCH_SAME
_STATE2, _HW2, _EOI2 = U64(V2_STATE), U64(V2_HW), U64(V2_EOI)
_STATE3, _HW3, _EOI3 = U64(V3_STATE), U64(V3_HW), U64(V3_EOI)
_GICH_HCR, _ICH_HCR = slot("gich_hcr"), slot("ich_hcr_el2")
_UIE, _EOI_BIT, _U_BIT = U64(HCR_UIE), U64(MISR_EOI), U64(MISR_U)
_ONE, _SHIFT_MASK, _EIGHT = U64(1), U64(63), U64(8)


@jit
def run_rounds(
    kinds: Any, destinations: Any, sources: Any, a: Any, b: Any, state: Any, rounds: Any, outcomes: Any
) -> None:
    """Execute the operations from first to last, `rounds` times; see the module head for the arrays."""
    end = len(kinds)
    for _ in range(rounds):
        place = np.int64(0)
        while place < end:
            kind = kinds[place]
            if kind == MOVE:
                stop = place + np.int64(b[place])
                while place < stop:
                    state[destinations[place]] = state[sources[place]]
                    place += 1
                continue
            if kind >= BRANCH:
                value = state[sources[place]]
                taken = (
                    kind == BRANCH
                    or (kind == BRANCH_IF and value & a[place] == b[place])
                    or (kind == BRANCH_UNLESS and value & a[place] != b[place])
                    or (kind == BRANCH_SAME and value == state[a[place]])
                )
                if outcomes is not None:
                    outcomes[place, 0] += 1
                    if taken:
                        outcomes[place, 1] += 1
                place = np.int64(destinations[place]) if taken else place + 1
                continue
            destination = destinations[place]
            source = sources[place]
            if kind == SET:
                state[destination] = (state[source] & a[place]) | b[place]
            elif kind == MERGE:
                state[destination] = state[source] | state[a[place]]
            elif kind == FIELD:
                field = (state[source] >> (b[place] & _SHIFT_MASK)) & a[place]
                state[destination] = field << (b[place] >> _EIGHT)
            elif kind == MARK:
                if state[source] & a[place] != U64_0:
                    state[destination] |= b[place]
            elif kind == TEST_ZERO:
                state[destination] = _ONE if state[source] & a[place] == U64_0 else U64_0
            else:
                status = _status(kind, state, np.int64(source), np.int64(a[place]), b[place] != U64_0)
                state[destination] = status
            place += 1


@jit
def _status(kind: Any, state: Any, first: Any, count: Any, v3: Any) -> Any:
    """What ELRSR, EISR or MISR reads as: computed from the list registers when it is read."""
    mask = _STATE3 if v3 else _STATE2
    hw = _HW3 if v3 else _HW2
    eoi = _EOI3 if v3 else _EOI2
    bits = U64_0
    valid = 0
    ended = False
    for index in range(count):
        value = state[first + index]
        if value & mask != U64_0:
            valid += 1
            continue
        wants_eoi = value & hw == U64_0 and value & eoi != U64_0
        ended = ended or wants_eoi
        if wants_eoi == (kind == EISR):
            bits |= _ONE << U64(index)
    if kind != MISR:
        return bits
    hcr = state[_ICH_HCR] if v3 else state[_GICH_HCR]
    underflow = hcr & _UIE != U64_0 and valid < 2
    return (_EOI_BIT if ended else U64_0) | (_U_BIT if underflow else U64_0)
