# SPDX-License-Identifier: GPL-2.0-only
"""Millions of world switches per second: one compiled loop over the encoded operations of a round trip.

The arrays are made by `kvmarm.el2.round_trip`, which explains them. Runs of moves are executed in an inner loop: the
field `b` of a move is the number of moves from it on. Places and slots are unsigned 16-bit numbers: that keeps a round
trip in the first-level cache and spares the tests for negative indexes.
"""

from typing import Any

import numpy as np

from kvmarm.el2 import instructions as p
from kvmarm.el2.slots import slot
from kvmarm.jit import U64, U64_0, jit
from kvmarm.lr import eisr_of, elrsr_of, misr_of

MOVE, SET, MERGE, FIELD, MARK, TEST_ZERO = p.MOVE, p.SET, p.MERGE, p.FIELD, p.MARK, p.TEST_ZERO
ELRSR, EISR = p.ELRSR, p.EISR
BRANCH, BRANCH_IF, BRANCH_UNLESS, BRANCH_SAME = p.BRANCH, p.BRANCH_IF, p.BRANCH_UNLESS, p.BRANCH_SAME
_GICH_HCR, _ICH_HCR = slot("gich_hcr"), slot("ich_hcr_el2")
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
    """Return what ELRSR, EISR or MISR (the micro-operation `kind`) reads as, computed from the list registers."""
    lrs = state[first : first + count]
    gic = 3 if v3 else 2
    if kind == ELRSR:
        return elrsr_of(lrs, count, gic)
    ended = eisr_of(lrs, count, gic)
    if kind == EISR:
        return ended
    return misr_of(lrs, count, gic, state[_ICH_HCR] if v3 else state[_GICH_HCR], ended)
