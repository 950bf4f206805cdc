# SPDX-License-Identifier: GPL-2.0-only
"""The legacy design's register frames: ranges, access sizes, and registers that differ from the architecture."""

import pytest

from kvmarm.config import VmConfig
from kvmarm.design import get_design
from tests.model_text import results_of

DESIGN = get_design("old")
V2 = VmConfig(gic=2, vcpus=3, irqs=96, lrs=4)
V3 = VmConfig(gic=3, vcpus=18, irqs=96, lrs=4)


def run(config: VmConfig, *lines: str) -> list[dict[str, str]]:
    """Return the outcome of each line."""
    return list(results_of(config, list(lines), DESIGN))


def read(config: VmConfig, access: str, *before: str) -> str:
    """Return the value of `mmio_r ACCESS` after some lines, or "unhandled"."""
    last = run(config, *before, f"mmio_r {access}")[-1]
    return last["value"] if last["handled"] == "1" else "unhandled"


@pytest.mark.parametrize(
    ("access", "value"),
    [
        ("0 d 0x0 8", "0x4200000000"),  # CTLR, TYPER and IIDR are one range
        ("0 d 0x8 8", "unhandled"),
        ("0 d 0x8 4", "0x4b00043b"),
        ("0 d 0xb 1", "0x4b"),
        ("0 d 0xc 4", "unhandled"),
        ("0 d 0x7c 4", "unhandled"),
        ("0 d 0x80 4", "0x0"),
        ("0 d 0x110 4", "0x0"),  # beyond the INTIDs: handled, zero
        ("0 d 0xd00 4", "unhandled"),
        ("0 d 0xf00 4", "0x0"),
        ("0 d 0xf00 8", "unhandled"),
        ("0 d 0xf04 4", "unhandled"),
        ("2 d 0x800 4", "0x4040404"),  # private targets: the accessing vCPU's bit
        ("0 d 0x820 4", "0x1010101"),
        ("0 d 0xc00 4", "0xaaaaaaaa"),  # SGIs are edge-triggered
        ("0 d 0xc04 4", "0x0"),
        ("0 d 0x100 4", "0xffff"),
    ],
)
def test_gicv2_frame(access: str, value: str) -> None:
    assert read(V2, access) == value


@pytest.mark.parametrize(
    ("access", "value"),
    [
        ("0 d 0x0 4", "0x50"),
        ("0 d 0x0 8", "unhandled"),
        ("0 d 0x4 4", "0x480002"),
        ("0 d 0x84 4", "0xffffffff"),
        ("0 d 0x80 4", "0xffffffff"),
        ("0 d 0x100 4", "0x0"),  # private interrupts are the redistributors'
        ("0 d 0xc00 4", "0x0"),
        ("0 d 0x820 4", "0x0"),
        ("0 d 0x6000 8", "unhandled"),
        ("0 d 0x6104 4", "0x0"),
        ("0 d 0xffe8 4", "0x3b"),
        ("0 d 0xffe9 1", "0x0"),
        ("3 r17 0x8 8", "0x10100001110"),
        ("3 r2 0x8 4", "0x200"),
        ("3 r2 0x10 4", "unhandled"),
        ("3 r2 0x14 4", "0x0"),
        ("3 r2 0x10100 4", "0xffff"),
        ("3 r2 0x10100 8", "unhandled"),
        ("3 r2 0x10400 8", "0x0"),
        ("3 r2 0x10c00 8", "0xaaaaaaaa"),
        ("3 r2 0xffe8 4", "0x3b"),
    ],
)
def test_gicv3_frames(access: str, value: str) -> None:
    assert read(V3, access) == value


def test_registers_beyond_the_interrupts_ignore_writes() -> None:
    *_, outcome = run(V2, "mmio_w 0 d 0x110 4 0xffffffff")
    assert (outcome["handled"], outcome["kicks"]) == ("1", "")
    assert read(V2, "0 d 0x10c 4", "mmio_w 0 d 0x10c 4 0xff") == "0x0"


def test_narrow_accesses_of_every_kind_of_register() -> None:
    assert read(V2, "0 d 0x104 4", "mmio_w 0 d 0x105 1 0x81", "mmio_w 0 d 0x106 2 0x8001") == "0x80018100"
    assert read(V2, "0 d 0x106 2", "mmio_w 0 d 0x104 4 0x12345678") == "0x1234"
    assert read(V2, "0 d 0x420 4", "mmio_w 0 d 0x422 1 0xf7") == "0xf70000", "all 8 bits of a priority are kept"
    assert read(V2, "0 d 0xc08 4", "mmio_w 0 d 0xc09 1 0xff") == "0xaa00"
    assert read(V2, "0 d 0x820 4", "mmio_w 0 d 0x822 1 0x6") == "0x1020101", "the lowest target counts"
    assert read(V2, "0 d 0x820 4", "mmio_w 0 d 0x822 1 0x2", "mmio_w 0 d 0x822 1 0") == "0x1010101", "none: vCPU 0"
    assert read(V2, "0 d 0x0 4", "mmio_w 0 d 0x0 4 1", "mmio_w 0 d 0x1 1 0") == "0x1"


def test_wide_accesses_are_two_narrow_ones() -> None:
    assert read(V2, "0 d 0x104 4", "mmio_w 0 d 0x100 8 0x1234567800000000") == "0x12345678"
    assert read(V2, "0 d 0x400 8", "mmio_w 0 d 0x400 8 0x0807060504030201") == "0x807060504030201"


def test_sgis_stay_enabled() -> None:
    assert read(V2, "0 d 0x100 4", "mmio_w 0 d 0x180 4 0xffffffff") == "0xffff"
    assert read(V3, "0 r1 0x10100 4", "mmio_w 0 r1 0x10180 4 0xffffffff") == "0xffff"


def test_clearing_pending_keeps_what_the_line_holds_in_the_whole_word() -> None:
    lines = ["inject 0 33 1", "mmio_w 0 d 0x204 4 0x4", "mmio_w 0 d 0x287 1 0xff"]
    assert read(V2, "0 d 0x204 4", *lines) == "0x6"
    assert read(V2, "0 d 0x204 4", *lines, "mmio_w 0 d 0x284 4 0xffffffff") == "0x2"


def test_a_redistributor_acts_on_its_own_vcpu() -> None:
    assert read(V3, "5 r4 0x10200 4", "mmio_w 0 r4 0x10200 4 0x100000") == "0x100000"
    assert read(V3, "4 r5 0x10200 4", "mmio_w 0 r4 0x10200 4 0x100000") == "0x0"


def test_route_registers() -> None:
    write = "mmio_w 0 d 0x6110 8 0xff000001fe000101"
    assert read(V3, "0 d 0x6110 8", write) == "0x101", "bits 31:24 and the upper half are dropped"
    on = ["mmio_w 0 d 0x0 4 2", "mmio_w 0 d 0x104 4 4"]
    *_, injected = run(V3, *on, write, "inject 0 34 1")
    assert injected["kicks"] == "17"


def test_sgi_to_another_cluster_hits_this_one() -> None:
    on = "mmio_w 0 d 0x0 4 2"
    *_, sent = run(V3, on, "sgi1r 0 0x00ff00ff05000003")
    assert sent["kicks"] == "0,1", "Aff2 and Aff3 are not looked at"
    *_, sent = run(V3, on, "sgi1r 0 0x5010003")
    assert sent["kicks"] == "16,17"
    *_, sent = run(V3, on, "sgi1r 17 0x10005000000")
    assert sent["kicks"] == ",".join(str(vcpu) for vcpu in range(17))


def test_an_sgi_register_write_that_names_nobody_still_kicks() -> None:
    *_, outcome = run(V2, "mmio_w 0 d 0x0 4 1", "mmio_w 0 d 0xf00 4 0x20002", "mmio_w 2 d 0xf00 4 0x2")
    assert outcome["kicks"] == "1"


def test_active_write_alone_kicks_nobody() -> None:
    *_, outcome = run(V2, "mmio_w 0 d 0x0 4 1", "mmio_w 0 d 0x104 4 4", "mmio_w 0 d 0x304 4 4")
    assert outcome["kicks"] == ""
