# SPDX-License-Identifier: GPL-2.0-only
"""What a recording's MSIs were mapped to: devices and events, LPIs, and vCPUs.

The commands that map an event to an LPI are in the guest's memory, which no recording has. Where the probe of MSIs and
those of list registers are there, the mapping follows from what the guest was entered with:

- An LPI that is pending at an entry, with an MSI since it was last seen so, is one of those MSIs'. A device's LPIs are
  consecutive in the order of its events, as Linux maps them; the LPI of its event 0 is what most entries agree on.
- Its vCPU is the one that is entered with it next, for MSIs after the last such entry the one before.
- A device of which no LPI was ever seen gets the next LPIs that are free, on vCPU 0.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.recordings import events as ev
from kvmarm.config import MAX_LPIS
from kvmarm.gic import FIRST_LPI, FIRST_SPI
from kvmarm.jit import U64, jit

MOST_DEVICES = 256
_LPIS = 1 << 16
_CANDIDATES = 8
"""MSIs that an LPI may stem from: the latest ones before it was seen."""

ROW = np.dtype([("pair", np.int64), ("target", np.int64)])
"""One MSI: which pair of device and event, and the vCPU that it went to."""
PAIR = np.dtype(
    [
        ("devid", np.int64),
        ("event", np.int64),
        ("device_index", np.int64),
        ("lpi", np.int64),
        ("spi", np.int64),
        ("first_target", np.int64),
        ("vcpu", np.int64),
        ("epoch", np.int64),
    ]
)
"""A device and one of its events: the LPI and the SPI that represent it (-1: there is none left), the vCPU of its first
MSI, and the vCPU that it is routed to in the course of a placement (-1: it is not mapped
yet); `epoch`: see CPU.msi_epoch."""
_SIGHTING = np.dtype([("msis", np.int64), ("vcpu", np.int64), ("lpi", np.int64)])
"""An LPI pending at an entry: how many MSIs there had been, the vCPU, the LPI."""


@dataclass
class Msis:
    """The MSIs of a recording in order, and the pairs they are of. seen: devices whose LPIs entries showed."""

    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, ROW))
    pairs: np.ndarray = field(default_factory=lambda: np.zeros(0, PAIR))
    seen: int = 0
    devices: int = 0
    address: int = -1
    """Where the devices write (GITS_TRANSLATER), -1 when it was not recorded."""


@jit
def _sight(events: Any, state: Any, latest: Any, out: Any, done: Any) -> Any:
    """Append sightings to `out`; state: int64[3], MSIs so far, vCPU of the entry (-1: an exit), and unused."""
    for index in range(events.shape[0]):
        event = events[index]
        if event.kind == ev.MSI:
            state[0] += 1
        elif event.kind == ev.LR_ENTRY:
            state[1] = max(np.int64(event.vcpu), 0)
        elif event.kind == ev.LR_EXIT:
            state[1] = -1
        elif event.kind == ev.LRS and state[1] >= 0:
            for part in range(event.n):
                lr = event.a if part == 0 else event.b if part == 1 else event.c if part == 2 else event.d
                intid = np.int64(lr & U64(0xFFFFFFFF))
                if (lr >> U64(62)) & U64(1) == U64(0) or intid < FIRST_LPI or intid >= _LPIS:
                    continue
                if latest[intid] != state[0] and done < out.shape[0]:
                    out[done].msis = state[0]
                    out[done].vcpu = state[1]
                    out[done].lpi = intid
                    done += 1
                latest[intid] = state[0]
    return done


def find_msis(arrays: Iterable[np.ndarray], number: int, spis: Iterable[int]) -> Msis:
    """Return what the `number` MSIs of a recording were, given its events; spis: SPIs that may represent them."""
    device, event = np.zeros(number, np.int64), np.zeros(number, np.int64)
    sightings = np.zeros(2 * number + 1024, _SIGHTING).view(np.recarray)
    state, latest = np.array([0, -1, 0]), np.full(_LPIS, -1, np.int64)
    done, position, address = 0, 0, -1
    for array in arrays:
        chosen = array[array["kind"] == ev.MSI]
        device[position : position + len(chosen)] = chosen["a"]
        event[position : position + len(chosen)] = chosen["b"]
        position += len(chosen)
        if not chosen["n"].all():
            return Msis()
        if len(chosen) and address < 0 and chosen["c"][0]:
            address = int(chosen["c"][0])
        done = int(_sight(array.view(np.recarray), state, latest, sightings, done))
    return _resolve(device[:position], event[:position], np.asarray(sightings[:done]), list(spis), address)


def _votes(device: np.ndarray, event: np.ndarray, sightings: np.ndarray) -> dict[int, int]:
    """Return the LPI of event 0 by device: what most sightings agree on."""
    votes: Counter[tuple[int, int]] = Counter()
    before: dict[int, int] = {}
    for msis, _, lpi in sightings.tolist():
        first = max(before.get(lpi, 0), msis - _CANDIDATES)
        for index in range(first, msis):
            base = lpi - int(event[index])
            if base >= FIRST_LPI:
                votes[(int(device[index]), base)] += 1
        before[lpi] = msis
    bases: dict[int, int] = {}
    for (which, base), _ in votes.most_common():
        bases.setdefault(which, base)
    return bases


def _resolve(device: np.ndarray, event: np.ndarray, sightings: np.ndarray, spis: list[int], address: int) -> Msis:
    combined = device << 32 | event
    keys, firsts, inverse = np.unique(combined, return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    rows = np.zeros(len(device), ROW)
    rows["pair"] = rank[inverse]
    pairs = np.zeros(len(keys), PAIR)
    pairs["devid"], pairs["event"] = (keys >> 32)[order], (keys & 0xFFFFFFFF)[order]
    bases = _votes(device, event, sightings)
    devices = list(dict.fromkeys(pairs["devid"].tolist()))
    free = max([FIRST_LPI, *(lpi + 1 for lpi in sightings["lpi"].tolist())]) + 31 & ~31
    for which in devices:
        if which not in bases:
            bases[which] = free
            free = free + int(pairs["event"][pairs["devid"] == which].max()) + 32 & ~31
    seen = len({which for which in devices if _seen(bases[which], sightings)})
    for number, pair in enumerate(pairs):
        lpi = bases[int(pair["devid"])] + int(pair["event"])
        index = devices.index(int(pair["devid"]))
        room = number < MAX_LPIS and index < MOST_DEVICES and lpi < _LPIS
        pair["device_index"] = index
        pair["lpi"] = lpi if room else -1
        pair["spi"] = spis[number] if number < len(spis) and spis[number] >= FIRST_SPI else -1
    rows["target"] = _targets(rows["pair"], pairs["lpi"], sightings)
    first_rows = np.sort(firsts)
    pairs["first_target"] = rows["target"][first_rows]
    pairs["vcpu"] = pairs["epoch"] = -1
    return Msis(rows, pairs, seen, len(devices), address)


def _seen(base: int, sightings: np.ndarray) -> bool:
    return bool(((sightings["lpi"] >= base) & (sightings["lpi"] < base + 32)).any())


def _targets(pair_of: np.ndarray, lpis: np.ndarray, sightings: np.ndarray) -> np.ndarray:
    """Return the vCPU of each MSI: that of the next sighting of its LPI, else of the last, else 0."""
    targets = np.zeros(len(pair_of), np.int64)
    for number, lpi in enumerate(lpis.tolist()):
        mine = sightings[sightings["lpi"] == lpi]
        if not len(mine):
            continue
        where = np.flatnonzero(pair_of == number)
        following = np.searchsorted(mine["msis"], where + 1)
        targets[where] = mine["vcpu"][np.minimum(following, len(mine) - 1)]
    return targets
