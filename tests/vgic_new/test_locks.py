# SPDX-License-Identifier: GPL-2.0-only
"""Which locks the redesign takes, and in what order."""

import numpy as np

from kvmarm.config import VmConfig
from tests.vgic_new.snippets import DESIGN, V2, V2_ON, V2_TOP, lock_lines
from vgic_new.sort import sort_ap_list
from vgic_new.state import lock_ap_list, unlock_ap_list


def test_queueing_lets_the_irq_lock_go_to_take_both_in_order() -> None:
    *_, queued, listed = lock_lines(V2, *V2_ON, "inject 0 32 1", "inject 0 32 1")
    assert queued == "+irq32,-irq32,+ap0,+irq32,-irq32,-ap0"
    assert listed == "+irq32,-irq32"


def test_refusals_and_reads_take_no_lock() -> None:
    assert lock_lines(V2, "inject 0 96 1", "injectm 0 32 1", "mmio_r 0 d 0x104 4", "mmio_w 0 d 0x80 4 1") == [""] * 4


def test_migration_takes_both_lists_lower_vcpu_first_and_starts_again() -> None:
    route = ["mmio_w 0 d 0x820 1 2", "inject 0 32 1", "mmio_w 0 d 0x820 1 1", "flush 1"]
    *_, moved = lock_lines(V2, *V2_ON, *route, "sync 1")
    assert moved == "+ap1,+irq32,-irq32,-ap1,+ap0,+ap1,+irq32,-irq32,-ap1,-ap0,+ap1,-ap1"


def test_overflow_compares_under_both_irq_locks() -> None:
    config = VmConfig(gic=2, vcpus=1, irqs=64, lrs=1)
    *_, flushed = lock_lines(config, *V2_ON, "inject 0 33 1", "inject 0 32 1", "flush 0")
    depth = "+irq33,-irq33,+irq32,-irq32"
    assert flushed == f"+ap0,{depth},+irq33,+irq32,-irq32,-irq33,+irq33,-irq33,-ap0"


def test_writes_of_reserved_interrupts_take_their_one_lock() -> None:
    enable, priority, active, route = lock_lines(
        V2_TOP,
        "mmio_w 0 d 0x17c 4 0xf0000000",
        "mmio_w 0 d 0x7fe 1 0xff",
        "mmio_w 0 d 0x37c 4 0x80000000",
        "mmio_w 0 d 0xbfc 4 0",
    )
    pair = "+irqRSVD,-irqRSVD"
    assert (enable, priority, active, route) == (",".join([pair] * 4), pair, pair, ",".join([pair] * 4))


def test_sort_is_stable_and_by_urgency() -> None:
    rng = np.random.default_rng(1)
    for length in (1, 2, 3, 7, 64, 200):
        vm = DESIGN.create(VmConfig(gic=2, vcpus=1, irqs=1024, lrs=4))
        slots = rng.permutation(np.arange(32, 1019))[:length]
        vm.irq["pending"] = rng.integers(0, 2, len(vm.irq))
        vm.irq["enabled"] = rng.integers(0, 4, len(vm.irq)) > 0
        vm.irq["active"] = rng.integers(0, 8, len(vm.irq)) == 0
        vm.irq["priority"] = rng.integers(0, 4, len(vm.irq)) << 6
        vm.irq["next"][slots] = [*slots[1:], 0]
        vm.vcpu[0].head, vm.vcpu[0].tail = slots[0], slots[-1]
        lock_ap_list(vm, 0, None)
        sort_ap_list(vm, 0, None)
        unlock_ap_list(vm, 0, None)
        forwards, slot = [], int(vm.vcpu[0].head)
        while slot:
            forwards.append(slot)
            slot = int(vm.irq[slot]["next"])
        backwards, slot = [], int(vm.vcpu[0].tail)
        while slot:
            backwards.append(slot)
            slot = int(vm.irq[slot]["prev"])

        def urgency(slot: int, irqs: np.ndarray = vm.irq) -> tuple[int, int]:
            irq = irqs[slot]
            if irq["active"]:
                return 0, 0
            return (1, int(irq["priority"])) if irq["enabled"] and irq["pending"] else (2, 0)

        assert forwards == sorted(slots.tolist(), key=urgency)
        assert backwards == forwards[::-1]


def test_no_lock_is_held_between_operations() -> None:
    vm = DESIGN.create(V2)
    functions = DESIGN.functions
    functions["inject"](vm, 0, 27, 1, None)
    functions["flush"](vm, 0, None)
    functions["sync"](vm, 0, None)
    functions["pending"](vm, 0, None)
    assert not vm.irq["lock"].any()
    assert not vm.vcpu["lock"].any()
