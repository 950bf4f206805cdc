# SPDX-License-Identifier: GPL-2.0-only
"""The redesign's registers: which accesses they take, what they read, what they keep."""

import pytest

from kvmarm.config import VmConfig
from tests.vgic_new.snippets import V2, V2_ON, V2_TOP, V3, run

V3_WIDE = VmConfig(gic=3, vcpus=20, irqs=128, lrs=4)


def _value(config: VmConfig, *lines: str) -> str:
    return run(config, *lines)[-1]["value"]


@pytest.mark.parametrize(
    ("config", "load", "value"),
    [
        (V2, "mmio_r 0 d 0x4 4", "0x22"),
        (V2, "mmio_r 0 d 0x8 4", "0x4b00043b"),
        (V2, "mmio_r 0 d 0xc 4", "0x0"),
        (V2, "mmio_r 0 d 0x80 4", "0xffffffff"),
        (V2, "mmio_r 0 d 0xfe8 4", "0x0"),
        (V2_TOP, "mmio_r 0 d 0x4 4", "0x1f"),
        (V2_TOP, "mmio_r 0 d 0xfc 4", "0xffffffff"),
        (V3, "mmio_r 0 d 0x0 4", "0x50"),
        (V3, "mmio_r 0 d 0x4 4", "0x480002"),
        (V3, "mmio_r 0 d 0xffe8 4", "0x3b"),
        (V3, "mmio_r 0 d 0x80 4", "0x0"),
        (V3, "mmio_r 0 d 0x84 4", "0xffffffff"),
        (V3, "mmio_r 0 d 0x8c 4", "0x0"),
        (V3, "mmio_r 0 r1 0x10080 4", "0xffffffff"),
        (V3, "mmio_r 0 r1 0xffe8 4", "0x3b"),
        (V3, "mmio_r 0 r1 0x1ffe8 4", "0x0"),
        (V3, "mmio_r 0 r1 0x4 4", "0x4b00043b"),
        (V3, "mmio_r 0 r0 0x8 8", "0x0"),
        (V3, "mmio_r 0 r1 0x8 8", "0x100000110"),
        (V3_WIDE, "mmio_r 0 r17 0xc 4", "0x101"),
        (V3_WIDE, "mmio_r 0 r19 0x8 4", "0x1310"),
        (V3, "mmio_r 0 r0 0x78 8", "0x580"),
        (V3, "mmio_r 0 r0 0x70 8", "0x0"),
        (V3, "mmio_r 0 r0 0x14 4", "0x0"),
    ],
)
def test_fixed_values(config: VmConfig, load: str, value: str) -> None:
    assert run(config, load) == [
        {"n": "1", "op": "mmio_r", "handled": "1", "value": value, "kicks": ""},
    ]


@pytest.mark.parametrize(
    "access",
    ["mmio_r 0 d 0x104 1", "mmio_r 0 d 0x104 2", "mmio_r 0 d 0x100 8", "mmio_r 0 d 0x420 2", "mmio_r 0 d 0x420 8"],
)
def test_sizes_a_register_does_not_take_read_zero(access: str) -> None:
    assert _value(V2, *V2_ON, "mmio_w 0 d 0x420 4 0xf8f8f8f8", access) == "0x0"


def test_priority_keeps_five_bits_and_takes_bytes() -> None:
    lines = ["mmio_w 0 d 0x420 4 0xffffffff", "mmio_w 0 d 0x421 1 0x47", "mmio_w 0 d 0x422 2 0"]
    assert _value(V2, *lines, "mmio_r 0 d 0x420 4") == "0xf8f840f8"


def test_private_fields_are_the_accessing_vcpus() -> None:
    lines = ["mmio_w 1 d 0x400 4 0xa0", "mmio_w 1 d 0x180 4 1"]
    assert _value(V2, *lines, "mmio_r 0 d 0x400 4") == "0x0"
    assert _value(V2, *lines, "mmio_r 1 d 0x400 4") == "0xa0"
    assert _value(V2, *lines, "mmio_r 1 d 0x100 4") == "0xfffe"


def test_interrupts_beyond_the_vms_own_read_zero() -> None:
    assert _value(V2, "mmio_w 0 d 0x460 4 0xf8f8f8f8", "mmio_r 0 d 0x460 4") == "0x0"
    assert _value(V2, "mmio_r 0 d 0xc18 4") == "0x0"


def test_reserved_interrupts_read_zero_and_keep_nothing() -> None:
    top = 1020
    lines = [f"mmio_w 0 d {0x400 + top:#x} 4 0xf8f8f8f8", f"mmio_w 0 d {0x100 + 4 * 31:#x} 4 0xffffffff"]
    assert _value(V2_TOP, *lines, f"mmio_r 0 d {0x400 + top:#x} 4") == "0x0"
    assert _value(V2_TOP, *lines, f"mmio_r 0 d {0x100 + 4 * 31:#x} 4") == "0xfffffff"
    assert _value(V2_TOP, f"mmio_r 0 d {0xC00 + 4 * 63:#x} 4") == "0xaaaaaa"


def test_configuration_of_private_interrupts_is_fixed() -> None:
    lines = ["mmio_w 0 d 0xc00 4 0", "mmio_w 0 d 0xc04 4 0xffffffff"]
    assert _value(V2, *lines, "mmio_r 0 d 0xc00 4") == "0xaaaaaaaa"
    assert _value(V2, *lines, "mmio_r 0 d 0xc04 4") == "0x0"
    assert _value(V3, "mmio_w 0 r0 0x10c04 4 0xffffffff", "mmio_r 0 r0 0x10c04 4") == "0x0"


def test_sgi_sources_are_set_and_cleared_by_byte() -> None:
    on = "mmio_w 0 d 0x0 4 1"
    *_, kicked, sources, one, left, _, state = run(
        V2,
        on,
        "mmio_w 1 d 0xf24 4 0x00030000",
        "mmio_r 1 d 0xf14 4",
        "mmio_w 1 d 0xf16 1 1",
        "mmio_r 1 d 0xf26 1",
        "mmio_w 1 d 0xf16 1 2",
        "mmio_r 1 d 0x200 4",
    )
    assert kicked["kicks"] == "1"
    assert (sources["value"], left["value"]) == ("0x30000", "0x2")
    assert one["handled"] == "1"
    assert state["value"] == "0x0", "no sender left, not pending"


def test_sgir_filters() -> None:
    config = VmConfig(gic=2, vcpus=4, irqs=64, lrs=4)
    *_, listed, others, self_only, nobody = run(
        config,
        "mmio_w 0 d 0x0 4 1",
        "mmio_w 1 d 0xf00 4 0x00f50001",
        "mmio_w 1 d 0xf00 4 0x01000002",
        "mmio_w 1 d 0xf00 4 0x02000003",
        "mmio_w 1 d 0xf00 4 0x03ff0004",
    )
    assert listed["kicks"] == "0,2"
    assert others["kicks"] == "0,2,3"
    assert self_only["kicks"] == "1"
    assert nobody["kicks"] == ""


def test_router_halves() -> None:
    router = 0x6000 + 8 * 40
    lines = [f"mmio_w 0 d {router:#x} 8 0xffffffff80020103", f"mmio_w 0 d {router + 4:#x} 4 0x55"]
    assert _value(V3, *lines, f"mmio_r 0 d {router:#x} 8") == "0x20103"
    assert _value(V3, *lines, f"mmio_r 0 d {router + 4:#x} 4") == "0x0"
    assert _value(V3, *lines, f"mmio_w 0 d {router:#x} 4 1", f"mmio_r 0 d {router:#x} 4") == "0x1"
    assert _value(V3, "mmio_w 0 d 0x60f8 8 1", "mmio_r 0 d 0x60f8 8") == "0x0", "private ones have no route"


def test_table_bases_are_made_valid() -> None:
    ones = "0xffffffffffffffff"
    assert _value(V3, f"mmio_w 0 r0 0x70 8 {ones}", "mmio_r 0 r1 0x70 8") == "0x100ffffffffff9f", "one a VM"
    assert _value(V3, f"mmio_w 0 r0 0x78 8 {ones}", "mmio_r 0 r1 0x78 8") == "0x580", "one a vCPU"
    assert _value(V3, f"mmio_w 0 r0 0x78 8 {ones}", "mmio_r 0 r0 0x78 8") == "0x4100ffffffff0f80"
    assert _value(V3, "mmio_w 0 r0 0x74 4 0x12", "mmio_r 0 r0 0x70 8") == "0x1200000180"


def test_gicv3_has_no_targets_and_no_private_part_in_the_distributor() -> None:
    assert _value(V3, "mmio_w 0 d 0x820 4 0x01010101", "mmio_r 0 d 0x820 4") == "0x0"
    assert _value(V3, "mmio_w 0 d 0x100 4 0xffff0000", "mmio_r 0 r0 0x10100 4") == "0xffff"


def test_frames_without_a_device_are_unhandled() -> None:
    read, written = run(V3, "mmio_r 0 i 0 4", "mmio_w 0 i 0 4 1")
    assert (read["handled"], read["value"], written["handled"]) == ("0", "0x0", "0")
