# SPDX-License-Identifier: GPL-2.0-only
"""Instructions of the real kernel code, predicted: a design's events times its fitted weights.

A design says its weights itself (`Design.weights`), or its package holds `weights.json`: an object whose `weights`
gives each event's instructions (x86-64, gcc -O2); the rest of it says what it was fitted on and how well it fits. A
design without either has no instruction figures.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from kvmarm.design import BUILT_IN, Design, get_design
from kvmarm.errors import UsageError
from kvmarm.events import EVENT_COUNT, LPI_EVENTS, event_names

WEIGHTS_FILE = "weights.json"


@lru_cache
def _document(package: str) -> dict[str, Any] | None:
    try:
        text = (files(package) / WEIGHTS_FILE).read_text("utf-8")
    except (OSError, ModuleNotFoundError):
        return None
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{package}/{WEIGHTS_FILE}: not JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("weights"), dict):
        raise UsageError(f"{package}/{WEIGHTS_FILE}: expected an object with `weights`")
    return document


def document_of(design: Design) -> dict[str, Any]:
    """Return what a design's weights.json holds (its weights alone when it says them itself), {} when there is none."""
    if design.weights is not None:
        return {"weights": dict(design.weights)}
    return (None if design.package is None else _document(design.package)) or {}


def weight_vector(weights: Mapping[str, float], source: str = WEIGHTS_FILE) -> np.ndarray:
    """Return float64[EVENT_COUNT] of named weights; an event that is not named weighs nothing. Raises UsageError."""
    names = event_names()
    vector = np.zeros(EVENT_COUNT)
    for name, weight in weights.items():
        if name not in names:
            raise UsageError(f"{source}: unknown event {name!r}")
        vector[names.index(name)] = float(weight)
    return vector


def weights_of(design: Design) -> np.ndarray | None:
    """Return the fitted instructions per event (float64[EVENT_COUNT]) of a design, None when it has none."""
    if design.weights is not None:
        return weight_vector(design.weights, f"design {design.name!r}: weights")
    document = None if design.package is None else _document(design.package)
    return None if document is None else weight_vector(document["weights"], f"{design.package}/{WEIGHTS_FILE}")


def borrowed_weights() -> dict[str, tuple[float, float]]:
    """Return the least and the most instructions per event among the built-in designs' fitted weights.

    A design without weights is estimated by these: an interval, as nobody knows what its steps compile to.
    """
    found: dict[str, list[float]] = {}
    for name in BUILT_IN:
        for event, weight in document_of(get_design(name)).get("weights", {}).items():
            found.setdefault(event, []).append(float(weight))
    return {event: (min(own), max(own)) for event, own in found.items()}


def covers_lpis(design: Design) -> bool:
    """Return whether a design's weights were fitted to LPIs and the ITS too."""
    return any(name in LPI_EVENTS for name in document_of(design).get("weights", {}))


def instructions(counts: np.ndarray, weights: np.ndarray | None) -> Any:
    """Return the predicted instructions of event counts (int64[..., EVENT_COUNT]); NaN without weights."""
    if weights is None:
        return np.full(counts.shape[:-1], np.nan)[()]
    return counts @ weights
