# SPDX-License-Identifier: GPL-2.0-only
"""Only what a recording holds is priced, on a machine that fits, and what is not modelled is said beside the ratio."""

import re
from pathlib import Path

import pytest

from bench.recordings.options import Options
from bench.replay.outcome import Outcome, replay
from kvmarm.errors import UsageError
from kvmarm.platforms import load_platform
from tests import field
from tests.bench.recordings import recording_files as files
from tests.cli import assert_refused, vgic_bench

EXCERPT = "kprobes-linux-ipi-gicv3-2vcpu.excerpt.ftrace.txt"


@pytest.mark.parametrize(("name", "exits"), [("nested-sys64-loop", 24), ("arm32-custom-print", 6)])
def test_recordings_without_mmio_have_none(name: str, exits: int, tmp_path: Path) -> None:
    outcome = replay(field.write(name, tmp_path))
    for side in outcome.designs.values():
        assert side.mmio_share == 0 and side.mmio == 0
        assert side.exits == side.entries == exits
        assert set(side.kinds) == {"flush", "sync"}
        assert side.apart.operations > 20
    assert any("no interrupt and no access" in note for note in outcome.notes)


def _accesses(text: str, start: float, stop: float) -> int:
    """Return how many accesses to kvmtool's distributor and redistributors ftrace text holds between two times."""
    found = 0
    times = [float(match) for match in re.findall(r"(\d+\.\d{6}): (?:kvm|vgic)_", text)]
    for time, gpa in re.findall(r"(\d+\.\d{6}): kvm_mmio: mmio (?:read|write) len \d+ gpa (0x[0-9a-f]+)", text):
        inside = start <= float(time) - times[0] <= stop
        found += inside and 0x3FFF0000 - 2 * 0x20000 <= int(gpa, 16) < 0x40000000
    return found


def test_a_window_is_priced_without_the_set_up_before_it(tmp_path: Path) -> None:
    text = files.text(EXCERPT)
    times = [float(match) for match in re.findall(r"(\d+\.\d{6}): ", text)]
    length = times[-1] - times[0]
    whole = replay(files.path(EXCERPT))
    start, stop = round(length / 2, 3), round(length, 3) + 1
    part = replay(files.path(EXCERPT), Options(start=start, stop=stop))
    for side, all_of_it in zip(part.designs.values(), whole.designs.values(), strict=True):
        assert side.mmio == _accesses(text, start, stop) < all_of_it.mmio
        assert side.operations < all_of_it.operations
        assert side.apart.operations >= part.apart["before_window"]
    assert part.apart["before_window"] > 0 and "before_window" not in whole.apart
    # What is not counted is run: the interrupts are enabled.
    assert part.designs["new"].delivered > 0


def test_a_recording_is_its_windows_together() -> None:
    whole = replay(files.path(EXCERPT))
    halves = [replay(files.path(EXCERPT), options) for options in (Options(count=7000), Options(first=7000))]
    for kind in ("mmio_w", "mmio_r"):
        counted = [half.designs["new"].kinds.get(kind) for half in halves]
        of_whole = whole.designs["new"].kinds.get(kind)
        assert sum(cost.operations for cost in counted if cost) == (of_whole.operations if of_whole else 0)


def test_a_converted_trace_has_the_recordings_figures(tmp_path: Path) -> None:
    for name, options in (("seven-flags", None), ("restored-snapshot", Options(first=100))):
        target = tmp_path / f"{name}.trace"
        first = replay(field.write(name, tmp_path), options, output=target)
        again = replay(str(target))
        for design in first.designs:
            assert first.designs[design].kinds == again.designs[design].kinds
            assert first.designs[design].apart == again.designs[design].apart
            assert first.designs[design].instructions == again.designs[design].instructions


def _platform(outcome: Outcome) -> tuple[str, str]:
    return outcome.platform, outcome.platform_reason


def test_the_platform_has_the_recordings_gic(tmp_path: Path) -> None:
    path = field.write("seven-flags", tmp_path)
    name, reason = _platform(replay(path))
    assert load_platform(name).gic == 3 and "taken for a GICv3" in reason
    assert load_platform(_platform(replay(files.path("kut-gicv2-ipi.csv")))[0]).gic == 2
    # Where nothing tells the version, the platform that is named does.
    outcome = replay(path, platform="seattle")
    assert outcome.config["gic"] == 2 and outcome.platform == "seattle" and "assumed" in outcome.facts["GIC"]
    with pytest.raises(UsageError, match="a machine with a GICv2, but the recording's GIC is a GICv3"):
        replay(files.path(EXCERPT), platform="xgene")
    assert replay(path, Options(gic=3), platform="phytium-s2500").platform == "phytium-s2500"


def test_the_command_refuses_a_platform_that_does_not_fit(tmp_path: Path) -> None:
    path = field.write("seven-flags", tmp_path)
    assert_refused(vgic_bench("replay", path, "--gic", "3", "--platform", "cortex-a15"), "expected neoverse-n1")
    shown = vgic_bench("replay", path).stdout
    assert "assumed" in shown and "prices: neoverse-n1 (chosen because" in shown
    assert "are no part of the recording" in shown


def test_what_is_not_replayed_is_said_in_the_verdict(tmp_path: Path) -> None:
    text = files.text(EXCERPT)
    # A probe without its arguments: which device it was, and of what event, nobody can say.
    last = [line for line in text.splitlines() if "vgic_lr_entry" in line][-1]
    head = last[: last.index("vgic_lr_entry")]
    (tmp_path / "msi.txt").write_text(text + f"{head}vgic_msi: (vgic_its_inject_msi+0x0/0x80)\n" * 3)
    outcome = replay(str(tmp_path / "msi.txt"))
    assert outcome.notes == ["partial: 3 MSIs are not replayed"]
    nested = field.text("nested-sys64").replace("0x0018 (SYS64)", "0x001a (ERET)")
    (tmp_path / "nested.txt").write_text(nested)
    assert any("nested virtualisation is not modelled" in note for note in replay(str(tmp_path / "nested.txt")).notes)
    assert replay(files.path(EXCERPT)).notes == []
    shown = " ".join(vgic_bench("replay", str(tmp_path / "msi.txt")).stdout.split())
    assert re.search(r"In VGIC instructions 'new' costs [\d.]+ times .*; partial: 3 MSIs are not replayed", shown)


def test_a_merged_report_replays_as_its_host(tmp_path: Path) -> None:
    merged = replay(field.write("host-guest-merged_merged", tmp_path))
    host = replay(field.write("host-guest-merged_host", tmp_path))
    for design in host.designs:
        assert merged.designs[design].kinds == host.designs[design].kinds
