# SPDX-License-Identifier: GPL-2.0-only
"""A damaged trace.dat is one clear line, whatever is damaged, and takes no memory that the file does not warrant."""

import random
import struct
from pathlib import Path

import pytest

from bench.recordings.convert import open_recording
from bench.recordings.readers.trace_dat import open_container
from kvmarm.errors import UsageError
from tests.bench.recordings import recording_files as files

GOOD = files.as_trace_dat("\n".join(files.text("kut-gicv3-active-2vcpu.ftrace.txt").splitlines()[:200]) + "\n")
FAR = (1 << 63) + 5


def read(content: bytes, tmp_path: Path) -> None:
    """Read headers and every page of a trace.dat."""
    path = tmp_path / "trace.dat"
    path.write_bytes(content)
    container = open_container(iter([content]), str(path), "trace.dat")
    for _, offset, size in container.cpus:
        for _ in container.pages(offset, size):
            pass


def version_7(options: list[tuple[int, bytes]], page_size: int = 4096) -> bytes:
    """Return a trace.dat of version 7, not compressed, with these options."""
    head = b"\x17\x08\x44tracing7\0" + struct.pack("<BBI", 0, 8, page_size) + b"none\0\0"
    body = b"".join(struct.pack("<HI", number, len(data)) + data for number, data in options)
    return head + struct.pack("<Q", len(head) + 8) + struct.pack("<HHIQ", 0, 0, 0, len(body)) + body + bytes(200)


BUFFER = struct.pack("<Q", 300) + b"main\0local\0" + struct.pack("<IIIQQ", 4096, 1, 0, 100, 10)


def test_the_undamaged_ones_are_read(tmp_path: Path) -> None:
    read(GOOD, tmp_path)
    read(version_7([(3, BUFFER)]), tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (version_7([(3, BUFFER[:-7])]), "ring buffer is cut off"),
        (version_7([(3, BUFFER[:10])]), "ring buffer is cut off"),
        (version_7([(3, struct.pack("<Q", 300) + b"main\0local\0" + struct.pack("<II", 0, 1))]), "cut off"),
        (version_7([(18, struct.pack("<Q", FAR)), (3, BUFFER)]), f"byte {FAR}"),
        (version_7([(3, BUFFER)], page_size=1 << 31), "pages of 2147483648 bytes"),
        (version_7([(3, BUFFER.replace(struct.pack("<QQ", 100, 10), struct.pack("<QQ", FAR, 10)))]), f"byte {FAR}"),
    ],
)
def test_what_is_damaged_is_said(content: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=reason):
        read(content, tmp_path)


def test_random_damage_is_never_more_than_a_line(tmp_path: Path) -> None:
    refused = 0
    for seed in range(150):
        rng = random.Random(seed)
        content = bytearray(GOOD if seed % 2 else version_7([(3, BUFFER), (18, struct.pack("<Q", 60))]))
        for _ in range(rng.randrange(1, 4)):
            content[rng.randrange(10, min(len(content), 600))] = rng.choice([0, 0x7F, 0xFF, rng.randrange(256)])
        try:
            read(bytes(content), tmp_path)
        except UsageError:
            refused += 1
    assert refused > 20


def test_a_vcpu_that_cannot_be_is_left_out(tmp_path: Path) -> None:
    text = files.text("kut-gicv3-active-2vcpu.ftrace.txt").splitlines()[:400]
    place = next(number for number, line in enumerate(text) if "IRQ 27" in line and "pending" in line)
    lines = list(text)
    lines.insert(place + 1, text[place].replace("VCPU: 0", "VCPU: 4026531840"))
    map_place = next(number for number, line in enumerate(text) if "kvm_get_timer_map" in line and "kvm-vcpu" in line)
    lines.insert(map_place + 1, text[map_place].replace("VCPU: 0", "VCPU: 513"))
    found = []
    for name, content in (("good.dat", text), ("bad.dat", lines)):
        (tmp_path / name).write_bytes(files.as_trace_dat("\n".join(content) + "\n"))
        with open_recording(str(tmp_path / name)) as recording:
            found.append(files.lines_of(recording))
    assert found[0] == found[1]


def test_a_clock_that_goes_back_is_a_damaged_page(tmp_path: Path) -> None:
    text = files.text("linux5.10-kut-gicv3-ipi-2vcpu.ftrace.txt")
    content = bytearray(files.as_trace_dat(text))
    begin, size = struct.unpack_from("<QQ", content, content.index(b"flyrecord\0") + 10)
    assert size >= 2 * 4096
    struct.pack_into("<Q", content, begin + 4096, 5)
    (tmp_path / "back.dat").write_bytes(content)
    with open_recording(str(tmp_path / "back.dat")) as recording:
        operations = [line for line in files.lines_of(recording) if line.startswith(("flush", "sync"))]
    assert recording.lines["malformed"] == 1 and recording.lines["out_of_order"] == 0
    assert len(operations) > 800
    lines = recording.lines
    assert lines["lines"] == lines["events"] + lines["other"] + lines["malformed"]
