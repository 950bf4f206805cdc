# SPDX-License-Identifier: GPL-2.0-only
"""The trace format: what is legal, and what is said of what is not."""

import lzma
from pathlib import Path

import pytest

from kvmarm.errors import UsageError
from kvmarm.trace import format_trace
from kvmarm.trace_read import parse_trace, read_trace

V2 = "config gic=2 vcpus=2 irqs=96 lrs=4\n"
V3 = "config gic=3 vcpus=17 irqs=96 lrs=4\n"

BAD = [
    ("", "empty"),
    ("flush 0\n", "t.trace:1: expected `config"),
    ("# nothing\nconfig gic=2 vcpus=2 irqs=96\n", "t.trace:2: config: fields gic vcpus irqs, expected"),
    ("config vcpus=2 gic=2 irqs=96 lrs=4\n", "in this order"),
    ("config gic=4 vcpus=2 irqs=96 lrs=4\n", "gic=4: expected 2 or 3"),
    ("config gic=2 vcpus=9 irqs=96 lrs=4\n", "vcpus=9: expected 1..8 with GICv2"),
    ("config gic=3 vcpus=300 irqs=96 lrs=4\n", "vcpus=300: expected 1..255"),
    ("config gic=2 vcpus=2 irqs=100 lrs=4\n", "irqs=100: expected a multiple of 32"),
    ("config gic=3 vcpus=2 irqs=96 lrs=17\n", "lrs=17: expected 1..16 with GICv3"),
    ("config gic=2 vcpus=two irqs=96 lrs=4\n", "vcpus 'two': expected a decimal or 0x-hex number"),
    (V2 + "frob 0\n", "t.trace:2: unknown operation 'frob'"),
    (V2 + "\n# c\nflush\n", "t.trace:4: flush: 0 arguments, expected 1 (VCPU)"),
    (V2 + "flush 0 0\n", "flush: 2 arguments"),
    (V2 + "flush 2\n", "VCPU 2: expected 0..1"),
    (V2 + "flush x\n", "VCPU 'x': expected a decimal or 0x-hex number"),
    (V2 + "flush -1\n", "VCPU '-1'"),
    (V2 + "inject 0 15 1\n", "INTID 15: expected 16..4294967295"),
    (V2 + "inject 0 32 2\n", "LEVEL 2: expected 0..1"),
    (V2 + "injectm 0 96 1\n", "VINTID 96: expected 16..95"),
    (V2 + "map 0 32 1020\n", "PINTID 1020: expected 16..1019"),
    (V2 + "phys 32 3\n", "ACTIVE 3: expected 0..1"),
    (V2 + "mmio_r 0 q 0 4\n", "REGION 'q': unknown register frame, expected d"),
    (V2 + "mmio_r 0 r0 0 4\n", "REGION 'r0': unknown register frame"),
    (V3 + "mmio_r 0 r17 0 4\n", "REGION r 17: expected 0..16"),
    (V2 + "mmio_r 0 d 0 3\n", "SIZE 3: expected 1, 2, 4 or 8"),
    (V2 + "mmio_r 0 d 0x102 4\n", "OFFSET 0x102: expected a multiple of SIZE 4"),
    (V2 + "mmio_r 0 d 0x1000 4\n", "OFFSET 0x1000: expected one inside the frame"),
    (V2 + "mmio_w 0 d 0x100 4 0x10000000000000000\n", "expected a number of at most 64 bits"),
    (V2 + "mmio_w 0 d 0x100 4 18446744073709551616\n", "expected a number of at most 64 bits"),
    (V2 + "sgi1r 0 1\n", "sgi1r: expected a GICv3 configuration"),
    (V2 + "flush 0\neoi 0 @1\n", "VALUE @1: expected the number of an earlier ack or mmio_r"),
    (V2 + "flush 0\neoi 0 @9\n", "VALUE @9: expected the number of an earlier ack or mmio_r"),
    (V2 + "flush 0\neoi 0 @\n", "VALUE ''"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_one_line_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_trace(text.encode(), name="t", source="t.trace")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2


def test_every_form_is_read_and_written_back() -> None:
    text = (
        V3 + "inject 0 40 1  # a comment\n\n   \nmap 3 27 27\nunmap 3 27\ninjectm 3 0x1b 0\nphys 27 1\n"
        "mmio_w 0 d 0x100 4 0xffffffffffffffff\nmmio_r 16 r16 0x10400 1\nmmio_w 0 d 0x104 4 @7\nsgi1r 0 0x10000000001\n"
        "flush 0\nack 0\neoi 0 @11\ndir 0 1023\npmr 0 0xf8\nctlr 0 0x3\nbpr 0 2\nsync 0\npending 0\nisactive 0 27\n"
    )
    trace = parse_trace(text.encode())
    assert len(trace.ops) == 19
    assert [int(line) for line in trace.ops["line"][:2]] == [2, 5]
    again = parse_trace("\n".join(format_trace(trace.config, trace.ops)).encode())
    for name in trace.ops.dtype.names:
        if name != "line":
            assert (again.ops[name] == trace.ops[name]).all(), name


def test_without_a_last_newline_and_with_carriage_returns() -> None:
    assert len(parse_trace((V2 + "flush 0\r\nsync 0").encode()).ops) == 2


def test_compressed_and_cut_off(tmp_path: Path) -> None:
    whole = lzma.compress((V2 + "flush 0\n" * 1000).encode())
    (tmp_path / "a.trace.xz").write_bytes(whole)
    (tmp_path / "b.trace.xz").write_bytes(whole[:-20])
    trace = read_trace(tmp_path / "a.trace.xz")
    assert (trace.name, len(trace.ops)) == ("a", 1000)
    with pytest.raises(UsageError, match=r"b\.trace\.xz: not a complete xz file"):
        read_trace(tmp_path / "b.trace.xz")


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_trace(tmp_path / "none.trace")
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        read_trace(tmp_path)


def test_binary_junk() -> None:
    with pytest.raises(UsageError, match=r"t\.trace:1: expected `config"):
        parse_trace(bytes(range(256)) * 10, source="t.trace")
    with pytest.raises(UsageError, match=r"t\.trace:2: "):
        parse_trace(V2.encode() + b"\x00\x01\x02\xff flush", source="t.trace")
