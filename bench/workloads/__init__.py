# SPDX-License-Identifier: GPL-2.0-only
"""Packaged workloads: traces of real software, with where each comes from.

Each is a trace file compressed with xz beside this module and an entry in `catalogue.toml`. They were converted from
recordings by the rules in bench.recordings (see `bench.workloads.pack`), and come with the project's licence.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from kvmarm.errors import UsageError
from kvmarm.trace import ACK, GMEM_R, GMEM_W, GUEST_KINDS, KIND_NAMES, MAP, MMIO_R, MMIO_W, PHYS, UNMAP

CATEGORIES = ("boot", "idle", "disk", "ipi", "mixed")


@dataclass(frozen=True)
class Workload:
    """One packaged workload. category: one of CATEGORIES; what: one line; recorded: where and how, one line.

    its: whether it has LPIs, which only designs with an ITS can run.
    """

    name: str
    category: str
    what: str
    recorded: str
    gic: int
    vcpus: int
    probes: bool
    its: bool = False

    def load(self) -> Any:
        """Return its kvmarm.trace.Trace."""
        import lzma

        from kvmarm.trace_read import parse_trace

        data = resources.files(__package__).joinpath(f"{self.name}.trace.xz").read_bytes()
        return parse_trace(lzma.decompress(data), name=self.name, source=f"{self.name}.trace.xz")


@cache
def catalogue() -> tuple[Workload, ...]:
    """Return all packaged workloads in the order of the catalogue."""
    text = resources.files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8")
    return tuple(Workload(name=name, **entry) for name, entry in tomllib.loads(text).items())


def get(name: str) -> Workload:
    """Return the workload called `name`. Raises UsageError with the nearest name when there is none."""
    import difflib

    for workload in catalogue():
        if workload.name == name:
            return workload
    names = [workload.name for workload in catalogue()]
    near = difflib.get_close_matches(name, names, 1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"unknown workload {name!r}{hint} (vgic-bench workloads lists them)")


@dataclass(frozen=True)
class Mix:
    """What a workload consists of. counts: operation kind -> number.

    vgic: operations that are the VGIC's work (everything but what the guest does to its CPU interface and what the
    host does to physical interrupts). mmio: distributor and redistributor accesses among them, sgi: those that send
    an SGI by GICD_SGIR. set_up: accesses before the first acknowledged interrupt.
    """

    counts: dict[str, int]
    vgic: int
    mmio: int
    sgi: int
    set_up: int

    @property
    def mmio_share(self) -> float:
        """Share of MMIO among VGIC operations."""
        return self.mmio / self.vgic if self.vgic else 0.0

    @property
    def register_share(self) -> float:
        """Share of MMIO that reads or changes state (SGIs excepted) among VGIC operations."""
        return (self.mmio - self.sgi) / self.vgic if self.vgic else 0.0


def mix_of(ops: np.ndarray, gic: int) -> Mix:
    """Return the operation mix of `ops` (array of kvmarm.trace.OP)."""
    kinds = ops["kind"]
    counts = np.bincount(kinds, minlength=len(KIND_NAMES))
    outside = [*GUEST_KINDS, PHYS, MAP, UNMAP, GMEM_W, GMEM_R]
    mmio = (kinds == MMIO_W) | (kinds == MMIO_R)
    sgi = (kinds == MMIO_W) & (ops["a"] == -1) & (ops["b"] == 0xF00) if gic == 2 else np.zeros(len(ops), bool)
    acks = np.flatnonzero(kinds == ACK)
    before = int(acks[0]) if len(acks) else len(ops)
    return Mix(
        {name: int(count) for name, count in zip(KIND_NAMES, counts, strict=True) if count},
        int(len(ops) - counts[outside].sum()),
        int(mmio.sum()),
        int(sgi.sum()),
        int((mmio & ~sgi)[:before].sum()),
    )
