# SPDX-License-Identifier: GPL-2.0-only
"""Random legal steps: to find out which words are state, and to look where no exhaustive search gets."""

from typing import Any

import numpy as np

from bench.verify.records import PATH
from bench.verify.step import allowed, take_step
from kvmarm.jit import U64, jit

RANDOM = np.dtype([("state", np.uint64)])


@jit
def next_random(random: Any, below: Any) -> Any:
    """Return a random number (int64) in 0..below - 1; `random`: a record of RANDOM (splitmix64)."""
    random.state += U64(0x9E3779B97F4A7C15)
    value = U64(random.state)
    value = (value ^ (value >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> U64(27))) * U64(0x94D049BB133111EB)
    value ^= value >> U64(31)
    return np.int64((value >> U64(1)) % U64(below))


@jit
def wander(world: Any, memory: Any, random: Any, path: Any, length: Any, given: Any) -> Any:
    """Do steps until `length` are done or one is contradicted; return how many entries of `path` (int64[:]) that is.

    given 1: those of `path`, of which the ones that are not allowed are passed over and taken out of it. given 0:
    random ones that are allowed, which are written to `path`.
    """
    steps = world.setup.steps
    done, misses, position = 0, 0, 0
    while position < length and misses < 1000:
        number = path[position] if given else next_random(random, steps)
        if given:
            position += 1
        if not allowed(world, world.setup.step[number]):
            misses += 1
            continue
        world.step = number
        world.phase = PATH
        take_step(world, memory, number)
        path[done] = number
        done += 1
        if not given:
            position, misses = done, 0
        if world.verdict.cls and (world.fatal or not world.setup.hostile):
            break
    return done


def new_random(seed: int) -> Any:
    """Return a random state (record of RANDOM); the seed is mixed first, for small ones start alike."""
    random = np.zeros(1, RANDOM).view(np.recarray)[0]
    random.state = (seed * 0xD1342543DE82EF95 + 0x2545F4914F6CDD1D) & 0xFFFFFFFFFFFFFFFF
    for _ in range(4):
        next_random(random, np.int64(2))
    return random
