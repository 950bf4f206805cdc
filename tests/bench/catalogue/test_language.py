# SPDX-License-Identifier: GPL-2.0-only
import pytest

from bench.catalogue.language import compile_lines, trace_lines, translate
from bench.catalogue.standard import standard_set_up, standing_intids
from kvmarm.config import VmConfig
from kvmarm.errors import UsageError
from kvmarm.trace import KIND_NAMES, format_op, parse_line

V2 = VmConfig(2, 4, 256, 4)
V3 = VmConfig(3, 20, 256, 4)


@pytest.mark.parametrize(
    ("line", "v2", "v3"),
    [
        ("set ISENABLER 34", "mmio_w 0 d 0x104 4 0x4", "mmio_w 0 d 0x104 4 0x4"),
        ("set ISENABLER 32..63", "mmio_w 0 d 0x104 4 0xffffffff", "mmio_w 0 d 0x104 4 0xffffffff"),
        ("set ICPENDR 27", "mmio_w 0 d 0x280 4 0x8000000", "mmio_w 0 r0 0x10280 4 0x8000000"),
        ("set ICPENDR 27 by 3", "mmio_w 3 d 0x280 4 0x8000000", "mmio_w 3 r3 0x10280 4 0x8000000"),
        ("byte IPRIORITYR 34 0x50", "mmio_w 0 d 0x422 1 0x50", "mmio_w 0 d 0x422 1 0x50"),
        ("byte IPRIORITYR 27 0", "mmio_w 0 d 0x41b 1 0x0", "mmio_w 0 r0 0x1041b 1 0x0"),
        ("put IPRIORITYR 34 0xa0a00000", "mmio_w 0 d 0x420 4 0xa0a00000", "mmio_w 0 d 0x420 4 0xa0a00000"),
        ("get TARGET 34", "mmio_r 0 d 0x820 4", "mmio_r 0 d 0x6110 8"),
        ("get ICFGR 34", "mmio_r 0 d 0xc08 4", "mmio_r 0 d 0xc08 4"),
        ("configure 34 edge", "mmio_w 0 d 0xc08 4 0xaaaaaaa2", "mmio_w 0 d 0xc08 4 0xaaaaaaa2"),
        ("configure 34 level", "mmio_w 0 d 0xc08 4 0xaaaaaa82", "mmio_w 0 d 0xc08 4 0xaaaaaa82"),
        ("route 34 {last}", "mmio_w 0 d 0x822 1 0x8", "mmio_w 0 d 0x6110 8 0x103"),
        ("sgi 0 1 {last}", "mmio_w 0 d 0xf00 4 0x80001", "sgi1r 0 0x1010008"),
        ("sgi 1 2 self", "mmio_w 1 d 0xf00 4 0x2000002", "sgi1r 1 0x2000002"),
        ("sgi 0 1 others", "mmio_w 0 d 0xf00 4 0x1000001", "sgi1r 0 0x10001000000"),
        ("sgi 0 1 all", "mmio_w 0 d 0xf00 4 0xf0001", "sgi1r 0 0x100ffff"),
        ("put CTLR 0 {enable}", "mmio_w 0 d 0x0 4 0x1", "mmio_w 0 d 0x0 4 0x2"),
        ("ctlr 0 {eoimode1}", "ctlr 0 513", "ctlr 0 514"),
    ],
)
def test_words_stand_for_the_architectures_accesses(line: str, v2: str, v3: str) -> None:
    assert translate(line, V2) == v2
    assert translate(line, V3) == v3


def test_last_ack_is_resolved_to_its_number() -> None:
    lines = trace_lines(["inject 0 32 1", "flush 0", "ack 0", "eoi 0 @ack"], V2)
    assert lines[-1] == "eoi 0 @3"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("jump 0", "unknown word 'jump'"),
        ("set NOSUCH 34", "register 'NOSUCH'"),
        ("set IPRIORITYR 34", "one bit an interrupt"),
        ("get ISPENDR", "1 arguments, expected 2"),
        ("inject 0 {nothing} 1", "nothing"),
        ("inject 9 34 1", "VCPU 9"),
        ("eoi 0 @ack", "expected an ack before it"),
        ("route 34 x", "VCPU 'x'"),
    ],
)
def test_a_wrong_line_is_named(line: str, says: str) -> None:
    with pytest.raises(UsageError, match="here: line 1") as caught:
        compile_lines([line], V2, "here")
    assert says in str(caught.value)


@pytest.mark.parametrize("config", [V2, V3, VmConfig(3, 1, 1024, 1)])
def test_the_standard_set_up_is_a_legal_trace(config: VmConfig) -> None:
    ops = standard_set_up(config, 4)
    for op in ops:
        assert parse_line(format_op(op), config, ()) is not None
    kinds = [KIND_NAMES[kind] for kind in ops["kind"]]
    assert kinds.count("flush") == kinds.count("sync") == config.vcpus
    assert kinds[-4:] == ["inject"] * 4


def test_standing_interrupts_are_spread_evenly_and_fit() -> None:
    assert standing_intids(VmConfig(2, 1, 64, 4), 4) == [36, 43, 50, 57]
    assert len(set(standing_intids(VmConfig(2, 1, 1024, 4), 256))) == 256
    with pytest.raises(UsageError, match=r"pending=29: expected 0\.\.28"):
        standing_intids(VmConfig(2, 1, 64, 4), 29)
