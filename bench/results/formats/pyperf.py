# SPDX-License-Identifier: GPL-2.0-only
"""The JSON of pyperf.

A run there is a process here. Its times are seconds per operation, whatever the loops; what a run says about itself
outweighs its benchmark's metadata, and those the suite's. A run without values calibrated the loops.
"""

import json
import os
from pathlib import Path
from typing import Any

from bench.results.formats import fields
from bench.results.formats.common import Once, host_hash, key_of, label, samples_of, scalars, write_json
from bench.results.meta import new_meta
from bench.results.schema import frame
from bench.results.store import Results
from kvmarm.errors import UsageError

_OUR_KEY = "vgic_bench_key"
_PREFIX = "vgic_bench_"
_NAMES = {"machine": "cpu_arch", "cpu_model": "cpu_model_name", "cores": "cpu_count", "os": "platform"}
"""Environment field -> pyperf's name of it."""


def write_pyperf(results: Results, path: str | os.PathLike[str]) -> None:
    """Write the timed transitions as a pyperf suite (`python -m pyperf stats FILE`): a run there is a process here."""
    environment = results.meta.get("environment") or {}
    metadata = {name: value for name, value in environment.items() if isinstance(value, str) and value.strip()}
    common = {"unit": "second"} | {f"vgic_bench_{name}": value for name, value in metadata.items()}
    benchmarks = []
    for key, rows in samples_of(results):
        runs: dict[int, list[float]] = {}
        for row in rows:
            # pyperf refuses values that are not positive: an operation lost in the timer's own cost.
            if row["ns"] > 0:
                runs.setdefault(int(row["process"]), []).append(row["ns"] * 1e-9)
        if runs:
            metadata_ = {"name": label(key), "loops": int(rows[0]["loops"]), _OUR_KEY: json.dumps(key)}
            benchmarks.append({"metadata": metadata_, "runs": [{"values": values} for values in runs.values()]})
    if not benchmarks:
        raise UsageError(f"{results.name}: has no time samples; pyperf has no form for exact counts")
    write_json(path, {"version": "1.0", "metadata": common, "benchmarks": benchmarks})


def is_pyperf(data: Any) -> bool:
    """Return whether a JSON document is a pyperf suite: benchmarks with runs, and a version."""
    benchmarks = data.get("benchmarks") if isinstance(data, dict) else None
    if not isinstance(benchmarks, list):
        return False
    return any(isinstance(entry, dict) and "runs" in entry for entry in benchmarks)


def from_pyperf(file: Path, data: dict[str, Any]) -> Results:
    """Make results of a pyperf suite; raises UsageError that names file, benchmark and field."""
    suite = fields.an_object(data.get("metadata"), str(file), "metadata")
    samples: list[dict[str, Any]] = []
    once = Once()
    started: list[str] = []
    for number, benchmark in enumerate(data["benchmarks"]):
        where = f"{file}: benchmark {number}"
        own = fields.an_object(benchmark, where, "benchmarks")
        metadata = suite | fields.an_object(own.get("metadata"), where, "metadata")
        key = key_of(_our_key(metadata), _name(metadata, where), where, _OUR_KEY)
        once.add(key, where)
        unit = metadata.get("unit", "second")
        if unit != "second":
            raise fields.wrong(where, "unit", "'second'", unit)
        for process, run in enumerate(fields.an_array(own.get("runs"), where, "runs")):
            place = f"{where}: run {process}"
            run = fields.an_object(run, place, "runs")
            about = metadata | fields.an_object(run.get("metadata"), place, "metadata")
            started += [about["date"]] if isinstance(about.get("date"), str) else []
            loops = fields.whole(about.get("loops", 1), place, "loops", fields.MOST_COUNT, 1)
            values = run.get("values")
            for position, value in enumerate([] if values is None else fields.an_array(values, place, "values")):
                ns = fields.seconds(value, place, "values") * 1e9
                samples.append(key | {"process": process, "position": position, "loops": loops, "ns": ns})
    if not samples:
        raise UsageError(f"{file}: a pyperf suite without a value, expected times")
    meta = new_meta("benchmark", complete=True, started=min(started, default=""), meters=["time"])
    meta["environment"] = _environment(suite, data["benchmarks"])
    return Results(meta, {"samples": frame("samples", samples)}, file)


def _name(metadata: dict[str, Any], where: str) -> str:
    return fields.text(metadata.get("name"), where, "metadata.name")


def _our_key(metadata: dict[str, Any]) -> Any:
    try:
        return json.loads(metadata.get(_OUR_KEY, "null"))
    except (TypeError, ValueError, RecursionError):
        return None


def _environment(suite: dict[str, Any], benchmarks: list[Any]) -> dict[str, Any]:
    """Our environment fields out of a suite's metadata, or its first benchmark's where those are not common to all."""
    first = benchmarks[0].get("metadata") if isinstance(benchmarks[0], dict) else None
    metadata = (first if isinstance(first, dict) else {}) | suite
    ours = {name.removeprefix(_PREFIX): value for name, value in metadata.items() if name.startswith(_PREFIX)}
    ours.pop(_OUR_KEY.removeprefix(_PREFIX), None)
    if ours:
        return scalars(ours)
    found = {name: metadata.get(theirs) for name, theirs in _NAMES.items()}
    host, python = metadata.get("hostname"), metadata.get("python_version")
    found["hostname_hash"] = host_hash(host) if isinstance(host, str) and host else None
    found["python"] = python.split()[0] if isinstance(python, str) and python.strip() else None
    return scalars(found)
