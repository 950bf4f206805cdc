# SPDX-License-Identifier: GPL-2.0-only
"""The JSON of pytest-benchmark.

Its times are seconds, ours are nanoseconds. A benchmark says which transition it is in `extra_info["key"]` and what it
counted in `extra_info["events"]`; one that says nothing of this form is known by its full name, and what else it notes
is its author's own. A folder of such files is one run measured in as many processes.
"""

import math
import os
from pathlib import Path
from typing import Any

from bench.results.formats import fields
from bench.results.formats.common import (
    Once,
    counts_of,
    events_of,
    host_hash,
    key_of,
    label,
    samples_of,
    scalars,
    write_json,
)
from bench.results.meta import new_meta
from bench.results.schema import frame
from bench.results.store import Results
from kvmarm.errors import UsageError


def write_pytest_benchmark(results: Results, path: str | os.PathLike[str]) -> None:
    """Write the timed transitions as a file that `pytest-benchmark compare` reads."""
    import numpy as np

    environment = results.meta.get("environment") or {}
    tool = results.meta.get("tool") or {}
    events = events_of(results)
    benchmarks = []
    for key, rows in samples_of(results):
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
    write_json(path, document)


def from_pytest_benchmark(files: list[tuple[Path, Any]], place: Path) -> Results:
    """Make results of pytest-benchmark files; raises UsageError that names file, benchmark and field."""
    samples: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    counted: set[tuple[Any, ...]] = set()
    machines, started = [], []
    for process, (file, data) in enumerate(files):
        if not isinstance(data, dict) or not isinstance(data.get("benchmarks"), list):
            raise UsageError(f"{file}: expected pytest-benchmark JSON (an object with benchmarks) or a counts file")
        machines.append(_environment(data.get("machine_info"), str(file)))
        started.append(fields.text(data.get("datetime") or "", str(file), "datetime"))
        once = Once()
        for number, benchmark in enumerate(data["benchmarks"]):
            where = f"{file}: benchmark {number}"
            key, rows, counts = _benchmark(benchmark, process, where)
            once.add(key, where)
            samples += [key | row for row in rows]
            # Every process counts the same: the first of them says it.
            if tuple(key.values()) not in counted:
                counted.add(tuple(key.values()))
                events += [key | {"event": name, "count": count} for name, count in counts.items()]
    meta = new_meta("benchmark", complete=True, started=min(started, default=""), meters=["time", "events"])
    meta["environment"] = machines[0]
    if any(machine != machines[0] for machine in machines):
        raise UsageError(f"{place}: its files are from different machines; expected one machine's runs")
    tables = {"samples": frame("samples", samples)}
    if events:
        tables["events"] = frame("events", events)
    return Results(meta, tables, place)


def _benchmark(benchmark: Any, process: int, where: str) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, int]]:
    """Return (key, sample rows, counts) of one benchmark. `extra_info` may hold anything of its author's."""
    benchmark = fields.an_object(benchmark, where, "benchmarks")
    name = fields.text(benchmark.get("fullname", benchmark.get("name")), where, "fullname")
    extra = benchmark.get("extra_info")
    extra = extra if isinstance(extra, dict) else {}
    key = key_of(extra.get("key"), name, where, "extra_info.key")
    stats = fields.an_object(benchmark.get("stats"), where, "stats")
    times = stats.get("data")
    if times is None or times == []:
        times = [stats.get("median")]
    if isinstance(times, list) and any(isinstance(time, float) and not math.isfinite(time) for time in times):
        raise UsageError(f"{where}: field stats: a time that is not a number")
    times = [fields.seconds(time, where, "stats.data") for time in fields.an_array(times, where, "stats.data")]
    iterations = stats.get("iterations")
    loops = fields.whole(1 if iterations is None else iterations, where, "stats.iterations", fields.MOST_COUNT, 1)
    processes = _processes(extra.get("processes"), len(times), process)
    rows = [
        {"process": number, "position": position, "loops": loops, "ns": time * 1e9}
        for position, (time, number) in enumerate(zip(times, processes, strict=True))
    ]
    return key, rows, counts_of(extra.get("events"), where, "extra_info.events")


def _processes(given: Any, count: int, process: int) -> list[int]:
    """Return the process of each sample, as an export of ours says it; any other note of that name is not about us."""
    if isinstance(given, list) and len(given) == count:
        numbers = [number for number in given if type(number) is int and 0 <= number <= fields.MOST_SETTING]
        if len(numbers) == count:
            return numbers
    return [process] * count


def _environment(given: Any, where: str) -> dict[str, Any]:
    """Our environment fields out of pytest-benchmark's machine_info. Raises UsageError."""
    machine = fields.an_object(given, where, "machine_info")
    if isinstance(machine.get("environment"), dict):
        return scalars(machine["environment"])
    cpu = fields.an_object(machine.get("cpu"), where, "machine_info.cpu")
    node, system, release = (machine.get(name) for name in ("node", "system", "release"))
    found = {
        "machine": machine.get("machine"),
        # py-cpuinfo renamed it in version 6.
        "cpu_model": cpu.get("brand_raw") or cpu.get("brand"),
        "cores": cpu.get("count"),
        "python": machine.get("python_version"),
        "os": f"{system} {release}" if system and release else system,
        "hostname_hash": host_hash(node) if isinstance(node, str) and node else None,
    }
    return scalars(found)
