# SPDX-License-Identifier: GPL-2.0-only
"""The executed world switches of the real code, read from their archive."""

import functools
import json
import lzma
from pathlib import Path
from typing import Any

from kvmarm.el2.configuration import Configuration, parse_configuration

DATA = Path(__file__).parent.parent / "data" / "switch_sequences.json.xz"
RESULT_KEYS = ("sequence", "counts", "total", "phase")


@functools.cache
def _recorded() -> dict[str, Any]:
    return json.loads(lzma.decompress(DATA.read_bytes()))


def runs() -> list[dict[str, Any]]:
    """Return every recorded phase: its configuration's keys, `phase`, `sequence`, `counts`, `total`."""
    return _recorded()["runs"]


def sequence(run: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what the hardware saw in a recorded phase."""
    return [(klass, name) for klass, name in _recorded()["sequences"][run["sequence"]]]


def values(run: dict[str, Any]) -> dict[str, str]:
    """Return the keys of a recorded run that describe its configuration."""
    return {key: value for key, value in run.items() if key not in RESULT_KEYS}


def configuration(**options: object) -> Configuration:
    """Return a configuration from keys and values as recorded runs have them."""
    return parse_configuration({key: str(value) for key, value in options.items()}, "test")
