# SPDX-License-Identifier: GPL-2.0-only
"""What the forms share: samples and events by transition, its name in one line, hosts, JSON out."""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

from bench.results.formats import fields
from bench.results.schema import KEY
from bench.results.store import Results
from kvmarm.errors import UsageError
from kvmarm.files import atomic_write

TEXT_KEYS = ("design", "family", "transition")
"""The KEY columns that are text; the others are whole numbers."""


def samples_of(results: Results) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Yield (key, its sample rows) for every transition that was timed, in the order of the keys."""
    samples = results.table("samples")
    samples = samples[samples["ns"].abs() < math.inf]
    for values, group in samples.groupby(list(KEY), sort=True):
        rows = group.sort_values(["process", "position"], kind="stable").to_dict("records")
        yield dict(zip(KEY, _plain(values), strict=True)), [{str(k): v for k, v in row.items()} for row in rows]


def _plain(values: Any) -> list[Any]:
    return [value.item() if hasattr(value, "item") else value for value in values]


def label(key: dict[str, Any]) -> str:
    """Return the name of a transition in one line, as a benchmark's name: `old/gicv2/…/flush_empty`."""
    shape = f"gicv{key['gic']}-irqs{key['irqs']}-vcpus{key['vcpus']}-lrs{key['lrs']}"
    return f"{key['design']}/{shape}-pending{key['pending']}-live{key['live']}/{key['transition']}"


def events_of(results: Results) -> dict[tuple[Any, ...], dict[str, int]]:
    """Return key -> event -> count of every counted transition."""
    found: dict[tuple[Any, ...], dict[str, int]] = {}
    for record in results.table("events").to_dict("records"):
        found.setdefault(tuple(record[name] for name in KEY), {})[record["event"]] = int(record["count"])
    return found


def key_of(given: Any, name: str, where: str, field: str) -> dict[str, Any]:
    """Return the KEY of a benchmark called `name`; `given`: what it says of itself, whoever wrote it.

    Only an object with a field of ours is a key, and is checked; anything else is the author's own note. Raises
    UsageError.
    """
    ours = given if isinstance(given, dict) and any(part in given for part in KEY) else {}
    key: dict[str, Any] = {}
    for part in KEY:
        place = f"{field}.{part}"
        if part in TEXT_KEYS:
            key[part] = fields.text(ours.get(part, ""), where, place)
        else:
            key[part] = fields.whole(ours.get(part, 0), where, place)
    key["transition"] = key["transition"] or name
    return key


def counts_of(given: Any, where: str, field: str) -> dict[str, int]:
    """Return event -> count of an object; what is no object counts nothing. Raises UsageError."""
    if not isinstance(given, dict):
        return {}
    return {name: fields.whole(count, where, f"{field}.{name}", fields.MOST_COUNT) for name, count in given.items()}


class Once:
    """The keys that were seen in one file: each may be there once."""

    def __init__(self) -> None:
        self._seen: set[tuple[Any, ...]] = set()

    def add(self, key: Mapping[str, Any], where: str) -> None:
        """Take a key. Raises UsageError when it is there already."""
        values = tuple(key[name] for name in KEY)
        if values in self._seen:
            raise UsageError(f"{where}: {key['transition']!r} is in it twice, expected each of them once")
        self._seen.add(values)


def host_hash(name: str) -> str:
    """Return 12 hex digits that tell hosts apart and do not name them."""
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:12]


def scalars(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of an environment that are text, numbers or truth values: all that is compared and shown."""
    return {name: value for name, value in given.items() if isinstance(value, (str, int, float, bool))}


def write_json(path: str | os.PathLike[str], document: Any) -> None:
    """Write a JSON document, whole or not at all."""
    with atomic_write(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
