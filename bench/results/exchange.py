# SPDX-License-Identifier: GPL-2.0-only
"""Results in other forms: exact counts as reviewable JSON, CSV, and the JSON of pytest-benchmark and pyperf.

Rules inside:
- `load` tells what a path holds by looking, never by its name alone, so that every command that takes results takes
  any of them.
- A counts file is for version control: one line a transition, sorted, nothing in it that differs from machine to
  machine, so that its diff is the change of cost under review.
- pytest-benchmark times are seconds, ours are nanoseconds. A benchmark says which transition it is in
  `extra_info["key"]` and what it counted in `extra_info["events"]`; one that says nothing is known by its full name.
- A folder of pytest-benchmark files is one run measured in as many processes.
"""

import csv
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.results.store import KEY, SCHEMA, Results, frame, new_meta, unfinished
from kvmarm.errors import UsageError
from kvmarm.files import atomic_write

COUNTS_FORMAT = "vgic-bench counts 1"
FORMATS = ("csv", "counts", "pytest-benchmark", "pyperf")
STATES = ("before", "after")
"""Columns of `transitions` that a counts file keeps: they say what the transition did."""


def load(path: str | os.PathLike[str], tables: list[str] | None = None) -> Results:
    """Read a results folder, a counts file, a pytest-benchmark JSON file, or a folder of the latter.

    Raises UsageError with one line when the path is none of these or is damaged.
    """
    place = Path(path)
    if place.is_dir():
        files = sorted(place.rglob("*.json"))
        if (place / "meta.json").exists() or not files:
            return Results.load(place, tables)
        return _from_pytest_benchmark([(file, _json(file)) for file in files], place)
    if not place.exists():
        return Results.load(place)
    data = _json(place)
    if isinstance(data, dict) and "format" in data:
        return _from_counts(place, data)
    return _from_pytest_benchmark([(place, data)], place)


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        reason = "not text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise UsageError(
            f"{file}: not valid JSON ({reason}); expected a results folder, a counts file or pytest-benchmark JSON"
        ) from error


# --- exact counts -----------------------------------------------------------------------------------------------------


def write_counts(results: Results, path: str | os.PathLike[str]) -> None:
    """Write the exact counts of a run: one line a transition with its states and non-zero events.

    Raises UsageError when a part with counts is missing: a baseline of the rest would let what it lacks pass.
    """
    state = unfinished(results.meta)
    if state and {"transitions", "switch"}.intersection(results.meta.get("missing") or ["transitions"]):
        raise UsageError(f"{results.name}: {state}; expected a run with all of its counts")
    counted = _events_of(results)
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


def _from_counts(file: Path, data: dict[str, Any]) -> Results:
    if data.get("format") != COUNTS_FORMAT:
        raise UsageError(f"{file}: format is {data.get('format')!r}, expected {COUNTS_FORMAT!r}")
    if data.get("schema") != SCHEMA:
        raise UsageError(f"{file}: results schema is {data.get('schema')!r}, expected {SCHEMA}")
    transitions, events = [], []
    for number, group in enumerate(data.get("counts") or [], 1):
        if not isinstance(group, dict) or not all(name in group for name in (*KEY[:-1], "transitions")):
            raise UsageError(f"{file}: group {number} of counts: expected {', '.join(KEY[:-1])} and transitions")
        for name, entry in group["transitions"].items():
            key = {field: group[field] for field in KEY[:-1]} | {"transition": name}
            counts = entry.get("events") if isinstance(entry, dict) else None
            if not isinstance(counts, dict) or not all(type(n) is int for n in counts.values()):
                raise UsageError(f"{file}: transition {name!r}: field events: expected an object of integers")
            states = {state: entry.get(state, "") for state in STATES}
            transitions.append(key | states | {"ok": True, "events": sum(counts.values())})
            events += [key | {"event": event, "count": n} for event, n in counts.items()]
    meta = new_meta("run", complete=True, started=None, meters=["events"])
    return Results(meta, {"transitions": frame("transitions", transitions), "events": frame("events", events)}, file)


# --- CSV --------------------------------------------------------------------------------------------------------------


def write_csv(results: Results, path: str | os.PathLike[str], table: str | None = None) -> list[Path]:
    """Write one table as a CSV file at `path`, or every table into the folder `path`; return the files' paths."""
    folder = Path(path)
    jobs = [(table, folder)] if table else [(name, folder / f"{name}.csv") for name in sorted(results.tables)]
    for name, file in jobs:
        frame_ = results.table(name)
        with atomic_write(file, "w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(frame_.columns)
            for row in frame_.itertuples(index=False, name=None):
                writer.writerow(["" if value != value else value for value in row])
    return [file for _, file in jobs]


# --- pytest-benchmark -------------------------------------------------------------------------------------------------


def _samples(results: Results) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
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


def _events_of(results: Results) -> dict[tuple[Any, ...], dict[str, int]]:
    found: dict[tuple[Any, ...], dict[str, int]] = {}
    for record in results.table("events").to_dict("records"):
        found.setdefault(tuple(record[name] for name in KEY), {})[record["event"]] = int(record["count"])
    return found


def write_pytest_benchmark(results: Results, path: str | os.PathLike[str]) -> None:
    """Write the timed transitions as a file that `pytest-benchmark compare` reads."""
    import numpy as np

    environment = results.meta.get("environment") or {}
    tool = results.meta.get("tool") or {}
    events = _events_of(results)
    benchmarks = []
    for key, rows in _samples(results):
        data = [row["ns"] * 1e-9 for row in rows]
        q1, median, q3 = (float(value) for value in np.quantile(data, [0.25, 0.5, 0.75]))
        mean = float(np.mean(data))
        deviation = float(np.std(data, ddof=1)) if len(data) > 1 else 0.0
        iqr = q3 - q1
        far = sum(abs(value - mean) > deviation for value in data)
        out = sum(not q1 - 1.5 * iqr <= value <= q3 + 1.5 * iqr for value in data)
        inside = [value for value in data if q1 - 1.5 * iqr <= value <= q3 + 1.5 * iqr]
        stats = {"min": min(data), "max": max(data), "mean": mean, "stddev": deviation, "rounds": len(data)}
        stats |= {"median": median, "iqr": iqr, "q1": q1, "q3": q3, "iqr_outliers": out, "stddev_outliers": far}
        stats |= {"outliers": f"{far};{out}", "ld15iqr": min(inside), "hd15iqr": max(inside)}
        stats |= {"ops": 1 / mean if mean > 0 else 0.0, "total": sum(data), "data": data}
        stats |= {"iterations": int(rows[0]["loops"])}
        extra = {"key": key, "processes": [int(row["process"]) for row in rows]}
        extra["events"] = events.get(tuple(key.values()), {})
        name = label(key)
        entry: dict[str, Any] = {"group": key["transition"], "name": name, "fullname": name, "params": None}
        benchmarks.append(entry | {"param": None, "extra_info": extra, "options": {}, "stats": stats})
    machine = {name: environment.get(name) for name in ("machine", "python", "os")} | {"environment": environment}
    document: dict[str, Any] = {"machine_info": machine, "commit_info": {"id": tool.get("commit"), "dirty": False}}
    document |= {"benchmarks": benchmarks, "datetime": results.meta.get("started"), "version": "5.0.0"}
    _write_json(path, document)


def _from_pytest_benchmark(files: list[tuple[Path, Any]], place: Path) -> Results:
    samples: list[dict[str, Any]] = []
    events: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    machines, started = [], []
    for process, (file, data) in enumerate(files):
        if not isinstance(data, dict) or not isinstance(data.get("benchmarks"), list):
            raise UsageError(f"{file}: expected pytest-benchmark JSON (an object with benchmarks) or a counts file")
        machines.append(data.get("machine_info") or {})
        started.append(str(data.get("datetime") or ""))
        for number, benchmark in enumerate(data["benchmarks"]):
            try:
                extra = benchmark.get("extra_info") or {}
                given = extra.get("key") or {}
                key = {name: given.get(name, "" if name in ("design", "family") else 0) for name in KEY}
                key["transition"] = str(given.get("transition") or benchmark["fullname"])
                stats = benchmark["stats"]
                times = [float(value) for value in stats.get("data") or [stats["median"]]]
                processes = extra.get("processes") or [process] * len(times)
                loops = int(stats.get("iterations", 1))
                if not all(map(math.isfinite, times)):
                    raise ValueError("stats: a time that is not a number")
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise UsageError(
                    f"{file}: benchmark {number}: field {error}: not as pytest-benchmark writes it"
                ) from error
            for position, (time, in_process) in enumerate(zip(times, processes, strict=False)):
                row = {"process": int(in_process), "position": position, "loops": loops, "ns": time * 1e9}
                samples.append(key | row)
            events[tuple(key.values())] = [
                key | {"event": name, "count": int(count)} for name, count in (extra.get("events") or {}).items()
            ]
    meta = new_meta("benchmark", complete=True, started=min(started, default=""), meters=["time", "events"])
    meta["environment"] = _environment(machines[0])
    if any(_environment(machine) != meta["environment"] for machine in machines):
        raise UsageError(f"{place}: its files are from different machines; expected one machine's runs")
    tables = {"samples": frame("samples", samples)}
    counted = [row for rows in events.values() for row in rows]
    if counted:
        tables["events"] = frame("events", counted)
    return Results(meta, tables, place)


def _environment(machine: dict[str, Any]) -> dict[str, Any]:
    """Our environment fields out of pytest-benchmark's machine_info."""
    if isinstance(machine.get("environment"), dict):
        return dict(machine["environment"])
    cpu = machine.get("cpu") if isinstance(machine.get("cpu"), dict) else {}
    assert isinstance(cpu, dict)
    return {
        "machine": machine.get("machine"),
        "cpu_model": cpu.get("brand_raw"),
        "cores": cpu.get("count"),
        "python": machine.get("python_version"),
        "os": f"{machine.get('system')} {machine.get('release')}",
    }


# --- pyperf -----------------------------------------------------------------------------------------------------------


def write_pyperf(results: Results, path: str | os.PathLike[str]) -> None:
    """Write the timed transitions as a pyperf suite (`python -m pyperf stats FILE`): a run there is a process here."""
    environment = results.meta.get("environment") or {}
    metadata = {name: value for name, value in environment.items() if isinstance(value, str) and value.strip()}
    common = {"unit": "second"} | {f"vgic_bench_{name}": value for name, value in metadata.items()}
    benchmarks = []
    for key, rows in _samples(results):
        runs: dict[int, list[float]] = {}
        for row in rows:
            # pyperf refuses values that are not positive: an operation lost in the timer's own cost.
            if row["ns"] > 0:
                runs.setdefault(int(row["process"]), []).append(row["ns"] * 1e-9)
        if runs:
            metadata_ = {"name": label(key), "loops": int(rows[0]["loops"])}
            benchmarks.append({"metadata": metadata_, "runs": [{"values": values} for values in runs.values()]})
    if not benchmarks:
        raise UsageError(f"{results.name}: has no time samples; pyperf has no form for exact counts")
    _write_json(path, {"version": "1.0", "metadata": common, "benchmarks": benchmarks})


def _write_json(path: str | os.PathLike[str], document: Any) -> None:
    with atomic_write(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
