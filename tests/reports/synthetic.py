# SPDX-License-Identifier: GPL-2.0-only
"""Made-up results in the shape of real ones, from a fixed seed: what the report tests draw and read back."""

import itertools
from typing import Any

import numpy as np

from bench.results.meta import new_meta
from bench.results.schema import frame
from bench.results.store import Results

DESIGNS = [
    {"name": "old", "title": "legacy VGIC (Linux 4.4)", "source": "virt/kvm/arm/vgic.c, Linux 4.4"},
    {"name": "new", "title": "redesigned VGIC (Linux 4.8)", "source": "virt/kvm/arm/vgic/, Linux 4.8"},
]
SWITCHES = [{"name": "asm", "title": "assembly switch"}, {"name": "c", "title": "C switch"}]

# transition, group, before, operation, after, and for each design: base, per vCPU, per INTID, per pending interrupt.
CATALOGUE = [
    ("inject_edge_spi", "inject", "inactive", "inject", "pending", (300, 60, 0.4, 1), (330, 0, 0, 0)),
    ("inject_level_spi_raise", "inject", "inactive", "inject", "pending", (310, 60, 0.4, 1), (335, 0, 0, 0)),
    ("inject_level_lower", "inject", "pending", "inject low", "inactive", (290, 60, 0.4, 0), (165, 0, 0, 0)),
    ("inject_while_active", "inject", "active", "inject", "active and pending", (300, 60, 0.4, 0), (240, 0, 0, 0)),
    ("ack_edge_spi", "guest", "pending", "ack", "active", (10, 0, 0, 0), (10, 0, 0, 0)),
    ("eoi_edge_spi", "guest", "active", "eoi", "inactive", (12, 0, 0, 0), (12, 0, 0, 0)),
    ("eoi_active_pending", "guest", "active and pending", "eoi", "pending", (12, 0, 0, 0), (12, 0, 0, 0)),
    ("flush_empty", "flush", "–", "flush", "–", (94, 0, 0.2, 0), (89, 0, 0, 0)),
    ("flush_p", "flush", "pending", "flush", "pending", (150, 0, 0.5, 80), (120, 0, 0, 60)),
    ("sync_idle", "sync", "–", "sync", "–", (220, 0, 0, 0), (31, 0, 0, 0)),
    ("sync_after_eoi", "sync", "active", "sync", "inactive", (600, 60, 0.4, 0), (450, 0, 0, 12)),
    ("mmio_write_ISENABLER", "mmio", "–", "ISENABLER write", "–", (1300, 60, 0.5, 0), (700, 0, 0, 0)),
    ("mmio_write_ISPENDR", "mmio", "inactive", "ISPENDR write", "pending", (1250, 60, 0.5, 0), (720, 0, 0, 0)),
    ("mmio_write_ISACTIVER", "mmio", "inactive", "ISACTIVER write", "active", (1100, 60, 0.5, 0), (690, 0, 0, 0)),
    ("mmio_write_ICACTIVER", "mmio", "active", "ICACTIVER write", "inactive", (1100, 60, 0.5, 0), (690, 0, 0, 0)),
    ("mmio_read_ISENABLER", "mmio", "–", "ISENABLER read", "–", (410, 0, 0, 0), (1900, 0, 0, 0)),
    ("mmio_read_IPRIORITYR", "mmio", "–", "IPRIORITYR read", "–", (420, 0, 0, 0), (640, 0, 0, 0)),
    ("sgi_to_all", "sgi", "inactive", "SGI", "pending", (800, 110, 0.1, 0), (900, 160, 0, 0)),
    ("pending_query", "query", "–", "pending query", "–", (38, 0, 0, 0), (60, 0, 0, 9)),
]
EVENTS = {
    "old": ("lock", "word_read", "word_write", "update_vcpu"),
    "new": ("lock", "irq_lookup", "list_step", "compare"),
}
PLATFORMS = {"x-gene": 2.1, "seattle": 1.6}
PHASES = {"inject": 0.3, "flush": 0.25, "enter": 1.6, "guest": 0.05, "exit": 2.4, "sync": 0.4}
GROUPS = (
    "GP registers",
    "FP registers",
    "EL1 system registers",
    "VGIC registers",
    "Timer registers",
    "EL2 configuration registers",
)
KINDS = {"inject": 200, "flush": 340, "sync": 340, "mmio_r": 4, "mmio_w": 9, "pending": 60, "ack": 190, "eoi": 190}


def grid(sweep: bool) -> list[dict[str, int]]:
    """Return the scenarios: two for a run, many for a sweep."""
    if not sweep:
        return [{"gic": gic, "irqs": 256, "vcpus": 4, "lrs": 4, "pending": 0, "live": 0} for gic in (2, 3)]
    axes = itertools.product(
        (2, 3), (64, 256, 1024), (1, 2, 4, 8), (4,), (0, 1, 2, 4, 8, 16, 32, 64, 128, 192, 256), (0,)
    )
    return [dict(zip(("gic", "irqs", "vcpus", "lrs", "pending", "live"), point, strict=True)) for point in axes]


def results(sweep: bool = False, samples: int = 12, seed: int = 1, slower: float = 1.0, **changes: Any) -> Results:
    """Return made-up results; `slower` multiplies the new design's costs; `changes` go into the metadata."""
    noise = np.random.default_rng(seed)
    rows: dict[str, list[dict[str, Any]]] = {
        name: []
        for name in ("transitions", "events", "cycles", "samples", "workloads", "workload_events", "life", "switch")
    }
    for point in grid(sweep):
        for name, group, before, operation, after, *costs in CATALOGUE:
            for design, (base, vcpu, irq, pending) in zip(("old", "new"), costs, strict=True):
                factor = slower if design == "new" else 1.0
                instructions = factor * (
                    base + vcpu * point["vcpus"] + irq * point["irqs"] + pending * point["pending"]
                )
                instructions += 20 * (point["gic"] == 3)
                key = {"design": design, "family": "vgic", **point, "transition": name}
                counts = {event: int(instructions // (37 * (place + 1))) for place, event in enumerate(EVENTS[design])}
                rows["events"] += [{**key, "event": event, "count": count} for event, count in counts.items() if count]
                ns = instructions * 0.3 * noise.lognormal(0, 0.03, samples)
                rows["transitions"].append(
                    {
                        **key,
                        "group": group,
                        "before": before,
                        "operation": operation,
                        "after": after,
                        "expected": after,
                        "ok": True,
                        "instructions": instructions,
                        "time_ns": float(np.median(ns)) if samples else np.nan,
                        "time_low": float(ns.min()) if samples else np.nan,
                        "time_high": float(ns.max()) if samples else np.nan,
                        "samples": samples,
                        "events": sum(counts.values()),
                    }
                )
                if not sweep:
                    rows["samples"] += [
                        {**key, "process": n % 3, "position": n, "loops": 1000, "ns": float(value)}
                        for n, value in enumerate(ns)
                    ]
                    for platform, price in PLATFORMS.items():
                        rows["cycles"].append(
                            {
                                **key,
                                "platform": platform,
                                "term": "instructions",
                                "cycles": instructions * price,
                                "certainty": "estimated",
                            }
                        )
                        rows["cycles"].append(
                            {
                                **key,
                                "platform": platform,
                                "term": "locks",
                                "cycles": counts["lock"] * 40.0,
                                "certainty": "recalled",
                            }
                        )
    if not sweep:
        _others(rows)
    meta = new_meta(
        "sweep" if sweep else "run",
        complete=True,
        finished="2026-01-01T00:10:00+00:00",
        designs=[*DESIGNS, *SWITCHES],
        tool={"version": "0.1.0", "commit": "0123456789ab", "source_hash": "ab" * 16},
        command=["vgic-bench", "sweep" if sweep else "run"],
        environment={
            "python": "3.11.2",
            "numpy": "2.4.0",
            "os": "Linux 6.1",
            "machine": "x86_64",
            "cpu_model": "An invented CPU",
            "cores": 2,
        },
        configuration={"gic": [2, 3], "irqs": [256]},
        notes=["made up for a test"],
        lock_pair_ns=7.5,
    )
    meta["started"] = "2026-01-01T00:00:00+00:00"
    return Results(meta | changes, {name: frame(name, lines) for name, lines in rows.items() if lines})


def _others(rows: dict[str, list[dict[str, Any]]]) -> None:
    for workload, gic, vcpus in (("linux-boot", 3, 4), ("linux-ipi", 2, 2), ("linux-idle", 3, 1)):
        common = {"workload": workload, "source": f"{workload}.ftrace.txt", "gic": gic, "vcpus": vcpus}
        for design, unit in (("old", 410.0), ("new", 290.0)):
            for kind, operations in KINDS.items():
                factor = {"mmio_r": 1.2, "mmio_w": 2.5, "ack": 0.0, "eoi": 0.0}.get(kind, 1.0)
                cost = operations * unit * factor * (1.4 if design == "new" and kind == "mmio_r" else 1.0)
                line = {
                    **common,
                    "design": design,
                    "kind": kind,
                    "operations": operations,
                    "instructions": cost,
                    "time_ns": cost * 0.3,
                    "mmio_share": 13 / sum(KINDS.values()),
                }
                rows["workloads"].append(line)
            total = [line for line in rows["workloads"] if line["workload"] == workload and line["design"] == design]
            rows["workloads"].append(
                {
                    **common,
                    "design": design,
                    "kind": "total",
                    "operations": sum(line["operations"] for line in total),
                    "instructions": sum(line["instructions"] for line in total),
                    "time_ns": sum(line["time_ns"] for line in total),
                    "mmio_share": 13 / sum(KINDS.values()),
                }
            )
    for gic, scenario in itertools.product((2, 3), ("edge", "level", "idle")):
        for design, switch in itertools.product(("old", "new"), ("asm", "c", "c-vhe")):
            for platform, price in PLATFORMS.items():
                for phase, weight in PHASES.items():
                    instructions = 400.0 * weight
                    if phase in ("enter", "exit"):
                        instructions *= {"asm": 1.0, "c": 0.62, "c-vhe": 0.3}[switch]
                    elif design == "new":
                        instructions *= 0.8
                    rows["life"].append(
                        {
                            "design": design,
                            "switch": switch,
                            "gic": gic,
                            "scenario": scenario,
                            "platform": platform,
                            "phase": phase,
                            "instructions": instructions,
                            "cycles": instructions * price,
                            "events": int(instructions / 10),
                        }
                    )
    for gic, implementation in itertools.product((2, 3), ("asm", "c", "c-vhe")):
        for phase, group in itertools.product(("entry", "exit"), GROUPS):
            for kind, count in (("sysreg_read", 9), ("load", 22), ("gich_read", 11 if implementation == "asm" else 1)):
                if kind == "gich_read" and (gic == 3 or group != "VGIC registers" or phase == "entry"):
                    continue
                rows["switch"].append(
                    {
                        "implementation": implementation,
                        "gic": gic,
                        "configuration": "4 LRs, none live, hvc",
                        "phase": phase,
                        "register_group": group,
                        "class": kind,
                        "count": count + 2 * len(implementation),
                    }
                )
