# SPDX-License-Identifier: GPL-2.0-only
"""What of a recording is not modelled, or not there: sentences that belong beside the ratio."""

from collections.abc import Mapping

from bench.recordings.readers import detect
from bench.recordings.recording import Recording

_WORK = ("mmio", "sgi", "lines", "guest", "msis")
_NESTED = ("ERET",)
"""Exits that only a guest with its own guests has."""


def notes(recording: Recording, msis: Mapping[str, str] | None = None) -> list[str]:
    """Return what has to be known to read the ratio. To be called when `recording.chunks()` has come to its end.

    msis: column -> what MSIs were placed as in it, `lpi` or `spi`.
    """
    if recording.kind == detect.TRACE:
        return []
    found = []
    placed = recording.placed
    lost = [
        f"{count:,} {text}"
        for count, text in (
            (placed.get("msi", 0), "MSIs"),
            (placed.get("lpi", 0), "list register changes of LPIs"),
            (0 if recording.msi else recording.its_accesses, "accesses to the ITS"),
        )
        if count
    ]
    if lost:
        found.append(f"partial: {', '.join(lost)} are not replayed")
    if msis:
        found += _of_msis(recording, msis)
    nested = sum(recording.exits.get(name, 0) for name in _NESTED)
    if nested:
        found.append(
            f"partial: the guest runs guests ({nested:,} ERET traps), and nested virtualisation is not modelled"
        )
    if placed.get("other_sgi"):
        found.append(f"partial: {placed['other_sgi']:,} SGIs of the secure or another group are not replayed")
    if not any(placed.get(name) for name in _WORK) and not placed.get("sgi_guessed"):
        found.append(
            "the recording has no interrupt and no access to the interrupt controller"
            + (f" (exits: {exits_text(recording.exits)})" if recording.exits else "")
            + ": the ratio is of entries and exits with nothing to do"
        )
    elif placed.get("sgi_guessed") and not placed.get("sgi"):
        found.append(
            f"the values of all {placed['sgi_guessed']:,} SGI writes are guessed: each is SGI 0 to the next vCPU"
        )
    return found


def _of_msis(recording: Recording, msis: Mapping[str, str]) -> list[str]:
    found = []
    as_spi = [label for label, kind in msis.items() if kind == "spi"]
    if as_spi:
        found.append(
            f"{', '.join(as_spi)}: MSIs are edge-triggered SPIs, as a GICv2m frame gives them; "
            f"{recording.its_accesses:,} accesses to the ITS have no counterpart there"
        )
    as_lpi = [label for label, kind in msis.items() if kind == "lpi"]
    if as_lpi:
        known, devices = recording.msis.seen, recording.msis.devices
        found.append(
            f"{', '.join(as_lpi)}: MSIs are LPIs; commands of the ITS are not recorded, so what "
            f"{len(recording.msis.pairs)} events of {devices} devices are mapped to is inferred "
            f"(from list registers for {known} of these devices)"
        )
    return found


def exits_text(exits: Mapping[str, int], most: int = 4) -> str:
    """Return the most frequent reasons of exits in words."""
    listed = [f"{count:,} {name}" for name, count in list(exits.items())[:most]]
    return ", ".join(listed) + (", …" if len(exits) > most else "")
