# SPDX-License-Identifier: GPL-2.0-only
"""What the forms share: samples and events by transition, its name in one line, JSON in and out."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.results.schema import KEY
from bench.results.store import Results
from kvmarm.errors import UsageError
from kvmarm.files import atomic_write


def read_json(file: Path) -> Any:
    """Read a JSON file; raises UsageError when it cannot be read or is not JSON."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        reason = "not text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise UsageError(
            f"{file}: not valid JSON ({reason}); expected a results folder, a counts file or pytest-benchmark JSON"
        ) from error


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


def write_json(path: str | os.PathLike[str], document: Any) -> None:
    """Write a JSON document, whole or not at all."""
    with atomic_write(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
