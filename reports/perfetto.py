# SPDX-License-Identifier: GPL-2.0-only
"""A timeline as a Perfetto trace: a process per design, a track per vCPU, flows from injection to EOI.

The file is the protobuf message perfetto.protos.Trace; the few messages and fields it needs are encoded here, so that
no library is needed to write one. Field numbers are after protos/perfetto/trace/*.proto of the Perfetto project.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.explain.timeline import TimedOp, Timeline
from kvmarm.files import atomic_write

# Trace.packet; TracePacket's fields.
PACKET = 1
TIMESTAMP, SEQUENCE, TRACK_EVENT, SEQUENCE_FLAGS, TRACK_DESCRIPTOR = 8, 10, 11, 13, 60
INCREMENTAL_STATE_CLEARED = 1
# TrackDescriptor: uuid, name, parent; process and thread descriptors in it.
UUID, NAME, PROCESS, THREAD, PARENT = 1, 2, 3, 4, 5
PROCESS_PID, PROCESS_NAME = 1, 6
THREAD_PID, THREAD_TID, THREAD_NAME = 1, 2, 5
# TrackEvent.
ANNOTATION, TYPE, TRACK_UUID, EVENT_NAME, CATEGORY, FLOW, END_FLOW = 4, 9, 11, 23, 22, 47, 48
SLICE_BEGIN, SLICE_END, INSTANT = 1, 2, 3
# DebugAnnotation.
ANNOTATION_INT, ANNOTATION_STRING, ANNOTATION_NAME = 4, 6, 10
ONE_SEQUENCE = 1
_BYTES = [bytes((value,)) for value in range(0x80)]


def varint(value: int) -> bytes:
    """Return an unsigned number in protobuf's variable-length form."""
    if value < 0x80:
        return _BYTES[value]
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """Return a varint field."""
    return varint(field << 3) + varint(value)


def fixed64(field: int, value: int) -> bytes:
    """Return a fixed64 field."""
    return varint(field << 3 | 1) + value.to_bytes(8, "little")


def block(field: int, data: bytes | str) -> bytes:
    """Return a length-delimited field: text, bytes or an embedded message."""
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def _packet(*fields: bytes) -> bytes:
    return block(PACKET, b"".join(fields) + number(SEQUENCE, ONE_SEQUENCE))


@lru_cache(maxsize=4096)
def _annotation(name: str, value: int | str) -> bytes:
    encoded = number(ANNOTATION_INT, value) if isinstance(value, int) else block(ANNOTATION_STRING, value)
    return block(ANNOTATION, block(ANNOTATION_NAME, name) + encoded)


def _event(time: int, kind: int, track: int, *fields: bytes) -> bytes:
    return _packet(
        number(TIMESTAMP, time), block(TRACK_EVENT, number(TYPE, kind) + number(TRACK_UUID, track) + b"".join(fields))
    )


def _track(process: int, vcpu: int) -> int:
    return process * 10_000 + vcpu + 1


def _operation(operation: TimedOp, process: int) -> Iterator[bytes]:
    track = _track(process, operation.vcpu)
    # Counts repeat from operation to operation; numbers and lines do not, and would push them out of the cache.
    own = _annotation.__wrapped__
    notes = [own("operation", operation.number), own("line", operation.line)]
    notes += [_annotation(name, count) for name, count in operation.events.items()]
    # Flow numbers are the trace's own; the same interrupt of another design is another flow.
    flows = [fixed64(FLOW, process << 40 | flow) for flow in operation.flows]
    flows += [fixed64(END_FLOW, process << 40 | flow) for flow in operation.ends]
    yield _event(
        operation.start, SLICE_BEGIN, track, block(EVENT_NAME, operation.kind), block(CATEGORY, "vgic"), *notes, *flows
    )
    if operation.bug:
        yield _event(
            operation.start + operation.length,
            INSTANT,
            track,
            block(EVENT_NAME, f"BUG_ON {operation.bug}"),
            block(CATEGORY, "vgic"),
        )
    yield _event(operation.start + operation.length, SLICE_END, track)


def encode(timelines: Iterable[Timeline]) -> Iterator[bytes]:
    """Yield the packets of a Perfetto trace of these timelines."""
    yield _packet(number(SEQUENCE_FLAGS, INCREMENTAL_STATE_CLEARED))
    for process, timeline in enumerate(timelines, 1):
        root = process * 10_000
        name = f"{timeline.title} ({timeline.unit})"
        descriptor = block(PROCESS, number(PROCESS_PID, process) + block(PROCESS_NAME, name))
        yield _packet(block(TRACK_DESCRIPTOR, number(UUID, root) + descriptor))
        for vcpu in range(timeline.vcpus):
            thread = (
                number(THREAD_PID, process) + number(THREAD_TID, root + vcpu + 1) + block(THREAD_NAME, f"vCPU {vcpu}")
            )
            yield _packet(
                block(
                    TRACK_DESCRIPTOR, number(UUID, _track(process, vcpu)) + number(PARENT, root) + block(THREAD, thread)
                )
            )
        for operation in timeline.operations:
            yield from _operation(operation, process)
        for vcpu, spans in guest_spans(timeline).items():
            track = root + 5000 + vcpu
            yield _packet(
                block(
                    TRACK_DESCRIPTOR,
                    number(UUID, track) + number(PARENT, _track(process, vcpu)) + block(NAME, "in the guest"),
                )
            )
            for start, end in spans:
                yield _event(start, SLICE_BEGIN, track, block(EVENT_NAME, "guest"), block(CATEGORY, "vgic"))
                yield _event(end, SLICE_END, track)


def guest_spans(timeline: Timeline) -> dict[int, list[tuple[int, int]]]:
    """Return for each vCPU when it was in the guest: from the end of a flush to the start of the next sync."""
    entered: dict[int, int] = {}
    spans: dict[int, list[tuple[int, int]]] = {}
    for operation in timeline.operations:
        if operation.kind == "flush":
            entered[operation.vcpu] = operation.start + operation.length
        elif operation.kind == "sync" and operation.vcpu in entered:
            spans.setdefault(operation.vcpu, []).append((entered.pop(operation.vcpu), operation.start))
    return spans


def write(path: str | Path, timelines: Iterable[Timeline]) -> Path:
    """Write a Perfetto trace file and return its path. Raises UsageError when it cannot be written."""
    with atomic_write(path) as file:
        for packet in encode(timelines):
            file.write(packet)
    return Path(path)


def read_fields(data: bytes) -> list[tuple[int, Any]]:
    """Return (field, value) pairs of a protobuf message; embedded messages as bytes. For checks."""
    fields: list[tuple[int, Any]] = []
    place = 0

    def read_varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(data):
        key = read_varint()
        field, wire = key >> 3, key & 7
        if wire == 0:
            fields.append((field, read_varint()))
        elif wire == 1:
            fields.append((field, int.from_bytes(data[place : place + 8], "little")))
            place += 8
        elif wire == 2:
            length = read_varint()
            fields.append((field, data[place : place + length]))
            place += length
        else:
            raise ValueError(f"wire type {wire}")
    return fields
