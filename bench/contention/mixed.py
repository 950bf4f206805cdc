# SPDX-License-Identifier: GPL-2.0-only
"""A random mix of operations for every thread, by seed: not a figure, but what finds a lock that is missing.

Threads inject each other's interrupts, edges and levels, send SGIs, move interrupts between vCPUs, disable and enable
them, and take what comes. Afterwards `closing` puts routes, enables and lines back, so that the state at rest is known.
"""

import random
from dataclasses import dataclass, field

import numpy as np

from bench.catalogue.language import compile_lines
from bench.catalogue.standard import standard_set_up
from bench.contention.bodies import Body, Scene, own_spi
from kvmarm.config import VmConfig
from kvmarm.trace import OP

MIXED = "mixed"
STEPS = 160
LEVELS = 2
"""SPIs after each thread's own one that are level-triggered."""
_TAKE = ("flush {v}", "ack {v}", "eoi {v} @ack", "sync {v}")


@dataclass(frozen=True)
class MixedScene(Scene):
    """A random mix on one VM."""

    probes: np.ndarray = field(default_factory=lambda: np.empty(0, OP))

    def probing(self) -> np.ndarray:
        """Return operations that make an interrupt pending each, for the check when all is quiet."""
        return self.probes


def _step(chance: random.Random, vcpu: int, config: VmConfig) -> list[str]:
    other = chance.randrange(config.vcpus)
    edge = own_spi(config, other)
    level = edge + 1 + chance.randrange(LEVELS)
    lines = {
        "edge": [f"inject {vcpu} {edge} 1"],
        "level": [f"inject {vcpu} {level} {chance.randrange(2)}"],
        "sgi": [f"sgi {vcpu} {chance.randrange(1, 4)} {other}"],
        "route": [f"route {edge} {chance.randrange(config.vcpus)} by {vcpu}"],
        "enable": [f"set ICENABLER {edge} by {vcpu}", f"set ISENABLER {edge} by {vcpu}"],
        "pending": [f"set ISPENDR {edge} by {vcpu}"],
        "query": [f"pending {vcpu}"],
        "take": [line.format(v=vcpu) for line in _TAKE],
    }
    return lines[chance.choices(list(lines), [6, 4, 3, 2, 1, 1, 1, 8])[0]]


def mixed_scene(config: VmConfig, threads: int, seed: int) -> MixedScene:
    """Return the mix of a seed for so many threads."""
    arrays = []
    for thread in range(threads):
        chance = random.Random(f"{seed} {thread}")
        lines = [line for _ in range(STEPS) for line in _step(chance, thread, config)]
        lines = ["flush 0".replace("0", str(thread)), f"ack {thread}", f"eoi {thread} @ack", f"sync {thread}", *lines]
        arrays.append(_operations(lines, config))
    own = [own_spi(config, thread) for thread in range(threads)]
    levels = [intid + 1 + each for intid in own for each in range(LEVELS)]
    set_up = [f"put ICFGR {first} {_configuration(first, levels):#x}" for first in sorted({i & ~15 for i in levels})]
    closing = [f"inject 0 {intid} 0" for intid in levels]
    closing += [line for n, intid in enumerate(own) for line in (f"set ISENABLER {intid}", f"route {intid} {n}")]
    routes = [f"route {intid} {n}" for n, intid in enumerate(own)]
    routes += [f"route {intid + 1 + each} {n}" for n, intid in enumerate(own) for each in range(LEVELS)]
    body = Body(MIXED, "a random mix", ())
    start = np.concatenate([standard_set_up(config, 0), _operations([*set_up, *routes], config)])
    probes = [line for n, intid in enumerate(own) for line in (f"inject {n} {intid} 1", f"sgi {n} 1 {n}")]
    return MixedScene(body, config, start, tuple(arrays), _operations(closing, config), _operations(probes, config))


def _configuration(first: int, levels: list[int]) -> int:
    """Return the ICFGR word of 16 interrupts, edge-triggered but for those of `levels`."""
    return sum((0 if first + place in levels else 2) << 2 * place for place in range(16))


def _operations(lines: list[str], config: VmConfig) -> np.ndarray:
    ops = compile_lines(lines, config, MIXED)
    ops["ref"] = ops["ref"] != 0
    return ops
