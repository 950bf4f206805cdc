# SPDX-License-Identifier: GPL-2.0-only
"""What the redesign does where a re-implementation easily goes wrong, as short traces with their outcome.

The outcomes are those of the Linux 4.8 code as its description has them, defects included.
"""

from kvmarm.config import VmConfig
from tests.vgic_new.snippets import (
    ACTIVE,
    BOTH,
    PENDING,
    UNMASK,
    V2,
    V2_LEVEL,
    V2_ON,
    V3,
    V3_ON,
    registers,
    run,
    senders,
)


def test_reset_values_as_a_guest_sees_them() -> None:
    spis, sgis, enabled, priority, target, own, off = run(
        V2,
        "mmio_r 0 d 0xc08 4",
        "mmio_r 0 d 0xc00 4",
        "mmio_r 1 d 0x100 4",
        "mmio_r 0 d 0x420 4",
        "mmio_r 0 d 0x820 4",
        "mmio_r 1 d 0x800 4",
        "mmio_r 0 d 0x0 4",
    )
    assert spis["value"] == "0xaaaaaaaa", "SPIs are edge-triggered"
    assert sgis["value"] == "0xaaaaaaaa"
    assert enabled["value"] == "0xffff", "SGIs are enabled, PPIs are not"
    assert priority["value"] == "0x0"
    assert target["value"] == "0x0", "no target bit, although they go to vCPU 0"
    assert own["value"] == "0x2020202"
    assert off["value"] == "0x0"


def test_only_going_on_a_list_kicks() -> None:
    *_, first, second, held, third = run(V2, *V2_ON, "inject 0 32 1", "inject 0 32 1", "flush 0", "inject 0 32 1")
    assert (first["kicks"], second["kicks"]) == ("0", "")
    assert registers(held) == [(32, PENDING)]
    assert third["kicks"] == "", "it is on the list already"


def test_edge_in_a_list_register_is_not_pending_for_the_distributor() -> None:
    *_, held, seen, left, after = run(
        V2, *V2_ON, "inject 0 32 1", "flush 0", "mmio_r 1 d 0x204 4", "sync 0", "mmio_r 0 d 0x204 4"
    )
    assert registers(held) == [(32, PENDING)]
    assert seen["value"] == "0x0"
    assert registers(left) == [(32, PENDING)]
    assert after["value"] == "0x1", "sync puts it back"


def test_one_edge_loaded_and_one_latched_merge_at_sync() -> None:
    *_, loaded, _, _, acked, _, left, after = run(
        V2,
        *V2_ON,
        "inject 0 32 1",
        "flush 0",
        "inject 0 32 1",
        "sync 0",
        "flush 0",
        *UNMASK,
        "ack 0",
        "eoi 0 32",
        "sync 0",
        "flush 0",
    )
    assert registers(loaded) == [(32, PENDING)]
    assert acked["value"] == "0x20"
    assert registers(left) == []
    assert registers(after) == [], "the second edge is gone"


def test_edge_while_active_comes_after() -> None:
    *_, left, after = run(
        V2, *V2_ON, "inject 0 32 1", "flush 0", *UNMASK, "ack 0", "inject 0 32 1", "sync 0", "flush 0"
    )
    assert registers(left) == [(32, ACTIVE)]
    assert registers(after) == [(32, BOTH)]


def test_lowered_level_stays_on_the_list_until_sync() -> None:
    *_, raised, lowered, query, loaded, again = run(
        V2, *V2_ON, V2_LEVEL, "inject 0 32 1", "inject 0 32 0", "pending 0", "flush 0", "inject 0 32 1"
    )
    assert raised["kicks"] == "0"
    assert lowered["kicks"] == ""
    assert query["value"] == "0x0"
    assert registers(loaded) == [], "the oracle says nobody"
    assert again["kicks"] == "", "no sync has taken it off the list yet"


def test_level_that_stays_high_is_taken_again() -> None:
    *_, left, after = run(
        V2, *V2_ON, V2_LEVEL, "inject 0 32 1", "flush 0", *UNMASK, "ack 0", "eoi 0 32", "sync 0", "flush 0"
    )
    assert registers(left) == []
    assert (left["misr"], left["eisr"]) == ("0x1", "0x1"), "an EOI of a level asks for a maintenance interrupt"
    assert registers(after) == [(32, PENDING)]


def test_soft_pending_level_goes_with_its_delivery() -> None:
    *_, first, _, _, _, _, after = run(
        V2,
        *V2_ON,
        V2_LEVEL,
        "mmio_w 0 d 0x204 4 1",
        "flush 0",
        *UNMASK,
        "ack 0",
        "sync 0",
        "mmio_r 0 d 0x204 4",
    )
    assert registers(first) == [(32, PENDING)]
    assert after["value"] == "0x0"


def test_disabled_while_active_and_pending_is_loaded_both() -> None:
    *_, off, loaded = run(
        V2,
        *V2_ON,
        "inject 0 32 1",
        "flush 0",
        *UNMASK,
        "ack 0",
        "inject 0 32 1",
        "sync 0",
        "mmio_w 0 d 0x184 4 1",
        "flush 0",
    )
    assert off["handled"] == "1"
    assert registers(loaded) == [(32, BOTH)], "the guest can take it again, disabled as it is"


def test_clearing_pending_does_not_reach_a_list_register() -> None:
    *_, after = run(V2, *V2_ON, "inject 0 32 1", "flush 0", "mmio_w 1 d 0x284 4 1", "sync 0", "mmio_r 0 d 0x204 4")
    assert after["value"] == "0x1"


def test_enabling_the_distributor_queues_nothing() -> None:
    *_, on, query, loaded, enabled = run(
        V2,
        "mmio_w 0 d 0x104 4 1",
        "inject 0 32 1",
        "mmio_w 0 d 0x0 4 1",
        "pending 0",
        "flush 0",
        "mmio_w 1 d 0x104 4 1",
    )
    assert on["kicks"] == ""
    assert query["value"] == "0x0"
    assert registers(loaded) == [], "pending and enabled, and stranded"
    assert enabled["kicks"] == "0", "until something queues it"


def test_enabling_the_distributor_kicks_whoever_has_something_listed() -> None:
    *_, on = run(
        V2,
        *V2_ON,
        "mmio_w 0 d 0x820 1 2",
        "inject 0 32 1",
        "inject 0 33 1",
        "mmio_w 0 d 0x0 4 0",
        "mmio_w 0 d 0x0 4 1",
    )
    assert on["kicks"] == "0,1"


def test_rerouting_neither_kicks_nor_queues_but_migrates_at_sync() -> None:
    *_, routed, _, _, left, other = run(
        V2, *V2_ON, "inject 0 32 1", "mmio_w 0 d 0x820 1 2", "pending 1", "flush 0", "sync 0", "flush 1"
    )
    assert routed["kicks"] == ""
    assert registers(left) == [], "the oracle no longer says vCPU 0"
    assert left["kicks"] == "", "the new vCPU is not kicked"
    assert registers(other) == [(32, PENDING)]


def test_active_interrupt_does_not_migrate() -> None:
    *_, here, elsewhere = run(
        V2,
        *V2_ON,
        "inject 0 32 1",
        "flush 0",
        *UNMASK,
        "ack 0",
        "sync 0",
        "mmio_w 0 d 0x820 1 2",
        "flush 0",
        "flush 1",
    )
    assert registers(here) == [(32, ACTIVE)]
    assert registers(elsewhere) == []


def test_target_mask_zero_is_vcpu_0_and_an_absent_vcpu_is_nobody() -> None:
    *_, zero, _, absent, back = run(
        V2,
        *V2_ON,
        "mmio_w 0 d 0x820 1 0",
        "inject 0 32 1",
        "mmio_w 0 d 0x821 1 0x80",
        "inject 0 33 1",
        "mmio_r 0 d 0x821 1",
    )
    assert zero["kicks"] == "0"
    assert absent["kicks"] == ""
    assert back["value"] == "0x80"


def test_routed_to_nobody_on_gicv3_is_parked_and_stays_so() -> None:
    *_, parked, routed, poked = run(
        V3,
        *V3_ON,
        f"mmio_w 0 d {0x6000 + 8 * 32:#x} 8 0x300",
        "inject 0 32 1",
        f"mmio_w 0 d {0x6000 + 8 * 32:#x} 8 1",
        "mmio_w 0 d 0x104 4 1",
    )
    assert (parked["kicks"], routed["kicks"], poked["kicks"]) == ("", "", "1")


def test_level_by_configuration_loses_a_latched_edge() -> None:
    *_, after = run(V2, *V2_ON, "inject 0 32 1", V2_LEVEL, "mmio_r 0 d 0x204 4")
    assert after["value"] == "0x0"


def test_private_active_write_kicks_its_own_vcpu_even_for_nothing() -> None:
    nothing, one, shared = run(V2, "mmio_w 1 d 0x300 4 0", "mmio_w 1 d 0x380 4 0x10000", "mmio_w 1 d 0x384 4 1")
    assert (nothing["kicks"], one["kicks"], shared["kicks"]) == ("1", "1", "")


def test_private_active_write_through_a_redistributor_kicks_that_vcpu() -> None:
    kick, own, others = run(V3, "mmio_w 0 r1 0x10300 4 0x10000", "mmio_r 0 r1 0x10300 4", "mmio_r 0 r0 0x10300 4")
    assert kick["kicks"] == "1,1", "halted, then queued: active ones go on the list even while disabled"
    assert (own["value"], others["value"]) == ("0x10000", "0x0")


def test_list_order_is_queueing_order_while_it_fits() -> None:
    *_, loaded = run(V2, *V2_ON, "mmio_w 0 d 0x420 4 0x00a0", "inject 0 32 1", "inject 0 33 1", "flush 0")
    assert registers(loaded) == [(32, PENDING), (33, PENDING)], "33 is more urgent and comes second"
    assert loaded["hcr"] == "0x1"


def test_overflow_sorts_and_asks_for_the_underflow_interrupt() -> None:
    config = VmConfig(gic=2, vcpus=1, irqs=96, lrs=2)
    priorities = "mmio_w 0 d 0x420 4 0x00a0a0a0"
    *_, loaded, left, later = run(
        config,
        *V2_ON,
        priorities,
        *(f"inject 0 {intid} 1" for intid in (32, 33, 34, 35)),
        "flush 0",
        "sync 0",
        "flush 0",
    )
    assert registers(loaded) == [(35, PENDING), (32, PENDING)]
    assert loaded["hcr"] == "0x3"
    assert left["misr"] == "0x0", "two are live: no underflow yet"
    assert registers(later) == [(35, PENDING), (32, PENDING)], "the new order stays"


def test_overflow_puts_active_ones_first() -> None:
    config = VmConfig(gic=2, vcpus=1, irqs=96, lrs=1)
    taken = ["mmio_w 0 d 0x420 4 0xa0", "inject 0 32 1", "flush 0", *UNMASK, "ack 0"]
    *_, loaded = run(config, *V2_ON, *taken, "inject 0 33 1", "sync 0", "flush 0")
    assert registers(loaded) == [(32, ACTIVE)]


def test_undeliverable_excess_asks_for_the_underflow_interrupt_too() -> None:
    config = VmConfig(gic=2, vcpus=1, irqs=96, lrs=1)
    *_, loaded = run(config, *V2_ON, "inject 0 32 1", "inject 0 33 1", "mmio_w 0 d 0x184 4 2", "flush 0")
    assert (registers(loaded), loaded["hcr"]) == ([(32, PENDING)], "0x3")


def test_sgi_of_several_senders_takes_a_list_register_each() -> None:
    config = VmConfig(gic=2, vcpus=3, irqs=64, lrs=4)
    send = [f"mmio_w {vcpu} d 0xf00 4 0x10005" for vcpu in (2, 1, 2)]
    *_, first, second, third, loaded = run(config, "mmio_w 0 d 0x0 4 1", *send, "flush 0")
    assert (first["kicks"], second["kicks"], third["kicks"]) == ("0", "", "")
    assert registers(loaded) == [(5, PENDING), (5, PENDING)]
    assert senders(loaded) == [1, 2]


def test_active_sgi_comes_back_without_its_sender() -> None:
    *_, acked, _, reloaded, _, left = run(
        V2,
        "mmio_w 0 d 0x0 4 1",
        "mmio_w 1 d 0xf00 4 0x10005",
        "flush 0",
        *UNMASK,
        "ack 0",
        "sync 0",
        "flush 0",
        "eoi 0 0x405",
        "sync 0",
    )
    assert acked["value"] == "0x405"
    assert (registers(reloaded), senders(reloaded)) == ([(5, ACTIVE)], [0])
    assert registers(left) == [(5, ACTIVE)], "the EOI named sender 1 and matched nothing"


def test_sgi_made_pending_without_a_sender_kills_the_host() -> None:
    *_, last = run(V2, "mmio_w 0 d 0x0 4 1", "mmio_w 0 d 0x200 4 1", "flush 0")
    assert last["bug"] == "vgic-v2.c:157"


def test_active_sgi_with_an_unspent_sender_fills_all_list_registers() -> None:
    *_, loaded = run(
        V2,
        "mmio_w 0 d 0x0 4 1",
        "mmio_w 0 d 0x300 4 0x20",
        "mmio_w 1 d 0xf00 4 0x10005",
        "mmio_w 0 d 0x280 4 0x20",
        "flush 0",
    )
    assert registers(loaded) == [(5, ACTIVE)] * 4


def test_gicv3_sgis_merge_and_need_no_sender() -> None:
    *_, first, second, loaded = run(
        V3, "mmio_w 0 d 0x0 4 2", "sgi1r 1 0x5000001", "mmio_w 0 r0 0x10200 4 0x20", "flush 0"
    )
    assert (first["kicks"], second["kicks"]) == ("0", "")
    assert registers(loaded, V3) == [(5, PENDING)]


def test_gicv3_sgi_to_everyone_else_and_to_other_clusters() -> None:
    config = VmConfig(gic=3, vcpus=18, irqs=64, lrs=4)
    *_, others, cluster, nobody = run(
        config,
        "mmio_w 0 d 0x0 4 2",
        f"sgi1r 3 {1 << 40 | 5 << 24:#x}",
        f"sgi1r 3 {6 << 24 | 1 << 16 | 0xFFFF:#x}",
        f"sgi1r 3 {7 << 24 | 1 << 32 | 0xFFFF:#x}",
    )
    assert others["kicks"] == ",".join(str(vcpu) for vcpu in range(18) if vcpu != 3)
    assert cluster["kicks"] == "16,17"
    assert nobody["kicks"] == ""


def test_nothing_live_leaves_the_interface_off() -> None:
    *_, entered, _, left = run(V2, *V2_ON, "flush 0", "pmr 0 0xf8", "sync 0")
    assert entered["hcr"] == "0x0"
    assert (left["misr"], left["eisr"], left["elrsr"]) == ("0x0", "0x0", "0xf")


def test_forwarded_interrupt_needs_the_forwarded_entry_point() -> None:
    outcomes = run(
        V2,
        *V2_ON,
        "injectm 0 40 1",
        "map 0 40 101",
        "inject 0 40 1",
        "injectm 0 40 1",
        "flush 0",
        *UNMASK,
        "ack 0",
        "sync 0",
        "isactive 0 40",
        "unmap 0 41",
    )
    assert [outcome["rc"] for outcome in outcomes[2:6]] == ["-22", "0", "-22", "0"]
    assert int(outcomes[6]["lrs"].split(",")[0], 16) == 1 << 31 | 1 << 28 | 101 << 10 | 40
    assert outcomes[-2]["value"] == "0x1"
    assert outcomes[-1]["rc"] == "0", "unmapping what is not mapped is no error"


def test_interrupts_that_do_not_exist() -> None:
    config = VmConfig(gic=2, vcpus=1, irqs=1024, lrs=4)
    outcomes = run(V2, "inject 0 96 1", "inject 0 1020 1", "inject 0 8192 1", "inject 0 0xffffffff 1")
    outcomes += run(config, "inject 0 1019 0", "inject 0 1020 1", "inject 0 1023 1", "inject 0 1024 1")
    assert [outcome["rc"] for outcome in outcomes] == ["-22", "-22", "-22", "-22", "0", "-22", "-22", "-22"]


def test_query_asks_only_for_pending_and_enabled_on_the_list() -> None:
    *_, rerouted, _, off = run(
        V2, *V2_ON, "inject 0 32 1", "mmio_w 0 d 0x820 1 2", "pending 0", "mmio_w 0 d 0x0 4 0", "pending 0"
    )
    assert rerouted["value"] == "0x1", "it goes to vCPU 1 and is still on the list of vCPU 0"
    assert off["value"] == "0x0", "the distributor is off"
