# SPDX-License-Identifier: GPL-2.0-only
"""The JSON of pyperf."""

import os

from bench.results.formats.common import label, samples_of, write_json
from bench.results.store import Results
from kvmarm.errors import UsageError


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
            metadata_ = {"name": label(key), "loops": int(rows[0]["loops"])}
            benchmarks.append({"metadata": metadata_, "runs": [{"values": values} for values in runs.values()]})
    if not benchmarks:
        raise UsageError(f"{results.name}: has no time samples; pyperf has no form for exact counts")
    write_json(path, {"version": "1.0", "metadata": common, "benchmarks": benchmarks})
