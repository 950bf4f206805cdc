# SPDX-License-Identifier: GPL-2.0-only
"""MSIs of a recording: what they were mapped to, and the replay as LPIs and as SPIs."""

from pathlib import Path

import numpy as np
import pytest

from bench.recordings import events as ev
from bench.recordings.events import EVENT
from bench.recordings.machine.msis import find_msis
from bench.replay.outcome import replay
from kvmarm.config import MAX_LPIS
from kvmarm.errors import UsageError
from kvmarm.jit import JIT_ENABLED
from tests.bench.recordings import recording_files as files
from tests.test_its import mapping

EXCERPT = "kprobes-linux-dd-gicv3its-pci-2vcpu.excerpt.ftrace.txt"
"""Start of the ITS, first interrupts and some of the load of a recording with 19 MSIs in this part."""


def _events(*rows: tuple[int, ...]) -> np.ndarray:
    events = np.zeros(len(rows), EVENT)
    for event, (kind, vcpu, n, a, b) in zip(events, rows, strict=True):
        event["kind"], event["vcpu"], event["n"], event["a"], event["b"] = kind, vcpu, n, a, b
    return events


def _entry(vcpu: int, lpi: int) -> list[tuple[int, ...]]:
    return [(ev.LR_ENTRY, vcpu, 1, 0, 0), (ev.LRS, vcpu, 1, 1 << 62 | lpi, 0), (ev.LR_EXIT, vcpu, 0, 0, 0)]


def _msi(device: int, event: int) -> tuple[int, ...]:
    return ev.MSI, -1, 1, device, event


def test_lpis_and_vcpus_follow_from_list_registers() -> None:
    rows = [_msi(8, 1), *_entry(1, 8201), _msi(9, 0), _msi(8, 3), *_entry(0, 8203), _msi(8, 1), *_entry(0, 8201)]
    found = find_msis([_events(*rows[:4]), _events(*rows[4:])], 4, [90, 89, 88])
    assert found.pairs[["devid", "event"]].tolist() == [(8, 1), (9, 0), (8, 3)]
    assert found.pairs["lpi"][[0, 2]].tolist() == [8201, 8203], "8200 and the event"
    assert found.rows["pair"].tolist() == [0, 1, 2, 0] and found.rows["target"].tolist() == [1, 0, 0, 0]
    assert found.pairs["spi"].tolist() == [90, 89, 88] and found.seen >= 1 and found.devices == 2


def test_what_entries_do_not_show_is_assumed() -> None:
    found = find_msis([_events(_msi(8, 0), _msi(8, 40), _msi(9, 0))], 3, [])
    assert found.pairs["lpi"].tolist() == [8192, 8232, 8256] and found.seen == 0
    assert (found.pairs["spi"] == -1).all(), "no SPI is free"


def test_a_probe_without_arguments_says_nothing() -> None:
    assert len(find_msis([_events((ev.MSI, -1, 0, 0, 0))], 1, []).rows) == 0


def test_msis_are_replayed_as_lpis_and_as_spis() -> None:
    outcome = replay(files.path(EXCERPT), designs=("old", "new"), msi="both")
    assert list(outcome.designs) == ["old", "new", "new/spi"]
    assert outcome.seen["msis"] == 19 and "msi" not in outcome.dropped and "lpi" not in outcome.dropped
    lpis = outcome.designs["new"]
    assert lpis.kinds["msi"].operations == 19 and lpis.events["call_msi"] == 19
    assert lpis.list_registers is not None
    assert lpis.list_registers["lpis"] == lpis.list_registers["lpis_equal"] == 35
    assert lpis.delivered == outcome.designs["new/spi"].delivered > 100
    assert "msi" not in outcome.designs["old"].kinds and outcome.designs["old"].delivered > 100
    assert any("new: MSIs are LPIs" in note for note in outcome.notes)
    assert any("old, new/spi: MSIs are edge-triggered SPIs" in note for note in outcome.notes)


@pytest.mark.skipif(not JIT_ENABLED, reason="4,096 look-ups of lists as plain Python")
def test_more_lpis_than_the_pool_end_in_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "many.trace"
    path.write_text(mapping(MAX_LPIS + 1))
    with pytest.raises(UsageError, match=r"operation \d+: mmio_w: more than 4096 LPIs, for which the model of design"):
        replay(str(path), designs=("new",))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="--msi v2m: expected lpi, spi, both"):
        replay(files.path(EXCERPT), msi="v2m")
