# SPDX-License-Identifier: GPL-2.0-only
"""What the legacy design does where a re-implementation easily goes wrong, as short traces with their outcome.

The outcomes are those of the Linux 4.4 code as its description has them, defects included.
"""

import pytest

from kvmarm.config import VmConfig
from kvmarm.design import get_design
from tests.model_text import results_of

DESIGN = get_design("old")
V2 = VmConfig(gic=2, vcpus=2, irqs=96, lrs=4)
V3 = VmConfig(gic=3, vcpus=2, irqs=96, lrs=4)

V2_ON = [
    "mmio_w 0 d 0x0 4 1",
    "mmio_w 0 d 0x104 4 0xffffffff",
    "mmio_w 0 d 0x100 4 0xffffffff",
    "mmio_w 1 d 0x100 4 0xffffffff",
]
V3_ON = [
    "mmio_w 0 d 0x0 4 2",
    "mmio_w 0 d 0x104 4 0xffffffff",
    "mmio_w 0 r0 0x10100 4 0xffffffff",
    "mmio_w 1 r1 0x10100 4 0xffffffff",
]
V2_EDGE = "mmio_w 0 d 0xc08 4 0xaaaaaaaa"
"""INTIDs 32..47 edge-triggered."""
UNMASK = ["pmr 0 0xf8", "ctlr 0 3"]

PENDING, ACTIVE, BOTH = 1, 2, 3


def run(config: VmConfig, *lines: str) -> list[dict[str, str]]:
    """Return the outcome of each line, set-up included."""
    return list(results_of(config, list(lines), DESIGN))


def registers(outcome: dict[str, str], config: VmConfig = V2) -> list[tuple[int, int]]:
    """Return (INTID, state) of each list register that holds something."""
    raw = [int(text, 16) for text in outcome["lrs"].split(",")]
    if config.gic == 2:
        fields = [(lr & 0x3FF, lr >> 28 & 3) for lr in raw]
    else:
        fields = [(lr & 0xFFFFFFFF, lr >> 62) for lr in raw]
    return [(intid, state) for intid, state in fields if state]


def test_forwarded_level_not_acknowledged_leaves_and_comes_back() -> None:
    *_, first, left, waiting, second = run(
        V2, *V2_ON, "map 0 40 101", "injectm 0 40 1", "flush 0", "sync 0", "pending 0", "flush 0"
    )
    assert registers(first) == [(40, PENDING)]
    assert registers(left) == [(40, PENDING)], "saved before the design looks at it"
    assert waiting["value"] == "0x1"
    assert registers(second) == [(40, PENDING)]


def test_forwarded_edge_not_acknowledged_is_lost() -> None:
    *_, first, _, second = run(V2, *V2_ON, V2_EDGE, "map 0 40 101", "injectm 0 40 1", "flush 0", "sync 0", "flush 0")
    assert registers(first) == [(40, PENDING)]
    assert registers(second) == []


def test_level_still_high_at_eoi_is_delivered_though_disabled_meanwhile() -> None:
    lines = ["inject 0 33 1", "flush 0", *UNMASK, "ack 0", "mmio_w 1 d 0x184 4 0x2", "eoi 0 33", "sync 0", "flush 0"]
    *_, left, entered = run(V2, *V2_ON, *lines)
    assert left["eisr"] == "0x1"
    assert registers(entered) == [(33, PENDING)]


def test_update_between_takes_that_delivery_back() -> None:
    lines = ["inject 0 33 1", "flush 0", *UNMASK, "ack 0", "mmio_w 1 d 0x184 4 0x2", "eoi 0 33", "sync 0"]
    *_, entered = run(V2, *V2_ON, *lines, "mmio_w 1 d 0x0 4 1", "flush 0")
    assert registers(entered) == []


def test_pending_query_stays_after_the_guest_cleared_it() -> None:
    lines = ["inject 0 34 1", "mmio_w 0 d 0x284 4 0x4", "pending 0", "flush 0", "sync 0", "pending 0"]
    *_, cleared, stale, entered, _, fresh = run(V2, *V2_ON, V2_EDGE, *lines)
    assert cleared["kicks"] == "0", "and the vCPU is kicked for nothing"
    assert stale["value"] == "0x1"
    assert registers(entered) == []
    assert fresh["value"] == "0x0"


def test_level_in_a_list_register_does_not_follow_its_route() -> None:
    lines = ["inject 0 33 1", "flush 0", "mmio_w 1 d 0x821 1 0x2", "flush 1"]
    *_, old_target, _, new_target = run(V2, *V2_ON, *lines)
    assert registers(old_target) == [(33, PENDING)]
    assert registers(new_target) == []


def test_sgi_made_pending_by_register() -> None:
    *_, shown, entered, _, after = run(
        V2, *V2_ON, "mmio_w 0 d 0x200 4 0x8", "mmio_r 0 d 0x200 4", "flush 0", "sync 0", "mmio_r 0 d 0x200 4"
    )
    assert shown["value"] == "0x8", "the protection of SGIs hits the wrong word"
    assert registers(entered) == [], "GICv2: no sender, nothing to queue"
    assert after["value"] == "0x0", "and dropped"
    *_, entered = run(V3, *V3_ON, "mmio_w 0 r0 0x10200 4 0x8", "flush 0")
    assert registers(entered, V3) == [(3, PENDING)]


def test_sender_bits_and_pending_bits_are_apart() -> None:
    *_, shown, query = run(V2, *V2_ON, "mmio_w 0 d 0xf20 4 0x200", "mmio_r 0 d 0x200 4", "pending 0")
    assert (shown["value"], query["value"]) == ("0x0", "0x0"), "SPENDSGIR makes nothing pending"
    send = "mmio_w 1 d 0xf00 4 0x10001"
    *_, shown, entered = run(V2, *V2_ON, send, "mmio_w 0 d 0xf10 4 0x200", "mmio_r 0 d 0x200 4", "flush 0")
    assert shown["value"] == "0x2", "CPENDSGIR leaves it pending"
    assert registers(entered) == []


def test_one_sgi_from_two_senders_takes_two_list_registers() -> None:
    *_, entered = run(V2, *V2_ON, "mmio_w 0 d 0xf00 4 0x2000001", "mmio_w 1 d 0xf00 4 0x10001", "flush 0")
    assert entered["lrs"] == "0x10000001,0x10000401,0x0,0x0"


@pytest.mark.parametrize(("size", "value"), [(1, "0x1"), (2, "0x201"), (4, "0x201")])
def test_pending_sgi_registers_do_not_shift(size: int, value: str) -> None:
    send = ["mmio_w 0 d 0xf00 4 0x2000000", "mmio_w 1 d 0xf00 4 0x10001"]
    *_, read = run(V2, *V2_ON, *send, f"mmio_r 0 d {0xF10 + (size % 4):#x} {size}")
    assert read["value"] == value


def test_active_by_register_enters_a_list_register_as_active() -> None:
    *_, entered = run(V2, *V2_ON, "mmio_w 0 d 0x304 4 0x4", "flush 0")
    assert registers(entered) == [(34, ACTIVE)]
    *_, shown, disabled = run(
        V2, *V2_ON, "mmio_w 0 d 0x184 4 0x4", "mmio_w 0 d 0x304 4 0x4", "mmio_r 0 d 0x304 4", "flush 0"
    )
    assert shown["value"] == "0x4"
    assert registers(disabled) == []


def test_active_and_pending_edge_loses_its_pending() -> None:
    lines = ["inject 0 34 1", "mmio_w 0 d 0x304 4 0x4", "flush 0", "sync 0", "mmio_r 0 d 0x204 4"]
    *_, entered, _, shown = run(V2, *V2_ON, V2_EDGE, *lines)
    assert registers(entered) == [(34, ACTIVE)]
    assert shown["value"] == "0x0"


def test_second_edge_joins_the_first() -> None:
    again = ["inject 0 34 1", "sync 0", "flush 0"]
    *_, injected, _, merged = run(V2, *V2_ON, V2_EDGE, "inject 0 34 1", "flush 0", *again)
    assert injected["kicks"] == "0"
    assert registers(merged) == [(34, PENDING)]
    *_, joined = run(V2, *V2_ON, V2_EDGE, "inject 0 34 1", "flush 0", *UNMASK, "ack 0", *again)
    assert registers(joined) == [(34, BOTH)]


def test_injection_does_not_look_at_the_distributor_enable() -> None:
    *_, injected, entered = run(V2, *V2_ON, V2_EDGE, "mmio_w 0 d 0x0 4 0", "inject 0 34 1", "flush 0")
    assert injected["kicks"] == "0"
    assert registers(entered) == [(34, PENDING)]


def test_reconfigured_to_edge_while_in_a_list_register_kills_the_host() -> None:
    lines = ["inject 0 33 1", "flush 0", *UNMASK, "ack 0", "eoi 0 33", "mmio_w 1 d 0xc08 4 0xaaaaaaaa", "sync 0"]
    *_, last = run(V2, *V2_ON, *lines, "pending 0")
    assert last["op"] == "sync"
    assert last["bug"] == "vgic.c:1329"


def test_level_that_drops_in_a_list_register_is_still_delivered() -> None:
    *_, acknowledged = run(V2, *V2_ON, "inject 0 33 1", "flush 0", *UNMASK, "inject 0 33 0", "ack 0")
    assert acknowledged["value"] == "0x21"


def test_soft_pending_set_after_the_acknowledge_is_lost() -> None:
    lines = ["inject 0 33 1", "flush 0", *UNMASK, "ack 0", "inject 0 33 0", "mmio_w 1 d 0x204 4 0x2", "eoi 0 33"]
    *_, entered = run(V2, *V2_ON, *lines, "sync 0", "flush 0")
    assert registers(entered) == []


def test_order_is_by_intid_and_overflow_asks_for_an_underflow_interrupt() -> None:
    config = VmConfig(gic=2, vcpus=1, irqs=96, lrs=2)
    urgent_last = "mmio_w 0 d 0x424 4 0xf0"
    lines = ["inject 0 40 1", "inject 0 38 1", "inject 0 36 1", urgent_last]
    *_, entered, left, query = run(config, *V2_ON[:3], V2_EDGE, *lines, "flush 0", "sync 0", "pending 0")
    assert registers(entered) == [(36, PENDING), (38, PENDING)]
    assert entered["hcr"] == "0x3"
    assert left["misr"] == "0x0"
    assert query["value"] == "0x1"


def test_disabling_empties_the_accessing_vcpus_list_registers_only() -> None:
    lines = ["inject 0 34 1", "flush 0", "sync 0", "mmio_w 1 d 0x184 4 0x4", "flush 0"]
    *_, other = run(V2, *V2_ON, V2_EDGE, *lines)
    assert registers(other) == [(34, PENDING)]
    lines = ["inject 0 34 1", "flush 0", "sync 0", "mmio_w 0 d 0x184 4 0x4", "mmio_r 0 d 0x204 4", "flush 0"]
    *_, shown, own = run(V2, *V2_ON, V2_EDGE, *lines)
    assert shown["value"] == "0x4", "its pending state goes back"
    assert registers(own) == []


@pytest.mark.parametrize(("physical", "states"), [(104, [BOTH]), (101, [ACTIVE, PENDING])])
def test_forwarded_interrupt_queued_twice(physical: int, states: list[int]) -> None:
    # Another vCPU clears `queued` behind a running one; a physical INTID's low 3 bits pass for an SGI's source.
    behind = ["mmio_w 1 r0 0x10180 4 0x100000", "mmio_w 1 r0 0x10100 4 0x100000"]
    again = ["injectm 0 20 0", "injectm 0 20 1", "sync 0", "flush 0"]
    lines = [f"map 0 20 {physical}", "injectm 0 20 1", "flush 0", *UNMASK, "ack 0", *behind, *again]
    *_, entered = run(V3, *V3_ON, *lines)
    assert registers(entered, V3) == [(20, state) for state in states]


def test_disabling_a_running_vcpus_interrupt_does_not_reach_the_hardware() -> None:
    behind = "mmio_w 1 r0 0x10180 4 0x100000"
    *_, acknowledged, left = run(V3, *V3_ON, "inject 0 20 1", "flush 0", behind, *UNMASK, "ack 0", "sync 0")
    assert acknowledged["value"] == "0x14"
    assert registers(left, V3) == [(20, ACTIVE)]


def test_unreachable_affinity_holds_the_interrupt() -> None:
    edge = "mmio_w 0 d 0xc08 4 0xaaaaaaaa"
    nowhere = "mmio_w 0 d 0x6110 8 0x500"
    *_, injected, shown, found = run(
        V3, *V3_ON, edge, nowhere, "inject 0 34 1", "mmio_r 0 d 0x204 4", "mmio_w 0 d 0x6110 4 0x1"
    )
    assert injected["kicks"] == ""
    assert shown["value"] == "0x4"
    assert found["kicks"] == "1"


def test_injection_errors() -> None:
    config = VmConfig(gic=2, vcpus=1, irqs=1024, lrs=4)
    lines = ["map 0 40 100", "inject 0 40 1", "inject 0 1020 1", "inject 0 5000 1", "injectm 0 41 1", "map 0 40 101"]
    outcomes = run(config, *lines, "map 0 40 100", "unmap 0 40", "unmap 0 40")
    assert [outcome["rc"] for outcome in outcomes] == ["0", *["-22"] * 5, "0", "0", "-22"]


def test_forwarding_list_keeps_its_order_when_one_leaves() -> None:
    maps = [f"map 0 {intid} {intid + 100}" for intid in (40, 41, 42)]
    *_, entered = run(V2, *V2_ON, *maps, "unmap 0 41", "injectm 0 42 1", "injectm 0 41 1", "flush 0")
    raw = int(entered["lrs"].split(",")[0], 16)
    assert (raw & 0x3FF, raw >> 10 & 0x3FF) == (42, 142)


def test_isactive_looks_at_image_and_distributor() -> None:
    lines = ["map 0 40 100", "isactive 0 40", "mmio_w 0 d 0x304 4 0x100", "isactive 0 40", "flush 0", "isactive 0 40"]
    outcomes = run(V2, *V2_ON, *lines)[-5:]
    assert [outcomes[index]["value"] for index in (0, 2, 4)] == ["0x0", "0x1", "0x1"]
