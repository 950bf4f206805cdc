# SPDX-License-Identifier: GPL-2.0-only
"""Made-up results for the tests of what reads results: two designs, three transitions, counts and samples."""

import numpy as np

from bench.results.meta import new_meta
from bench.results.schema import KEY, frame
from bench.results.store import Results

ENVIRONMENT = {"machine": "x86_64", "cpu_model": "Test CPU", "cores": 2, "python": "3.11.7", "numba": "0.68.1"}
COUNTS = {
    ("old", "flush_empty"): {"call_flush": 1, "lock": 1, "word_read": 4},
    ("old", "inject_edge"): {"call_inject": 1, "lock": 1, "vcpu_step": 4},
    ("new", "flush_empty"): {"call_flush": 1, "list_step": 1},
    ("new", "inject_edge"): {"call_inject": 1, "lock": 2, "list_add": 1},
    ("new", "sync_empty"): {"call_sync": 1},
}


def key(design, transition, gic=2, irqs=256):
    return dict(zip(KEY, (design, "vgic", gic, irqs, 4, 4, 0, 0, transition), strict=True))


def results(counts=None, seed=None, processes=12, slower=1.0, spread=0.005, session=None, **meta):
    """Counts as in COUNTS; with `seed`, also five samples a process, `slower` times 100 ns with
    `spread` as noise, both of everything or by transition."""
    transitions, events, samples = [], [], []
    rng = np.random.default_rng(seed)
    for (design, transition), own in (COUNTS if counts is None else counts).items():
        row = key(design, transition)
        states = {"group": "hardware", "before": "pending", "operation": "flush", "after": "pending", "ok": True}
        transitions.append(row | states | {"events": sum(own.values()), "instructions": 10.0 * sum(own.values())})
        events += [row | {"event": name, "count": count} for name, count in own.items()]
        factor = slower.get((design, transition), 1.0) if isinstance(slower, dict) else slower
        noise = spread.get((design, transition), 0.005) if isinstance(spread, dict) else spread
        for process in range(processes if seed is not None else 0):
            level = 100 * factor * np.exp(rng.normal(0, noise))
            for position in range(5):
                ns = level * np.exp(rng.normal(0, noise / 2))
                samples.append(row | {"process": process, "position": position, "loops": 1000, "ns": ns})
    tables = {"transitions": frame("transitions", transitions), "events": frame("events", events)}
    if samples:
        tables["samples"] = frame("samples", samples)
    pairing = {"pairing": {"session": session}} if session else {}
    started = {"started": "2026-01-01T00:00:00+00:00", "environment": ENVIRONMENT, "configuration": {"irqs": 256}}
    return Results(new_meta("run", **({"complete": True} | started | pairing | meta)), tables)
