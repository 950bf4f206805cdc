# SPDX-License-Identifier: GPL-2.0-only
"""Explanations laid out, timelines followed, and Perfetto files that their own reader understands."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench import workloads
from bench.explain.steps import DesignStep, Step
from bench.explain.target import resolve
from bench.explain.timeline import TimedOp, Timeline, timeline
from kvmarm.config import VmConfig
from kvmarm.design import get_design
from kvmarm.errors import UsageError
from kvmarm.events import EVENT_COUNT
from kvmarm.trace import KIND_NAMES
from kvmarm.trace_read import parse_trace
from reports import explanation, perfetto
from tests.reports.parse import Page
from vgic_bench.commands.explain import MOST
from vgic_bench.main import build_app

CONFIG = VmConfig(2, 4, 256, 4)

LIFE = """config gic=2 vcpus=2 irqs=64 lrs=4
mmio_w 0 d 0x0 4 0x1
mmio_w 0 d 0x104 4 0xffffffff
mmio_w 0 d 0x100 4 0xffff
inject 0 40 1
flush 0
pmr 0 0xf8
ctlr 0 0x1
ack 0
eoi 0 @8
sync 0
mmio_w 0 d 0xf00 4 0x20003
flush 1
pmr 1 0xf8
ctlr 1 0x1
ack 1
eoi 1 @15
sync 1
"""


def test_locks_held() -> None:
    locks = ["+ap0", "+irq33", "-irq33", "-ap0", "+ap0", "-ap0"]
    assert explanation.held(locks) == {"ap0": [(0, 3), (4, 5)], "irq33": [(1, 2)]}
    assert explanation.lock_lines(locks) == ["ap0   ━━━━━━", "irq33  ━━"]
    assert explanation.held(["+dist"]) == {"dist": [(0, 0)]}
    long = ["+dist", "-dist"] * 100
    assert explanation.lock_lines(long)[-1] == f"… {200 - explanation.WIDEST} more lock operations"


def _step(changes: list[tuple[str, str, str]]) -> Step:
    part = DesignStep("old", [("rc", "0")], [1], changes, ["+dist", "-dist"], {"lock": 1}, ["LR0: x"], None)
    return Step(3, "inject 0 33 1", "a device drives <b>", [part, part])


def test_explanation_page_shows_everything_and_escapes(tmp_path: Path) -> None:
    steps = [_step([("INTID 33", "", "pending <i>")])]
    path = explanation.build_page(tmp_path / "page.html", steps, {"old": "the old <one>"}, "A & B", ["About it."])
    page = Page(path)
    assert "About it." in page.text and "pending <i>" in page.text and "the old <one>" in page.text
    assert not any(tag in ("i", "b") for tag, _ in page.tags if tag == "i")
    (changed, *_) = (row for table in page.tables for row in table.rows if row[0] == "INTID 33")
    assert changed[1:] == ["at rest", "pending <i>"]


def test_a_transition_is_explained_in_its_set_up() -> None:
    trace, first, transition = resolve("sync_done_spi_level_active", CONFIG, 0)
    assert transition is not None and first == len(trace.ops) - len(transition.set_up)
    assert int(trace.ops[-1]["kind"]) == int(transition.operations(CONFIG)[-1]["kind"])
    end = next(op for op in trace.ops[first - 1 :] if op["ref"])
    assert first <= int(end["ref"]) <= len(trace.ops), "`@K` counts the standard set-up"


def test_unknown_transition_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean"):
        resolve("sync_afer_eoi", CONFIG, 0)
    with pytest.raises(UsageError, match=r"names .* transitions"):
        resolve("overflow", CONFIG, 0)
    with pytest.raises(UsageError, match="cannot be read"):
        resolve("nowhere/no.trace", CONFIG, 0)
    with pytest.raises(UsageError, match="unknown transition or workload 'linux-idle-gicv3', did you mean 'linux-idle"):
        resolve("linux-idle-gicv3", CONFIG, 0)


def test_a_packaged_workload_is_known_by_its_name(tmp_path: Path) -> None:
    """Its own VM counts, not the one that transitions are explained in."""
    workload = workloads.get("q-linux-boot-gicv2-2cpu")
    trace, first, transition = resolve(workload.name, CONFIG, 0)
    assert (trace.config.gic, trace.config.vcpus) == (workload.gic, workload.vcpus)
    assert first == 1 and transition is None and len(trace.ops) > MOST
    runner, app = CliRunner(), build_app()
    done = runner.invoke(app, ["explain", workload.name, "--op", "5", "--json"])
    assert done.exit_code == 0, done.output
    assert [json.loads(line)["number"] for line in done.stdout.splitlines()] == [5]
    for options in ([], ["--html", str(tmp_path / "page.html")]):
        refused = runner.invoke(app, ["explain", workload.name, *options])
        assert isinstance(refused.exception, UsageError) and "expected --op N" in str(refused.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_workload_as_a_timeline(tmp_path: Path) -> None:
    path = tmp_path / "workload.pftrace"
    done = CliRunner().invoke(build_app(), ["explain", "q-linux-boot-gicv2-2cpu", "--perfetto", str(path)])
    assert done.exit_code == 0 and "ui.perfetto.dev" in done.stdout, done.output
    packets = [perfetto.read_fields(value) for field, value in perfetto.read_fields(path.read_bytes())]
    events = [
        perfetto.read_fields(dict(packet)[perfetto.TRACK_EVENT])
        for packet in packets
        if perfetto.TRACK_EVENT in dict(packet)
    ]
    kinds = Counter(dict(event)[perfetto.EVENT_NAME].decode() for event in events if dict(event)[perfetto.TYPE] == 1)
    trace, _, _ = resolve("q-linux-boot-gicv2-2cpu", CONFIG, 0)
    for kind in ("inject", "flush", "sync", "ack", "eoi", "mmio_w"):
        assert kinds[kind] == 2 * int((trace.ops["kind"] == KIND_NAMES.index(kind)).sum()), kind
    begun = {value for event in events for field, value in event if field == perfetto.FLOW}
    ended = [value for event in events for field, value in event if field == perfetto.END_FLOW]
    assert len(ended) == len(set(ended)) > 1000 and set(ended) <= begun


@pytest.mark.parametrize("name", ["old", "new"])
def test_flows_go_from_injection_to_the_end(name: str) -> None:
    trace = parse_trace(LIFE.encode(), "life")
    made = timeline(trace, get_design(name))
    by_kind = {(operation.kind, operation.vcpu): operation for operation in made.operations}
    line = made.operations[3]
    assert line.kind == "inject" and len(line.flows) == 1
    assert by_kind["flush", 0].flows == by_kind["ack", 0].flows == by_kind["eoi", 0].ends == line.flows
    sgi = made.operations[10]
    assert len(sgi.flows) == 1 and sgi.flows != line.flows
    assert by_kind["flush", 1].flows == by_kind["ack", 1].flows == by_kind["eoi", 1].ends == sgi.flows
    assert [operation.start for operation in made.operations] == list(
        np.cumsum([0] + [operation.length for operation in made.operations])[:-1]
    )


def test_lengths_are_weighted_events() -> None:
    trace = parse_trace(LIFE.encode(), "life")
    weights = np.full(EVENT_COUNT, 7.0)
    plain = timeline(trace, get_design("new"))
    weighted = timeline(trace, get_design("new"), weights)
    for a, b in zip(plain.operations, weighted.operations, strict=True):
        assert b.length == max(1, 7 * sum(a.events.values())) and a.events == b.events
    assert "instruction" in weighted.unit and "event" in plain.unit


def _timeline() -> Timeline:
    operations = [
        TimedOp(1, 0, "inject", "inject 0 40 1", 0, 300, {"lock": 2}, flows=[1]),
        TimedOp(2, 1, "flush", "flush 1", 300, 90, {}, flows=[1]),
        TimedOp(3, 1, "ack", "ack 1", 390, 1, {}, flows=[1]),
        TimedOp(4, 1, "eoi", "eoi 1 @3", 391, 1, {}, ends=[1]),
        TimedOp(5, 1, "sync", "sync 1", 392, 200, {}, bug="vgic.c:123"),
    ]
    return Timeline("new", "the new one", 2, "1 ns", operations)


def test_varints() -> None:
    assert perfetto.varint(0) == b"\x00" and perfetto.varint(300) == b"\xac\x02"
    assert perfetto.read_fields(perfetto.number(3, 2**63)) == [(3, 2**63)]


def test_guest_spans() -> None:
    assert perfetto.guest_spans(_timeline()) == {1: [(390, 392)]}


def test_perfetto_file_is_what_its_own_messages_say(tmp_path: Path) -> None:
    messages = pytest.importorskip(
        "perfetto.protos.perfetto.trace.perfetto_trace_pb2", reason="the package perfetto is not installed"
    )
    path = perfetto.write(tmp_path / "trace.pftrace", [_timeline(), _timeline()])
    trace = messages.Trace()
    trace.ParseFromString(path.read_bytes())
    unknown = pytest.importorskip("google.protobuf.unknown_fields")
    for packet in trace.packet:
        for message in (packet, packet.track_event, packet.track_descriptor):
            assert len(unknown.UnknownFieldSet(message)) == 0
    descriptors = [packet.track_descriptor for packet in trace.packet if packet.HasField("track_descriptor")]
    assert [entry.process.process_name for entry in descriptors if entry.HasField("process")] == [
        "the new one (1 ns)"
    ] * 2
    assert [entry.thread.thread_name for entry in descriptors if entry.HasField("thread")] == ["vCPU 0", "vCPU 1"] * 2
    assert len({entry.uuid for entry in descriptors}) == len(descriptors)
    events = [(packet.timestamp, packet.track_event) for packet in trace.packet if packet.HasField("track_event")]
    starts = [(time, event) for time, event in events if event.type == messages.TrackEvent.TYPE_SLICE_BEGIN]
    ends = [event for _, event in events if event.type == messages.TrackEvent.TYPE_SLICE_END]
    assert len(starts) == len(ends) == 2 * (5 + 1)
    first = starts[0][1]
    assert first.name == "inject" and len(first.flow_ids) == 1
    notes = {note.name: note.int_value or note.string_value for note in first.debug_annotations}
    assert notes == {"operation": 1, "line": "inject 0 40 1", "lock": 2}
    eoi = next(event for _, event in starts if event.name == "eoi")
    assert list(eoi.terminating_flow_ids) == list(first.flow_ids)
    flows = {event.flow_ids[0] for _, event in starts if event.name == "inject"}
    assert len(flows) == 2, "the same interrupt of another design is another flow"
    assert any(event.name == "BUG_ON vgic.c:123" for _, event in events)
    known = {entry.uuid for entry in descriptors}
    assert {event.track_uuid for _, event in events} <= known


@pytest.mark.skipif(shutil.which("trace_processor_shell") is None, reason="no trace_processor_shell on PATH")
def test_perfetto_trace_processor_reads_it(tmp_path: Path) -> None:
    processor = pytest.importorskip("perfetto.trace_processor", reason="the package perfetto is not installed")
    path = perfetto.write(tmp_path / "trace.pftrace", [_timeline()])
    config = processor.TraceProcessorConfig(bin_path=shutil.which("trace_processor_shell"))
    with processor.TraceProcessor(trace=str(path), config=config) as reader:
        assert next(iter(reader.query("select count(*) as n from slice where category = 'vgic'"))).n == 7
        assert next(iter(reader.query("select count(*) as n from flow"))).n == 3


def test_explain_prints_and_writes(tmp_path: Path) -> None:
    runner, app = CliRunner(), build_app()
    done = runner.invoke(app, ["explain", "sync_after_eoi"])
    assert done.exit_code == 0, done.output
    assert "━" in done.output and "Counted:" in done.output
    assert all(len(line) <= 80 for line in done.output.splitlines() if not line.startswith("  "))
    done = runner.invoke(app, ["explain", "sync_after_eoi", "--set-up", "--json"])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(lines) > 3 and [entry["design"] for entry in lines[-1]["designs"]] == ["old", "new"]
    (tmp_path / "life.trace").write_text(LIFE)
    arguments = [str(tmp_path / "life.trace"), "--html", str(tmp_path / "e.html"), "--perfetto", str(tmp_path / "e.pf")]
    done = runner.invoke(app, ["explain", *arguments])
    assert done.exit_code == 0, done.output
    assert len([identifier for identifier in Page(tmp_path / "e.html").ids if identifier.startswith("op-")]) == 17
    assert (tmp_path / "e.pf").stat().st_size > 1000
