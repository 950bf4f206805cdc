# SPDX-License-Identifier: GPL-2.0-only
"""The JSON of pytest-benchmark.

Its times are seconds, ours are nanoseconds. A benchmark says which transition it is in `extra_info["key"]` and what it
counted in `extra_info["events"]`; one that says nothing is known by its full name. A folder of such files is one run
measured in as many processes.
"""

import math
import os
from pathlib import Path
from typing import Any

from bench.results.formats.common import events_of, label, samples_of, write_json
from bench.results.meta import new_meta
from bench.results.schema import KEY, frame
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
