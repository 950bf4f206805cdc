# SPDX-License-Identifier: GPL-2.0-only
"""One process of the gate's self-test: counts transitions, if asked with one lock more in every flush.

A job (JSON on standard input) has `transitions` (names), `designs`, `gic` and `lock_more` (bool); the rows of the
tables `transitions` and `events` come out as JSON. The lock is put in front of the interface's own flush, which can be
replaced while the models run as plain Python; so this process must be started with NUMBA_DISABLE_JIT=1.
"""

import json
import sys
from typing import Any

from bench.catalogue.catalogue import load_catalogue
from bench.meters.events import measure_all
from kvmarm import events, interface
from kvmarm.config import VmConfig
from kvmarm.design import get_design
from kvmarm.jit import JIT_ENABLED

SHAPE = {"vcpus": 4, "irqs": 256, "lrs": 4}
"""The configuration of the self-test, but for the GIC version."""


def _lock_more() -> None:
    """Make every flush take one lock more."""
    original = interface.flush

    def flush(vm: Any, vcpu: Any, observer: Any) -> Any:
        events.count(observer, events.LOCK, 1)
        return original(vm, vcpu, observer)

    interface.flush = flush


def count(job: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of `transitions` and `events` of a job."""
    if job["lock_more"]:
        _lock_more()
    catalogue = load_catalogue()
    chosen = [catalogue[name] for name in job["transitions"]]
    config = VmConfig(gic=job["gic"], **SHAPE)
    rows: dict[str, list[dict[str, Any]]] = {"transitions": [], "events": []}
    for design in job["designs"]:
        for point in measure_all(get_design(design), config, 0, chosen):
            key = point.key()
            state = {"before": point.before, "after": point.after, "ok": point.ok}
            rows["transitions"].append(key | state | {"events": sum(point.events.values())})
            rows["events"] += [key | {"event": name, "count": n} for name, n in point.events.items()]
    return rows


if __name__ == "__main__":
    assert not JIT_ENABLED, "start this process with NUMBA_DISABLE_JIT=1"
    json.dump(count(json.load(sys.stdin)), sys.stdout)
