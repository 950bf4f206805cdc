# SPDX-License-Identifier: GPL-2.0-only
"""The inner loop of the search: every step from every state of a layer, all in jitted code.

A state is a row of words (uint64), gathered from `memory` at the places `world.word` names and scattered there before
each step. Of every state met, its 64-bit hash is kept (open addressing, at most half full).
"""

from typing import Any

import numpy as np

from bench.verify.classes import signature_of
from bench.verify.drain import drain, hold, holder, read_all, record, record_advice
from bench.verify.machine import canonical
from bench.verify.records import PATH
from bench.verify.step import allowed, take_step
from kvmarm.jit import U64, U64_0, jit

STATE = np.dtype([("parent", np.int32), ("step", np.int32)])
"""How a state was reached first."""

_MIX = 0x9E3779B97F4A7C15
_FINISH = 0xD6E8FEB86659FD93


@jit
def gather(world: Any, memory: Any, row: Any) -> None:
    """Copy the words of the state out of the memory."""
    for index in range(world.words):
        row[index] = memory[world.word[index].offset]


@jit
def scatter(world: Any, memory: Any, row: Any) -> None:
    """Copy the words of a state into the memory."""
    for index in range(world.words):
        memory[world.word[index].offset] = row[index]


@jit
def restore_all(world: Any, memory: Any) -> None:
    """Put the whole memory back to what it was at the root: after a BUG_ON or a lock that was kept."""
    size = world.search.size
    root = world.search.root
    for place in range(size):  # a slice would be six seconds of compiling
        memory[place] = memory[root + place]
    world.fatal = 0


@jit
def hash_row(row: Any, width: Any) -> Any:
    """Return 64 bits (uint64, never 0) of the first `width` words of a row, which differ for different rows."""
    value = U64(0x243F6A8885A308D3)
    for index in range(width):
        value = (value ^ row[index]) * U64(_MIX)
        value ^= value >> U64(29)
    value *= U64(_FINISH)
    value ^= value >> U64(32)
    return value if value != U64_0 else U64(1)


@jit
def insert(table: Any, value: Any) -> Any:
    """Add a hash to the table (uint64, its length a power of 2); return whether it was new."""
    mask = U64(table.shape[0] - 1)
    place = value & mask
    while table[place] != U64_0:
        if table[place] == value:
            return False
        place = (place + U64(1)) & mask
    table[place] = value
    return True


@jit
def rehash(table: Any, larger: Any) -> Any:
    """Move the hashes of `table` into the empty table `larger` and return that."""
    for index in range(table.shape[0]):
        if table[index] != U64_0:
            insert(larger, table[index])
    return larger


@jit
def probe(world: Any, memory: Any, row: Any) -> Any:
    """Ask a new state (`row`, in the memory now) everything; return whether it is to be expanded."""
    if world.setup.hostile:
        return True
    read_all(world, memory)
    if world.fatal:
        restore_all(world, memory)
    scatter(world, memory, row)
    if holder(world) >= 0:
        hold(world, memory, holder(world))
        if world.fatal:
            restore_all(world, memory)
        scatter(world, memory, row)
    right = drain(world, memory)
    if world.fatal:
        restore_all(world, memory)
    return right or world.search.beyond != 0


@jit
def expand(world: Any, memory: Any, layer: Any, following: Any, table: Any, states: Any) -> None:
    """Expand states of `layer` from `position` to `stop`, or until room is short; where it got to is in `world.search`.

    layer, following: uint64[n, width + 1], the last word of a row is the state's number. table: uint64[2^k].
    states: STATE[n].
    """
    search = world.search
    width = search.width
    world.logging = 0
    while search.position < search.stop:
        steps = world.setup.steps
        if search.kept + steps >= following.shape[0] or search.states + steps >= states.shape[0]:
            return
        if (search.states + steps) * 2 >= table.shape[0]:
            return
        row = layer[search.position]
        search.state = np.int64(row[width])
        for number in range(steps):
            scatter(world, memory, row)
            if not allowed(world, world.setup.step[number]):
                continue
            search.transitions += 1
            world.step = number
            world.phase = PATH
            take_step(world, memory, number)
            verdict = world.verdict
            if not world.setup.hostile:
                record_advice(world)
            if verdict.cls and (world.fatal or not world.setup.hostile):
                record(world, signature_of(world, verdict.cls, verdict.x, verdict.reason, verdict.detail))
                if world.fatal:
                    restore_all(world, memory)
                    continue
                if not search.beyond:
                    continue
            canonical(world)
            new = following[search.kept]
            gather(world, memory, new)
            if not insert(table, hash_row(new, width)):
                continue
            states[search.states].parent = search.state
            states[search.states].step = number
            new[width] = U64(search.states)
            search.states += 1
            if probe(world, memory, new):
                search.kept += 1
        search.position += 1
