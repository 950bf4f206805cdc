# SPDX-License-Identifier: GPL-2.0-only
"""Exact counts as reviewable JSON.

A counts file is for version control: one line per transition, sorted, nothing in it that differs from machine to
machine, so that its diff is the change of cost under review.
"""

import json
import os
from pathlib import Path
from typing import Any

from bench.results.formats import fields
from bench.results.formats.common import Once, counts_of, events_of, key_of
from bench.results.meta import new_meta, unfinished
from bench.results.schema import KEY, SCHEMA, frame
from bench.results.store import Results
from kvmarm.errors import UsageError
from kvmarm.files import atomic_write

COUNTS_FORMAT = "vgic-bench counts 1"
STATES = ("before", "after")
"""Columns of `transitions` that a counts file keeps: they say what the transition did."""


def write_counts(results: Results, path: str | os.PathLike[str]) -> None:
    """Write the exact counts of a run: one line per transition with its states and non-zero events.

    Raises UsageError when a part with counts is missing: a baseline of the rest would let what it lacks pass.
    """
    state = unfinished(results.meta)
    if state and {"transitions", "switch"}.intersection(results.meta.get("missing") or ["transitions"]):
        raise UsageError(f"{results.name}: {state}; expected a run with all of its counts")
    counted = events_of(results)
    states = {}
    for record in results.table("transitions").to_dict("records"):
        states[tuple(record[name] for name in KEY)] = {name: record[name] for name in STATES}
    groups: dict[tuple[Any, ...], list[str]] = {}
    for key in sorted(set(counted) | set(states)):
        entry = states.get(key, dict.fromkeys(STATES, ""))
        entry["events"] = {name: n for name, n in sorted(counted.get(key, {}).items()) if n}
        groups.setdefault(key[:-1], []).append(f"{json.dumps(key[-1])}: {json.dumps(entry)}")
    with atomic_write(path, "w", encoding="utf-8") as file:
        file.write(json.dumps({"format": COUNTS_FORMAT, "schema": SCHEMA})[:-1] + ', "counts": [')
        for number, (place, lines) in enumerate(groups.items()):
            head = json.dumps(dict(zip(KEY[:-1], place, strict=True)))
            file.write(("," if number else "") + f'\n{head[:-1]}, "transitions": {{\n' + ",\n".join(lines) + "\n}}")
        file.write("\n]}\n")


def from_counts(file: Path, data: dict[str, Any]) -> Results:
    """Make results of a counts file's JSON; raises UsageError that names file, group or transition, and field."""
    if data.get("format") != COUNTS_FORMAT:
        raise UsageError(f"{file}: format is {data.get('format')!r}, expected {COUNTS_FORMAT!r}")
    if data.get("schema") != SCHEMA:
        raise UsageError(f"{file}: results schema is {data.get('schema')!r}, expected {SCHEMA}")
    transitions, events = [], []
    once = Once()
    for number, group in enumerate(fields.an_array(data.get("counts"), str(file), "counts"), 1):
        where = f"{file}: group {number} of counts"
        if not isinstance(group, dict) or not all(name in group for name in (*KEY[:-1], "transitions")):
            raise UsageError(f"{where}: expected {', '.join(KEY[:-1])} and transitions")
        for name, entry in fields.an_object(group["transitions"], where, "transitions").items():
            here = f"{where}: transition {name!r}"
            key = key_of({field: group[field] for field in KEY[:-1]} | {"transition": name}, name, where, "group")
            once.add(key, where)
            if not isinstance(entry, dict) or not isinstance(entry.get("events"), dict):
                raise UsageError(f"{here}: field events: expected an object of integers")
            counts = counts_of(entry["events"], here, "events")
            states = {state: fields.text(entry.get(state) or "", here, state) for state in STATES}
            transitions.append(key | states | {"ok": True, "events": sum(counts.values())})
            events += [key | {"event": event, "count": n} for event, n in counts.items()]
    meta = new_meta("run", complete=True, started=None, meters=["events"])
    return Results(meta, {"transitions": frame("transitions", transitions), "events": frame("events", events)}, file)
