# SPDX-License-Identifier: GPL-2.0-only
"""Which promise a command broke, whatever it was given."""

import hashlib
import re
from pathlib import Path

from tests.fuzz.sandbox import Outcome

MOST_MB = 500
MOST_LINE = 4200
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_QUIET = ("vgic-bench: compiling", "vgic-bench: compiled", "vgic-bench: warning: ", "vgic-bench: note: ")
USUAL = (0, 2, 3, 4)
"""Done, bad input, a host that died or times that cannot tell, results that cannot be compared."""


def snapshot(folder: Path) -> dict[str, str]:
    """Return path -> digest of every file in a folder, hidden ones too."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    return found


def faults(argv: list[str], outcome: Outcome, before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return the broken promises of one command, one line each."""
    found = []
    lines = [line for line in outcome.err.splitlines() if not line.startswith(_QUIET)]
    if outcome.late:
        return [f"no end after {outcome.seconds:.0f} s"]
    if "Traceback" in outcome.err or "unexpected:" in outcome.err:
        found.append("traceback")
    if outcome.status not in USUAL and not _judged(argv, outcome):
        found.append(f"status {outcome.status}")
    if outcome.status == 2:
        told = [line for line in lines if line.startswith("vgic-bench: error: ")]
        if len(lines) != 1 or len(told) != 1:
            found.append(f"{len(lines)} lines on standard error")
    if any(len(line) > MOST_LINE for line in lines):
        found.append("an endless line")
    for stream, text in (("output", outcome.out), ("standard error", outcome.err)):
        if control := _CONTROL.search(text):
            found.append(f"control character {control.group()!r} on {stream}")
    if outcome.peak_mb > MOST_MB:
        found.append(f"{outcome.peak_mb:.0f} MB")
    found += _left(outcome, before, after)
    return found


def _judged(argv: list[str], outcome: Outcome) -> bool:
    """Return whether a status is a verdict about what was compared, and says so."""
    if argv[0] not in ("gate", "verify"):
        return outcome.status == 5 and "out of memory" not in outcome.err
    word = {1: "gate: ", 5: "gate: measurement failed"}.get(outcome.status)
    return word is not None and (word in outcome.out + outcome.err or '"outcome"' in outcome.out)


def _left(outcome: Outcome, before: dict[str, str], after: dict[str, str]) -> list[str]:
    found = [f"{name} was changed" for name, digest in before.items() if after.get(name) != digest]
    made = [name for name in after if name not in before]
    found += [f"{name} was left behind" for name in made if name.endswith((".part", ".old"))]
    if outcome.status == 2:
        found += [f"{name} was written though refused" for name in made if after[name] != "folder"]
    return found
