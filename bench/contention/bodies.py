# SPDX-License-Identifier: GPL-2.0-only
"""Bodies: what each thread does again and again on one VM, as data (bodies.toml), and their operations.

A body says its lines once, with names for what differs between threads; `scene_of` turns it into one VM's set-up and
one array of operations for each thread. Nothing here runs a design.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from bench.catalogue.language import compile_lines, usable_irqs
from bench.catalogue.lpis import DEFAULT_SCENE, MOST_DEVICES, LpiScene
from bench.catalogue.standard import standard_set_up
from kvmarm.config import MAX_IRQS, VmConfig
from kvmarm.errors import UsageError
from kvmarm.trace import INJECT, MMIO_W, MSI, OP, SGI1R

BODIES_FILE = "bodies.toml"
FIRST_OWN = 40
"""INTID of the first thread's SPI: above the SPIs of the standard set-up that differ from the others."""
STRIDE = 16
"""INTIDs between two threads' SPIs where there is room: records of neighbours share cache lines."""
_FIRST_COLLECTION = 2
_MAKES_PENDING = (INJECT, SGI1R, MSI)
_DISTRIBUTOR, _SGIR = -1, 0xF00
MOST_MSI_VCPUS = MOST_DEVICES - _FIRST_COLLECTION
_FIELDS = {"text", "set_up", "lines", "first", "its", "exact"}


@dataclass(frozen=True)
class Body:
    """One body. `lines`: of every thread, `first`: of thread 0 when its own differ, else empty; see bodies.toml."""

    name: str
    text: str
    lines: tuple[str, ...]
    set_up: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    its: bool = False
    exact: bool = False


@dataclass(frozen=True)
class Scene:
    """A body on one VM. `set_up`: operations before the threads start; `threads`: operations of each thread's body;
    `closing`: operations when all threads have ended.

    Operations are arrays of kvmarm.trace.OP; `ref` of an EOI is 1 when it ends what the thread's last ack returned.
    """

    body: Body
    config: VmConfig
    set_up: np.ndarray
    threads: tuple[np.ndarray, ...]
    closing: np.ndarray = field(default_factory=lambda: np.empty(0, OP))

    def probing(self) -> np.ndarray:
        """Return operations that make an interrupt pending each, for the check when all is quiet."""
        return np.concatenate([ops[sources(ops)] for ops in self.threads])


def sources(ops: np.ndarray) -> np.ndarray:
    """Return which operations (bool) make an interrupt pending."""
    sgir = (ops["kind"] == MMIO_W) & (ops["a"] == _DISTRIBUTOR) & (ops["b"] == _SGIR)
    return np.isin(ops["kind"], _MAKES_PENDING) | sgir


@cache
def bodies() -> dict[str, Body]:
    """Return the packaged bodies by name, in the order of their file."""
    text = (files("bench.contention") / BODIES_FILE).read_text("utf-8")
    return read_bodies(tomllib.loads(text), BODIES_FILE)


def read_bodies(document: Mapping[str, Any], where: str) -> dict[str, Body]:
    """Return the bodies of a TOML document. Raises UsageError naming `where`, the body and the field."""
    found = {}
    for name, entry in document.items():
        if not isinstance(entry, dict) or not set(entry) <= _FIELDS or not {"text", "lines"} <= set(entry):
            raise UsageError(f"{where}: body {name}: expected text, lines and perhaps {', '.join(sorted(_FIELDS))}")
        for key in ("set_up", "lines", "first"):
            lines = entry.get(key, [])
            if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
                raise UsageError(f"{where}: body {name}: {key}: expected a list of lines")
        found[name] = Body(
            name,
            str(entry["text"]),
            tuple(entry["lines"]),
            tuple(entry.get("set_up", ())),
            tuple(entry.get("first", ())),
            bool(entry.get("its", False)),
            bool(entry.get("exact", False)),
        )
    return found


def chosen_bodies(names: Sequence[str] | None) -> list[Body]:
    """Return the bodies of these names, all for None. Raises UsageError for one that there is not."""
    known = bodies()
    for name in names or ():
        if name not in known:
            raise UsageError(f"--bodies: unknown body {name!r}, expected some of {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)] if names else list(known.values())


def config_of(body: Body, gic: int, vcpus: int, irqs: int, lrs: int) -> VmConfig:
    """Return the VM that a body runs on with so many vCPUs: more INTIDs than `irqs` where each needs an SPI.

    Raises UsageError for more vCPUs than the GIC has, or than have an MSI of their own.
    """
    needed = -(-(FIRST_OWN + 1 + vcpus) // 32) * 32
    if body.its and vcpus > MOST_MSI_VCPUS:
        raise UsageError(f"body {body.name}: {vcpus} vCPUs: expected at most {MOST_MSI_VCPUS}, a device for each")
    return VmConfig(3 if body.its else gic, vcpus, min(max(irqs, needed), MAX_IRQS), lrs, int(body.its))


_NAME = re.compile(r"\{(vcpu|own|peer|next_own|gate|collection)\}")


def _filled(lines: Sequence[str], numbers: Mapping[str, int]) -> list[str]:
    return [_NAME.sub(lambda found: str(numbers[found.group(1)]), line) for line in lines]


def own_spi(config: VmConfig, thread: int) -> int:
    """Return the INTID of a thread's own SPI."""
    room = usable_irqs(config) - FIRST_OWN
    return FIRST_OWN + thread * max(1, min(STRIDE, room // config.vcpus))


def numbers_of(config: VmConfig, thread: int, threads: int, alone: bool) -> dict[str, int]:
    """Return what the names in a thread's lines mean."""
    if alone:
        peer = following = thread
    else:
        peer = thread ^ 1 if thread ^ 1 < threads else 0
        following = (thread + 1) % threads
    return {
        "vcpu": thread,
        "own": own_spi(config, thread),
        "gate": own_spi(config, thread),
        "peer": peer,
        "next_own": own_spi(config, following),
        "collection": _FIRST_COLLECTION + thread,
    }


def _operations(lines: Sequence[str], config: VmConfig, where: str, scene: LpiScene) -> np.ndarray:
    ops = compile_lines(lines, config, where, scene)
    ops["ref"] = ops["ref"] != 0
    return ops


def scene_of(body: Body, config: VmConfig, threads: int, alone: int | None = None) -> Scene:
    """Return a body on a VM with `threads` threads, or of thread `alone` by itself on the same VM.

    Raises UsageError for lines that are no operations.
    """
    lpis = LpiScene(threads, threads) if config.its else DEFAULT_SCENE
    where = f"body {body.name}"
    numbers = [numbers_of(config, thread, threads, alone is not None) for thread in range(threads)]
    own_set_up = [line for each in numbers for line in _filled(body.set_up, each)]
    set_up = standard_set_up(config, 0, lpis)
    if own_set_up:
        set_up = np.concatenate([set_up, _operations(own_set_up, config, where, lpis)])
    arrays = []
    for thread in range(threads) if alone is None else [alone]:
        lines = body.first if body.first and thread == 0 else body.lines
        arrays.append(_operations(_filled(lines, numbers[thread]), config, where, lpis))
    return Scene(body, config, set_up, tuple(arrays))
