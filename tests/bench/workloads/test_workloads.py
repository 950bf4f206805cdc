# SPDX-License-Identifier: GPL-2.0-only
"""Packaged and synthetic workloads, and the command that lists them."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from bench.workloads import CATEGORIES, catalogue, get, mix_of
from bench.workloads.listing import chosen, costed
from bench.workloads.synthetic import Knobs, parse_knobs, synthesise
from kvmarm.errors import UsageError
from kvmarm.trace import KIND_NAMES, format_trace
from kvmarm.trace_read import parse_trace


def test_the_catalogue_says_what_the_traces_are() -> None:
    assert {workload.category for workload in catalogue()} == set(CATEGORIES)
    assert {workload.gic for workload in catalogue()} == {2, 3}
    for workload in catalogue():
        trace = workload.load()
        assert (trace.config.gic, trace.config.vcpus) == (workload.gic, workload.vcpus), workload.name
        assert workload.what and workload.recorded
        assert workload.its == bool(trace.config.its)


def test_one_recording_has_its_msis_as_lpis_and_as_spis() -> None:
    lpis, spis = (get(name).load() for name in ("linux-dd-msi-gicv3its-pci-2vcpu", "linux-dd-v2m-gicv3-pci-2vcpu"))
    msis = mix_of(lpis.ops, 3).counts["msi"]
    assert msis > 500 and "msi" not in mix_of(spis.ops, 3).counts
    assert mix_of(spis.ops, 3).counts["inject"] >= mix_of(lpis.ops, 3).counts["inject"] + msis


def test_a_design_without_an_its_has_no_cost_of_lpis() -> None:
    entry = chosen(["linux-dd-msi-gicv3its-pci-2vcpu"], None)[0]
    short = replace(entry, trace=replace(entry.trace, ops=entry.trace.ops[:400]))
    found = costed(short, ["old", "new"])
    assert found["designs"]["old"] is None and found["break_even"] is None
    assert found["designs"]["new"]["events"] > 0


def test_mix() -> None:
    trace = parse_trace(
        b"config gic=2 vcpus=2 irqs=64 lrs=4\nmap 0 27 27\nmmio_w 0 d 0x0 4 0x1\nmmio_r 0 d 0x4 4\n"
        b"mmio_w 0 d 0xf00 4 0x20001\nflush 1\nack 1\nmmio_w 0 d 0x100 4 0x1\nsync 1\n"
    )
    mix = mix_of(trace.ops, 2)
    # Neither the map nor the acknowledgement is the VGIC's work.
    assert mix.vgic == 6 and mix.mmio == 4 and mix.sgi == 1 and mix.set_up == 2
    assert mix.mmio_share == 4 / 6 and mix.register_share == 3 / 6
    assert mix.counts["mmio_w"] == 3


def test_mmio_is_rare_after_boot() -> None:
    # Once the guest's driver has started, little but SGIs (GICv2) traps to the distributor.
    for workload in catalogue():
        if workload.category in ("disk", "ipi", "mixed"):
            assert mix_of(workload.load().ops, workload.gic).register_share < 0.05, workload.name


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'k-linux-ipi-gicv2-2vcpu'"):
        get("k-linux-ipi-gicv2-2vcpus")


@pytest.mark.parametrize("gic", [2, 3])
def test_synthetic_workloads_are_legal_and_repeatable(gic: int) -> None:
    knobs = Knobs(gic=gic, vcpus=3, events=400, churn=0.3, seed=7)
    trace = synthesise(knobs)
    text = "\n".join(format_trace(trace.config, trace.ops))
    assert text == "\n".join(format_trace(trace.config, synthesise(knobs).ops))
    parsed = parse_trace(text.encode())
    inside: set[int] = set()
    for op in parsed.ops:
        kind = KIND_NAMES[int(op["kind"])]
        vcpu = int(op["vcpu"])
        if kind == "flush":
            assert vcpu not in inside
            inside.add(vcpu)
        elif kind == "sync":
            inside.remove(vcpu)
        elif kind in ("ack", "eoi", "pmr", "ctlr"):
            assert vcpu in inside
        elif kind in ("mmio_r", "mmio_w", "sgi1r", "pending"):
            assert vcpu not in inside
    assert text != "\n".join(format_trace(trace.config, synthesise(Knobs(gic=gic, vcpus=3, events=400, seed=8)).ops))


def test_knobs_turn_what_they_say() -> None:
    def mix(**knobs: Any) -> dict[str, int]:
        trace = synthesise(Knobs(events=1500, **knobs))
        return mix_of(trace.ops, trace.config.gic).counts

    assert mix(ipi=0.9, timer=0.0)["sgi1r"] > 5 * mix(ipi=0.1, timer=0.0)["sgi1r"]
    assert mix(mmio=0.9)["mmio_r"] > 5 * mix(mmio=0.1)["mmio_r"]
    assert mix(timer=0.8)["phys"] > 2 * mix(timer=0.2)["phys"]
    assert mix(rate=0.9)["ack"] > 2 * mix(rate=0.3)["ack"]
    assert mix(churn=0.9)["mmio_w"] > 2 * mix(churn=0.0)["mmio_w"]


@pytest.mark.parametrize(
    "items", [["rat=1"], ["rate=two"], ["rate=2"], ["ipi=0.7", "timer=0.7"], ["devices=0"], ["gic=4"], ["seed=-1"]]
)
def test_bad_knobs(items: list[str]) -> None:
    with pytest.raises(UsageError, match="expected"):
        parse_knobs(items)


def _command(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "vgic_bench", *arguments], capture_output=True, text=True, check=False)


def test_command(tmp_path) -> None:
    listed = _command("workloads", "--json")
    assert listed.returncode == 0, listed.stderr
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [row["workload"] for row in rows] == [workload.name for workload in catalogue()]
    assert all(row["recorded"] and row["licence"] and 0 < row["mmio_share"] < 1 for row in rows)
    plain = _command("workloads", "k-linux-boot-gicv3-1vcpu", "--synthetic", "events=50,mmio=0.5", "-o", str(tmp_path))
    assert plain.returncode == 0, plain.stderr
    assert plain.stdout.splitlines()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "k-linux-boot-gicv3-1vcpu.trace",
        "synthetic-events=50,mmio=0.5.trace",
    ]
    wrong = _command("workloads", "nothing")
    assert wrong.returncode == 2 and wrong.stderr.startswith("vgic-bench: error: ")
